/** From a user's message and how he wants it sent to what the core appends: one producer's settings applied. */
import type { Clock } from '../base/clock.ts'
import type { UniqueIds } from '../codec/message-id.ts'
import {
  PROPERTY_CHECK_IMMUNITY_SECONDS,
  PROPERTY_DELAY,
  PROPERTY_PRODUCER_GROUP,
  PROPERTY_TIMER_DELIVER_MS,
  PROPERTY_TRANSACTION_MESSAGE,
} from '../codec/properties.ts'
import type { Durability } from '../store/message-store.ts'
import type { BodyCompressor } from './body-compressor.ts'
import type { AppendRequest } from './core-types.ts'
import { invalid } from './limits.ts'
import { checkOptionNames } from './option-names.ts'
import type { Message } from './outgoing-message.ts'
import { bodyOf, checkFields, delayOf, propertiesOf } from './outgoing-message.ts'
import type { MessageKind, ProducingCore } from './producing-core.ts'
import { checkedQueueId } from './queue-choice.ts'
import type { QueueSelector } from './settings.ts'
import type { TopicConfig } from './topics.ts'

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
  /** The message's id, where it may have been sent before: `mq.newMessageId()`. Default: a new one. */
  readonly messageId?: string | undefined
}

const SEND_OPTIONS = ['durability', 'signal', 'queueId', 'selectQueue', 'checkImmunityMs', 'messageId']

/** A producer's settings, as far as requests need them. */
export type OutgoingRequestsParts = {
  readonly core: ProducingCore
  readonly ids: UniqueIds
  readonly clock: Clock
  /** The producer group. */
  readonly group: string
  readonly durability: Durability
  readonly delayMsMax: number
  readonly allowEmptyBody: boolean
  readonly selectQueue: QueueSelector | undefined
  readonly compressor: BodyCompressor | undefined
}

/** Makes the requests of one producer. */
export class OutgoingRequests {
  readonly #parts: OutgoingRequestsParts

  constructor(parts: OutgoingRequestsParts) {
    this.#parts = parts
  }

  /** @throws INVALID_ARGUMENT, MESSAGE_TOO_LARGE, TOPIC_NOT_FOUND */
  make(message: Message, options: SendOptions, isTransaction = false): AppendRequest {
    if (typeof message !== 'object' || message === null) {
      throw invalid('message', 'a message must be an object', 'Pass { topic, body }.', 'object', typeof message)
    }
    checkFields(message)
    checkOptionNames('send', options, SEND_OPTIONS)
    const { core, ids, allowEmptyBody, compressor, durability } = this.#parts
    const topic = core.route(message.topic)
    const raw = bodyOf(message, allowEmptyBody)
    const { messageId } = options
    const properties = propertiesOf(message, messageId === undefined ? ids.next() : checkedMessageId(messageId))
    if (isTransaction) this.#addTransaction(properties, message, options)
    else if (isDelayed(message)) this.#addDelay(properties, message)
    const packed = compressor?.pack(raw)
    return {
      topic: topic.topic,
      queueId: this.#queueId(topic, message, options),
      body: packed?.body ?? raw,
      properties,
      flag: message.flag ?? 0,
      sysFlag: packed?.sysFlag ?? 0,
      durability: options.durability === undefined ? durability : checkedDurability(options.durability),
    }
  }

  #addDelay(properties: Record<string, string>, message: Message): void {
    const { clock, delayMsMax } = this.#parts
    const delay = delayOf(message, clock.nowMs(), delayMsMax)
    if (delay === undefined) return
    if (message.messageGroup !== undefined) {
      const hint = 'Send it without a delay, or without a messageGroup.'
      throw invalid('delay', 'a message with a messageGroup cannot be delayed', hint, 'no delay', delay.kind)
    }
    if (delay.kind === 'level') properties[PROPERTY_DELAY] = String(delay.level)
    else properties[PROPERTY_TIMER_DELIVER_MS] = String(delay.deliverMs)
  }

  #addTransaction(properties: Record<string, string>, message: Message, { checkImmunityMs }: SendOptions): void {
    const hint = 'Leave it out, or send an ordinary message.'
    if (isDelayed(message))
      throw invalid('delay', 'a message in a transaction cannot be delayed', hint, 'none', 'delay')
    if (message.dedupeKey !== undefined) {
      const problem = 'a message in a transaction has no dedupeKey'
      throw invalid('dedupeKey', problem, hint, 'none', message.dedupeKey)
    }
    properties[PROPERTY_TRANSACTION_MESSAGE] = 'true'
    properties[PROPERTY_PRODUCER_GROUP] = this.#parts.group
    if (checkImmunityMs !== undefined) properties[PROPERTY_CHECK_IMMUNITY_SECONDS] = immunitySeconds(checkImmunityMs)
  }

  #queueId(topic: TopicConfig, message: Message, options: SendOptions): number {
    const { queueId } = options
    if (queueId !== undefined) return checkedQueueId(queueId, topic.topic, topic.writeQueues)
    const { core, selectQueue } = this.#parts
    const select = options.selectQueue ?? (message.messageGroup === undefined ? selectQueue : undefined)
    if (select === undefined) return core.chooseQueue(topic, message.messageGroup)
    const queues = Array.from({ length: topic.writeQueues }, (_, id) => ({ topic: topic.topic, queueId: id }))
    const chosen = select(queues, message)
    const isOfAnother = chosen?.topic !== undefined && chosen.topic !== topic.topic
    return checkedQueueId(isOfAnother ? -1 : chosen?.queueId, topic.topic, topic.writeQueues)
  }
}

/** Whether a message says anything about when it is delivered. */
export function isDelayed(message: Message): boolean {
  return message.delay !== undefined || message.deliveryTimestamp !== undefined || message.delayLevel !== undefined
}

/** What kind a message is that belongs to no transaction. */
export function kindOfMessage(message: Message): MessageKind {
  if (isDelayed(message) && message.delayLevel !== 0) return 'DELAY'
  return message.messageGroup === undefined ? 'NORMAL' : 'FIFO'
}

function checkedDurability(durability: Durability): Durability {
  if (durability === 'memory' || durability === 'interval' || durability === 'disk') return durability
  const words = "'memory', 'interval' or 'disk'"
  const problem = `there is no durability ${String(durability)}`
  throw invalid('durability', problem, `Use ${words}.`, words, String(durability))
}

function checkedMessageId(messageId: unknown): string {
  if (typeof messageId === 'string' && /^[\x21-\x7e]{1,255}$/.test(messageId)) return messageId
  const hint = 'Pass what mq.newMessageId() answered.'
  throw invalid('messageId', 'messageId is no id', hint, '1 to 255 visible characters', String(messageId))
}

/** RocketMQ counts in seconds. */
function immunitySeconds(ms: unknown): string {
  if (typeof ms === 'number' && Number.isFinite(ms) && ms >= 0 && ms <= 3_600_000) return String(Math.ceil(ms / 1000))
  const problem = `checkImmunityMs ${String(ms)} is out of range`
  throw invalid('checkImmunityMs', problem, 'Use 0 to 3600000.', 3_600_000, String(ms))
}
