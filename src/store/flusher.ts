/**
 * Group commit: one fdatasync covers everyone who waits for one.   RocketMQ: GroupCommitService, FlushRealTimeService.
 *
 * A flush starts when somebody waits for `flushed`, when the interval has passed, or when so much is unflushed that it is worth one.
 * A flush that fails is never tried again: the kernel may have dropped the pages. The store is `failed` until reopened.
 */
import type { Clock } from '../base/clock.ts'
import { waitInBackground } from '../base/clock.ts'
import { asError } from '../base/errors.ts'
import { isPassing } from '../files/io-error.ts'
import type { CommitLog } from './commit-log.ts'

const PAUSE_MS = 250
/**
 * Unflushed bytes worth a flush. Short flushes: while ext4 finds blocks for what one puts on the device, whoever appends to the
 * same file waits, 10 ms with 64 MiB and next to nothing with these.
 */
const FLUSH_BYTES = 8 * 1024 * 1024

/** What the flusher is wired to. */
export type FlusherParts = {
  readonly log: CommitLog
  readonly clock: Clock
  readonly intervalMs: number
  readonly unflushedBytesMax: number
  /** After each flush that moved `flushed`. */
  readonly onFlushed: () => void
  readonly onFailure: (error: Error) => void
}

/** The background flush of the commit log. */
export class Flusher {
  readonly #parts: FlusherParts
  readonly #stop = new AbortController()
  #flushing: Promise<void> | undefined
  #interval: Promise<void> | undefined
  #failure: Error | undefined

  constructor(parts: FlusherParts) {
    this.#parts = parts
  }

  start(): void {
    this.#interval = this.#flushAtIntervals()
  }

  /** Bytes have been written: starts a flush where one is due. */
  wake(): void {
    const { log, unflushedBytesMax } = this.#parts
    const unflushed = log.written.value - log.flushed.value
    if (unflushed === 0 || this.#flushing !== undefined || this.#failure !== undefined) return
    const isDue = log.flushed.hasWaiters || unflushed > Math.min(FLUSH_BYTES, unflushedBytesMax / 2)
    if (isDue && !this.#stop.signal.aborted) this.#begin()
  }

  /** Everything written at the time of the call is on the device when it resolves. */
  async flushNow(): Promise<void> {
    const target = this.#parts.log.written.value
    while (this.#parts.log.flushed.value < target) {
      if (this.#failure !== undefined) throw this.#failure
      if (this.#flushing === undefined) this.#begin()
      await this.#flushing
    }
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#interval
    await this.#flushing
  }

  #begin(): void {
    this.#flushing = this.#flush()
  }

  async #flush(): Promise<void> {
    const { log, clock, onFlushed, onFailure } = this.#parts
    try {
      await log.flush()
      onFlushed()
    } catch (error) {
      // No descriptor to flush a folder by: whoever waits for the device waits until there is one.
      if (isPassing(error)) await waitInBackground(clock, PAUSE_MS, this.#stop.signal)
      else {
        this.#failure = asError(error)
        onFailure(this.#failure)
      }
    } finally {
      this.#flushing = undefined
    }
    this.wake()
  }

  async #flushAtIntervals(): Promise<void> {
    const { clock, intervalMs, log } = this.#parts
    const signal = this.#stop.signal
    while (this.#failure === undefined) {
      if (!(await waitInBackground(clock, intervalMs, signal))) return
      if (log.flushed.value < log.written.value && this.#flushing === undefined) this.#begin()
      await this.#flushing
    }
  }
}
