/** RocketMQ's own client of a broker, in a Java process: push consumers, and producers that answer what a broker asks. */
import { JavaProgram } from './java-program.ts'

/** A message as RocketMQ's client hands it to a listener. */
export type Received = {
  readonly id: string
  readonly topic: string
  readonly queueId: number
  readonly queueOffset: number
  readonly body: string
  readonly tag: string
  readonly keys: string
  /** 1 for the first delivery. */
  readonly attempt: number
  /** The topic a dead letter comes from; empty for other messages. */
  readonly deadLetterOf: string
  readonly receivedMs: number
}

/** What RocketMQ's client says of a message it sent. */
export type Sent = { readonly status: string; readonly id: string; readonly recallHandle: string }

/** When a message is to be delivered: a level, milliseconds from now, or a time. */
export type Due = readonly ['level' | 'delay' | 'at', number]

/** What a producer knows of its transaction, in RocketMQ's words. */
export type Decision = 'COMMIT_MESSAGE' | 'ROLLBACK_MESSAGE' | 'UNKNOW'

/** Producers and consumers are known by their groups. */
export class JavaClient {
  readonly #java: JavaProgram

  private constructor(java: JavaProgram) {
    this.#java = java
  }

  static async start(home: string, nameServer: string): Promise<JavaClient> {
    return new JavaClient(await JavaProgram.start('Client', home, [nameServer]))
  }

  /** Sends with the producer of a group. */
  async send(group: string, topic: string, body: string, ...due: Due | []): Promise<Sent> {
    const [sent] = (await this.#java.tell('send', group, topic, body, ...due)) as Sent[]
    if (sent?.status !== 'SEND_OK') throw new Error(`not sent: ${JSON.stringify(sent)}`)
    return sent
  }

  /** Takes back a message that is not due yet. */
  async recall(group: string, topic: string, recallHandle: string): Promise<void> {
    await this.#java.tell('recall', group, topic, recallHandle)
  }

  /** Sends in a transaction, and decides it at once or not. */
  async transaction(group: string, topic: string, body: string, decision: Decision): Promise<void> {
    await this.#java.tell('transaction', group, topic, body, decision)
  }

  /** What the producer of the group answers from now on when the broker asks about a transaction. */
  async answers(group: string, decision: Decision): Promise<void> {
    await this.#java.tell('answers', group, decision)
  }

  /** Starts a push consumer: bodies that begin with `fails` fail once, those with `dead` are given up at once. */
  async consume(group: string, topic: string): Promise<void> {
    await this.#java.tell('consume', group, topic)
  }

  /** What the group's consumer was given, once it is so many, or after a minute. */
  async received(group: string, count: number): Promise<Received[]> {
    return (await this.#java.tell('received', group, count)) as Received[]
  }

  /** Ends the group's consumer, which tells the broker where it is. */
  async leave(group: string): Promise<void> {
    await this.#java.tell('leave', group)
  }

  /** What a topic holds, read without a group's progress, once it is so many, or after a minute. */
  async held(topic: string, count: number): Promise<Received[]> {
    return (await this.#java.tell('queue', topic, count)) as Received[]
  }

  /** Ends consumers and producers, and the process. */
  async close(): Promise<void> {
    await this.#java.close()
  }
}
