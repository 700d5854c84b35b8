/**
 * Drops the log's oldest segments, whole, when they are due: by age, by total bytes, or because the device is full.
 * RocketMQ: CleanCommitLogService. SEMANTICS 7.4.
 *
 * Never the segment that is appended to; never past the checkpoint, or recovery would miss where it starts; and never what
 * `keepFrom` says somebody still needs, whatever its age: with `bytes` used up by such, writes are refused instead.
 */
import type { Clock } from '../base/clock.ts'
import { waitInBackground } from '../base/clock.ts'
import { asError, PocketMQError } from '../base/errors.ts'
import type { FileSystem } from '../files/file-system.ts'
import type { CommitLog, Segment } from './commit-log.ts'
import type { ConsumeQueues } from './consume-queues.ts'
import type { MessageIndex } from './message-index.ts'
import type { RetentionSettings } from './settings.ts'

/** What retention works on. */
export type RetentionParts = {
  readonly fileSystem: FileSystem
  /** The store's folder. */
  readonly dir: string
  readonly settings: Pick<RetentionSettings, 'hours' | 'bytes' | 'freeBytesMin'>
  readonly clock: Clock
  readonly log: Pick<CommitLog, 'segments' | 'segmentBytes' | 'minOffset' | 'removeSegmentsBelow'>
  readonly queues: Pick<ConsumeQueues, 'removeFilesBelow'>
  readonly index: Pick<MessageIndex, 'removeFilesBelow'>
  readonly checkpointed: () => number
  /** The lowest physicalOffset somebody still needs. */
  readonly keepFrom: () => number | Promise<number>
  /** Puts the log on the device. */
  readonly flush: () => Promise<void>
  readonly onEvent: (name: string, details: Readonly<Record<string, unknown>>) => void
}

/** Why a segment goes. */
type Reason = 'age' | 'bytes' | 'device'

/** How often it is looked whether something is due. RocketMQ: cleanResourceInterval. */
const INTERVAL_MS = 10_000
const HOUR_MS = 3_600_000
/** The same for a log that must not grow beyond its bytes, and for those who wait until it may. */
const BOUNDED_INTERVAL_MS = 1000
const HELD_BACK_MS = 100

/** The retention of one store. */
export class Retention {
  readonly #parts: RetentionParts
  readonly #stop = new AbortController()
  #running: Promise<number> = Promise.resolve(0)
  #loop: Promise<void> | undefined
  #isHeldBack = false

  constructor(parts: RetentionParts) {
    this.#parts = parts
  }

  /**
   * Whether the log takes up all its `bytes` and somebody needs the oldest of them: nothing more may be appended.
   * As of the last run.
   */
  get isHeldBack(): boolean {
    return this.#isHeldBack
  }

  /** Throws where the log takes up all its bytes and the oldest are still needed. @throws BACKPRESSURE */
  checkRoom(): void {
    if (!this.#isHeldBack) return
    const { bytes } = this.#parts.settings
    throw new PocketMQError('BACKPRESSURE', `the log has its ${bytes} bytes, and all of them are still needed`, {
      hint: 'Let the groups that lag behind consume, allow more retention.bytes, or set keepUnconsumed to false.',
      details: { setting: 'retention.bytes', limit: bytes },
    })
  }

  /** Resolves when `checkRoom` would not throw. */
  async room(signal?: AbortSignal): Promise<void> {
    while (this.#isHeldBack && !this.#stop.signal.aborted) {
      await this.#parts.clock.sleep(HELD_BACK_MS, { signal })
      await this.run()
    }
  }

  start(): void {
    this.#loop = this.#runAtIntervals()
  }

  /** Drops what is due now; gone from the device when it resolves. Answers how many segments. One run at a time. */
  run(): Promise<number> {
    const run = (): Promise<number> => this.#run()
    this.#running = this.#running.then(run, run)
    return this.#running
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#loop
    await Promise.allSettled([this.#running])
  }

  async #run(): Promise<number> {
    const { log, checkpointed, keepFrom } = this.#parts
    const needed = await keepFrom()
    const limit = Math.min(checkpointed(), needed)
    let removed = 0
    while (!this.#stop.signal.aborted) {
      const oldest = log.segments()[0]
      if (oldest === undefined || log.segments().length < 2) {
        this.#noteHeldBack(oldest?.start ?? 0, false)
        break
      }
      const reason = await this.#reasonFor(oldest)
      const isFree = oldest.start + log.segmentBytes <= limit
      // A checkpoint that has not come so far yet holds nobody back: it comes by itself.
      this.#noteHeldBack(oldest.start, reason === 'bytes' && oldest.start + log.segmentBytes > needed)
      if (reason === undefined || !isFree) break
      // Nobody needs it because copies of what was in it were appended: a power cut must not take those from the page cache.
      if (removed === 0) await this.#parts.flush()
      await this.#remove(oldest, reason)
      removed++
    }
    return removed
  }

  /** Why the segment is due; undefined where it is not. */
  async #reasonFor({ path }: Segment): Promise<Reason | undefined> {
    const { fileSystem, dir, settings, clock, log } = this.#parts
    const { hours, bytes, freeBytesMin } = settings
    if (bytes !== undefined && log.segments().length * log.segmentBytes > bytes) return 'bytes'
    const stat = await fileSystem.stat(path)
    if (stat !== undefined && clock.nowMs() >= stat.modifiedMs + hours * HOUR_MS) return 'age'
    if (freeBytesMin === 0) return undefined
    return (await fileSystem.device(dir)).freeBytes < freeBytesMin ? 'device' : undefined
  }

  /** The segment first, then what points into it: entries without their records are passed over, the other way round they would be rebuilt. */
  async #remove({ start, path }: Segment, reason: Reason): Promise<void> {
    const { log, queues, index, onEvent } = this.#parts
    await log.removeSegmentsBelow(start + log.segmentBytes)
    await queues.removeFilesBelow(log.minOffset)
    await index.removeFilesBelow(log.minOffset)
    onEvent('segment-removed', { path, physicalOffset: start, reason })
  }

  #noteHeldBack(physicalOffset: number, isHeldBack: boolean): void {
    if (isHeldBack === this.#isHeldBack) return
    this.#isHeldBack = isHeldBack
    this.#parts.onEvent('retention-held-back', { physicalOffset, isHeldBack })
  }

  async #runAtIntervals(): Promise<void> {
    const { clock, onEvent, settings } = this.#parts
    const intervalMs = settings.bytes === undefined ? INTERVAL_MS : BOUNDED_INTERVAL_MS
    const signal = this.#stop.signal
    while (await waitInBackground(clock, intervalMs, signal)) {
      try {
        await this.run()
      } catch (error) {
        // What could not be removed now is tried again; the store goes on.
        onEvent('error', { operation: 'retention', message: asError(error).message })
      }
    }
  }
}
