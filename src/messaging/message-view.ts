/**
 * A message as a user sees it: a stored record with the topic it was subscribed to as, its body unpacked when asked for.
 * Field names follow `rocketmq-client-nodejs`. Every field is read from the message's own copy of the record, once.
 */
import { decompressBody } from '../codec/compression.ts'
import {
  PROPERTY_RETRY_TOPIC,
  PROPERTY_SHARDING_KEY,
  PROPERTY_TIMER_DELIVER_MS,
  PROPERTY_TRANSACTION_ID,
} from '../codec/properties.ts'
import { StoredMessage } from '../store/message-store.ts'
import type { RawMessage, ReceivedMessage } from './core-types.ts'
import { isReservedProperty } from './limits.ts'

/** Largest body a compressed one may unpack to: a bound on what hostile bytes can make of memory. */
export const UNPACKED_BODY_BYTES_MAX: number = 64 * 1024 * 1024

/** A message of a queue. */
export class MessageView {
  readonly #stored: StoredMessage
  readonly #topic: string | undefined
  #body: Buffer | undefined
  #properties: Readonly<Record<string, string>> | undefined
  /** 1 the first time it is delivered. */
  readonly deliveryAttempt: number

  /** @param topic the one the user knows it by, where that is not the one it lies in */
  constructor(stored: StoredMessage, deliveryAttempt: number = stored.reconsumeTimes + 1, topic?: string) {
    this.#stored = stored
    this.#topic = topic
    this.deliveryAttempt = deliveryAttempt
  }

  /** The id its producer gave it; the same in every retry copy. */
  get messageId(): string {
    return this.#stored.uniqueKey ?? this.#stored.offsetMessageId
  }

  /** Where this record lies, as RocketMQ writes it. */
  get offsetMessageId(): string {
    return this.#stored.offsetMessageId
  }

  /** For a retry: the topic it was sent to first. */
  get topic(): string {
    if (this.#topic !== undefined) return this.#topic
    const { topic } = this.#stored
    return topic.startsWith('%') ? (this.#stored.property(PROPERTY_RETRY_TOPIC) ?? topic) : topic
  }

  get queueId(): number {
    return this.#stored.queueId
  }

  get queueOffset(): number {
    return this.#stored.queueOffset
  }

  get physicalOffset(): number {
    return this.#stored.physicalOffset
  }

  get sizeBytes(): number {
    return this.#stored.sizeBytes
  }

  get tag(): string | undefined {
    return this.#stored.tag
  }

  get keys(): string[] {
    return this.#stored.keys
  }

  /** The user's own; the reserved ones have fields of their own. */
  get properties(): Readonly<Record<string, string>> {
    this.#properties ??= userProperties(this.#stored.properties)
    return this.#properties
  }

  get messageGroup(): string | undefined {
    return this.#stored.property(PROPERTY_SHARDING_KEY)
  }

  get transactionId(): string | undefined {
    return this.#stored.property(PROPERTY_TRANSACTION_ID)
  }

  /** Unpacked where it was compressed. The caller's own copy. @throws CORRUPT when it does not unpack */
  get body(): Buffer {
    this.#body ??= decompressBody(this.#stored.body, this.#stored.sysFlag, UNPACKED_BODY_BYTES_MAX)
    return this.#body
  }

  /** Epoch milliseconds, the producer's clock. */
  get bornTimestamp(): number {
    return this.#stored.bornTimestamp
  }

  /** Epoch milliseconds. */
  get storeTimestamp(): number {
    return this.#stored.storeTimestamp
  }

  get bornHost(): string {
    return this.#stored.bornHost
  }

  get storeHost(): string {
    return this.#stored.storeHost
  }

  /** Epoch milliseconds it was to be delivered at, where its producer said so. */
  get deliveryTimestamp(): number | undefined {
    const text = this.#stored.property(PROPERTY_TIMER_DELIVER_MS)
    return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined
  }

  get sysFlag(): number {
    return this.#stored.sysFlag
  }

  get flag(): number {
    return this.#stored.flag
  }

  /** Plain values for JSON; the body as base64. */
  toJSON(): Record<string, unknown> {
    const { messageId, offsetMessageId, topic, queueId, queueOffset, physicalOffset, sizeBytes, tag, keys } = this
    const { properties, messageGroup, bornTimestamp, storeTimestamp, bornHost, storeHost } = this
    const { deliveryAttempt, deliveryTimestamp, sysFlag, flag } = this
    return {
      ...{ messageId, offsetMessageId, topic, queueId, queueOffset, physicalOffset, sizeBytes, tag, keys },
      ...{ properties, messageGroup, body: this.body.toString('base64'), bornTimestamp, storeTimestamp },
      ...{ bornHost, storeHost, deliveryAttempt, deliveryTimestamp, sysFlag, flag },
    }
  }
}

/** A message of `tail` and `poll`. */
export function viewOf({ record }: RawMessage): MessageView {
  return new MessageView(new StoredMessage(bufferOf(record)))
}

/** The stored record of a message that was received. */
export function receivedRecord({ bytes, start, sizeBytes }: ReceivedMessage): StoredMessage {
  return new StoredMessage(bufferOf(bytes), start, sizeBytes)
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}

function userProperties(all: Record<string, string>): Readonly<Record<string, string>> {
  for (const name of Object.keys(all)) if (isReservedProperty(name)) delete all[name]
  return all
}
