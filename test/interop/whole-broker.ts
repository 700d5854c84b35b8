/** A whole RocketMQ broker on a folder, in a Java process that is told what to do line by line. */
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { onTestFinished } from 'vitest'
import type { BrokerSettings } from './broker.ts'
import { buildJava } from './java-build.ts'

/** A message as the broker has it. */
export type Held = { readonly queueOffset: number; readonly body: string; readonly storeTimestamp: number }

type Line = { readonly t: string; readonly reason?: string; readonly offset?: number }

/** RocketMQ's BrokerController on one folder, without a name server: nobody but the test talks to it. */
export class WholeBroker {
  readonly #java: ChildProcessWithoutNullStreams
  readonly #lines: AsyncIterator<string>

  private constructor(java: ChildProcessWithoutNullStreams, lines: AsyncIterator<string>) {
    this.#java = java
    this.#lines = lines
  }

  /** Started, and delivering what is due, when it resolves. `home` takes the broker's logs. */
  static async open(folder: string, home: string, settings: BrokerSettings): Promise<WholeBroker> {
    const build = buildJava()
    if ('missing' in build) throw new Error(build.missing)
    const given = Object.entries(settings).map(([name, value]) => `${name}=${value}`)
    const options = ['-Xmx1g', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', `-Duser.home=${home}`]
    const child = spawn('java', [...options, '-cp', build.classPath, 'pocketmq.interop.WholeBroker', folder, ...given])
    onTestFinished(() => void child.kill('SIGKILL'))
    child.stderr.resume()
    const broker = new WholeBroker(child, createInterface({ input: child.stdout })[Symbol.asyncIterator]())
    await broker.#answer()
    return broker
  }

  /** Everything a queue holds, once it holds `count` messages, or after a minute. */
  async messages(topic: string, queueId: number, count = 0): Promise<Held[]> {
    return (await this.#tell(`messages ${topic} ${queueId} ${count}`)) as unknown as Held[]
  }

  /** Where a group is; -1 where it has no offset. */
  async offset(group: string, topic: string, queueId: number): Promise<number> {
    const [line] = await this.#tell(`offset ${group} ${topic} ${queueId}`)
    return line?.offset ?? -1
  }

  /** A clean shutdown. */
  async close(): Promise<void> {
    await this.#tell('close')
    if (this.#java.exitCode === null) await once(this.#java, 'exit')
  }

  #tell(command: string): Promise<Line[]> {
    this.#java.stdin.write(`${command}\n`)
    return this.#answer()
  }

  async #answer(): Promise<Line[]> {
    const answered: Line[] = []
    for (;;) {
      const { value, done } = await this.#lines.next()
      if (done === true) throw new Error('the broker ended')
      const line = JSON.parse(value) as Line
      if (line.t === 'done') return answered
      if (line.t === 'failed') throw new Error(line.reason)
      answered.push(line)
    }
  }
}
