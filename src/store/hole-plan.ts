/**
 * Which records are missing in the damaged ranges of a log ("holes"), and what is to be written in their place.
 * FORMAT section 27, closing a hole.
 *
 * A missing record is known from its queue entry, which says exactly where it was, or from the dense queueOffsets around it.
 */
import { assert } from '../base/assert.ts'
import { readConsumeQueueEntry } from '../codec/consume-queue-entry.ts'
import { FILLER_BYTES } from '../codec/record-layout.ts'
import type { ConsumeQueue } from './consume-queue.ts'
import type { ConsumeQueues } from './consume-queues.ts'
import type { DamagedRange } from './store-types.ts'

/** A record that cannot be read any more. */
export type LostRecord = { readonly topic: string; readonly queueId: number; readonly queueOffset: number }

/** A damaged range and what is known to have been in it. */
export type Hole = DamagedRange & {
  /** storeTimestamp of the record before; 0 where there is none. */
  readonly storeTimestamp: number
  readonly lost: MissingRecord[]
}

/** A lost record; `physicalOffset` and `sizeBytes` where its queue entry is left. */
export type MissingRecord = LostRecord & { readonly physicalOffset?: number; readonly sizeBytes?: number }

/** queueOffsets [from, to) of a queue that no record had, while the walk went over holes [firstHole, endHole). */
export type QueueGap = {
  readonly topic: string
  readonly queueId: number
  readonly from: number
  readonly to: number
  readonly firstHole: number
  readonly endHole: number
}

/** One placeholder: a record of exactly so many bytes. */
export type Placeholder = LostRecord & { readonly sizeBytes: number }

/** What fills a hole. */
export type HoleFilling = {
  readonly placeholders: readonly Placeholder[]
  /** Bytes of the filler that ends a segment; 0 for none. */
  readonly fillerBytes: number
  /** Lost records for which there was no room. */
  readonly unplaced: readonly LostRecord[]
}

/** Slots of one gap that are looked up: more are no messages of this hole. */
const GAP_MAX = 1_000_000

/** Finds for each slot of each gap the hole its record was in. */
export async function attributeGaps(
  holes: readonly Hole[],
  gaps: readonly QueueGap[],
  queues: ConsumeQueues,
): Promise<void> {
  for (const gap of gaps) {
    const queue = queues.queue(gap.topic, gap.queueId)
    let hole = gap.firstHole
    for (let slot = gap.from; slot < Math.min(gap.to, gap.from + GAP_MAX); slot++) {
      const lost = { topic: gap.topic, queueId: gap.queueId, queueOffset: slot }
      const entry = queue === undefined ? undefined : await entryOf(queue, slot)
      const known = entry === undefined ? -1 : findHole(holes, gap, entry.physicalOffset, entry.sizeBytes)
      if (known >= hole && entry !== undefined) {
        hole = known
        holes[hole]?.lost.push({ ...lost, physicalOffset: entry.physicalOffset, sizeBytes: entry.sizeBytes })
      } else holes[hole]?.lost.push(lost)
    }
  }
  for (const { lost } of holes) inOrder(lost)
}

/**
 * Sizes that fill `bytes` exactly: each lost record gets a placeholder, padded; what is left over goes to records of
 * `spare`, or to the filler where the hole reaches to the end of its segment.
 * @param smallest and `largest`: bytes of a placeholder of this topic
 */
export function planFilling(
  hole: Pick<Hole, 'lost' | 'physicalOffset' | 'endPhysicalOffset'>,
  isAtSegmentEnd: boolean,
  spare: (index: number) => LostRecord,
  sizes: { readonly smallest: (topic: string) => number; readonly largest: (topic: string) => number },
): HoleFilling | undefined {
  const bytes = hole.endPhysicalOffset - hole.physicalOffset
  const room = isAtSegmentEnd ? bytes - FILLER_BYTES : bytes
  const placed: { record: LostRecord; sizeBytes: number }[] = []
  const unplaced: LostRecord[] = []
  let left = room
  for (const record of hole.lost) {
    const sizeBytes = sizes.smallest(record.topic)
    if (sizeBytes > left) unplaced.push(plain(record))
    else {
      placed.push({ record, sizeBytes })
      left -= sizeBytes
    }
  }
  if (isAtSegmentEnd) {
    return { placeholders: placed.map(asPlaceholder), fillerBytes: left + FILLER_BYTES, unplaced }
  }
  for (const one of placed) left -= grow(one, Math.min(left, sizes.largest(one.record.topic) - one.sizeBytes))
  for (let i = 0; left > 0; i++) {
    const record = spare(i)
    const [smallest, largest] = [sizes.smallest(record.topic), sizes.largest(record.topic)]
    // Nothing too small for a record may be left behind this one.
    const taken = left > largest && left < largest + smallest ? largest - smallest : Math.min(left, largest)
    if (taken < smallest && !shrinkSomewhere(placed, smallest - taken, sizes.smallest)) return undefined
    placed.push({ record, sizeBytes: Math.max(taken, smallest) })
    left -= taken
  }
  const filled = placed.reduce((sum, one) => sum + one.sizeBytes, 0)
  assert(filled === room, 'placeholders fill a hole exactly')
  return { placeholders: placed.map(asPlaceholder), fillerBytes: 0, unplaced }
}

/** Takes `bytes` off a placeholder that is larger than it has to be. */
function shrinkSomewhere(
  placed: { record: LostRecord; sizeBytes: number }[],
  bytes: number,
  smallest: (topic: string) => number,
): boolean {
  const one = placed.find(({ record, sizeBytes }) => sizeBytes - bytes >= smallest(record.topic))
  if (one !== undefined) one.sizeBytes -= bytes
  return one !== undefined
}

function grow(one: { sizeBytes: number }, bytes: number): number {
  one.sizeBytes += bytes
  return bytes
}

function asPlaceholder({ record, sizeBytes }: { record: LostRecord; sizeBytes: number }): Placeholder {
  return { ...plain(record), sizeBytes }
}

function plain({ topic, queueId, queueOffset }: LostRecord): LostRecord {
  return { topic, queueId, queueOffset }
}

async function entryOf(
  queue: ConsumeQueue,
  slot: number,
): Promise<{ physicalOffset: number; sizeBytes: number } | undefined> {
  if (slot >= queue.maxQueueOffset) return undefined
  const bytes = await queue.readEntries(slot, 1)
  if (bytes.length === 0) return undefined
  return readConsumeQueueEntry(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0)
}

function findHole(holes: readonly Hole[], gap: QueueGap, physicalOffset: number, sizeBytes: number): number {
  for (let i = gap.firstHole; i < gap.endHole; i++) {
    const hole = holes[i] as Hole
    if (physicalOffset >= hole.physicalOffset && physicalOffset + sizeBytes <= hole.endPhysicalOffset) return i
  }
  return -1
}

/** Where records were, as far as known; of one queue by queueOffset in any case. */
function inOrder(lost: MissingRecord[]): void {
  const places = new Map<MissingRecord, number>()
  let next = Number.POSITIVE_INFINITY
  for (let i = lost.length - 1; i >= 0; i--) {
    const record = lost[i] as MissingRecord
    const after = lost[i + 1]
    const isSameQueue = after !== undefined && after.topic === record.topic && after.queueId === record.queueId
    next = record.physicalOffset ?? (isSameQueue ? next : Number.POSITIVE_INFINITY)
    places.set(record, next)
  }
  lost.sort((a, b) => compare(places.get(a) ?? 0, places.get(b) ?? 0) || a.queueOffset - b.queueOffset)
}

function compare(a: number, b: number): number {
  return a === b ? 0 : a < b ? -1 : 1
}
