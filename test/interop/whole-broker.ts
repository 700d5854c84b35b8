/** A whole RocketMQ broker on a folder, with its name server, in a Java process. */
import type { BrokerSettings } from './broker.ts'
import { JavaProgram } from './java-program.ts'

/** A message as the broker has it. */
export type Held = { readonly queueOffset: number; readonly body: string; readonly storeTimestamp: number }

/** RocketMQ's BrokerController on one folder. */
export class WholeBroker {
  /** Where its clients find it. */
  readonly nameServer: string
  readonly #java: JavaProgram

  private constructor(java: JavaProgram, nameServer: string) {
    this.#java = java
    this.nameServer = nameServer
  }

  /** Started, and delivering what is due, when it resolves. `home` takes the broker's logs. */
  static async open(folder: string, home: string, settings: BrokerSettings): Promise<WholeBroker> {
    const given = Object.entries(settings).map(([name, value]) => `${name}=${value}`)
    const java = await JavaProgram.start('WholeBroker', home, [folder, ...given])
    const [line] = (await java.tell('nameServer')) as { readonly address: string }[]
    return new WholeBroker(java, line?.address ?? '')
  }

  /** Everything a queue holds, once it holds `count` messages, or after a minute. */
  async messages(topic: string, queueId: number, count = 0): Promise<Held[]> {
    return (await this.#java.tell('messages', topic, queueId, count)) as Held[]
  }

  /** Where a group is, once it is at `atLeast`, or after a minute; -1 where it has no offset. */
  async offset(group: string, topic: string, queueId: number, atLeast = -1): Promise<number> {
    const [line] = (await this.#java.tell('offset', group, topic, queueId, atLeast)) as { readonly offset: number }[]
    return line?.offset ?? -1
  }

  /** A clean shutdown. */
  async close(): Promise<void> {
    await this.#java.close()
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    await this.#java.kill()
  }
}
