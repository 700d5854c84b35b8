/**
 * What users send with: checks a message, makes its record, chooses its queue, appends it and waits for the level asked for.
 * A thin client of {@link ProducingCore}. Calls are put in order when they are made, not when their promises resolve.
 * RocketMQ: DefaultMQProducer, rocketmq-clients Producer.
 */
import type { Clock } from '../base/clock.ts'
import { abortError, asError, isErrorNamed, PocketMQError } from '../base/errors.ts'
import { resolveSettings } from '../base/settings-table.ts'
import type { UniqueIds } from '../codec/message-id.ts'
import { PROPERTY_SHARDING_KEY } from '../codec/properties.ts'
import type { Durability } from '../store/message-store.ts'
import { Accumulator } from './accumulator.ts'
import type { Alarms } from './alarms.ts'
import type { BodyCompressor } from './body-compressor.ts'
import type { AppendRequest, AppendResult, HalfResult } from './core-types.ts'
import { invalid } from './limits.ts'
import type { Message } from './outgoing-message.ts'
import type { SendOptions } from './outgoing-request.ts'
import { isDelayed, kindOfMessage, OutgoingRequests } from './outgoing-request.ts'
import type { ProducingCore } from './producing-core.ts'
import { sizeOf } from './producing-core.ts'
import { parseRecallHandle } from './recall-handle.ts'
import type { ProducerSettings } from './settings.ts'
import { LINGER_SETTINGS } from './settings.ts'
import { Transaction } from './transaction.ts'
import { WaitingSends } from './waiting-sends.ts'

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
  /** By the monotonic clock. */
  readonly alarms: Alarms
  /** Called once by `close`. */
  readonly onClose: (producer: Producer) => Promise<void>
}

/** What was appended, and the wait for the level it was asked to reach. */
type Appended<R extends SendReceipt = SendReceipt> = {
  readonly receipts: readonly R[]
  readonly reached: Promise<void>
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
  readonly #requests: OutgoingRequests
  readonly #waiting: WaitingSends
  readonly #accumulator: Accumulator | undefined
  #dropped = 0
  #closing: Promise<void> | undefined

  constructor(parts: ProducerParts) {
    this.#parts = parts
    this.#core = parts.core
    this.#settings = parts.settings
    this.#durability = parts.settings.durability ?? parts.defaultDurability
    this.group = parts.settings.group ?? DEFAULT_GROUP
    const { core, ids, clock, delayMsMax, compressor, settings } = parts
    this.#requests = new OutgoingRequests({
      ...{ core, ids, clock, delayMsMax, compressor, group: this.group },
      durability: this.#durability,
      allowEmptyBody: settings.allowEmptyBody,
      selectQueue: settings.selectQueue,
    })
    this.#waiting = new WaitingSends({
      clock: parts.clock,
      bytesMax: parts.settings.waitingBytesMax,
      maxAttempts: parts.settings.maxAttempts,
      retryDelayMs: parts.settings.retryDelayMs,
      timeoutMs: parts.settings.requestTimeout,
      alarms: parts.alarms,
      admitted: (bytes, signal) => parts.core.admitted(bytes, signal),
    })
    const { linger } = parts.settings
    if (linger === undefined) return
    this.#accumulator = new Accumulator({
      settings: resolveSettings(LINGER_SETTINGS, linger, 'linger'),
      alarms: parts.alarms,
      send: requests => this.#sendGathered(requests),
    })
  }

  /** Oneway messages that were dropped, where `onBackpressure` is 'drop'. */
  get dropped(): number {
    return this.#dropped
  }

  /**
   * Stores one message. Resolves when it is as safe as its durability says: in the page cache for memory and interval, on
   * the device for disk. Waits while the store has no room.
   * @throws INVALID_ARGUMENT, MESSAGE_TOO_LARGE, TOPIC_NOT_FOUND, TOPIC_TYPE_MISMATCH, ABORTED_AFTER_APPEND, AbortError, DISK_FULL, STORE_FAILED,
   * TIMEOUT with `requestTimeout`
   */
  send(message: Message, options?: SendOptions | Transaction, more?: SendOptions): Promise<SendReceipt> {
    if (options instanceof Transaction) return this.#sendHalf(message, options, more ?? NO_OPTIONS)
    const given = options ?? NO_OPTIONS
    const isPlain = given.signal === undefined && message?.dedupeKey === undefined && this.#accumulator === undefined
    return isPlain ? this.#sendPlain(message, given) : this.#send(message, given)
  }

  /** The hot path: no async function, so that a message has one promise, the store's own. */
  #sendPlain(message: Message, options: SendOptions): Promise<SendReceipt> {
    try {
      const request = this.#request(message, options)
      const receipt = this.#appendNow(request, message)
      if (receipt !== undefined) return this.#core.reachedBy(receipt.durability, receipt)
      return this.#appendLater(request, message, undefined).then(later => this.#core.reachedBy(later.durability, later))
    } catch (error) {
      return Promise.reject(asError(error))
    }
  }

  async #send(message: Message, given: SendOptions): Promise<SendReceipt> {
    const { signal } = given
    if (signal?.aborted) throw abortError(signal)
    const request = this.#request(message, given)
    if (this.#accumulator !== undefined) {
      if (isGatherable(message, given))
        return (await this.#accumulator.add(gatheringKey(request, given), request)) as SendReceipt
      // What was sent before it stays before it.
      await this.#accumulator.flush()
    }
    if (message.dedupeKey !== undefined) await this.#core.dedupeReady(request.topic)
    const receipt = this.#appendNow(request, message) ?? (await this.#appendLater(request, message, signal))
    await this.#reached(receipt, receipt.physicalOffset + receipt.sizeBytes, signal)
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
    return await this.#appendBatch(requests, options.signal)
  }

  /**
   * Stores one message without a promise: it is in the log's tail on return, and in the page cache before the turn ends.
   * @throws INVALID_ARGUMENT, MESSAGE_TOO_LARGE, and beyond the bounds BACKPRESSURE, unless `onBackpressure` is 'drop'
   */
  sendOneway(message: Message, options: SendOptions = NO_OPTIONS): void {
    const request = this.#request(message, options)
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
   * Takes back a delayed message whose time has not come. As durable as what this producer sends when it resolves.
   * @throws INVALID_ARGUMENT where the handle is none, or no delayed message has it
   */
  async recall(recallHandle: string): Promise<RecallReceipt> {
    this.#checkOpen()
    const { topic, uniqueKey } = parseRecallHandle(recallHandle)
    const { status } = await this.#core.recall({ topic, recallHandle, durability: this.#durability })
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
    this.#closing ??= this.#close()
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

  async #close(): Promise<void> {
    await this.#accumulator?.flush()
    await this.#waiting.drained()
    await this.#parts.onClose(this)
  }

  async #sendGathered(requests: readonly AppendRequest[]): Promise<readonly AppendResult[]> {
    const [only] = requests
    if (requests.length === 1 && only !== undefined) {
      const append = (): Appended => this.#waitFor([this.#core.append(only) as SendReceipt])
      const { receipts, reached } = this.#tryNow(append) ?? (await this.#waiting.add(sizeOf(only), append))
      await reached
      return receipts
    }
    return await this.#appendBatch(requests, undefined)
  }

  async #sendHalf(message: Message, transaction: Transaction, options: SendOptions): Promise<SendReceipt> {
    if (options.signal?.aborted) throw abortError(options.signal)
    const request = this.#request(message, options, true)
    transaction.claim()
    const append = (): Appended<HalfResult & SendReceipt> =>
      this.#waitFor([this.#core.append(request, 'TRANSACTION') as HalfResult & SendReceipt], options.signal)
    let appended: Appended<HalfResult & SendReceipt> | undefined
    try {
      appended = this.#tryNow(append) ?? (await this.#waiting.add(sizeOf(request), append, options.signal))
    } finally {
      transaction.settleClaim(appended?.receipts[0])
    }
    await appended.reached
    const [half] = appended.receipts as [HalfResult & SendReceipt]
    const { halfQueueOffset: _queue, halfPhysicalOffset: _log, ...receipt } = half
    return receipt as SendReceipt
  }

  /** Stored as their level says when it resolves. */
  async #appendBatch(requests: readonly AppendRequest[], signal: AbortSignal | undefined): Promise<SendReceipt[]> {
    const append = (given: readonly AppendRequest[]): Appended =>
      this.#waitFor(this.#core.appendBatch(given) as SendReceipt[], signal)
    let appended = this.#tryNow(() => append(requests))
    if (appended === undefined) {
      const kept = requests.map(request => ({ ...request, body: Uint8Array.prototype.slice.call(request.body) }))
      const bytes = kept.reduce((sum, request) => sum + sizeOf(request), 0)
      appended = await this.#waiting.add(bytes, () => append(kept), signal)
    }
    await appended.reached
    return [...appended.receipts]
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

  #tryNow<T>(append: () => T): T | undefined {
    if (!this.#waiting.isEmpty) return undefined
    try {
      return append()
    } catch (error) {
      if (WaitingSends.isWorthWaiting(error)) return undefined
      throw error
    }
  }

  async #appendLater(request: AppendRequest, message: Message, signal: AbortSignal | undefined): Promise<SendReceipt> {
    // The caller may change his bytes while we wait: what was sent is what they were at the call.
    const kept = { ...request, body: Uint8Array.prototype.slice.call(request.body) }
    const append = (): Appended =>
      this.#waitFor([this.#core.append(kept, kindOfMessage(message)) as SendReceipt], signal)
    const { receipts, reached } = await this.#waiting.add(sizeOf(kept), append, signal)
    await reached
    return receipts[0] as SendReceipt
  }

  /**
   * Asked for in the turn of the append: where a full device does not take the records, other ones get their places, and who
   * asks later is told of those.
   */
  #waitFor<R extends SendReceipt>(receipts: readonly R[], signal?: AbortSignal): Appended<R> {
    const last = receipts.at(-1) as R
    return { receipts, reached: this.#reached(last, last.physicalOffset + last.sizeBytes, signal) }
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
    const first = this.#request(messages[0] as Message, options)
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
      return i === 0 ? first : this.#request(message, rest)
    })
  }

  #request(message: Message, options: SendOptions, isTransaction = false): AppendRequest {
    this.#checkOpen()
    return this.#requests.make(message, options, isTransaction)
  }

  #checkOpen(): void {
    if (this.#closing === undefined) return
    throw new PocketMQError('STORE_CLOSED', 'this producer is closed', { hint: 'Make another one with mq.producer().' })
  }
}

/** Whether a message may wait for others. */
function isGatherable(message: Message, { signal, messageId }: SendOptions): boolean {
  return signal === undefined && messageId === undefined && message.dedupeKey === undefined && !isDelayed(message)
}

/** What may be one batch: its queue, where one was chosen, or its message group. */
function gatheringKey({ topic, queueId, properties, durability }: AppendRequest, options: SendOptions): string {
  const group = properties[PROPERTY_SHARDING_KEY]
  const isChosen = options.queueId !== undefined || options.selectQueue !== undefined
  return `${topic}\n${durability}\n${isChosen ? queueId : ''}\n${group ?? ''}`
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
