/**
 * A message as it is stored: a record of its own copy of bytes, every field read when asked for.   RocketMQ: MessageExt.
 * Made by those who have already checked the record (RecordCursor), or by `decodeRecord`, which checks.
 */
import { PocketMQError } from '../base/errors.ts'
import { i16At, i32At, i64At } from './bytes.ts'
import { hostText } from './host.ts'
import { messageIdOfHost } from './message-id.ts'
import {
  decodeProperties,
  PROPERTY_DELAY,
  PROPERTY_KEYS,
  PROPERTY_TAGS,
  PROPERTY_UNIQ_KEY,
  propertyValue,
} from './properties.ts'
import type { RecordChecks } from './record-cursor.ts'
import { RecordCursor } from './record-cursor.ts'
import {
  BODY_CRC_OFFSET,
  BODY_LENGTH_OFFSET_IPV4,
  BODY_OFFSET_IPV4,
  BORN_HOST_IPV6_FLAG,
  BORN_HOST_OFFSET,
  BORN_TIMESTAMP_OFFSET,
  FLAG_OFFSET,
  HOST_IPV6_EXTRA_BYTES,
  MAGIC_OFFSET,
  MAGIC_V2,
  PHYSICAL_OFFSET_OFFSET,
  PREPARED_TRANSACTION_OFFSET_OFFSET_IPV4,
  QUEUE_ID_OFFSET,
  QUEUE_OFFSET_OFFSET,
  RECONSUME_TIMES_OFFSET_IPV4,
  STORE_HOST_IPV6_FLAG,
  STORE_HOST_OFFSET_IPV4,
  STORE_TIMESTAMP_OFFSET_IPV4,
  SYS_FLAG_OFFSET,
} from './record-layout.ts'
import { recordTagsCode } from './tags-code.ts'
import { TopicNames } from './topic-names.ts'

/** One string for each topic, whichever message is asked. */
const topicNames = new TopicNames()

/** A stored message. */
export class StoredMessage {
  /** The bytes it lies in: its own record, or a batch of records that were copied together. */
  readonly #bytes: Buffer
  readonly #start: number
  readonly sizeBytes: number
  #tagsCode: number | undefined
  #propertiesText: string | undefined
  #topic: string | undefined

  /**
   * A view of a whole, checked record; bytes that may change or go have to be copied by the caller first.
   * @param bytes the record, or where `start` and `sizeBytes` are given a buffer that holds it
   * @param tagsCode where the caller knows it already, from the consume queue
   */
  constructor(bytes: Buffer, start = 0, sizeBytes: number = bytes.length - start, tagsCode?: number) {
    this.#bytes = bytes
    this.#start = start
    this.sizeBytes = sizeBytes
    this.#tagsCode = tagsCode
  }

  /** The record's bytes; a view, not a copy. */
  get record(): Buffer {
    return this.#bytes.subarray(this.#start, this.#start + this.sizeBytes)
  }

  /** The buffer the record lies in, perhaps with others: for whoever passes many on without an object for each. */
  get batchBytes(): Buffer {
    return this.#bytes
  }

  /** Where in `batchBytes` the record starts. */
  get batchStart(): number {
    return this.#start
  }

  get magic(): number {
    return i32At(this.#bytes, this.#start + MAGIC_OFFSET)
  }

  /** CRC-32 of the stored body, without its top bit. */
  get bodyCrc(): number {
    return i32At(this.#bytes, this.#start + BODY_CRC_OFFSET)
  }

  get queueId(): number {
    return i32At(this.#bytes, this.#start + QUEUE_ID_OFFSET)
  }

  get flag(): number {
    return i32At(this.#bytes, this.#start + FLAG_OFFSET)
  }

  get queueOffset(): number {
    return i64At(this.#bytes, this.#start + QUEUE_OFFSET_OFFSET)
  }

  get physicalOffset(): number {
    return i64At(this.#bytes, this.#start + PHYSICAL_OFFSET_OFFSET)
  }

  get sysFlag(): number {
    return i32At(this.#bytes, this.#start + SYS_FLAG_OFFSET)
  }

  /** The producer's clock, epoch milliseconds. */
  get bornTimestamp(): number {
    return i64At(this.#bytes, this.#start + BORN_TIMESTAMP_OFFSET)
  }

  /** `address:port`, as RocketMQ prints it. */
  get bornHost(): string {
    return hostText(this.#bytes, this.#start + BORN_HOST_OFFSET, (this.sysFlag & BORN_HOST_IPV6_FLAG) !== 0)
  }

  /** When the store took it, epoch milliseconds; never falls along the log. */
  get storeTimestamp(): number {
    return i64At(this.#bytes, this.#afterBornHost() + STORE_TIMESTAMP_OFFSET_IPV4)
  }

  /** `address:port`, as RocketMQ prints it. */
  get storeHost(): string {
    const isIpv6 = (this.sysFlag & STORE_HOST_IPV6_FLAG) !== 0
    return hostText(this.#bytes, this.#afterBornHost() + STORE_HOST_OFFSET_IPV4, isIpv6)
  }

  /** How often it was delivered before it was stored as this record. */
  get reconsumeTimes(): number {
    return i32At(this.#bytes, this.#afterHosts() + RECONSUME_TIMES_OFFSET_IPV4)
  }

  get preparedTransactionOffset(): number {
    return i64At(this.#bytes, this.#afterHosts() + PREPARED_TRANSACTION_OFFSET_OFFSET_IPV4)
  }

  get bodyBytes(): number {
    return i32At(this.#bytes, this.#afterHosts() + BODY_LENGTH_OFFSET_IPV4)
  }

  /** The body as stored, perhaps compressed; a view of this message's bytes. */
  get body(): Buffer {
    const start = this.#afterHosts() + BODY_OFFSET_IPV4
    return this.#bytes.subarray(start, start + this.bodyBytes)
  }

  get topic(): string {
    if (this.#topic === undefined) {
      const [start, end] = this.#topicRange()
      this.#topic = topicNames.at(this.#bytes, start, end)
    }
    return this.#topic
  }

  /** All properties as stored. FORMAT section 3. */
  get propertiesText(): string {
    if (this.#propertiesText === undefined) {
      const [, topicEnd] = this.#topicRange()
      this.#propertiesText = this.#bytes.toString('utf8', topicEnd + 2, this.#start + this.sizeBytes)
    }
    return this.#propertiesText
  }

  /** All properties, a new object each time. */
  get properties(): Record<string, string> {
    return decodeProperties(this.propertiesText)
  }

  /** One property; undefined where it is absent or empty. */
  property(name: string): string | undefined {
    return propertyValue(this.propertiesText, name)
  }

  get tag(): string | undefined {
    return this.property(PROPERTY_TAGS)
  }

  /** Business keys, which a space separates on disk. */
  get keys(): string[] {
    const text = this.property(PROPERTY_KEYS)
    if (text === undefined) return []
    return text.includes(' ') ? text.split(' ').filter(key => key !== '') : [text]
  }

  /** The message id its producer gave it. */
  get uniqueKey(): string | undefined {
    return this.property(PROPERTY_UNIQ_KEY)
  }

  /** The tag's hash, or for a message parked in the schedule topic when it is due. */
  get tagsCode(): number {
    this.#tagsCode ??= recordTagsCode(this.topic, this.tag, this.property(PROPERTY_DELAY), this.storeTimestamp)
    return this.#tagsCode
  }

  /** The id that says where it lies: store host and physicalOffset. FORMAT section 21. */
  get offsetMessageId(): string {
    const isIpv6 = (this.sysFlag & STORE_HOST_IPV6_FLAG) !== 0
    return messageIdOfHost(this.#bytes, this.#afterBornHost() + STORE_HOST_OFFSET_IPV4, isIpv6, this.physicalOffset)
  }

  /** Where the fields after the born host would start if it were IPv4. */
  #afterBornHost(): number {
    return this.#start + ((this.sysFlag & BORN_HOST_IPV6_FLAG) === 0 ? 0 : HOST_IPV6_EXTRA_BYTES)
  }

  #afterHosts(): number {
    const { sysFlag } = this
    const born = (sysFlag & BORN_HOST_IPV6_FLAG) === 0 ? 0 : HOST_IPV6_EXTRA_BYTES
    const store = (sysFlag & STORE_HOST_IPV6_FLAG) === 0 ? 0 : HOST_IPV6_EXTRA_BYTES
    return this.#start + born + store
  }

  #topicRange(): readonly [number, number] {
    const lengthAt = this.#afterHosts() + BODY_OFFSET_IPV4 + this.bodyBytes
    if (this.magic === MAGIC_V2) return [lengthAt + 2, lengthAt + 2 + i16At(this.#bytes, lengthAt)]
    return [lengthAt + 1, lengthAt + 1 + (this.#bytes[lengthAt] as number)]
  }
}

const CHECKS: RecordChecks = { body: true, record: 'ignore', position: false }

/**
 * Checks one record, from its first byte to its last, and shows it. `record` is not copied.
 * @throws CORRUPT with `expected` and `found` in `details`
 */
export function decodeRecord(record: Buffer, checks: RecordChecks = CHECKS): StoredMessage {
  const cursor = new RecordCursor()
  const view = new DataView(record.buffer, record.byteOffset, record.length)
  const outcome = cursor.read(record, view, 0, record.length, 0, checks)
  if (outcome === 'record' && cursor.sizeBytes === record.length) return new StoredMessage(record)
  let found = outcome === 'bad' ? cursor.reason : `a ${outcome} record`
  if (outcome === 'record') found = `a record of ${cursor.sizeBytes} bytes`
  throw new PocketMQError('CORRUPT', `No record: ${found}`, {
    hint: 'Pass the bytes of one whole commit-log record; `pocketmq verify` names those that are damaged.',
    details: { physicalOffset: undefined, expected: `a record of ${record.length} bytes`, found },
  })
}
