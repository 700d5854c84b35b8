/**
 * One entry of a batch consume queue. Big-endian, 46 bytes.   RocketMQ: BatchConsumeQueue (topics with `queue.type=BatchCQ`).
 *
 * | offset | bytes | field           | meaning                                             |
 * | -----: | ----: | --------------- | --------------------------------------------------- |
 * |      0 |     8 | physicalOffset  | first byte of the record in the commit log          |
 * |      8 |     4 | sizeBytes       | size of the record; 0 = never written               |
 * |     12 |     8 | tagsCode        | Java hash of the TAGS value, 0 without              |
 * |     20 |     8 | storeTimestamp  | of the record                                       |
 * |     28 |     8 | baseQueueOffset | queueOffset of the first message of the batch       |
 * |     36 |     2 | messageCount    | messages in the batch, 1 for a single message       |
 * |     38 |     4 | compactedOffset | -1 outside compaction topics                        |
 * |     42 |     4 | reserved        | 0                                                   |
 */
import { readI64, writeI64 } from './bytes.ts'
import { layoutBytes, offsetsOf } from './layout.ts'

export const BATCH_CONSUME_QUEUE_ENTRY_LAYOUT = [
  { offset: 0, bytes: 8, field: 'physicalOffset' },
  { offset: 8, bytes: 4, field: 'sizeBytes' },
  { offset: 12, bytes: 8, field: 'tagsCode' },
  { offset: 20, bytes: 8, field: 'storeTimestamp' },
  { offset: 28, bytes: 8, field: 'baseQueueOffset' },
  { offset: 36, bytes: 2, field: 'messageCount' },
  { offset: 38, bytes: 4, field: 'compactedOffset' },
  { offset: 42, bytes: 4, field: 'reserved' },
] as const

/** Bytes of one entry. */
export const BATCH_CONSUME_QUEUE_ENTRY_BYTES: number = layoutBytes(BATCH_CONSUME_QUEUE_ENTRY_LAYOUT)

const AT = offsetsOf(BATCH_CONSUME_QUEUE_ENTRY_LAYOUT)

/** What an entry says. */
export type BatchConsumeQueueEntry = {
  readonly physicalOffset: number
  readonly sizeBytes: number
  readonly tagsCode: number
  readonly storeTimestamp: number
  readonly baseQueueOffset: number
  readonly messageCount: number
}

/** Writes the entry at index `at` of the view. */
export function writeBatchConsumeQueueEntry(view: DataView, at: number, entry: BatchConsumeQueueEntry): void {
  writeI64(view, at + AT.physicalOffset, entry.physicalOffset)
  view.setInt32(at + AT.sizeBytes, entry.sizeBytes)
  writeI64(view, at + AT.tagsCode, entry.tagsCode)
  writeI64(view, at + AT.storeTimestamp, entry.storeTimestamp)
  writeI64(view, at + AT.baseQueueOffset, entry.baseQueueOffset)
  view.setInt16(at + AT.messageCount, entry.messageCount)
  view.setInt32(at + AT.compactedOffset, -1)
  view.setInt32(at + AT.reserved, 0)
}

/** The entry at index `at`, or undefined where there is none: never written, or nonsense. */
export function readBatchConsumeQueueEntry(view: DataView, at: number): BatchConsumeQueueEntry | undefined {
  const entry = {
    physicalOffset: readI64(view, at + AT.physicalOffset),
    sizeBytes: view.getInt32(at + AT.sizeBytes),
    tagsCode: readI64(view, at + AT.tagsCode),
    storeTimestamp: readI64(view, at + AT.storeTimestamp),
    baseQueueOffset: readI64(view, at + AT.baseQueueOffset),
    messageCount: view.getInt16(at + AT.messageCount),
  }
  if (entry.sizeBytes <= 0 || entry.messageCount <= 0) return undefined
  if (!isPosition(entry.physicalOffset) || !isPosition(entry.baseQueueOffset)) return undefined
  return Number.isSafeInteger(entry.storeTimestamp) ? entry : undefined
}

function isPosition(value: number): boolean {
  return value >= 0 && Number.isSafeInteger(value)
}
