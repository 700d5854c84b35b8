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

  /** Resolves when `bytes` more would be admitted at this moment; another caller may be quicker. */
  async admitted(bytes: number, signal: AbortSignal | undefined, kind: PutKind): Promise<void> {
    const { log, flusher, dispatched, bounds, checkOpen, room } = this.#parts
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
