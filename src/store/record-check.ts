/**
 * Whether a record is the one that a queue entry means. Entries have no checksum: one is believed only when the record agrees.
 * Every length of the record is looked at, so that a StoredMessage of these bytes reads nothing beyond them.
 */
import { i16At, i32At, i64At } from '../codec/bytes.ts'
import {
  BODY_LENGTH_OFFSET_IPV4,
  BODY_OFFSET_IPV4,
  BORN_HOST_IPV6_FLAG,
  HOST_IPV6_EXTRA_BYTES,
  MAGIC_OFFSET,
  MAGIC_V1,
  MAGIC_V2,
  PHYSICAL_OFFSET_OFFSET,
  PROPERTIES_LENGTH_BYTES,
  QUEUE_ID_OFFSET,
  QUEUE_OFFSET_OFFSET,
  RECORD_BYTES_MIN,
  STORE_HOST_IPV6_FLAG,
  SYS_FLAG_OFFSET,
  TOTAL_SIZE_OFFSET,
} from '../codec/record-layout.ts'

/** The queue whose records are expected. */
export type ExpectedQueue = {
  readonly topicBytes: Uint8Array
  readonly queueId: number
  /** A light queue: its records were stored under another topic, and counted there. */
  readonly isLight: boolean
}

/** Whether the `sizeBytes` bytes from `start` on are the record of this place and slot. */
export function isRecordOf(
  bytes: Uint8Array,
  start: number,
  sizeBytes: number,
  queue: ExpectedQueue,
  physicalOffset: number,
  queueOffset: number,
): boolean {
  if (sizeBytes < RECORD_BYTES_MIN || i32At(bytes, start + TOTAL_SIZE_OFFSET) !== sizeBytes) return false
  if (i64At(bytes, start + PHYSICAL_OFFSET_OFFSET) !== physicalOffset) return false
  const magic = i32At(bytes, start + MAGIC_OFFSET)
  if (magic !== MAGIC_V1 && magic !== MAGIC_V2) return false
  const sysFlag = i32At(bytes, start + SYS_FLAG_OFFSET)
  const bornExtra = (sysFlag & BORN_HOST_IPV6_FLAG) === 0 ? 0 : HOST_IPV6_EXTRA_BYTES
  const storeExtra = (sysFlag & STORE_HOST_IPV6_FLAG) === 0 ? 0 : HOST_IPV6_EXTRA_BYTES
  const base = start + bornExtra + storeExtra
  const end = start + sizeBytes
  const bodyBytes = i32At(bytes, base + BODY_LENGTH_OFFSET_IPV4)
  const topicLengthAt = base + BODY_OFFSET_IPV4 + bodyBytes
  const lengthBytes = magic === MAGIC_V2 ? 2 : 1
  if (bodyBytes < 0 || topicLengthAt + lengthBytes + PROPERTIES_LENGTH_BYTES > end) return false
  const topicBytes = lengthBytes === 2 ? i16At(bytes, topicLengthAt) : (bytes[topicLengthAt] as number)
  const topicAt = topicLengthAt + lengthBytes
  const propertiesAt = topicAt + topicBytes + PROPERTIES_LENGTH_BYTES
  if (topicBytes <= 0 || propertiesAt > end) return false
  if (propertiesAt + i16At(bytes, propertiesAt - PROPERTIES_LENGTH_BYTES) !== end) return false
  if (queue.isLight) return true
  if (i32At(bytes, start + QUEUE_ID_OFFSET) !== queue.queueId) return false
  if (i64At(bytes, start + QUEUE_OFFSET_OFFSET) !== queueOffset) return false
  return isTopicAt(bytes, topicAt, topicBytes, queue.topicBytes)
}

function isTopicAt(bytes: Uint8Array, at: number, length: number, topic: Uint8Array): boolean {
  if (length !== topic.length) return false
  for (let i = 0; i < length; i++) if (bytes[at + i] !== topic[i]) return false
  return true
}
