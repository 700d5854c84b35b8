/** A folder opened by RocketMQ's own store, in a Java process that is told what to do line by line. */
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { onTestFinished } from 'vitest'
import { CONSUME_QUEUE_ENTRY_BYTES } from '../../src/codec/consume-queue-entry.ts'
import { buildJava } from './java-build.ts'

/** Settings of RocketMQ's MessageStoreConfig. */
export type BrokerSettings = Readonly<Record<string, string | number | boolean>>

/** Sizes of a folder's files, as a store is opened with them. */
export type FolderSizes = {
  readonly commitLogSegmentBytes: number
  readonly consumeQueueSegmentEntries: number
  readonly indexSlots: number
  readonly indexEntries: number
}

/** The same sizes in RocketMQ's words. */
export function brokerSizes(sizes: FolderSizes): BrokerSettings {
  return {
    mappedFileSizeCommitLog: sizes.commitLogSegmentBytes,
    mappedFileSizeConsumeQueue: sizes.consumeQueueSegmentEntries * CONSUME_QUEUE_ENTRY_BYTES,
    maxHashSlotNum: sizes.indexSlots,
    maxIndexNum: sizes.indexEntries,
  }
}

/** How RocketMQ found the folder. */
export type Opened = {
  readonly t: 'opened'
  readonly lastExit: 'normal' | 'abnormal'
  readonly abortFile: boolean
  readonly minPhyOffset: number
  readonly maxPhyOffset: number
  /** Warnings and errors of its log while it opened. */
  readonly complaints: readonly string[]
}

/** A queue as RocketMQ has it. */
export type BrokerQueue = {
  readonly t: 'queue'
  readonly topic: string
  readonly queueId: number
  readonly cqType: string
  readonly min: number
  readonly max: number
}

/** A message as a consumer gets it from RocketMQ. */
export type BrokerMessage = {
  readonly t: 'msg'
  readonly topic: string
  readonly queueId: number
  readonly queueOffset: number
  readonly commitLogOffset: number
  readonly storeSize: number
  readonly tagsCode: number
  readonly rawSha1: string
  /** Whether RocketMQ's client decodes it, body CRC included. */
  readonly decodes: boolean
}

/** Where RocketMQ put a message. */
export type BrokerPut = {
  readonly t: 'put'
  readonly queueOffset: number
  readonly commitLogOffset: number
  readonly size: number
}

type Line = { readonly t: string; readonly reason?: string; readonly complaints?: readonly string[] }

const build = buildJava()

/** Why there is no broker to test with; undefined where there is one. */
export const NO_BROKER: string | undefined = 'missing' in build ? build.missing : undefined
if (NO_BROKER !== undefined) console.log(`SKIPPED interop with RocketMQ's own store: ${NO_BROKER}`)

/** RocketMQ refused to open the folder, or to do what it was told. */
export class BrokerRefusal extends Error {
  override readonly name: string = 'BrokerRefusal'
}

/** RocketMQ's DefaultMessageStore on one folder. */
export class Broker {
  readonly opened: Opened
  readonly #java: ChildProcessWithoutNullStreams
  readonly #lines: AsyncIterator<string>

  private constructor(java: ChildProcessWithoutNullStreams, lines: AsyncIterator<string>, opened: Opened) {
    this.#java = java
    this.#lines = lines
    this.opened = opened
  }

  /** Loads, recovers and starts the store; everything is dispatched when it resolves. @throws BrokerRefusal */
  static async open(folder: string, settings: BrokerSettings): Promise<Broker> {
    if ('missing' in build) throw new Error(build.missing)
    const given = Object.entries(settings).map(([name, value]) => `${name}=${value}`)
    const options = ['-Xmx1g', '-Xshare:auto', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC']
    const child = spawn('java', [...options, '-cp', build.classPath, 'pocketmq.interop.Broker', folder, ...given])
    onTestFinished(() => void child.kill('SIGKILL'))
    child.stderr.resume()
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    const [opened] = await answer(lines)
    return new Broker(child, lines, opened as Opened)
  }

  /** Every queue and every message, in order of topic, queue and offset. */
  async dump(): Promise<{ readonly queues: readonly BrokerQueue[]; readonly messages: readonly BrokerMessage[] }> {
    const lines = (await this.#tell('dump')) as (BrokerQueue | BrokerMessage)[]
    return { queues: lines.filter(line => line.t === 'queue'), messages: lines.filter(line => line.t === 'msg') }
  }

  /** Log offsets of the messages that RocketMQ's index has under a key, ascending. */
  async query(topic: string, key: string): Promise<readonly number[]> {
    const [line] = (await this.#tell(`query ${topic} ${key}`)) as (Line & { readonly offsets: readonly number[] })[]
    return line?.offsets ?? []
  }

  /** Puts messages `<name>-0`, `<name>-1`, … with that body and key. */
  async append(topic: string, queueId: number, count: number, name: string): Promise<readonly BrokerPut[]> {
    return (await this.#tell(`append ${topic} ${queueId} ${count} ${name}`)) as BrokerPut[]
  }

  /** The same as one batch; the answer has the place of the whole. */
  async batch(topic: string, queueId: number, count: number, name: string): Promise<readonly BrokerPut[]> {
    return (await this.#tell(`batch ${topic} ${queueId} ${count} ${name}`)) as BrokerPut[]
  }

  /** A clean shutdown, which takes RocketMQ three seconds. Answers what it complained of. */
  async close(): Promise<readonly string[]> {
    const [closed] = await this.#tell('close')
    if (this.#java.exitCode === null) await once(this.#java, 'exit')
    return closed?.complaints ?? []
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    this.#java.kill('SIGKILL')
    if (this.#java.exitCode === null && this.#java.signalCode === null) await once(this.#java, 'exit')
  }

  #tell(command: string): Promise<Line[]> {
    this.#java.stdin.write(`${command}\n`)
    return answer(this.#lines)
  }
}

async function answer(lines: AsyncIterator<string>): Promise<Line[]> {
  const answered: Line[] = []
  for (;;) {
    const { value, done } = await lines.next()
    if (done === true) throw new BrokerRefusal('the Java process ended')
    const line = JSON.parse(value) as Line
    if (line.t === 'done') return answered
    if (line.t === 'failed') throw new BrokerRefusal(`${line.reason}\n${line.complaints?.join('\n')}`)
    answered.push(line)
  }
}
