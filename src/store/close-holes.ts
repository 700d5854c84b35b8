/**
 * Fills the damaged ranges of a log with placeholder records, so that a broker, which cuts at the first bad record, reads on
 * behind them. FORMAT section 27. The original bytes are set aside first. For `repair` only, on an open store that nobody uses.
 */
import { PocketMQError } from '../base/errors.ts'
import { PROPERTY_PMQ_LOST } from '../codec/properties.ts'
import { RECORD_CRC_BYTES } from '../codec/record-crc.ts'
import { RecordEncoder } from '../codec/record-encoder.ts'
import { BODY_BYTES_MAX, PROPERTIES_BYTES_MAX } from '../codec/record-fields.ts'
import { FILLER_BYTES, writeFiller } from '../codec/record-layout.ts'
import type { Hole, HoleFilling, LostRecord, QueueGap } from './hole-plan.ts'
import { attributeGaps, planFilling } from './hole-plan.ts'
import { LogWalk } from './log-walk.ts'
import { isNumbered } from './queue-expectations.ts'
import { FOREIGN_CHECKS, withRange } from './record-checks.ts'
import { RecordDispatch } from './record-dispatch.ts'
import { setAside } from './set-aside.ts'
import type { StoreParts } from './store-parts.ts'

/** A hole that was closed. Plain values. */
export type ClosedHole = {
  readonly physicalOffset: number
  readonly endPhysicalOffset: number
  readonly reason: string
  /** Records that were in it, as far as that can be told. */
  readonly lost: readonly LostRecord[]
  /** False where it was too small for a placeholder: it stays as it is. */
  readonly isClosed: boolean
}

/** Topic of placeholders that stand for nothing that is known. */
const LOST_TOPIC = 'PMQ_LOST'
const EMPTY_BODY = new Uint8Array(0)

type QueueSeen = { next: number; holes: number }

/** Closes all holes below what is dispatched; on the device when it resolves. `notes` receives what could not be kept. */
export async function closeHoles(parts: StoreParts, notes: string[]): Promise<ClosedHole[]> {
  const { holes, gaps } = await findHoles(parts)
  if (holes.length === 0) return []
  await attributeGaps(holes, gaps, parts.queues)
  const placeholders = new Placeholders(parts)
  const closed: ClosedHole[] = []
  const { checkpointer } = parts.writer as NonNullable<StoreParts['writer']>
  let { foreignRanges } = checkpointer.state
  for (const hole of holes) {
    const { physicalOffset, endPhysicalOffset, reason } = hole
    const fitted = placeholders.plan(hole)
    if (fitted !== undefined) await placeholders.write(hole, fitted, notes)
    // Without a checksum of ours they are to be read as a broker's records are.
    if (fitted?.hasCrc === false)
      foreignRanges = withRange(foreignRanges, { start: physicalOffset, end: endPhysicalOffset })
    const lost = hole.lost.map(({ topic, queueId, queueOffset }) => ({ topic, queueId, queueOffset }))
    closed.push({ physicalOffset, endPhysicalOffset, reason, lost, isClosed: fitted !== undefined })
  }
  if (foreignRanges !== checkpointer.state.foreignRanges) await checkpointer.change({ foreignRanges })
  return closed
}

async function findHoles({
  log,
  dispatched,
  checks,
  queues,
}: StoreParts): Promise<{ holes: Hole[]; gaps: QueueGap[] }> {
  const end = dispatched.value
  const walk = new LogWalk(log, { from: log.minOffset, limit: () => end, checks })
  const holes: Hole[] = []
  const gaps: QueueGap[] = []
  const seen = new Map<string, QueueSeen>()
  let storeTimestamp = 0
  for (let step = walk.step(); step !== 'end'; step = walk.step()) {
    if (step === 'starved') await walk.fill()
    else if (step === 'damage') holes.push({ ...walk.damage, storeTimestamp, lost: [] })
    else if (step === 'record') {
      const { topic, queueId, queueOffset, sysFlag } = walk.cursor
      storeTimestamp = walk.cursor.storeTimestamp
      if (!isNumbered(sysFlag)) continue
      const queue = seen.get(`${topic}/${queueId}`) ?? unseen(log.minOffset, queues.queue(topic, queueId))
      if (queueOffset > queue.next && queue.holes < holes.length) {
        gaps.push({ topic, queueId, from: queue.next, to: queueOffset, firstHole: queue.holes, endHole: holes.length })
      }
      seen.set(`${topic}/${queueId}`, { next: queueOffset + 1, holes: holes.length })
    }
  }
  for (const { topic, queueId, minQueueOffset, maxQueueOffset } of queues.all()) {
    const { next, holes: firstHole } = seen.get(`${topic}/${queueId}`) ?? { next: minQueueOffset, holes: 0 }
    const gap = { topic, queueId, from: next, to: maxQueueOffset, firstHole, endHole: holes.length }
    if (gap.to > gap.from && firstHole < holes.length) gaps.push(gap)
  }
  return { holes, gaps }
}

/** Where a queue that the walk has not met begins: at 0 in a log that is whole, else at its first entry. */
function unseen(minOffset: number, queue: { readonly minQueueOffset: number } | undefined): QueueSeen {
  return { next: minOffset === 0 ? 0 : (queue?.minQueueOffset ?? Number.POSITIVE_INFINITY), holes: 0 }
}

/** A filling, and whether its records carry `__CRC32#`: in a small hole there may be no room for it. */
type Fitted = { readonly filling: HoleFilling; readonly encoder: RecordEncoder; readonly hasCrc: boolean }

/** Makes placeholders and writes them. */
class Placeholders {
  readonly #parts: StoreParts
  readonly #encoders = [true, false].map(
    recordCrc => new RecordEncoder({ storeHost: '127.0.0.1:0', recordCrc, messageBytesMax: BODY_BYTES_MAX }),
  )
  readonly #dispatch: RecordDispatch
  /** A queue of its own for each repair: what stands for nothing known lies anywhere in the log, and order is by place. */
  readonly #spareQueueId: number
  #spareOffset = 0

  constructor(parts: StoreParts) {
    const { queues, tombstones } = parts
    this.#parts = parts
    this.#spareQueueId = queues.ofTopic(LOST_TOPIC).length
    this.#dispatch = new RecordDispatch({
      queues,
      index: undefined,
      isDropped: (topic, physicalOffset) => tombstones.isDropped(topic, physicalOffset),
      onDispatch: () => undefined,
      onEvent: () => undefined,
    })
  }

  /** The filling with checksums, unless one without has room for more of what was lost. */
  plan(hole: Hole): Fitted | undefined {
    let best: Fitted | undefined
    for (const [i, encoder] of this.#encoders.entries()) {
      const filling = this.#planWith(hole, encoder)
      const isBetter = best === undefined || (filling?.unplaced.length ?? 0) < best.filling.unplaced.length
      if (filling !== undefined && isBetter) best = { filling, encoder, hasCrc: i === 0 }
    }
    const spares = best?.filling.placeholders.filter(({ topic }) => topic === LOST_TOPIC).length ?? 0
    this.#spareOffset += spares
    return best
  }

  #planWith(hole: Hole, encoder: RecordEncoder): HoleFilling | undefined {
    const isAtSegmentEnd = hole.endPhysicalOffset % this.#parts.log.segmentBytes === 0
    const offset = this.#spareOffset
    const spare = (index: number): LostRecord => {
      return { topic: LOST_TOPIC, queueId: this.#spareQueueId, queueOffset: offset + index }
    }
    const smallest = (topic: string): number => prepare(encoder, { topic, queueId: 0, queueOffset: 0 }, 1)
    const paddingMax = PROPERTIES_BYTES_MAX - RECORD_CRC_BYTES - PROPERTY_PMQ_LOST.length - 2
    const largest = (topic: string): number => smallest(topic) + paddingMax - 1
    return planFilling(hole, isAtSegmentEnd, spare, { smallest, largest })
  }

  /** The original bytes are set aside before the first one is written over. */
  async write(hole: Hole, { filling, encoder }: Fitted, notes: string[]): Promise<void> {
    const { placeholders, fillerBytes } = filling
    const { log, fileSystem, dir, settings } = this.#parts
    const { physicalOffset: start, endPhysicalOffset: end } = hole
    // Behind a filler the segment means nothing: a hole of a gigabyte is closed by writing its first bytes.
    const bytes = Buffer.alloc(end - start - Math.max(0, fillerBytes - FILLER_BYTES))
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    const storeTimestamp = hole.storeTimestamp > 0 ? hole.storeTimestamp : 1
    let at = 0
    for (const placeholder of placeholders) {
      const padding = 1 + placeholder.sizeBytes - prepare(encoder, placeholder, 1)
      prepare(encoder, placeholder, padding, storeTimestamp)
      encoder.encode(bytes, view, at, placeholder.queueOffset, start + at, storeTimestamp)
      at += placeholder.sizeBytes
    }
    if (fillerBytes > 0) writeFiller(view, at, fillerBytes)
    await setAside({ fileSystem, dir, mode: settings.mode, log, notes }, start, end)
    const segment = log.segments().find(one => start >= one.start && start < one.start + log.segmentBytes)
    if (segment === undefined)
      throw new PocketMQError('IO', `the log has no segment at ${start}`, { hint: 'Run repair again.' })
    const file = await fileSystem.open(segment.path, 'write', 0)
    try {
      await file.write(bytes, start - segment.start)
      await file.flush()
    } finally {
      await file.close()
    }
    await this.#dispatchAgain(start, end)
  }

  async #dispatchAgain(start: number, end: number): Promise<void> {
    const { log } = this.#parts
    const walk = new LogWalk(log, { from: start, limit: () => end, checks: () => FOREIGN_CHECKS })
    for (let step = walk.step(); step !== 'end'; step = walk.step()) {
      if (step === 'starved') await walk.fill()
      if (step === 'record') this.#dispatch.dispatch(walk.cursor)
    }
  }
}

function prepare(encoder: RecordEncoder, { topic, queueId }: LostRecord, padding: number, bornTimestamp = 0): number {
  const properties = { [PROPERTY_PMQ_LOST]: 'x'.repeat(padding) }
  return encoder.prepare({ topic, queueId, body: EMPTY_BODY, properties, bornTimestamp })
}
