/**
 * From whatever a folder holds to a log whose end is known and derived files that agree with it.   RocketMQ: CommitLog.recover*.
 *
 * The order is what a crash in the middle of it survives: `abort`, walk and dispatch again, cut the tail, cut what runs ahead
 * of it, put everything on the device, say so in the state. Each step may be repeated from the start.
 */
import { assert } from '../base/assert.ts'
import { indexFileBytes } from '../codec/index-layout.ts'
import type { PhysicalRange, Tombstone } from '../codec/state-lists.ts'
import type { StoreState } from '../codec/state-page.ts'
import { isTakenOver } from '../codec/state-page.ts'
import { createAbortFile } from './abort-file.ts'
import type { Census } from './census.ts'
import { takeCensus } from './census.ts'
import { cutTail, flushLog } from './cut-tail.ts'
import type { LogRebuild } from './rebuild.ts'
import { rebuildFromLog } from './rebuild.ts'
import { OPEN_END, rangesWithin, withRange } from './record-checks.ts'
import type { RecoveryParts, RecoveryPlan } from './recovery-parts.ts'
import { isCheckpointOurs, planRecovery } from './recovery-plan.ts'
import type { RecoveryReport } from './store-types.ts'

/** What recovery found. */
export type Recovered = {
  readonly report: RecoveryReport
  /** End of the log: flushed, written and dispatched, and where the next record goes. */
  readonly appendAt: number
  /** The state as it is on the device now; read-only: as it would be. */
  readonly state: StoreState
  readonly tombstones: readonly Tombstone[]
  readonly lastStoreTimestamp: number
  /** False where a broker rewrote `checkpoint` and what it did is not in our files yet, or there is no state of ours. */
  readonly isCheckpointOurs: boolean
}

/** Recovers a folder. When it resolves, the folder carries `abort`, and everything that is readable is on the device. */
export async function recover(parts: RecoveryParts): Promise<Recovered> {
  const startedMs = parts.clock.monotonicMs()
  const { log, queues, loaded, facts } = parts
  queues.correctMin(log.minOffset)
  const plan = await planRecovery(parts)
  if (!parts.isReadOnly) await createAbortFile(parts.fileSystem, parts.dir, parts.mode)
  if (!parts.isReadOnly && !plan.isTrusted) await withdrawCheckpoint(parts, plan)
  const rebuild = plan.isTrusted ? untouched(parts, plan) : await rebuildFromLog(parts, plan)
  const notes = [...facts.notes, ...loaded.notes, ...plan.notes, ...rebuild.notes]
  const truncatedBytes = plan.isTrusted ? 0 : await agreeOnEnd(parts, plan, rebuild.end, notes)
  const isOurs = isKnown(parts)
  const state = stateAfter(parts, plan, rebuild, isOurs)
  if (!parts.isReadOnly) await loaded.file.save(state)
  return {
    appendAt: rebuild.end,
    state,
    tombstones: state.tombstones,
    lastStoreTimestamp: state.lastStoreTimestamp,
    isCheckpointOurs: isOurs,
    report: {
      clean: plan.isClean,
      scannedBytes: rebuild.scannedBytes,
      truncatedBytes,
      redispatched: rebuild.redispatched,
      clampedOffsets: 0,
      durationMs: parts.clock.monotonicMs() - startedMs,
      damaged: rebuild.damaged,
      notes,
    },
  }
}

/** Whether nobody was here whose work is not in files of ours. */
function isKnown(parts: RecoveryParts): boolean {
  const { state } = parts.loaded
  return isCheckpointOurs(parts) && state !== undefined && !isTakenOver(state)
}

/**
 * What is made again from further back than the checkpoint is in pieces until it is on the device: whoever comes after a power
 * cut in the middle starts no later than we.
 */
async function withdrawCheckpoint({ loaded: { state, file } }: RecoveryParts, { from }: RecoveryPlan): Promise<void> {
  if (state === undefined || from >= state.checkpointed) return
  await file.save({ ...state, checkpointed: from, indexed: from, isCleanClose: false })
}

/** Cuts log, queues and index to one end and puts all of it on the device. Answers how many bytes of the log went. */
async function agreeOnEnd(parts: RecoveryParts, plan: RecoveryPlan, end: number, notes: string[]): Promise<number> {
  const { log, queues, index, checkpoint, fileSystem, dir, mode } = parts
  const isOwn = !plan.isForeign
  assert(!isOwn || end >= Math.min(plan.wholeTo, log.filesEnd), 'what was flushed is never cut')
  if (parts.isReadOnly) {
    await queues.cutAt(end)
    return 0
  }
  const truncatedBytes = await cutTail({ fileSystem, dir, mode, log, notes }, end)
  if (truncatedBytes > 0) parts.onEvent('tail-cut', { physicalOffset: end, truncatedBytes })
  await flushLog(fileSystem, log, `${dir}/commitlog`, isOwn ? plan.wholeTo : log.minOffset, end)
  await queues.cutAt(end)
  await queues.flush()
  await removeOtherIndexFiles(parts, notes)
  await index.flush()
  // The state remembers its hash, and no longer that of the one before.
  await checkpoint.file.flush()
  return truncatedBytes
}

/** Index files of other lengths than ours, in a folder whose index we made: their keys are in the new ones. */
async function removeOtherIndexFiles(parts: RecoveryParts, notes: string[]): Promise<void> {
  const { facts, index, loaded, fileSystem, dir } = parts
  const fileBytes = indexFileBytes(index.sizes)
  const others = loaded.state === undefined ? [] : facts.indexFiles.filter(file => file.sizeBytes !== fileBytes)
  for (const { path } of others) {
    // The index may have made a new file of that name meanwhile.
    const stat = await fileSystem.stat(path)
    if (stat === undefined || stat.sizeBytes === fileBytes) continue
    await fileSystem.remove(path)
    await fileSystem.flushFolder(`${dir}/index`)
    notes.push(`${path} had another length than an index file has; its keys were indexed again`)
  }
}

/** A folder as we closed it. */
function untouched({ loaded }: RecoveryParts, plan: RecoveryPlan): LogRebuild {
  const lastStoreTimestamp = loaded.state?.lastStoreTimestamp ?? 0
  const nothing = { scannedBytes: 0, redispatched: 0, damaged: [], notes: [], foreignFrom: undefined }
  return { end: plan.from, lastStoreTimestamp, ...nothing }
}

/** What the derived files come to now; where nothing was touched, what they came to when the folder was closed. */
function censusAfter({ queues, index, loaded: { state }, isReadOnly }: RecoveryParts, isTrusted: boolean): Census {
  if (!isTrusted && !isReadOnly) return takeCensus(queues, index)
  const { queueFiles = 0, indexFiles = 0, queueEntries = 0, indexEnd = 0 } = state ?? {}
  return { queueFiles, indexFiles, queueEntries, indexEnd }
}

/** Whether what the folder's owner, if there is one, appends from now on is without a checksum of ours. */
function goesOnForeign(ranges: readonly PhysicalRange[], isForeign: boolean): boolean {
  return isForeign || ranges.some(range => range.end === OPEN_END)
}

function stateAfter(
  parts: RecoveryParts,
  { isForeign, isTrusted }: RecoveryPlan,
  { end, lastStoreTimestamp, foreignFrom }: LogRebuild,
  isOurs: boolean,
): StoreState {
  const { log, queues, index, loaded, checkpoint, recordCrc } = parts
  const { state, lists } = loaded
  let foreignRanges = rangesWithin(lists.foreignRanges, log.minOffset, end)
  if (state === undefined) foreignRanges = withRange(foreignRanges, { start: log.minOffset, end })
  else if (foreignFrom !== undefined) foreignRanges = withRange(foreignRanges, { start: foreignFrom, end })
  // Records without a checksum of ours are to be read as a broker's are: the range is open until the next recovery.
  if (parts.isReadOnly ? goesOnForeign(lists.foreignRanges, isForeign || foreignFrom !== undefined) : !recordCrc)
    foreignRanges = withRange(foreignRanges, { start: end, end: OPEN_END })
  const found = checkpoint.checkpoint?.physicMessageTimestamp ?? 0
  return {
    min: log.minOffset,
    flushed: end,
    written: end,
    dispatched: end,
    indexed: end,
    checkpointed: end,
    lastStoreTimestamp: Math.max(lastStoreTimestamp, state?.lastStoreTimestamp ?? found),
    commitLogSegmentBytes: log.segmentBytes,
    consumeQueueEntries: queues.entriesPerFile,
    indexSlots: index.sizes.slots,
    indexEntries: index.sizes.entries,
    isCleanClose: false,
    ...censusAfter(parts, isTrusted),
    consumerOffsetSha256: state?.consumerOffsetSha256,
    formerConsumerOffsetSha256: state?.formerConsumerOffsetSha256,
    checkpointSha256: checkpoint.sha256,
    formerCheckpointSha256: isOurs ? undefined : checkpoint.sha256,
    foreignRanges,
    // Of a folder that somebody may be writing to the end is not known.
    tombstones: parts.isReadOnly ? lists.tombstones : parts.tombstones.cutAt(end),
  }
}
