/**
 * Reads records where they lie, one after another, into its own fields: no object is made for a record.
 * Hostile bytes are an outcome: a record is either exactly what FORMAT section 2 says, or `bad` with a reason.
 * RocketMQ: CommitLog.checkMessageAndReturnSize.
 */
import { readI64 } from './bytes.ts'
import { crc32Combine, crc32OfRange } from './crc.ts'
import { PROPERTY_DELAY, PROPERTY_TAGS, propertyValue } from './properties.ts'
import { hasRecordCrc, matchesRecordCrc, RECORD_CRC_BYTES } from './record-crc.ts'
import { READABLE_RECORD_BYTES_MAX } from './record-fields.ts'
import {
  BODY_CRC_OFFSET,
  BODY_LENGTH_OFFSET_IPV4,
  BODY_OFFSET_IPV4,
  BORN_HOST_IPV6_FLAG,
  BORN_TIMESTAMP_OFFSET,
  FILLER_BYTES,
  FLAG_OFFSET,
  HOST_IPV6_EXTRA_BYTES,
  MAGIC_FILLER,
  MAGIC_OFFSET,
  MAGIC_V1,
  MAGIC_V2,
  PHYSICAL_OFFSET_OFFSET,
  PREPARED_TRANSACTION_OFFSET_OFFSET_IPV4,
  PROPERTIES_LENGTH_BYTES,
  QUEUE_ID_OFFSET,
  QUEUE_OFFSET_OFFSET,
  RECONSUME_TIMES_OFFSET_IPV4,
  RECORD_BYTES_MIN,
  STORE_HOST_IPV6_FLAG,
  STORE_TIMESTAMP_OFFSET_IPV4,
  SYS_FLAG_OFFSET,
  TOTAL_SIZE_OFFSET,
} from './record-layout.ts'
import { recordTagsCode } from './tags-code.ts'
import { TopicNames } from './topic-names.ts'

/** What a record must prove. */
export type RecordChecks = {
  /** The body's CRC. */
  readonly body: boolean
  /** The CRC over the whole record: it must be there and match; must match where it is there; or is not looked at. */
  readonly record: 'required' | 'present' | 'ignore'
  /** The record must say that it starts where it was found. */
  readonly position: boolean
}

/** Every check: for what this store wrote itself. */
export const ALL_CHECKS: RecordChecks = { body: true, record: 'required', position: true }

/** What there is at a place. `short`: the bytes at hand end before the record does. */
export type RecordOutcome = 'record' | 'filler' | 'short' | 'bad'

/** One record at a time; every field is of the last `read`, and only those that its outcome names mean anything. */
export class RecordCursor {
  // After `record`.
  sizeBytes = 0
  magic = 0
  bodyCrc = 0
  queueId = 0
  flag = 0
  queueOffset = 0
  physicalOffset = 0
  sysFlag = 0
  bornTimestamp = 0
  storeTimestamp = 0
  reconsumeTimes = 0
  preparedTransactionOffset = 0
  /** Index in the buffer that was read. */
  bodyStart = 0
  bodyBytes = 0
  topic = ''
  /** Index in the buffer that was read. */
  propertiesStart = 0
  propertiesBytes = 0
  /** Whether the record ends in a `__CRC32#` property, whether or not it was checked. */
  hasRecordCrc = false
  /** After `filler`: how far it says it reaches. */
  fillerBytes = 0
  /** After `short`: how many bytes from the record's start have to be at hand. */
  needBytes = 0
  /** After `bad`: what is wrong. */
  reason = ''
  /** After `bad`: the record's own totalSize where that may be one, else 0. */
  claimedBytes = 0
  readonly #recordBytesMax: number
  readonly #topicNames = new TopicNames()
  #bytes: Buffer = Buffer.alloc(0)
  #properties: string | undefined

  /** @param recordBytesMax a record that claims to be larger is `bad`; a segment's length is a good bound */
  constructor(recordBytesMax: number = READABLE_RECORD_BYTES_MAX) {
    this.#recordBytesMax = recordBytesMax
  }

  /**
   * Reads what starts at index `at`; `view` is of the same memory as `bytes`, whose bytes up to `limit` count.
   * The buffer is kept until the next `read`, for the lazy getters.
   * @param physicalOffset where in the log `at` is
   */
  read(
    bytes: Buffer,
    view: DataView,
    at: number,
    limit: number,
    physicalOffset: number,
    checks: RecordChecks,
  ): RecordOutcome {
    this.#bytes = bytes
    this.#properties = undefined
    this.claimedBytes = 0
    if (limit - at < FILLER_BYTES) return this.#short(FILLER_BYTES)
    const sizeBytes = view.getInt32(at + TOTAL_SIZE_OFFSET)
    const magic = view.getInt32(at + MAGIC_OFFSET)
    if (magic !== MAGIC_V1 && magic !== MAGIC_V2) return this.#noRecord(sizeBytes, magic)
    if (sizeBytes < RECORD_BYTES_MIN) return this.#bad('totalSize is less than a record can have')
    if (sizeBytes > this.#recordBytesMax) return this.#bad('totalSize is more than a record can have')
    this.claimedBytes = sizeBytes
    if (limit - at < sizeBytes) return this.#short(sizeBytes)
    this.sizeBytes = sizeBytes
    this.magic = magic
    const outcome = this.#readFields(view, at, at + sizeBytes)
    if (outcome !== 'record') return outcome
    if (checks.position && this.physicalOffset !== physicalOffset)
      return this.#bad('physicalOffset is not its position')
    return this.#check(view, at, checks)
  }

  /** The buffer that was read, into which the indexes above lead. */
  get bytes(): Buffer {
    return this.#bytes
  }

  /** The properties as text. FORMAT section 3. */
  get properties(): string {
    this.#properties ??= this.#bytes.toString('utf8', this.propertiesStart, this.propertiesStart + this.propertiesBytes)
    return this.#properties
  }

  /** What the consume queue keeps of the tags, or of a delay. FORMAT section 3. */
  get tagsCode(): number {
    const { properties } = this
    const tags = propertyValue(properties, PROPERTY_TAGS)
    return recordTagsCode(this.topic, tags, propertyValue(properties, PROPERTY_DELAY), this.storeTimestamp)
  }

  /** The body; a view of the buffer that was read. */
  get body(): Buffer {
    return this.#bytes.subarray(this.bodyStart, this.bodyStart + this.bodyBytes)
  }

  /** All fields of the record from `at` to `end`, and whether their lengths add up. */
  #readFields(view: DataView, at: number, end: number): RecordOutcome {
    const sysFlag = view.getInt32(at + SYS_FLAG_OFFSET)
    const bornExtra = (sysFlag & BORN_HOST_IPV6_FLAG) === 0 ? 0 : HOST_IPV6_EXTRA_BYTES
    const storeExtra = (sysFlag & STORE_HOST_IPV6_FLAG) === 0 ? 0 : HOST_IPV6_EXTRA_BYTES
    const base = at + bornExtra + storeExtra
    const bodyStart = base + BODY_OFFSET_IPV4
    if (bodyStart > end) return this.#bad('the hosts do not fit')
    const bodyBytes = view.getInt32(base + BODY_LENGTH_OFFSET_IPV4)
    const topicLengthBytes = this.magic === MAGIC_V2 ? 2 : 1
    if (bodyBytes < 0 || bodyStart + bodyBytes + topicLengthBytes > end) return this.#bad('the body does not fit')
    const topicLengthAt = bodyStart + bodyBytes
    const topicBytes = topicLengthBytes === 1 ? view.getInt8(topicLengthAt) : view.getInt16(topicLengthAt)
    const topicEnd = topicLengthAt + topicLengthBytes + topicBytes
    if (topicBytes <= 0 || topicEnd + PROPERTIES_LENGTH_BYTES > end) return this.#bad('the topic does not fit')
    const propertiesBytes = view.getInt16(topicEnd)
    const propertiesStart = topicEnd + PROPERTIES_LENGTH_BYTES
    if (propertiesBytes < 0 || propertiesStart + propertiesBytes !== end) {
      return this.#bad('totalSize is not the sum of the lengths')
    }
    this.bodyCrc = view.getInt32(at + BODY_CRC_OFFSET)
    this.queueId = view.getInt32(at + QUEUE_ID_OFFSET)
    this.flag = view.getInt32(at + FLAG_OFFSET)
    this.queueOffset = readI64(view, at + QUEUE_OFFSET_OFFSET)
    this.physicalOffset = readI64(view, at + PHYSICAL_OFFSET_OFFSET)
    this.sysFlag = sysFlag
    this.bornTimestamp = readI64(view, at + BORN_TIMESTAMP_OFFSET)
    this.storeTimestamp = readI64(view, at + bornExtra + STORE_TIMESTAMP_OFFSET_IPV4)
    this.reconsumeTimes = view.getInt32(base + RECONSUME_TIMES_OFFSET_IPV4)
    this.preparedTransactionOffset = readI64(view, base + PREPARED_TRANSACTION_OFFSET_OFFSET_IPV4)
    this.bodyStart = bodyStart
    this.bodyBytes = bodyBytes
    this.propertiesStart = propertiesStart
    this.propertiesBytes = propertiesBytes
    this.topic = this.#topicNames.at(this.#bytes, topicLengthAt + topicLengthBytes, topicEnd)
    return this.#checkValues()
  }

  /** Values that no writer writes and that would be wrong numbers or paths here. */
  #checkValues(): RecordOutcome {
    if (this.topic === '') return this.#bad('the topic is no topic name')
    if (this.queueId < 0) return this.#bad('queueId is negative')
    if (!isOffset(this.queueOffset)) return this.#bad('queueOffset is out of range')
    if (!isOffset(this.physicalOffset)) return this.#bad('physicalOffset is out of range')
    if (!Number.isSafeInteger(this.bornTimestamp)) return this.#bad('bornTimestamp is out of range')
    if (!isOffset(this.storeTimestamp)) return this.#bad('storeTimestamp is out of range')
    if (!Number.isSafeInteger(this.preparedTransactionOffset))
      return this.#bad('preparedTransactionOffset is out of range')
    return 'record'
  }

  #check(view: DataView, at: number, checks: RecordChecks): RecordOutcome {
    const end = at + this.sizeBytes
    const crcAt = end - RECORD_CRC_BYTES
    this.hasRecordCrc = hasRecordCrc(view, crcAt, this.propertiesStart)
    const checksRecord = this.hasRecordCrc && checks.record !== 'ignore'
    if (!checksRecord && checks.record === 'required') return this.#bad('__CRC32# is missing')
    const bodyEnd = this.bodyStart + this.bodyBytes
    let bodyCrc = 0
    // As RocketMQ: without a body its CRC means nothing.
    if (checks.body && this.bodyBytes > 0) {
      bodyCrc = crc32OfRange(view, this.bodyStart, bodyEnd)
      if ((bodyCrc & 0x7fffffff) !== this.bodyCrc) return this.#bad('the body does not match bodyCrc')
    }
    if (!checksRecord) return 'record'
    const head = crc32OfRange(view, at, this.bodyStart)
    const crc =
      checks.body && this.bodyBytes >= COMBINE_BYTES_MIN
        ? crc32OfRange(view, bodyEnd, crcAt, crc32Combine(head, bodyCrc, this.bodyBytes))
        : crc32OfRange(view, this.bodyStart, crcAt, head)
    return matchesRecordCrc(view, crcAt, crc) ? 'record' : this.#bad('the record does not match __CRC32#')
  }

  #noRecord(sizeBytes: number, magic: number): RecordOutcome {
    if (magic !== MAGIC_FILLER)
      return this.#bad(sizeBytes === 0 && magic === 0 ? 'nothing was written here' : 'no magic')
    if (sizeBytes < FILLER_BYTES) return this.#bad('a filler is shorter than 8 bytes')
    this.fillerBytes = sizeBytes
    return 'filler'
  }

  #short(needBytes: number): RecordOutcome {
    this.needBytes = needBytes
    return 'short'
  }

  #bad(reason: string): RecordOutcome {
    this.reason = reason
    return 'bad'
  }
}

/** From this length on, combining the body's CRC into the record's is quicker than running over the body again. */
const COMBINE_BYTES_MIN = 96

function isOffset(value: number): boolean {
  return value >= 0 && Number.isSafeInteger(value)
}
