/**
 * Consume queues that another writer left, against the log: which part of the log their entries cover, and whether the last
 * entries stand in their own slots. From the first place that is wrong on, recovery dispatches the log again.
 * FORMAT sections 10 and 26: lag at a clean close, a record one slot early, a queue folder or file that is missing.
 */
import { nextTurn } from '../base/turns.ts'
import {
  CONSUME_QUEUE_ENTRY_BYTES,
  entryPhysicalOffset,
  entrySizeBytes,
  isConsumeQueueEntry,
  readConsumeQueueEntry,
} from '../codec/consume-queue-entry.ts'
import { RecordCursor } from '../codec/record-cursor.ts'
import { FILLER_BYTES, MAGIC_FILLER, MAGIC_OFFSET, TOTAL_SIZE_OFFSET } from '../codec/record-layout.ts'
import type { CommitLog } from './commit-log.ts'
import type { ConsumeQueue } from './consume-queue.ts'
import type { ConsumeQueues } from './consume-queues.ts'

type Log = Pick<CommitLog, 'minOffset' | 'filesEnd' | 'segmentBytes' | 'segmentEnd' | 'read'>

/** What the entries that point into one segment add up to. */
type Coverage = { bytes: number; end: number }

const ENTRIES_A_READ = 16_384
/** Slots looked at, from a queue's end, for one whose record decodes. */
const TAIL_SLOTS_MAX = 64
/** Larger records are not read to look at one entry. */
const RECORD_BYTES_LOOKED_AT = 64 * 1024 * 1024

/**
 * The first byte of the log from which on queue entries may be missing: sizes of the entries that point into a segment have
 * to add up to where the last of them ends, and a filler has to follow. Records that are in no queue (old transactions) make
 * this earlier than it has to be, never later.
 */
export async function coveredUpTo(log: Log, queues: ConsumeQueues): Promise<number> {
  const segments = await addUp(log, queues)
  for (let start = log.minOffset; start < log.filesEnd; start += log.segmentBytes) {
    const covered = segments.get(start)
    if (covered === undefined || covered.end - start !== covered.bytes) return start
    const isLast = !segments.has(start + log.segmentBytes)
    if (!isLast && !(await isFilledFrom(log, covered.end))) return start
    if (isLast) return covered.end
  }
  return log.filesEnd
}

/**
 * The first byte of the log from which on some queue's entries stand in wrong slots; Infinity where each queue's last entry
 * agrees with its record.
 */
export async function misplacedFrom(log: Log, queues: ConsumeQueues): Promise<number> {
  let from = Number.POSITIVE_INFINITY
  for (const queue of queues.all()) {
    if (await agreesAtEnd(log, queue)) continue
    from = Math.min(from, await firstMisplaced(log, queue))
  }
  return from
}

/** Whether the entry of `slot` points to the record that belongs there; undefined where its record does not decode. */
export async function agrees(log: Log, queue: ConsumeQueue, slot: number): Promise<boolean | undefined> {
  const bytes = await queue.readEntries(slot, 1)
  const entry = bytes.length === 0 ? undefined : readConsumeQueueEntry(viewOf(bytes), 0)
  if (entry === undefined || entry.physicalOffset < log.minOffset) return undefined
  if (entry.sizeBytes > RECORD_BYTES_LOOKED_AT || entry.physicalOffset >= log.filesEnd) return false
  const record = Buffer.alloc(entry.sizeBytes)
  const read = await log.read(record, entry.physicalOffset)
  const cursor = new RecordCursor()
  const checks = { body: false, record: 'ignore', position: true } as const
  const outcome = cursor.read(record, viewOf(record), 0, read, entry.physicalOffset, checks)
  if (outcome !== 'record') return undefined
  // A light queue's entries point to records of another topic.
  if (queue.topic.startsWith('%LMQ%')) return true
  return cursor.topic === queue.topic && cursor.queueId === queue.queueId && cursor.queueOffset === slot
}

async function addUp(log: Log, queues: ConsumeQueues): Promise<Map<number, Coverage>> {
  const segments = new Map<number, Coverage>()
  for (const queue of queues.all()) {
    const end = queue.maxQueueOffset
    for (let slot = queue.minQueueOffset; slot < end; ) {
      const bytes = await queue.readEntries(slot, Math.min(ENTRIES_A_READ, end - slot))
      addEntries(segments, log, bytes)
      slot += bytes.length > 0 ? bytes.length / CONSUME_QUEUE_ENTRY_BYTES : queue.nextFileStart(slot) - slot
      await nextTurn()
    }
  }
  return segments
}

function addEntries(segments: Map<number, Coverage>, log: Log, bytes: Buffer): void {
  const view = viewOf(bytes)
  for (let at = 0; at < bytes.length; at += CONSUME_QUEUE_ENTRY_BYTES) {
    if (!isConsumeQueueEntry(view, at)) continue
    const physicalOffset = entryPhysicalOffset(view, at)
    if (physicalOffset < log.minOffset || physicalOffset >= log.filesEnd) continue
    const start = physicalOffset - (physicalOffset % log.segmentBytes)
    const covered = segments.get(start)
    const sizeBytes = entrySizeBytes(view, at)
    if (covered === undefined) segments.set(start, { bytes: sizeBytes, end: physicalOffset + sizeBytes })
    else {
      covered.bytes += sizeBytes
      covered.end = Math.max(covered.end, physicalOffset + sizeBytes)
    }
  }
}

/** Whether an exact filler stands at `position`. */
async function isFilledFrom(log: Log, position: number): Promise<boolean> {
  const head = Buffer.alloc(FILLER_BYTES)
  const remaining = log.segmentEnd(position) - position
  if (remaining < FILLER_BYTES || position % log.segmentBytes === 0) return false
  await log.read(head, position)
  return head.readInt32BE(TOTAL_SIZE_OFFSET) === remaining && head.readInt32BE(MAGIC_OFFSET) === MAGIC_FILLER
}

async function agreesAtEnd(log: Log, queue: ConsumeQueue): Promise<boolean> {
  const last = queue.maxQueueOffset - 1
  for (let slot = last; slot >= Math.max(queue.minQueueOffset, last - TAIL_SLOTS_MAX); slot--) {
    const found = await agrees(log, queue, slot)
    if (found !== undefined) return found
  }
  return true
}

/** End of the last record whose entry stands right, by binary search: once a slot is wrong, all later ones are. */
async function firstMisplaced(log: Log, queue: ConsumeQueue): Promise<number> {
  let low = queue.minQueueOffset
  let high = queue.maxQueueOffset
  while (low < high) {
    const middle = low + Math.floor((high - low) / 2)
    if ((await agrees(log, queue, middle)) === true) low = middle + 1
    else high = middle
  }
  if (low === queue.minQueueOffset) return log.minOffset
  const bytes = await queue.readEntries(low - 1, 1)
  return entryPhysicalOffset(viewOf(bytes), 0) + entrySizeBytes(viewOf(bytes), 0)
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}
