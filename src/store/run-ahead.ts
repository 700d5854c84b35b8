/**
 * Reads ahead of those who take records that lie one behind the other: a queue read from its begin, a walk through a topic.
 *
 * Each gets the bytes themselves, not a copy of them: a run is read for one reader, and every byte of it is handed out once.
 * The device is asked for the next run while the present one is worked off.
 */
import { assert } from '../base/assert.ts'
import type { CommitLog } from './commit-log.ts'

/** What reading ahead needs of a log. */
export type RunLog = Pick<CommitLog, 'minOffset' | 'written' | 'segmentEnd' | 'read'>

/** Bytes of one run: enough for a hop to the thread pool and back to be cheap. */
const RUN_BYTES = 1024 * 1024
/** Room in front of a run for what the run before has left over: longer leftovers start anew. */
const HEADROOM_BYTES = 256 * 1024
/** Readers that are read ahead for; the least recently used is forgotten. */
const READERS_MAX = 4
/** Places that are remembered: whoever asks for what lies right behind the last answer reads in order. */
const ENDS_MAX = 64

/** Bytes of the log and where in them the first wanted one is. They belong to whoever took them. */
export type Taken = { readonly bytes: Buffer; readonly start: number }

/** `bytes` from index `at` up to `limit` hold the log from `position` on; nobody has taken them. */
type Run = {
  readonly bytes: Buffer
  at: number
  readonly limit: number
  position: number
  /** What comes behind: asked for when the first bytes of this are taken. */
  next: Promise<Run | undefined> | undefined
}

/** The runs of a store. */
export class RunAhead {
  readonly #log: RunLog
  /** By the position they go on at; least recently used first. */
  readonly #runs = new Map<number, Run>()
  /** Ends of answers that came from elsewhere; oldest first. */
  readonly #ends = new Set<number>()

  constructor(log: RunLog) {
    this.#log = log
  }

  /** Takes [physicalOffset, physicalOffset + bytes) where that is at hand. */
  takeNow(physicalOffset: number, bytes: number): Taken | undefined {
    const run = this.#runs.get(physicalOffset)
    if (run === undefined || run.limit - run.at < bytes || physicalOffset < this.#log.minOffset) return undefined
    const start = run.at
    this.#runs.delete(physicalOffset)
    run.at += bytes
    run.position += bytes
    this.#keep(run)
    run.next ??= this.#load(run.position + run.limit - run.at)
    return { bytes: run.bytes, start }
  }

  /** Takes the same for somebody who reads in order, waiting for the device; undefined for everybody else. */
  async take(physicalOffset: number, bytes: number): Promise<Taken | undefined> {
    if (bytes > RUN_BYTES) return undefined
    const now = this.takeNow(physicalOffset, bytes)
    if (now !== undefined) return now
    const before = this.#runs.get(physicalOffset)
    if (before === undefined && !this.#ends.delete(physicalOffset)) return undefined
    this.#runs.delete(physicalOffset)
    const next = await (before?.next ?? this.#load(physicalOffset))
    if (next === undefined) return undefined
    const run = before === undefined || next.position === physicalOffset ? next : joined(before, next)
    if (run === undefined || run.position !== physicalOffset) return undefined
    this.#keep(run)
    return this.takeNow(physicalOffset, bytes)
  }

  /** An answer that came from elsewhere ends here. */
  noteEnd(physicalOffset: number): void {
    this.#ends.delete(physicalOffset)
    this.#ends.add(physicalOffset)
    if (this.#ends.size <= ENDS_MAX) return
    for (const oldest of this.#ends) {
      this.#ends.delete(oldest)
      break
    }
  }

  #keep(run: Run): void {
    this.#runs.set(run.position, run)
    if (this.#runs.size <= READERS_MAX) return
    for (const oldest of this.#runs.keys()) {
      this.#runs.delete(oldest)
      break
    }
  }

  /** The run that starts at `position`; undefined where nothing is written there, or where it cannot be read now. */
  async #load(position: number): Promise<Run | undefined> {
    const log = this.#log
    const end = Math.min(position + RUN_BYTES, log.segmentEnd(position), log.written.value)
    if (end <= position || position < log.minOffset) return undefined
    const bytes = Buffer.allocUnsafeSlow(HEADROOM_BYTES + end - position)
    // Whoever wants these bytes reads them again by himself, and meets what is wrong with them.
    const read = await log.read(bytes.subarray(HEADROOM_BYTES), position).then(
      count => count,
      () => 0,
    )
    if (read === 0) return undefined
    return { bytes, at: HEADROOM_BYTES, limit: HEADROOM_BYTES + read, position, next: undefined }
  }
}

/** The run `next` with what is left of the one before in front of it; undefined where that is too long. */
function joined(before: Run, next: Run): Run | undefined {
  const left = before.limit - before.at
  assert(before.position + left === next.position, 'a run goes on where the one before ends')
  if (left > next.at) return undefined
  before.bytes.copy(next.bytes, next.at - left, before.at, before.limit)
  return { ...next, at: next.at - left, position: before.position }
}
