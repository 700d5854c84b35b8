/**
 * Who was the last to write to a folder, how he left it, and so what recovery has to read again. Changes nothing.
 *
 * | who, how                               | read again                                              | a bad record is                    |
 * | -------------------------------------- | ------------------------------------------------------- | ---------------------------------- |
 * | we, cleanly                            | nothing                                                 | -                                  |
 * | we, without closing                    | from `checkpointed`                                     | torn from `flushed` on, else damage |
 * | a broker after us, or a broker alone   | from where its queue entries stop covering the log;     | damage where a good one follows,   |
 * |                                        | after a crash also what its checkpoint does not vouch for | else the torn tail               |
 */
import { PocketMQError } from '../base/errors.ts'
import { rescanTimestamp } from '../codec/checkpoint.ts'
import { DispatchScan } from '../codec/dispatch-scan.ts'
import { MAGIC_OFFSET } from '../codec/record-layout.ts'
import { hasEntriesBelow, takeCensusAtOpen } from './census.ts'
import type { CommitLog } from './commit-log.ts'
import { isRecordMagic } from './inspect-folder.ts'
import { LogWalk } from './log-walk.ts'
import { coveredUpTo, misplacedFrom } from './mend-queues.ts'
import { FOREIGN_CHECKS, recordChecksOf } from './record-checks.ts'
import type { RecoveryParts, RecoveryPlan } from './recovery-parts.ts'

/** Bytes that tell whether a log may be another program's. */
const LOG_HEAD_BYTES = 512

/** Decides from state, checkpoint, `abort` and the files themselves. @throws UNSUPPORTED_FORMAT */
export async function planRecovery(parts: RecoveryParts): Promise<RecoveryPlan> {
  const { state } = parts.loaded
  if (state === undefined || !isCheckpointOurs(parts)) return await planForeign(parts)
  const notes: string[] = []
  if (state.isCleanClose && !parts.facts.isAborted && (await isUntouched(parts, notes))) {
    const [from, checks] = [state.written, recordChecksOf(state.foreignRanges)]
    return { isClean: true, isTrusted: true, isForeign: false, from, wholeTo: from, beyond: 'torn', checks, notes }
  }
  return await planOwn(parts, notes)
}

/**
 * Whether nobody has appended since we did: `checkpoint` is as we last wrote it, and `abort` is not a broker's. A broker
 * rewrites the first within a second of appending, the second as it starts. A missing checkpoint is nobody's doing.
 */
export function isCheckpointOurs({ loaded: { state }, checkpoint, facts }: RecoveryParts): boolean {
  const { sha256 } = checkpoint
  if (state === undefined || facts.isAbortForeign) return false
  return sha256 === undefined || sha256 === state.checkpointSha256 || sha256 === state.formerCheckpointSha256
}

async function planOwn(parts: RecoveryParts, notes: string[]): Promise<RecoveryPlan> {
  const { log, queues, facts, loaded } = parts
  const state = loaded.state as NonNullable<typeof loaded.state>
  const isClean = state.isCleanClose && !facts.isAborted
  let from = Math.min(state.checkpointed, state.flushed)
  if (!facts.hasConsumeQueues || (await isIndexLost(parts))) from = log.minOffset
  // Changed since by somebody who is no broker: nothing tells which entries went.
  else if (isClean || !(await hasEntriesBelow(queues, state.checkpointed, state)))
    from = Math.min(from, await coveredUpTo(log, queues), await misplacedFrom(log, queues))
  if (state.flushed > log.filesEnd) {
    notes.push(`the log ends at ${log.filesEnd}, before ${state.flushed}, up to where it was on the device`)
  }
  return {
    isClean,
    isTrusted: false,
    isForeign: false,
    from: Math.min(Math.max(from, log.minOffset), log.filesEnd),
    wholeTo: Math.max(state.flushed, log.minOffset),
    beyond: 'torn',
    checks: recordChecksOf(state.foreignRanges),
    notes,
  }
}

async function planForeign(parts: RecoveryParts): Promise<RecoveryPlan> {
  const { log, queues, facts, loaded } = parts
  await refuseOtherLog(log)
  const covered = await coveredUpTo(log, queues)
  // A broker that closed the folder has left zeros behind its end; no need to look for records in all of a long segment.
  const isEndKnown = !facts.isAborted && (await isZeroAt(log, covered))
  let from = Math.min(covered, await misplacedFrom(log, queues))
  if (facts.isAborted) from = Math.min(from, await startByCheckpoint(parts))
  if (await isIndexLost(parts)) from = log.minOffset
  // What another writer did to our last segment is not known, but its start is a border of records whatever he did.
  const { state } = loaded
  if (state !== undefined) from = Math.min(from, state.written - (state.written % log.segmentBytes))
  return {
    isClean: !facts.isAborted,
    isTrusted: false,
    isForeign: true,
    from: Math.min(Math.max(from, log.minOffset), log.filesEnd),
    wholeTo: isEndKnown ? Math.max(covered, log.minOffset) : log.minOffset,
    beyond: isEndKnown ? 'torn' : 'search',
    checks: () => FOREIGN_CHECKS,
    notes: [],
  }
}

/** Whether the files still are what we closed: same sizes, log and derived files there, nothing behind the end. */
async function isUntouched(parts: RecoveryParts, notes: string[]): Promise<boolean> {
  const { log, facts, loaded } = parts
  const state = loaded.state as NonNullable<typeof loaded.state>
  const isEmpty = state.written === log.minOffset
  const segmentStart = state.written - (state.written % log.segmentBytes)
  const isEndThere = log.filesEnd - segmentStart === log.segmentBytes || log.filesEnd === state.written
  if (isEmpty && log.filesEnd === log.minOffset) return true
  if (log.segmentBytes !== state.commitLogSegmentBytes || !isEndThere) {
    notes.push('the commit log is not as long as it was when it was closed')
    return false
  }
  if (!isEmpty && !facts.hasConsumeQueues) {
    notes.push('the consume queues are missing and are built anew')
    return false
  }
  if (!isEmpty && (await isIndexLost(parts))) {
    notes.push('the index is missing or damaged and is built anew')
    return false
  }
  const found = await takeCensusAtOpen(parts.queues, parts.index)
  if (found.queueFiles !== state.queueFiles || found.queueEntries !== state.queueEntries) {
    notes.push('consume-queue files are not what they were when they were closed; what is missing is built anew')
    return false
  }
  if (await isZeroAt(log, state.written)) return true
  notes.push(`there are bytes behind the end of the log, at ${state.written}`)
  return false
}

/** Whether nothing was written at a place, which may be the end of the files. */
async function isZeroAt(log: CommitLog, physicalOffset: number): Promise<boolean> {
  const head = Buffer.alloc(MAGIC_OFFSET + 4)
  if (physicalOffset < log.filesEnd) await log.read(head, physicalOffset)
  return head.every(byte => byte === 0)
}

/** Whether index files are missing although the log's first record has a key, or are there and cannot be read. */
async function isIndexLost({ log, facts, index, loaded, isReadOnly }: RecoveryParts): Promise<boolean> {
  // Without them a reader looks through the log; that is no reason to do it before anybody asks.
  if (isReadOnly && index.hasUnusableFiles) return false
  const { state } = loaded
  // Retention may have taken files since the count, unless the folder was closed right after it.
  const isClosed = state?.isCleanClose === true && !facts.isAborted
  if (state !== undefined && index.filesEnd < state.indexEnd) return true
  if (isClosed && index.fileCount !== state.indexFiles) return true
  if (facts.indexFiles.length > 0) return state !== undefined && index.hasUnusableFiles
  // The log's first record may be of a deleted topic, whose keys are nowhere: what was counted is believed.
  if (state !== undefined) return false
  const walk = await walkOneStep(log, log.minOffset)
  if (walk === undefined) return false
  const { bytes, propertiesStart, propertiesBytes } = walk.cursor
  const scan = new DispatchScan()
  scan.scan(bytes, propertiesStart, propertiesStart + propertiesBytes, 0)
  return scan.hasUniqueKey || scan.keyCount > 0
}

/**
 * The newest segment whose first record a broker's checkpoint vouches for; the oldest where it vouches for none.
 * RocketMQ: CommitLog.isMappedFileMatchedRecover.
 */
async function startByCheckpoint({ log, checkpoint }: RecoveryParts): Promise<number> {
  const vouchedMs = checkpoint.checkpoint === undefined ? 0 : rescanTimestamp(checkpoint.checkpoint)
  for (const { start } of [...log.segments()].reverse()) {
    const walk = await walkOneStep(log, start)
    if (walk === undefined) continue
    if (walk.cursor.storeTimestamp > 0 && walk.cursor.storeTimestamp <= vouchedMs) return start
  }
  return log.minOffset
}

/** A walk that stands behind the record at `at`; undefined where there is none. */
async function walkOneStep(log: CommitLog, at: number): Promise<LogWalk | undefined> {
  const limit = Math.min(log.filesEnd, log.segmentEnd(at))
  const walk = new LogWalk(log, { from: at, limit: () => limit, checks: () => FOREIGN_CHECKS, wholeTo: at })
  for (;;) {
    const step = walk.step()
    if (step === 'record') return walk
    if (step !== 'starved') return undefined
    await walk.fill()
  }
}

/** Refuses a log in which nothing reads as a record: recovery would take all of it for a torn tail and cut it. */
async function refuseOtherLog(log: CommitLog): Promise<void> {
  const head = Buffer.alloc(LOG_HEAD_BYTES)
  if (log.filesEnd > log.minOffset) await log.read(head, log.minOffset)
  // A record that was cut within its first eight bytes leaves nothing to tell by.
  if (isRecordMagic(head.readInt32BE(MAGIC_OFFSET)) || head.subarray(MAGIC_OFFSET + 4).every(byte => byte === 0)) return
  const end = log.filesEnd
  const walk = new LogWalk(log, {
    from: log.minOffset,
    limit: () => end,
    checks: () => FOREIGN_CHECKS,
    wholeTo: log.minOffset,
    beyond: 'search',
  })
  for (;;) {
    const step = walk.step()
    if (step === 'starved') await walk.fill()
    else if (step !== 'end') return
    else break
  }
  const found = head.toString('hex', 0, MAGIC_OFFSET + 4)
  throw new PocketMQError('UNSUPPORTED_FORMAT', 'the commit log holds no record of RocketMQ', {
    hint: 'Give PocketMQ a folder of its own, or bring the log back from a backup.',
    details: { file: log.segments()[0]?.path, physicalOffset: log.minOffset, expected: 'a record', found },
  })
}
