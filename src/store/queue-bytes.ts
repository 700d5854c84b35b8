/** What a stretch of a queue weighs in the log: the sizes its entries state. */
import { CONSUME_QUEUE_ENTRY_BYTES, entrySizeBytes, isConsumeQueueEntry } from '../codec/consume-queue-entry.ts'
import type { ConsumeQueue } from './consume-queue.ts'

const ENTRIES_A_READ = 16_384

/** Bytes of the messages with queueOffsets in [from, to). */
export async function queueBytes(queue: ConsumeQueue, from: number, to: number): Promise<number> {
  let total = 0
  const end = Math.min(to, queue.maxQueueOffset)
  for (let slot = Math.max(from, queue.minQueueOffset); slot < end; ) {
    const entries = await queue.readEntries(slot, Math.min(ENTRIES_A_READ, end - slot))
    if (entries.length === 0) return total
    const view = new DataView(entries.buffer, entries.byteOffset, entries.length)
    for (let at = 0; at < entries.length; at += CONSUME_QUEUE_ENTRY_BYTES) {
      if (isConsumeQueueEntry(view, at)) total += entrySizeBytes(view, at)
    }
    slot += entries.length / CONSUME_QUEUE_ENTRY_BYTES
  }
  return total
}
