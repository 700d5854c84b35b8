/**
 * The producing half of the messaging service: plain values in, plain values out, no client objects.
 * `append` is one synchronous step as the store's `put` is; what waits (room, the device) is asked for separately.
 * RocketMQ: SendMessageProcessor.
 */
import { PocketMQError } from '../base/errors.ts'
import {
  PROPERTY_DELAY,
  PROPERTY_SHARDING_KEY,
  PROPERTY_TIMER_DELAY_MS,
  PROPERTY_TIMER_DELAY_SEC,
  PROPERTY_TIMER_DELIVER_MS,
  PROPERTY_TRANSACTION_MESSAGE,
  PROPERTY_UNIQ_KEY,
} from '../codec/properties.ts'
import { PERM_WRITE } from '../codec/topics-json.ts'
import type { Durability, MessageStore, PutRecord, PutResult } from '../store/message-store.ts'
import type {
  AppendRequest,
  AppendResult,
  EndTransactionRequest,
  EndTransactionResult,
  HalfResult,
  RecallRequest,
  RecallResult,
} from './core-types.ts'
import type { DedupeWindows } from './dedupe-windows.ts'
import { delayedByLevel, delayedUntil } from './delayed-record.ts'
import { BATCH_BYTES_MAX, invalid, isGroupTopic, PROPERTY_PMQ_DEDUPE, tooLarge } from './limits.ts'
import { OffsetMessageIds } from './offset-message-ids.ts'
import { checkedQueueId, queueOfGroup, RoundRobin } from './queue-choice.ts'
import type { MessagingSettings } from './settings.ts'
import type { TimerMessages } from './timer-messages.ts'
import type { TopicConfig, Topics, TopicType } from './topics.ts'
import { isBatchQueueTopic } from './topics.ts'
import type { Transactions } from './transactions.ts'

/** What kind of message it is. RocketMQ: TopicMessageType. */
export type MessageKind = 'NORMAL' | 'FIFO' | 'DELAY' | 'TRANSACTION'

/** What {@link ProducingCore} is made of. */
export type ProducingParts = {
  readonly store: MessageStore
  readonly topics: Topics
  readonly settings: MessagingSettings
  readonly advertise: { readonly host: string; readonly port: number }
  readonly timers: TimerMessages
  readonly transactions: Transactions
  readonly dedupe: DedupeWindows
}

/** A record with nothing else to it, for estimating. RocketMQ's fixed fields and a UNIQ_KEY. */
const RECORD_BYTES_TYPICAL = 256

/** Takes messages. */
export class ProducingCore {
  readonly #parts: ProducingParts
  readonly #store: MessageStore
  readonly #topics: Topics
  readonly #roundRobin: RoundRobin
  readonly #offsetMessageIds: OffsetMessageIds

  constructor(parts: ProducingParts) {
    this.#parts = parts
    this.#store = parts.store
    this.#topics = parts.topics
    this.#roundRobin = new RoundRobin(parts.settings.random)
    this.#offsetMessageIds = new OffsetMessageIds(parts.advertise)
  }

  /** The topic to send to, created where that is allowed. @throws INVALID_ARGUMENT, TOPIC_NOT_FOUND */
  route(topic: unknown): TopicConfig {
    return this.#topics.forSend(topic)
  }

  /**
   * Appends one message; a half message where it has TRAN_MSG. On return it is in the log's tail: `reached` waits for more.
   * @throws what the store's `put` throws, TOPIC_TYPE_MISMATCH, TOPIC_NOT_FOUND, INVALID_ARGUMENT
   */
  append(request: AppendRequest, kind: MessageKind = kindOf(request.properties)): AppendResult {
    const topic = this.#checkedTopic(request.topic, kind)
    const record = this.#withQueue(request, topic)
    if (kind === 'NORMAL' || kind === 'FIFO') {
      const dedupeKey = request.properties[PROPERTY_PMQ_DEDUPE]
      if (dedupeKey === undefined) return this.#result(record, this.#store.put(record))
      return this.#once(record, dedupeKey, () => this.#result(record, this.#store.put(record)))
    }
    if (kind === 'TRANSACTION') return this.#appendHalf(record)
    const dedupeKey = request.properties[PROPERTY_PMQ_DEDUPE]
    if (dedupeKey === undefined) return this.#appendDelayed(record)
    return this.#once(record, dedupeKey, () => this.#appendDelayed(record))
  }

  /** Appends several messages of one topic to one queue as one step. @throws as `append`; nothing is appended then */
  appendBatch(requests: readonly AppendRequest[]): AppendResult[] {
    const first = requests[0]
    if (first === undefined) throw invalid('messages', 'a batch without messages', 'Send at least one.', 1, 0)
    let bytes = 0
    for (const request of requests) {
      checkBatchMember(request, first)
      bytes += sizeOf(request)
    }
    if (bytes > BATCH_BYTES_MAX) {
      throw tooLarge('messages', BATCH_BYTES_MAX, bytes, 'Cut the list with splitBatch(messages).')
    }
    const topic = this.#checkedTopic(first.topic, kindOf(first.properties))
    const { queueId } = this.#withQueue(first, topic)
    const records = requests.map(request => ({ ...request, queueId }))
    return this.#store.putAll(records).map((put, i) => this.#result(records[i] as AppendRequest, put))
  }

  /** Resolves when everything below `physicalOffset` is as safe as the level says. */
  reached(durability: Durability | undefined, physicalOffset: number, signal?: AbortSignal): Promise<void> {
    return this.#store.reached(durability ?? this.#store.durability, physicalOffset, signal)
  }

  /** Resolves with the result when it is as safe as the level says. */
  reachedBy<R extends AppendResult>(durability: Durability, result: R): Promise<R> {
    return this.#store.reachedWith(durability, result.physicalOffset + result.sizeBytes, result)
  }

  /** Resolves when `append` of so many bytes would be admitted again. */
  async admitted(bytes: number, signal?: AbortSignal): Promise<void> {
    await this.#parts.timers.room(signal)
    await this.#store.admitted(bytes, signal)
  }

  /** Resolves when what of the topic has to be durable before its dedupe keys may be relied on is so. */
  dedupeReady(topic: string): Promise<void> | undefined {
    return this.#parts.dedupe.ready(topic)
  }

  /** The decision about a half message: stored, with the committed message, when it resolves. */
  endTransaction(request: EndTransactionRequest): Promise<EndTransactionResult> {
    return this.#parts.transactions.end(request)
  }

  /** Takes back a message whose time has not come: stored when it resolves. */
  recall(request: RecallRequest): Promise<RecallResult> {
    return this.#parts.timers.recall(request)
  }

  #checkedTopic(name: string, kind: MessageKind): TopicConfig {
    const topic = this.#topics.forSend(name)
    const { type } = topic
    if (type !== 'MIXED' && type !== kind && type !== 'UNSPECIFIED') throw typeMismatch(topic, kind)
    if ((topic.perm & PERM_WRITE) === 0) throw notWritable(topic)
    if (isBatchQueueTopic(topic)) throw batchQueueTopic(topic)
    return topic
  }

  /** The request itself where its queue is chosen already: that is the hot path. */
  #withQueue(request: AppendRequest, topic: TopicConfig): AppendRequest {
    const { queueId, properties } = request
    if (queueId >= 0) {
      checkedQueueId(queueId, topic.topic, topic.writeQueues)
      return request
    }
    return { ...request, queueId: this.chooseQueue(topic, properties[PROPERTY_SHARDING_KEY]) }
  }

  /** The queue of a message that its sender has not chosen one for. */
  chooseQueue(topic: TopicConfig, messageGroup: string | undefined): number {
    if (messageGroup !== undefined) return queueOfGroup(messageGroup, topic.writeQueues, topic.queueChoice)
    return this.#roundRobin.next(topic.topic, topic.writeQueues)
  }

  #result(request: AppendRequest, put: PutResult): AppendResult & { readonly durability: Durability } {
    return {
      messageId: request.properties[PROPERTY_UNIQ_KEY] ?? '',
      offsetMessageId: this.#offsetMessageIds.at(put.physicalOffset),
      topic: request.topic,
      queueId: request.queueId,
      queueOffset: put.queueOffset,
      physicalOffset: put.physicalOffset,
      sizeBytes: put.sizeBytes,
      storeTimestamp: put.storeTimestamp,
      durability: request.durability ?? this.#store.durability,
    }
  }

  #once(record: AppendRequest, dedupeKey: string, append: () => AppendResult): AppendResult {
    const { dedupe } = this.#parts
    const first = dedupe.first(record.topic, dedupeKey)
    if (first !== undefined) {
      const { physicalOffset, ...known } = first
      const offsetMessageId = this.#offsetMessageIds.at(physicalOffset)
      return { ...known, topic: record.topic, physicalOffset, offsetMessageId, duplicate: true }
    }
    const result = append()
    dedupe.remember(record.topic, dedupeKey, result)
    return result
  }

  #appendHalf(record: AppendRequest): HalfResult & { readonly durability: Durability } {
    if (isGroupTopic(record.topic))
      throw invalid(
        'topic',
        'a retry topic takes no transactions',
        'Send to the topic itself.',
        'no retry topic',
        record.topic,
      )
    const { put, transactionId } = this.#parts.transactions.begin(record)
    const result = this.#result(record, put)
    return { ...result, transactionId, halfQueueOffset: put.queueOffset, halfPhysicalOffset: put.physicalOffset }
  }

  #appendDelayed(record: AppendRequest): AppendResult & { readonly durability: Durability } {
    const { properties } = record
    const level = Number(properties[PROPERTY_DELAY] ?? '0')
    if (level > 0) {
      const parked = delayedByLevel(record, level)
      this.#topics.obtain(parked.topic)
      return this.#result(record, this.#store.put(parked))
    }
    const deliverMs = deliverMsOf(properties, this.#store.clock.nowMs())
    // Due already: RocketMQ stores it where it belongs, and so do we.
    if (deliverMs === undefined || deliverMs <= this.#store.clock.nowMs())
      return this.#result(record, this.#store.put(record))
    const parked: PutRecord = delayedUntil(record, deliverMs)
    this.#parts.timers.checkRoom()
    this.#topics.obtain(parked.topic)
    const result = this.#result(record, this.#store.put(parked))
    return { ...result, recallHandle: this.#parts.timers.handleOf(record.topic, deliverMs, result.messageId) }
  }
}

/** What kind of message these properties make it. */
export function kindOf(properties: Readonly<Record<string, string>>): MessageKind {
  if (properties[PROPERTY_TRANSACTION_MESSAGE] === 'true') return 'TRANSACTION'
  if (Number(properties[PROPERTY_DELAY] ?? '0') > 0) return 'DELAY'
  for (const name of TIMER_PROPERTIES) if (properties[name] !== undefined) return 'DELAY'
  return properties[PROPERTY_SHARDING_KEY] === undefined ? 'NORMAL' : 'FIFO'
}

const TIMER_PROPERTIES = [PROPERTY_TIMER_DELAY_SEC, PROPERTY_TIMER_DELAY_MS, PROPERTY_TIMER_DELIVER_MS] as const

/** When the timer properties say it is due, the first that is there: RocketMQ's precedence. */
function deliverMsOf(properties: Readonly<Record<string, string>>, nowMs: number): number | undefined {
  const seconds = properties[PROPERTY_TIMER_DELAY_SEC]
  if (seconds !== undefined) return nowMs + Number(seconds) * 1000
  const ms = properties[PROPERTY_TIMER_DELAY_MS]
  if (ms !== undefined) return nowMs + Number(ms)
  const time = properties[PROPERTY_TIMER_DELIVER_MS]
  return time === undefined ? undefined : Number(time)
}

/** About how many bytes a record takes: for bounds, not for the format. */
export function sizeOf({ body, properties }: Pick<AppendRequest, 'body' | 'properties'>): number {
  let bytes = body.length + RECORD_BYTES_TYPICAL
  for (const name in properties) bytes += name.length + (properties[name] as string).length
  return bytes
}

function checkBatchMember(request: AppendRequest, first: AppendRequest): void {
  const only = (what: string, hint: string): PocketMQError =>
    invalid('messages', `a batch ${what}`, hint, 'one of each', request.topic)
  if (request.topic !== first.topic) throw only('goes to one topic', 'Send one batch for each topic.')
  if (request.queueId !== first.queueId) throw only('goes to one queue', 'Send one batch for each queue.')
  if (isGroupTopic(request.topic)) throw only('cannot go to a retry topic', 'Send the messages one by one.')
  const { properties } = request
  if (properties[PROPERTY_SHARDING_KEY] !== first.properties[PROPERTY_SHARDING_KEY]) {
    throw only('has one message group', 'Send one batch for each message group.')
  }
  const kind = kindOf(properties)
  if (kind === 'DELAY' || kind === 'TRANSACTION')
    throw only('has no delayed and no transactional messages', 'Send those one by one.')
  if (properties[PROPERTY_PMQ_DEDUPE] !== undefined) throw only('has no dedupe keys', 'Send those messages one by one.')
}

function typeMismatch({ topic, type }: TopicConfig, kind: TopicType): PocketMQError {
  return new PocketMQError('TOPIC_TYPE_MISMATCH', `topic ${topic} takes ${type} messages, this one is ${kind}`, {
    hint: `Send it to a topic of type ${kind} or MIXED, or change this one with mq.admin.updateTopic.`,
    details: { field: 'topic', topic, limit: type, actual: kind },
  })
}

function notWritable({ topic, perm }: TopicConfig): PocketMQError {
  return new PocketMQError('READ_ONLY', `topic ${topic} may not be written to`, {
    hint: 'Give it perm 6 with mq.admin.updateTopic.',
    details: { field: 'topic', topic, limit: PERM_WRITE, actual: perm },
  })
}

function batchQueueTopic({ topic }: TopicConfig): PocketMQError {
  return new PocketMQError(
    'UNSUPPORTED_FORMAT',
    `topic ${topic} keeps batches in a BatchCQ queue, which is only read here`,
    {
      hint: 'Send to another topic.',
      details: { field: 'topic', topic },
    },
  )
}
