/**
 * Keys that are done, as messages of a topic of their own in the same folder: what is remembered survives what the messages survive.
 * A group of the same name stands at the oldest key that still counts, so that retention keeps it.
 */
import { isErrorNamed, PocketMQError } from '../base/errors.ts'
import type { DedupeStore } from './dedupe.ts'
import { MessageView } from './message-view.ts'
import type { PocketMQ } from './pocket-mq.ts'
import type { Producer } from './producer.ts'
import type { PullConsumer } from './pull-consumer.ts'

/** How a dedupe topic works. */
export type DedupeTopicOptions = {
  /** Whose keys they are: the name of the consumer group, as a rule. */
  readonly name: string
  /** Keys remembered at most; beyond it the oldest are forgotten. Default 1,000,000. */
  readonly keysMax?: number
  /** What a key survives when `add` has resolved. Default `disk`: a power cut too. */
  readonly durability?: 'memory' | 'interval' | 'disk'
}

const KEYS_MAX = 1_000_000
const READ_MESSAGES = 256
/** Keys added between two moves of the group's place. */
const ADDS_A_MOVE = 1000

type Done = { readonly untilMs: number; readonly queueOffset: number }

/** A memory of keys in the folder itself. */
export class DedupeTopic implements DedupeStore {
  readonly #mq: PocketMQ
  readonly #producer: Producer
  readonly #place: PullConsumer
  readonly #topic: string
  readonly #keysMax: number
  readonly #durability: 'memory' | 'interval' | 'disk'
  /** In the order they were added. */
  readonly #done = new Map<string, Done>()
  #added = 0

  private constructor(mq: PocketMQ, place: PullConsumer, options: Required<DedupeTopicOptions>) {
    this.#mq = mq
    this.#producer = mq.producer()
    this.#place = place
    this.#topic = topicOf(options.name)
    this.#keysMax = options.keysMax
    this.#durability = options.durability
  }

  /** Reads what is remembered. @throws INVALID_ARGUMENT, INSTANCE_ID_IN_USE where the name is in use in this process */
  static async open(mq: PocketMQ, options: DedupeTopicOptions): Promise<DedupeTopic> {
    const { name, keysMax = KEYS_MAX, durability = 'disk' } = options
    if (!Number.isSafeInteger(keysMax) || keysMax < 1) {
      throw new PocketMQError('INVALID_ARGUMENT', 'keysMax must be a whole number of at least 1', {
        hint: 'It bounds the memory that keys take: about 100 bytes each.',
        details: { option: 'keysMax', given: String(keysMax) },
      })
    }
    const topic = topicOf(name)
    const place = await mq.pullConsumer({ consumerGroup: topic, instanceName: 'dedupe' })
    await mq.admin.createTopic({ topic, queues: 1 }).catch((error: unknown) => {
      if (!isErrorNamed(error, 'TOPIC_EXISTS')) throw error
    })
    const opened = new DedupeTopic(mq, place, { name, keysMax, durability })
    await opened.#load()
    return opened
  }

  has(key: string, nowMs: number): boolean {
    const done = this.#done.get(key)
    return done !== undefined && done.untilMs > nowMs
  }

  async add(key: string, untilMs: number): Promise<void> {
    const body = JSON.stringify({ key, untilMs })
    const { queueOffset } = await this.#producer.send({ topic: this.#topic, body }, { durability: this.#durability })
    this.#remember(key, { untilMs, queueOffset })
    if (++this.#added % ADDS_A_MOVE === 0) await this.#move()
  }

  /** How many keys are remembered, those whose time is over included. */
  get size(): number {
    return this.#done.size
  }

  async close(): Promise<void> {
    await this.#producer.close()
    await this.#place.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #load(): Promise<void> {
    const { store } = this.#mq
    await store.dispatched(store.watermarks.written)
    const topic = this.#topic
    const nowMs = store.clock.nowMs()
    let queueOffset = store.queueRange(topic, 0)?.minQueueOffset ?? 0
    for (;;) {
      const { messages, nextQueueOffset } = await store.read({
        topic,
        queueId: 0,
        queueOffset,
        maxMessages: READ_MESSAGES,
      })
      for (const message of messages) {
        const { key, untilMs } = JSON.parse(new MessageView(message).body.toString()) as {
          key: string
          untilMs: number
        }
        if (untilMs > nowMs) this.#remember(key, { untilMs, queueOffset: message.queueOffset })
      }
      if (nextQueueOffset <= queueOffset) break
      queueOffset = nextQueueOffset
    }
    await this.#move()
  }

  #remember(key: string, done: Done): void {
    this.#done.delete(key)
    this.#done.set(key, done)
    if (this.#done.size <= this.#keysMax) return
    for (const oldest of this.#done.keys()) {
      this.#done.delete(oldest)
      break
    }
  }

  /** Forgets what is over; the group stands at the oldest key that is left, and retention may take what is before it. */
  async #move(): Promise<void> {
    const nowMs = this.#mq.store.clock.nowMs()
    for (const [key, { untilMs }] of this.#done) {
      if (untilMs > nowMs) break
      this.#done.delete(key)
    }
    const queue = { topic: this.#topic, queueId: 0 }
    this.#place.assign([queue])
    const [oldest] = this.#done.values()
    if (oldest === undefined) this.#place.seekToEnd(queue)
    else this.#place.seek(queue, oldest.queueOffset)
    await this.#place.commit()
  }
}

/** Keys that are done, in the topic `dedupe_<name>` of the folder. */
export function dedupeTopic(mq: PocketMQ, options: DedupeTopicOptions): Promise<DedupeTopic> {
  return DedupeTopic.open(mq, options)
}

function topicOf(name: string): string {
  return `dedupe_${name}`
}
