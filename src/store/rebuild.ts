/**
 * Walks the log from a border of records on and makes its queue entries and keys again, entry k at slot k, trusting none that
 * its record does not agree with. For recovery, and for the follow-up of a read-only view.
 */

import type { UnitPlace } from './append-unit.ts'
import { unitPlaceOf } from './append-unit.ts'
import type { CommitLog } from './commit-log.ts'
import type { ConsumeQueue } from './consume-queue.ts'
import { LogWalk } from './log-walk.ts'
import { isNumbered, QueueExpectations } from './queue-expectations.ts'
import { FOREIGN_CHECKS, OPEN_END } from './record-checks.ts'
import { RecordDispatch } from './record-dispatch.ts'
import type { RecoveryParts, RecoveryPlan } from './recovery-parts.ts'
import { isAnothersSlot } from './slot-owner.ts'
import type { DamagedRange } from './store-types.ts'

/** What the walk found. */
export type LogRebuild = {
  /** End of the last record that counts. */
  readonly end: number
  readonly scannedBytes: number
  /** Records whose queue had no entry for them. */
  readonly redispatched: number
  readonly damaged: readonly DamagedRange[]
  /** Newest storeTimestamp seen; 0 where no record was. */
  readonly lastStoreTimestamp: number
  /** First record that another writer appended after our last; undefined where there is none. */
  readonly foreignFrom: number | undefined
  readonly notes: readonly string[]
}

class Progress {
  redispatched = 0
  lastStoreTimestamp = 0
  foreignFrom: number | undefined
  /** Start of the last record, -1 before the first. */
  lastStart = -1
  readonly damaged: DamagedRange[] = []
  readonly expected: QueueExpectations
  /** Where queues ended when the walk first met a record that does not follow in them: entries from there on are its own. */
  readonly ends = new Map<ConsumeQueue, number>()
  /** Records left out because their slots are others'. */
  misplaced = 0

  constructor(expected: QueueExpectations) {
    this.expected = expected
  }
}

/** Ranges told of one by one; the rest is counted. Bounds the report of a log that is damaged all over. */
const DAMAGED_MAX = 10_000

/** Dispatches the log again from the plan's start to its end. */
export async function rebuildFromLog(parts: RecoveryParts, plan: RecoveryPlan): Promise<LogRebuild> {
  const { queues, index, tombstones, onEvent } = parts
  await index.dropFrom(plan.from)
  const isDropped = (topic: string, physicalOffset: number): boolean => tombstones.isDropped(topic, physicalOffset)
  const records = new RecordDispatch({ queues, index, isDropped, onDispatch: () => undefined, onEvent })
  const progress = new Progress(new QueueExpectations(queues, plan.from === 0))
  const walked = await dispatchAgain(parts, plan, records, progress)
  const end = await wholeUnitsEnd(parts, plan, walked, progress.lastStart)
  if (end < walked && !parts.isReadOnly) {
    // What is cut is looked for in the files.
    await index.flush()
    await index.dropFrom(end)
  }
  const { redispatched, lastStoreTimestamp, damaged, foreignFrom, misplaced } = progress
  const notes = end < walked ? [`an append unit at ${end} was not whole and is cut`] : []
  if (misplaced > 0) notes.push(`${misplaced} records that claim slots of others in their queues were left out`)
  return { end, scannedBytes: walked - plan.from, redispatched, damaged, lastStoreTimestamp, foreignFrom, notes }
}

/** One walk, as the plan says. Answers where it ended. */
async function dispatchAgain(
  parts: RecoveryParts,
  plan: RecoveryPlan,
  records: RecordDispatch,
  progress: Progress,
): Promise<number> {
  const { log, queues, index } = parts
  const { from, wholeTo, beyond, checks } = plan
  const { expected } = progress
  const limit = log.filesEnd
  const walk = new LogWalk(log, {
    from,
    limit: () => limit,
    checks,
    wholeTo,
    beyond,
    accepts: (cursor, damageStart) => expected.accepts(cursor, damageStart),
    fileEnd: fileEnds(parts),
    readsAhead: true,
  })
  for (let step = walk.step(); step !== 'end'; step = walk.step()) {
    if (step === 'starved') await walk.fill()
    else if (step === 'damage') noteDamage(parts, walk, progress)
    else if (step === 'record') {
      noteRecord(parts, plan, walk, progress)
      if (!expected.follows(walk.cursor) && (await isMisplaced(parts, walk, progress))) continue
      expected.note(walk.cursor)
      records.dispatch(walk.cursor)
      if (queues.isFull) await queues.writeOut()
      if (index.isFull) await index.writeOut()
    }
  }
  return walk.position
}

/** Where segment files ended that were too short; they may have been made longer since. */
function fileEnds({ facts, log }: RecoveryParts): (physicalOffset: number) => number {
  const ends = new Map<number, number>()
  for (const { start, sizeBytes } of facts.segments) {
    if (sizeBytes < log.segmentBytes) ends.set(start, start + sizeBytes)
  }
  return at => ends.get(at - (at % log.segmentBytes)) ?? Number.POSITIVE_INFINITY
}

/** Whether the record claims a slot that was another's before this walk. A walk that makes a lost queue anew goes by the log alone. */
async function isMisplaced(
  { log, queues, onEvent }: RecoveryParts,
  walk: LogWalk,
  progress: Progress,
): Promise<boolean> {
  const { topic, queueId, queueOffset, physicalOffset, sysFlag } = walk.cursor
  const queue = isNumbered(sysFlag) ? queues.queue(topic, queueId) : undefined
  if (queue === undefined) return false
  const end = progress.ends.get(queue) ?? queue.maxQueueOffset
  progress.ends.set(queue, end)
  if (queueOffset >= end || !(await isAnothersSlot(log, queue, { queueOffset, physicalOffset }))) return false
  progress.misplaced++
  onEvent('queue-slot-taken', { topic, queueId, queueOffset, physicalOffset })
  return true
}

function noteRecord({ queues, loaded }: RecoveryParts, plan: RecoveryPlan, walk: LogWalk, progress: Progress): void {
  const { topic, queueId, queueOffset, physicalOffset, storeTimestamp } = walk.cursor
  const queue = queues.queue(topic, queueId)
  if (queue === undefined || queueOffset >= queue.maxQueueOffset) progress.redispatched++
  progress.lastStart = physicalOffset
  progress.lastStoreTimestamp = Math.max(progress.lastStoreTimestamp, storeTimestamp)
  if (!plan.isForeign || progress.foreignFrom !== undefined) return
  // A broker may have cut our log and gone on before its end: its records are the younger ones wherever they are.
  const { state } = loaded
  const isForeign = state === undefined || physicalOffset >= state.written || storeTimestamp > state.lastStoreTimestamp
  if (isForeign) progress.foreignFrom = physicalOffset
}

function noteDamage({ onEvent }: RecoveryParts, walk: LogWalk, { damaged }: Progress): void {
  if (damaged.length < DAMAGED_MAX) damaged.push(walk.damage)
  onEvent('damaged-range', { ...walk.damage })
}

/**
 * End of the log without an append unit that is not whole. Only the last can be, and only one that we wrote: a broker copies
 * properties of ours into records of its own.
 */
async function wholeUnitsEnd(
  { log, loaded }: RecoveryParts,
  plan: RecoveryPlan,
  end: number,
  lastStart: number,
): Promise<number> {
  // What was flushed was written whole; a unit that lacks its last record there is damaged, not torn.
  if (end <= plan.wholeTo) return end
  const foreign = loaded.lists.foreignRanges.find(range => lastStart >= range.start && lastStart < range.end)
  if (lastStart < 0 || plan.isForeign || (foreign !== undefined && foreign.end !== OPEN_END)) return end
  const [last] = await unitsOf(log, lastStart, end)
  if (last === undefined || last.index >= last.count) return end
  const segmentStart = lastStart - (lastStart % log.segmentBytes)
  const units = await unitsOf(log, segmentStart, end)
  for (let i = units.length - 1; i >= 0; i--) {
    const unit = units[i] as Unit
    if (unit.count !== last.count) break
    if (unit.index === 1) return unit.start
  }
  // Its first records are damaged: what there is of it goes.
  return units.find(unit => unit.start === lastStart)?.start ?? end
}

type Unit = UnitPlace & { readonly start: number }

/** Records between `from` and `end` that belong to an append unit, from the last record that does not belong to one on. */
async function unitsOf(log: CommitLog, from: number, end: number): Promise<Unit[]> {
  const walk = new LogWalk(log, { from, limit: () => end, checks: () => FOREIGN_CHECKS })
  let units: Unit[] = []
  for (let step = walk.step(); step !== 'end'; step = walk.step()) {
    if (step === 'starved') await walk.fill()
    if (step !== 'record') continue
    const place = unitPlaceOf(walk.cursor.properties)
    if (place === undefined || place.index === 1) units = []
    if (place !== undefined) units.push({ start: walk.cursor.physicalOffset, ...place })
  }
  return units
}
