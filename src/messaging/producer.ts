/**
 * What users send with: checks a message, makes its record, chooses its queue, appends it and waits for the level asked for.
 * A thin client of {@link ProducingCore}. Calls are put in order when they are made, not when their promises resolve.
 * RocketMQ: DefaultMQProducer, rocketmq-clients Producer.
 */
import type { Clock } from '../base/clock.ts'
import { abortError, isErrorNamed, PocketMQError } from '../base/errors.ts'
import type { UniqueIds } from '../codec/message-id.ts'
import {
  PROPERTY_CHECK_IMMUNITY_SECONDS,
  PROPERTY_DELAY,
  PROPERTY_PRODUCER_GROUP,
  PROPERTY_TIMER_DELIVER_MS,
  PROPERTY_TRANSACTION_MESSAGE,
  PROPERTY_UNIQ_KEY,
} from '../codec/properties.ts'
import type { Durability } from '../store/message-store.ts'
import type { BodyCompressor } from './body-compressor.ts'
import type { AppendRequest, AppendResult, HalfResult } from './core-types.ts'
import { invalid } from './limits.ts'
import type { Message } from './outgoing-message.ts'
import { bodyOf, delayOf, propertiesOf } from './outgoing-message.ts'
import type { MessageKind, ProducingCore } from './producing-core.ts'
import { sizeOf } from './producing-core.ts'
import { checkedQueueId } from './queue-choice.ts'
import { parseRecallHandle } from './recall-handle.ts'
import type { ProducerSettings, QueueSelector } from './settings.ts'
import type { TopicConfig } from './topics.ts'
import { Transaction } from './transaction.ts'
import { WaitingSends } from './waiting-sends.ts'

/** How one send differs from the producer's settings. */
export type SendOptions = {
  readonly durability?: Durability | undefined
  /** Aborted before the message is appended: nothing is stored. After: ABORTED_AFTER_APPEND, with the receipt. */
  readonly signal?: AbortSignal | undefined
  /** The queue, where the caller knows it. */
  readonly queueId?: number | undefined
  /** The caller's own choice among the topic's queues. */
  readonly selectQueue?: QueueSelector | undefined
  /** Half messages: how long nobody is asked about it. Default: the store's `transactionTimeoutMs`. */
  readonly checkImmunityMs?: number | undefined
}

/** Where a message went, and how safe it is there. */
export type SendReceipt = {
  /** The producer's id for it; the same in every copy of the message. */
  readonly messageId: string
  /** Says where this record lies. */
  readonly offsetMessageId: string
  readonly topic: string
  readonly queueId: number
  /** For delayed and half messages: in the queue they wait in. */
  readonly queueOffset: number
  readonly physicalOffset: number
  readonly sizeBytes: number
  readonly storeTimestamp: number
  /** The level it had reached when the promise resolved. */
  readonly durability: Durability
  readonly transactionId?: string
  /** Takes a delayed message back: `producer.recall(recallHandle)`. */
  readonly recallHandle?: string
  /** Nothing was stored: a message with this dedupeKey was there, and this is its receipt. */
  readonly duplicate?: boolean
}

/** What became of a recall. */
export type RecallReceipt = { readonly messageId: string; readonly status: 'recalled' | 'tooLate' }

/** What a producer is made of. */
export type ProducerParts = {
  readonly core: ProducingCore
  readonly settings: ProducerSettings
  readonly ids: UniqueIds
  readonly clock: Clock
  readonly delayMsMax: number
  readonly defaultDurability: Durability
  readonly compressor: BodyCompressor | undefined
  /** Called once by `close`. */
  readonly onClose: (producer: Producer) => Promise<void>
}

const NO_OPTIONS: SendOptions = {}
/** RocketMQ: MixAll.DEFAULT_PRODUCER_GROUP. */
const DEFAULT_GROUP = 'DEFAULT_PRODUCER'

/** Sends messages. Made by `mq.producer(options)`. */
export class Producer {
  /** The producer group. */
  readonly group: string
  readonly #parts: ProducerParts
  readonly #core: ProducingCore
  readonly #settings: ProducerSettings
  readonly #durability: Durability
  readonly #waiting: WaitingSends
  #dropped = 0
  #closing: Promise<void> | undefined

  constructor(parts: ProducerParts) {
    this.#parts = parts
    this.#core = parts.core
    this.#settings = parts.settings
    this.group = parts.settings.group ?? DEFAULT_GROUP
    this.#durability = parts.settings.durability ?? parts.defaultDurability
    this.#waiting = new WaitingSends({
      clock: parts.clock,
      bytesMax: parts.settings.waitingBytesMax,
      maxAttempts: parts.settings.maxAttempts,
      retryDelayMs: parts.settings.retryDelayMs,
      admitted: (bytes, signal) => parts.core.admitted(bytes, signal),
    })
  }

  /** Oneway messages that were dropped, where `onBackpressure` is 'drop'. */
  get dropped(): number {
    return this.#dropped
  }

  /**
   * Stores one message. Resolves when it is as safe as its durability says: in the page cache for memory and interval, on
   * the device for disk. Waits while the store has no room.
   * @throws INVALID_ARGUMENT, MESSAGE_TOO_LARGE, TOPIC_NOT_FOUND, TOPIC_TYPE_MISMATCH, ABORTED_AFTER_APPEND, AbortError, DISK_FULL, STORE_FAILED
   */
  async send(message: Message, options?: SendOptions | Transaction, more?: SendOptions): Promise<SendReceipt> {
    if (options instanceof Transaction) return this.#sendHalf(message, options, more ?? NO_OPTIONS)
    const given = options ?? NO_OPTIONS
    const { signal } = given
    if (signal?.aborted) throw abortError(signal)
    const request = this.#request(message, given, undefined)
    if (message.dedupeKey !== undefined) await this.#core.dedupeReady(request.topic)
    const receipt = this.#appendNow(request, message) ?? (await this.#appendLater(request, message, signal))
    const end = receipt.physicalOffset + receipt.sizeBytes
    // The hot path waits on the store's own promise, not on one more of ours.
    if (signal === undefined) await this.#core.reached(receipt.durability, end)
    else await this.#reached(receipt, end, signal)
    return receipt
  }

  /**
   * Stores messages of one topic next to each other in one queue, all or none: also across a crash.
   * @throws as `send`; INVALID_ARGUMENT for delayed, transactional and mixed batches, MESSAGE_TOO_LARGE beyond 4 MiB
   */
  async sendBatch(messages: readonly Message[], options: SendOptions = NO_OPTIONS): Promise<SendReceipt[]> {
    if (options.signal?.aborted) throw abortError(options.signal)
    if (!Array.isArray(messages) || messages.length === 0) {
      throw invalid('messages', 'a batch must be an array of messages', 'Pass at least one message.', 1, 0)
    }
    const requests = this.#batchRequests(messages, options)
    const receipts = await this.#appendBatch(requests, options.signal)
    const last = receipts.at(-1) as SendReceipt
    await this.#reached(last, last.physicalOffset + last.sizeBytes, options.signal)
    return receipts
  }

  /**
   * Stores one message without a promise: it is in the log's tail on return, and in the page cache before the turn ends.
   * @throws INVALID_ARGUMENT, MESSAGE_TOO_LARGE, and beyond the bounds BACKPRESSURE, unless `onBackpressure` is 'drop'
   */
  sendOneway(message: Message, options: SendOptions = NO_OPTIONS): void {
    const request = this.#request(message, options, undefined)
    try {
      if (!this.#waiting.isEmpty) throw sendsWait()
      this.#core.append(request, kindOfMessage(message))
    } catch (error) {
      if (!WaitingSends.isWorthWaiting(error) || this.#settings.onBackpressure === 'throw') throw error
      this.#dropped++
    }
  }

  /** Begins a transaction: `send(message, transaction)`, then `commit` or `rollback`. */
  beginTransaction(): Transaction {
    this.#checkOpen()
    if (this.#settings.group === undefined) {
      const hint = "Name the group: mq.producer({ group: 'order-service', checker })."
      throw invalid(
        'group',
        'transactions need a producer group: it is asked when one stays undecided',
        hint,
        'a group',
        'none',
      )
    }
    return new Transaction(this.group, request => this.#core.endTransaction(request))
  }

  /**
   * Takes back a delayed message whose time has not come. Durable as the store's default when it resolves.
   * @throws INVALID_ARGUMENT where the handle is none, or no delayed message has it
   */
  async recall(recallHandle: string): Promise<RecallReceipt> {
    this.#checkOpen()
    const { topic, uniqueKey } = parseRecallHandle(recallHandle)
    const { status } = await this.#core.recall({ topic, recallHandle })
    if (status === 'recalled') return { messageId: uniqueKey, status }
    if (status === 'too-late') return { messageId: uniqueKey, status: 'tooLate' }
    throw invalid(
      'recallHandle',
      'no delayed message has this recall handle',
      'Pass receipt.recallHandle of a message with delay or deliveryTimestamp.',
      'a handle',
      status,
    )
  }

  /** The same as `recall`, named and called as in `rocketmq-client-nodejs`. */
  recallMessage(topic: string, recallHandle: string): Promise<RecallReceipt> {
    const handle = parseRecallHandle(recallHandle)
    if (handle.topic === topic) return this.recall(recallHandle)
    return Promise.reject(
      invalid('topic', `the handle is of topic ${handle.topic}`, 'Pass the topic it was sent to.', handle.topic, topic),
    )
  }

  /** Takes no more messages; resolves when those that wait for room are stored or have failed. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#waiting.drained().then(() => this.#parts.onClose(this))
    return this.#closing
  }

  /** Rejects what still waits, then closes: the store does. */
  abandon(error: Error): Promise<void> {
    this.#waiting.close(error)
    return this.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #sendHalf(message: Message, transaction: Transaction, options: SendOptions): Promise<SendReceipt> {
    if (options.signal?.aborted) throw abortError(options.signal)
    const request = this.#request(message, options, transaction)
    transaction.claim()
    let half: HalfResult | undefined
    try {
      // Never tried again by itself: only its sender knows whether the local work goes on.
      half = this.#core.append(request, 'TRANSACTION') as HalfResult
    } finally {
      transaction.settleClaim(half)
    }
    const { halfQueueOffset: _queue, halfPhysicalOffset: _log, ...receipt } = half
    await this.#reached(receipt as SendReceipt, receipt.physicalOffset + receipt.sizeBytes, options.signal)
    return receipt as SendReceipt
  }

  async #appendBatch(requests: readonly AppendRequest[], signal: AbortSignal | undefined): Promise<SendReceipt[]> {
    try {
      if (this.#waiting.isEmpty) return this.#core.appendBatch(requests) as SendReceipt[]
    } catch (error) {
      if (!WaitingSends.isWorthWaiting(error)) throw error
    }
    const kept = requests.map(request => ({ ...request, body: Uint8Array.prototype.slice.call(request.body) }))
    const bytes = kept.reduce((sum, request) => sum + sizeOf(request), 0)
    return (await this.#waiting.add(bytes, () => this.#core.appendBatch(kept), signal)) as SendReceipt[]
  }

  /** Undefined where it has to wait: the store has no room, or others wait already. */
  #appendNow(request: AppendRequest, message: Message): SendReceipt | undefined {
    if (!this.#waiting.isEmpty) return undefined
    try {
      return this.#core.append(request, kindOfMessage(message)) as SendReceipt
    } catch (error) {
      if (WaitingSends.isWorthWaiting(error)) return undefined
      throw error
    }
  }

  async #appendLater(request: AppendRequest, message: Message, signal: AbortSignal | undefined): Promise<SendReceipt> {
    // The caller may change his bytes while we wait: what was sent is what they were at the call.
    const kept = { ...request, body: Uint8Array.prototype.slice.call(request.body) }
    const append = (): AppendResult => this.#core.append(kept, kindOfMessage(message))
    return (await this.#waiting.add(sizeOf(kept), append, signal)) as SendReceipt
  }

  async #reached(receipt: SendReceipt, end: number, signal: AbortSignal | undefined): Promise<void> {
    try {
      await this.#core.reached(receipt.durability, end, signal)
    } catch (error) {
      if (signal?.aborted && !isErrorNamed(error, 'STORE_FAILED')) throw abortedAfterAppend(receipt, error)
      throw error
    }
  }

  #batchRequests(messages: readonly Message[], options: SendOptions): AppendRequest[] {
    const first = this.#request(messages[0] as Message, options, undefined)
    const rest = { ...options, queueId: first.queueId }
    return messages.map((message, i) => {
      if (message?.delayLevel !== undefined)
        throw invalid(
          'delayLevel',
          'a batch has no delayed messages',
          'Send them one by one.',
          'none',
          message.delayLevel,
        )
      return i === 0 ? first : this.#request(message, rest, undefined)
    })
  }

  #request(message: Message, options: SendOptions, transaction: Transaction | undefined): AppendRequest {
    this.#checkOpen()
    if (typeof message !== 'object' || message === null) {
      throw invalid('message', 'a message must be an object', 'Pass { topic, body }.', 'object', typeof message)
    }
    const topic = this.#core.route(message.topic)
    const raw = bodyOf(message, this.#settings.allowEmptyBody)
    const properties = propertiesOf(message, this.#parts.ids.next())
    if (transaction !== undefined || isDelayed(message)) this.#addDelivery(properties, message, options, transaction)
    const packed = this.#parts.compressor?.pack(raw)
    return {
      topic: topic.topic,
      queueId: this.#queueId(topic, message, options),
      body: packed?.body ?? raw,
      properties,
      flag: message.flag ?? 0,
      sysFlag: packed?.sysFlag ?? 0,
      durability: options.durability === undefined ? this.#durability : checkedDurability(options.durability),
    }
  }

  #addDelivery(
    properties: Record<string, string>,
    message: Message,
    options: SendOptions,
    transaction: Transaction | undefined,
  ): void {
    const delay = delayOf(message, this.#parts.clock.nowMs(), this.#parts.delayMsMax)
    const hint = 'Send it without a delay, or as an ordinary message.'
    if (delay !== undefined && message.messageGroup !== undefined) {
      throw invalid(
        'delay',
        'a message with a messageGroup cannot be delayed',
        hint,
        'no messageGroup',
        message.messageGroup,
      )
    }
    if (transaction !== undefined) {
      if (delay !== undefined)
        throw invalid('delay', 'a message in a transaction cannot be delayed', hint, 'no delay', delay.kind)
      if (message.dedupeKey !== undefined) {
        throw invalid(
          'dedupeKey',
          'a message in a transaction has no dedupeKey',
          'Leave it out.',
          'no dedupeKey',
          message.dedupeKey,
        )
      }
      properties[PROPERTY_TRANSACTION_MESSAGE] = 'true'
      properties[PROPERTY_PRODUCER_GROUP] = this.group
      const { checkImmunityMs } = options
      if (checkImmunityMs !== undefined)
        properties[PROPERTY_CHECK_IMMUNITY_SECONDS] = String(immunitySeconds(checkImmunityMs))
    } else if (delay?.kind === 'level') properties[PROPERTY_DELAY] = String(delay.level)
    else if (delay !== undefined) properties[PROPERTY_TIMER_DELIVER_MS] = String(delay.deliverMs)
  }

  #queueId(topic: TopicConfig, message: Message, options: SendOptions): number {
    const { queueId } = options
    if (queueId !== undefined) return checkedQueueId(queueId, topic.topic, topic.writeQueues)
    const select = options.selectQueue ?? (message.messageGroup === undefined ? this.#settings.selectQueue : undefined)
    if (select === undefined) return this.#core.chooseQueue(topic, message.messageGroup)
    const queues = Array.from({ length: topic.writeQueues }, (_, id) => ({ topic: topic.topic, queueId: id }))
    return checkedQueueId(select(queues, message)?.queueId, topic.topic, topic.writeQueues)
  }

  #checkOpen(): void {
    if (this.#closing === undefined) return
    throw new PocketMQError('STORE_CLOSED', 'this producer is closed', { hint: 'Make another one with mq.producer().' })
  }
}

function isDelayed(message: Message): boolean {
  return message.delay !== undefined || message.deliveryTimestamp !== undefined || message.delayLevel !== undefined
}

function kindOfMessage(message: Message): MessageKind {
  if (isDelayed(message) && message.delayLevel !== 0) return 'DELAY'
  return message.messageGroup === undefined ? 'NORMAL' : 'FIFO'
}

function checkedDurability(durability: Durability): Durability {
  if (durability === 'memory' || durability === 'interval' || durability === 'disk') return durability
  const words = "'memory', 'interval' or 'disk'"
  throw invalid(
    'durability',
    `there is no durability ${String(durability)}`,
    `Use ${words}.`,
    words,
    String(durability),
  )
}

/** RocketMQ counts in seconds. */
function immunitySeconds(ms: unknown): number {
  if (typeof ms === 'number' && Number.isFinite(ms) && ms >= 0 && ms <= 3_600_000) return Math.ceil(ms / 1000)
  throw invalid(
    'checkImmunityMs',
    `checkImmunityMs ${String(ms)} is out of range`,
    'Use 0 to 3600000.',
    3_600_000,
    String(ms),
  )
}

function sendsWait(): PocketMQError {
  return new PocketMQError('BACKPRESSURE', 'earlier sends of this producer wait for room', {
    hint: 'Await earlier sends, or send fewer at once.',
  })
}

function abortedAfterAppend(receipt: SendReceipt, cause: unknown): PocketMQError {
  return new PocketMQError(
    'ABORTED_AFTER_APPEND',
    `message ${receipt.messageId} is stored; only the wait for ${receipt.durability} was aborted`,
    {
      hint: 'Do not send it again: details.receipt says where it is.',
      details: { receipt },
      cause,
    },
  )
}

/** The properties' name of the id a producer gives: for those who look a message up. */
export const MESSAGE_ID_PROPERTY: string = PROPERTY_UNIQ_KEY
