/**
 * Whose a slot is that two records claim. A broker's record says its topic, queue and slot without a checksum, and one that is in
 * no queue says slot 0: of two, the one that the queue's entry names rightly has the slot.
 */
import { entryPhysicalOffset, entrySizeBytes, isConsumeQueueEntry } from '../codec/consume-queue-entry.ts'
import { TOTAL_SIZE_OFFSET } from '../codec/record-layout.ts'
import type { CommitLog } from './commit-log.ts'
import type { ConsumeQueue } from './consume-queue.ts'
import { isRecordOf } from './record-check.ts'

/** A slot that the record at `physicalOffset` says is its own. */
export type SlotClaim = { readonly queueOffset: number; readonly physicalOffset: number }

/** Whether the slot's entry names another record, and that one agrees with it. */
export async function isAnothersSlot(
  log: Pick<CommitLog, 'minOffset' | 'segmentEnd' | 'read'>,
  queue: ConsumeQueue,
  { queueOffset, physicalOffset }: SlotClaim,
): Promise<boolean> {
  if (queueOffset >= queue.maxQueueOffset) return false
  const bytes = queue.entriesSync(queueOffset, 1)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (bytes.length === 0 || !isConsumeQueueEntry(view, 0)) return false
  const named = entryPhysicalOffset(view, 0)
  const sizeBytes = entrySizeBytes(view, 0)
  if (named === physicalOffset || named < log.minOffset || named + sizeBytes > log.segmentEnd(named)) return false
  // What a damaged entry says of a size is no reason to make room for it.
  const head = Buffer.alloc(TOTAL_SIZE_OFFSET + 4)
  await log.read(head, named)
  if (head.readInt32BE(TOTAL_SIZE_OFFSET) !== sizeBytes) return false
  const record = Buffer.alloc(sizeBytes)
  await log.read(record, named)
  const expected = { topicBytes: Buffer.from(queue.topic), queueId: queue.queueId, isLight: false }
  return isRecordOf(record, 0, sizeBytes, expected, named, queueOffset)
}
