/** Waiting for what `put` refuses with BACKPRESSURE: room in the bounds of ARCHITECTURE decision 21, or in the segment. */
import type { Watermark } from '../base/watermark.ts'
import type { AppendBounds } from './append-path.ts'
import type { CommitLog } from './commit-log.ts'
import type { Flusher } from './flusher.ts'
import type { PutKind } from './store-types.ts'

/** What admission depends on. */
export type AdmissionParts = {
  readonly log: CommitLog
  readonly flusher: Flusher
  readonly dispatched: Watermark
  readonly bounds: AppendBounds
  /** What was refused last, until something is appended again. */
  readonly refusedBytes: () => number
  /** Throws where waiting does not help. */
  readonly checkOpen: () => void
  /** Resolves when retention lets the log grow. */
  readonly room: (signal?: AbortSignal) => Promise<void>
}

/** Lets appends wait their turn. */
export class Admission {
  readonly #parts: AdmissionParts

  constructor(parts: AdmissionParts) {
    this.#parts = parts
  }

  /**
   * Resolves when `wantedBytes` more would be admitted at this moment, and what was refused last: whoever was refused may ask for less
   * than he appends, would be back at once, and no flush would ever be heard of. Another caller may be quicker.
   */
  async admitted(wantedBytes: number, signal: AbortSignal | undefined, kind: PutKind): Promise<void> {
    const { log, flusher, dispatched, bounds, refusedBytes, checkOpen, room } = this.#parts
    const bytes = Math.max(wantedBytes, refusedBytes())
    checkOpen()
    if (kind === 'new') await room(signal)
    await log.prepared(bytes)
    const unflushedAt = log.appended + bytes - bounds.unflushedBytesMax
    if (unflushedAt > log.flushed.value) {
      const reached = log.flushed.reached(Math.min(unflushedAt, log.appended), signal)
      flusher.wake()
      await reached
    }
    await dispatched.reached(Math.min(log.appended + bytes - bounds.undispatchedBytesMax, log.appended), signal)
    checkOpen()
  }
}
