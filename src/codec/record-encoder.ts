/**
 * Encodes messages into records: `prepare` checks a message and says how long its record is, `encode` writes it where the
 * log has made room. One encoder serves one store; nothing of it may be used between the two calls.
 * RocketMQ: MessageExtEncoder and the append callback that patches offsets and time.
 */
import { assert } from '../base/assert.ts'
import { PocketMQError } from '../base/errors.ts'
import { copyBytes, writeI64 } from './bytes.ts'
import { crc32Combine, crc32OfRange } from './crc.ts'
import type { Host } from './host.ts'
import { PORT_BYTES, parseHost } from './host.ts'
import { PropertiesWriter } from './properties-writer.ts'
import { RECORD_CRC_BYTES, writeRecordCrc } from './record-crc.ts'
import type { RecordFields } from './record-fields.ts'
import { PROPERTIES_BYTES_MAX } from './record-fields.ts'
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
  MAGIC_V1,
  MAGIC_V2,
  PHYSICAL_OFFSET_OFFSET,
  PREPARED_TRANSACTION_OFFSET_OFFSET_IPV4,
  PROPERTIES_LENGTH_BYTES,
  QUEUE_ID_OFFSET,
  QUEUE_OFFSET_OFFSET,
  RECONSUME_TIMES_OFFSET_IPV4,
  STORE_HOST_IPV6_FLAG,
  STORE_HOST_OFFSET_IPV4,
  STORE_TIMESTAMP_OFFSET_IPV4,
  SYS_FLAG_OFFSET,
  TOTAL_SIZE_OFFSET,
} from './record-layout.ts'
import { encodedTopic } from './topic-bytes.ts'

/** From this length on, combining the body's CRC into the record's is quicker than running over the body again. */
const COMBINE_BYTES_MIN = 96
/** Topics whose encoding is kept. */
const CACHED_TOPICS_MAX = 4096
const HOST_FLAGS = BORN_HOST_IPV6_FLAG | STORE_HOST_IPV6_FLAG

/** What a {@link RecordEncoder} needs to know. */
export type RecordEncoderOptions = {
  /** `host:port` written into each record: the store's advertised address. */
  readonly storeHost: string
  /** Whether each record ends in a CRC over all of it. */
  readonly recordCrc: boolean
  /** Largest body. */
  readonly messageBytesMax: number
}

/** A record's place in an append unit; both count from 1. */
export type UnitPlace = { readonly index: number; readonly count: number }

/** Turns {@link RecordFields} into bytes. */
export class RecordEncoder {
  readonly #storeHost: Host
  readonly #recordCrc: boolean
  readonly #messageBytesMax: number
  readonly #propertiesBytesMax: number
  readonly #properties = new PropertiesWriter()
  readonly #topics = new Map<string, Uint8Array>()
  #topicText = ''
  /** Bytes of the topic with its length field; they stand first in the scratch buffer as long as the topic stays the same. */
  #topicBytes = 0
  #isV2 = false
  #bornHostText: string | undefined
  #bornHost: Host
  // What `prepare` found out about the message that `encode` writes next; sizeBytes is 0 before any.
  #sizeBytes = 0
  #body: Uint8Array = new Uint8Array(0)
  /** Everything after the body but the record CRC, as it stands in the scratch buffer. */
  #tailBytes = 0
  #queueId = 0
  #flag = 0
  #sysFlag = 0
  #bornTimestamp: number | undefined
  #recordBornHost: Host
  #reconsumeTimes = 0
  #preparedTransactionOffset = 0

  constructor({ storeHost, recordCrc, messageBytesMax }: RecordEncoderOptions) {
    this.#storeHost = parseHost(storeHost)
    this.#bornHost = this.#storeHost
    this.#recordBornHost = this.#storeHost
    this.#recordCrc = recordCrc
    this.#messageBytesMax = messageBytesMax
    this.#propertiesBytesMax = PROPERTIES_BYTES_MAX - (recordCrc ? RECORD_CRC_BYTES : 0)
  }

  /**
   * Checks a message and keeps what `encode` needs.
   * @returns the size of its record in bytes
   * @throws INVALID_ARGUMENT, MESSAGE_TOO_LARGE; `details` has `field`, and `limit` and `actual` for what is too large
   */
  prepare(record: RecordFields, unit?: UnitPlace): number {
    this.#sizeBytes = 0
    const { topic, body, queueId, flag = 0, sysFlag = 0, reconsumeTimes = 0, preparedTransactionOffset = 0 } = record
    if (topic !== this.#topicText || this.#topicBytes === 0) this.#useTopic(topic)
    if (!isBytes(body)) throw wrongField('body', 'a Uint8Array', typeof body)
    if (body.length > this.#messageBytesMax) throw bodyTooLarge(this.#messageBytesMax, body.length)
    if ((queueId | 0) !== queueId || queueId < 0)
      throw wrongField('queueId', 'a whole number from 0 to 2147483647', queueId)
    if ((flag | 0) !== flag) throw wrongField('flag', 'a signed 32-bit number', flag)
    if ((sysFlag | 0) !== sysFlag) throw wrongField('sysFlag', 'a signed 32-bit number', sysFlag)
    if ((reconsumeTimes | 0) !== reconsumeTimes) {
      throw wrongField('reconsumeTimes', 'a signed 32-bit number', reconsumeTimes)
    }
    if (!isSafeOffset(preparedTransactionOffset)) {
      throw wrongField('preparedTransactionOffset', 'a safe whole number from 0', preparedTransactionOffset)
    }
    const bornTimestamp = record.bornTimestamp
    if (bornTimestamp !== undefined && !isSafeOffset(bornTimestamp)) {
      throw wrongField('bornTimestamp', 'whole epoch milliseconds', bornTimestamp)
    }
    const bornHost = this.#hostOf(record.bornHost)
    const unitText = unit === undefined ? '' : `${unit.index}/${unit.count}`
    const propertiesStart = this.#topicBytes + PROPERTIES_LENGTH_BYTES
    const tailBytes = this.#properties.write(record.properties, unitText, propertiesStart, this.#propertiesBytesMax)
    const crcBytes = this.#recordCrc ? RECORD_CRC_BYTES : 0
    this.#properties.view.setInt16(this.#topicBytes, tailBytes - propertiesStart + crcBytes)

    this.#body = body
    this.#tailBytes = tailBytes
    this.#queueId = queueId
    this.#flag = flag
    this.#sysFlag = (sysFlag & ~HOST_FLAGS) | this.#hostFlags(bornHost)
    this.#bornTimestamp = bornTimestamp
    this.#recordBornHost = bornHost
    this.#reconsumeTimes = reconsumeTimes
    this.#preparedTransactionOffset = preparedTransactionOffset
    const hostExtra =
      (bornHost.isIpv6 ? HOST_IPV6_EXTRA_BYTES : 0) + (this.#storeHost.isIpv6 ? HOST_IPV6_EXTRA_BYTES : 0)
    this.#sizeBytes = BODY_OFFSET_IPV4 + hostExtra + body.length + tailBytes + crcBytes
    return this.#sizeBytes
  }

  /**
   * Writes the prepared record at index `at` of `bytes`; `view` is of the same memory. May be called again for another place.
   * Nothing of the caller's message is referred to afterwards but until the next `prepare`.
   */
  encode(
    bytes: Uint8Array,
    view: DataView,
    at: number,
    queueOffset: number,
    physicalOffset: number,
    storeTimestamp: number,
  ): void {
    const sizeBytes = this.#sizeBytes
    assert(sizeBytes > 0, 'a record is prepared before it is encoded')
    assert(at + sizeBytes <= bytes.length, 'there is room for the record')
    const bodyAt = this.#encodeHead(view, at, queueOffset, physicalOffset, storeTimestamp)
    const body = this.#body
    const bodyEnd = bodyAt + body.length
    if (body.length > 0) bytes.set(body, bodyAt)
    const bodyCrc = crc32OfRange(view, bodyAt, bodyEnd)
    view.setInt32(at + BODY_CRC_OFFSET, bodyCrc & 0x7fffffff)

    copyBytes(this.#properties.view, view, bodyEnd, this.#tailBytes)
    const next = bodyEnd + this.#tailBytes
    assert(next + (this.#recordCrc ? RECORD_CRC_BYTES : 0) === at + sizeBytes, 'a record is as long as prepare said')
    if (!this.#recordCrc) return
    let crc = crc32OfRange(view, at, bodyAt)
    if (body.length < COMBINE_BYTES_MIN) crc = crc32OfRange(view, bodyAt, next, crc)
    else crc = crc32OfRange(view, bodyEnd, next, crc32Combine(crc, bodyCrc, body.length))
    writeRecordCrc(view, next, crc)
  }

  /** All fields before the body but its CRC. @returns where the body starts */
  #encodeHead(view: DataView, at: number, queueOffset: number, physicalOffset: number, storeTimestamp: number): number {
    view.setInt32(at + TOTAL_SIZE_OFFSET, this.#sizeBytes)
    view.setInt32(at + MAGIC_OFFSET, this.#isV2 ? MAGIC_V2 : MAGIC_V1)
    view.setInt32(at + QUEUE_ID_OFFSET, this.#queueId)
    view.setInt32(at + FLAG_OFFSET, this.#flag)
    writeI64(view, at + QUEUE_OFFSET_OFFSET, queueOffset)
    writeI64(view, at + PHYSICAL_OFFSET_OFFSET, physicalOffset)
    view.setInt32(at + SYS_FLAG_OFFSET, this.#sysFlag)
    writeI64(view, at + BORN_TIMESTAMP_OFFSET, this.#bornTimestamp ?? storeTimestamp)
    writeHost(view, at + BORN_HOST_OFFSET, this.#recordBornHost)
    let base = at
    if (this.#recordBornHost.isIpv6) base += HOST_IPV6_EXTRA_BYTES
    writeI64(view, base + STORE_TIMESTAMP_OFFSET_IPV4, storeTimestamp)
    writeHost(view, base + STORE_HOST_OFFSET_IPV4, this.#storeHost)
    if (this.#storeHost.isIpv6) base += HOST_IPV6_EXTRA_BYTES
    view.setInt32(base + RECONSUME_TIMES_OFFSET_IPV4, this.#reconsumeTimes)
    writeI64(view, base + PREPARED_TRANSACTION_OFFSET_OFFSET_IPV4, this.#preparedTransactionOffset)
    view.setInt32(base + BODY_LENGTH_OFFSET_IPV4, this.#body.length)
    return base + BODY_OFFSET_IPV4
  }

  #hostFlags(bornHost: Host): number {
    return (bornHost.isIpv6 ? BORN_HOST_IPV6_FLAG : 0) | (this.#storeHost.isIpv6 ? STORE_HOST_IPV6_FLAG : 0)
  }

  #useTopic(topic: string): void {
    let bytes = this.#topics.get(topic)
    if (bytes === undefined) {
      bytes = encodedTopic(topic)
      if (this.#topics.size >= CACHED_TOPICS_MAX) this.#topics.clear()
      this.#topics.set(topic, bytes)
    }
    this.#topicText = topic
    this.#topicBytes = bytes.length
    this.#properties.scratch.set(bytes, 0)
    this.#isV2 = bytes.length - topic.length === 2
  }

  #hostOf(text: string | undefined): Host {
    if (text === undefined) return this.#storeHost
    if (text !== this.#bornHostText) {
      if (typeof text !== 'string') throw wrongField('bornHost', "'address:port'", typeof text)
      this.#bornHost = parseHost(text)
      this.#bornHostText = text
    }
    return this.#bornHost
  }
}

function writeHost(view: DataView, at: number, { bytes, port }: Host): void {
  for (let i = 0; i < bytes.length; i++) view.setUint8(at + i, bytes[i] as number)
  view.setInt32(at + bytes.length, port)
}

/** A Uint8Array, also one of another realm. */
function isBytes(body: unknown): body is Uint8Array {
  return body instanceof Uint8Array || Object.prototype.toString.call(body) === '[object Uint8Array]'
}

function isSafeOffset(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function wrongField(field: string, expected: string, given: unknown): PocketMQError {
  return new PocketMQError('INVALID_ARGUMENT', `${field} must be ${expected}, not ${String(given)}`, {
    hint: `Give ${field} as ${expected}.`,
    details: { field, given: String(given) },
  })
}

function bodyTooLarge(limit: number, actual: number): PocketMQError {
  return new PocketMQError('MESSAGE_TOO_LARGE', `A body of ${actual} bytes is larger than ${limit}`, {
    hint: 'Store large content elsewhere and send a reference to it, or compress it.',
    details: { field: 'body', limit, actual },
  })
}

assert(PORT_BYTES === 4, 'a port is written as i32')
