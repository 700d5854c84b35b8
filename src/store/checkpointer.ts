/**
 * Keeps on the device how far everything has come, so that a crash costs a scan of what is younger than one interval.
 * RocketMQ: StoreCheckpoint with FlushConsumeQueueService.
 *
 * The state page follows each group commit within 100 ms. A checkpoint, at every flush interval in which something moved, or
 * sooner where much did:
 * note where dispatch is, put the log, the consume queues and the index on the device, then say so. In that order: a
 * checkpoint ahead of the queues would make recovery skip messages.
 */
import { assert } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import { waitInBackground } from '../base/clock.ts'
import { asError } from '../base/errors.ts'
import type { StoreState } from '../codec/state-page.ts'
import { isTakenOver } from '../codec/state-page.ts'
import { isPassing } from '../files/io-error.ts'
import type { Census } from './census.ts'
import { takeCensus } from './census.ts'
import type { CommitLog } from './commit-log.ts'
import type { ConsumeQueues } from './consume-queues.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { Flusher } from './flusher.ts'
import type { MessageIndex } from './message-index.ts'
import type { StateFile } from './state-file.ts'
import type { StoreCheckpoint } from './store-checkpoint.ts'

/** The state page is written at the latest so long after a group commit. ARCHITECTURE decision 18. */
const STATE_DELAY_MS = 100

/**
 * The pause after a checkpoint is at least so many times as long as queues and index took. With 10,000 queues that is seconds, each
 * queue's file being flushed by itself; without the pause it would be all that the disk does.
 */
const PAUSE_RATIO = 4

/** Where so much was dispatched since the last checkpoint the pause is no longer than queues and index took: a crash costs reading it again. */
const CHECKPOINT_BYTES = 32 * 1024 * 1024

/** What a checkpoint is made of. */
export type CheckpointerParts = {
  readonly log: CommitLog
  readonly flusher: Flusher
  readonly queues: ConsumeQueues
  readonly index: MessageIndex
  readonly dispatcher: Dispatcher
  readonly stateFile: StateFile
  readonly checkpoint: StoreCheckpoint
  readonly clock: Clock
  readonly intervalMs: number
  readonly lastStoreTimestamp: () => number
  readonly onFailure: (error: Error) => void
  readonly onEvent: (name: string, details: Readonly<Record<string, unknown>>) => void
}

/** Part of the state that others decide. */
export type StateChange = Partial<
  Pick<
    StoreState,
    | 'tombstones'
    | 'foreignRanges'
    | 'consumerOffsetSha256'
    | 'formerConsumerOffsetSha256'
    | 'isCleanClose'
    | keyof Census
  >
>

/** The background checkpoints of one store. */
export class Checkpointer {
  readonly #parts: CheckpointerParts
  readonly #stop = new AbortController()
  #state: StoreState
  #saving: Promise<void> = Promise.resolve()
  #interval: Promise<void> | undefined
  #saveSoon: Promise<void> | undefined
  #running: Promise<void> | undefined
  /** Hash of the `checkpoint` that is on the device. */
  #checkpointSha256: string | undefined
  /** How long queues and index took to reach the device, at the last checkpoint. */
  #derivedMs = 0
  /** A flush failed: what it was of may be lost, and no later checkpoint may say that it is on the device. */
  #failure: Error | undefined

  constructor(parts: CheckpointerParts, state: StoreState) {
    this.#parts = parts
    this.#state = state
    this.#checkpointSha256 = state.checkpointSha256
  }

  /** Below this, log and derived files are on the device and agree. */
  get checkpointed(): number {
    return this.#state.checkpointed
  }

  get state(): StoreState {
    return this.#state
  }

  start(): void {
    this.#interval = this.#checkpointAtIntervals()
  }

  /** A group commit has ended: the state page follows within {@link STATE_DELAY_MS}. */
  noteFlushed(): void {
    if (this.#saveSoon !== undefined || this.#stop.signal.aborted) return
    this.#saveSoon = this.#saveAfterDelay().finally(() => {
      this.#saveSoon = undefined
    })
  }

  /** Changes what others decide; on the device when it resolves. */
  change(change: StateChange): Promise<void> {
    this.#state = { ...this.#state, ...change }
    return this.#save()
  }

  /** What a broker did is in our files, on the device. A checkpoint of ours has said so already where there was one since. */
  async tookOver(): Promise<void> {
    if (!isTakenOver(this.#state)) return
    this.#state = { ...this.#state, formerCheckpointSha256: undefined }
    await this.#save()
  }

  /** Everything dispatched at the time of the call is on the device, with its queue and index entries, when it resolves. */
  async run(): Promise<void> {
    while (this.#running !== undefined) await Promise.allSettled([this.#running])
    if (this.#failure !== undefined) throw this.#failure
    this.#running = this.#run().finally(() => {
      this.#running = undefined
    })
    await this.#running
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#interval
    await this.#saveSoon
    await this.#running
  }

  async #run(): Promise<void> {
    const { dispatcher, flusher, queues, index, checkpoint, log, clock } = this.#parts
    const dispatched = dispatcher.dispatched.value
    const storeTimestamp = dispatcher.lastStoreTimestamp
    const census = takeCensus(queues, index)
    await flusher.flushNow()
    const startedMs = clock.monotonicMs()
    await this.#flushed(() => queues.flush())
    await this.#flushed(() => index.flush())
    this.#derivedMs = clock.monotonicMs() - startedMs
    assert(dispatched <= log.flushed.value, 'a checkpoint is never ahead of the flushed log')
    assert(dispatched >= this.#state.checkpointed, 'a checkpoint never moves back')
    const former = this.#checkpointSha256
    // Keys may have been put, and a file of them filled, while others were flushed: their records may not be on the device yet.
    const indexTimestamp = Math.min(index.flushedTimestamp, storeTimestamp)
    const file = checkpoint.encode({ storeTimestamp, dispatched, indexTimestamp })
    // Two that are the same would say that a broker's was taken over.
    const formerCheckpointSha256 = former === file.sha256 ? undefined : former
    this.#state = { ...this.#state, checkpointSha256: file.sha256, formerCheckpointSha256 }
    await this.#save()
    await checkpoint.write(file)
    this.#checkpointSha256 = file.sha256
    this.#state = { ...this.#state, ...census, checkpointed: dispatched, indexed: dispatched }
    await this.#save()
  }

  /** A derived file that does not reach the device ends the store, whoever asked for the checkpoint; one that finds no room does not. */
  async #flushed(flush: () => Promise<void>): Promise<void> {
    try {
      await flush()
    } catch (error) {
      if (isPassing(error)) throw error
      this.#failure = asError(error)
      this.#parts.onFailure(this.#failure)
      throw error
    }
  }

  /** One save after another; each takes what holds when its turn comes. */
  #save(): Promise<void> {
    this.#saving = this.#saving.catch(() => undefined).then(() => this.#parts.stateFile.save(this.#current()))
    return this.#saving
  }

  #current(): StoreState {
    const { log, dispatcher, lastStoreTimestamp } = this.#parts
    return {
      ...this.#state,
      min: log.minOffset,
      flushed: log.flushed.value,
      written: log.written.value,
      dispatched: dispatcher.dispatched.value,
      lastStoreTimestamp: lastStoreTimestamp(),
    }
  }

  async #saveAfterDelay(): Promise<void> {
    if (!(await this.#sleep(STATE_DELAY_MS))) return
    await this.#guarded(() => this.#save())
  }

  async #checkpointAtIntervals(): Promise<void> {
    const { dispatcher } = this.#parts
    let isEarly = true
    while (await this.#pause(isEarly)) {
      // Where it finds no room it is tried again when the whole interval is over.
      if (dispatcher.dispatched.value !== this.#state.checkpointed) isEarly = await this.#guarded(() => this.run())
    }
  }

  /** False when the checkpointer has stopped. `isEarly`: over as soon as much was dispatched. */
  async #pause(isEarly: boolean): Promise<boolean> {
    const { dispatcher, intervalMs } = this.#parts
    const leastMs = Math.round(this.#derivedMs)
    const mostMs = Math.max(intervalMs, PAUSE_RATIO * leastMs)
    if (!isEarly) return await this.#sleep(mostMs)
    if (leastMs > 0 && !(await this.#sleep(leastMs))) return false
    const over = new AbortController()
    const signal = AbortSignal.any([this.#stop.signal, over.signal])
    const rest = this.#sleep(mostMs - leastMs, signal)
    // Dispatch that has failed comes no further: the time alone is waited for.
    const much = dispatcher.dispatched.reached(this.#state.checkpointed + CHECKPOINT_BYTES, signal).catch(() => rest)
    await Promise.race([rest, much])
    over.abort()
    return !this.#stop.signal.aborted
  }

  /** False when it was cut short. */
  #sleep(ms: number, signal: AbortSignal = this.#stop.signal): Promise<boolean> {
    return waitInBackground(this.#parts.clock, ms, signal)
  }

  /** Whether it went well. */
  async #guarded(step: () => Promise<void>): Promise<boolean> {
    try {
      await step()
      return true
    } catch (error) {
      // Derived files that find no room, or no descriptor, are written again at the next interval; anything else ends the store.
      if (isPassing(error)) this.#parts.onEvent('disk-pressure', { operation: 'checkpoint' })
      else this.#parts.onFailure(asError(error))
      return false
    }
  }
}
