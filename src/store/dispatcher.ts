/**
 * Makes what is appended readable: walks the log behind the appends and puts queue entries and keys.
 * RocketMQ: ReputMessageService ("reput" is dispatch).
 *
 * It runs on the event loop in slices with a time budget; the first slice runs within `wake`, so that a single message is
 * readable before the turn that wrote it ends.
 */
import type { Clock } from '../base/clock.ts'
import { waitInBackground } from '../base/clock.ts'
import { asError } from '../base/errors.ts'
import { runNextTurn } from '../base/turns.ts'
import { Watermark } from '../base/watermark.ts'
import type { RecordChecks } from '../codec/record-cursor.ts'
import { isPassing } from '../files/io-error.ts'
import type { ConsumeQueues } from './consume-queues.ts'
import type { LogBytes } from './log-walk.ts'
import { LogWalk } from './log-walk.ts'
import type { MessageIndex } from './message-index.ts'
import { RecordDispatch } from './record-dispatch.ts'
import type { DispatchRequest } from './store-types.ts'

/** What the dispatcher is wired to. */
export type DispatcherParts = {
  readonly log: LogBytes
  readonly queues: ConsumeQueues
  readonly index: MessageIndex | undefined
  readonly clock: Clock
  /** Everything below is dispatched already. A border of records. */
  readonly from: number
  /** Up to here the log may be dispatched: `written`, or `flushed` in a store that promises the device. */
  readonly limit: () => number
  /** What a record has to prove. Default: what this process has just written proves only its place. */
  readonly checks?: (physicalOffset: number) => RecordChecks
  /** Longest time in one turn of the event loop. */
  readonly sliceMs?: number
  readonly isDropped?: (topic: string, physicalOffset: number) => boolean
  /** Called for each record as it becomes readable; the request is valid during the call. Must not throw, must not block. */
  readonly onDispatch?: (request: DispatchRequest) => void
  /** Dispatching cannot go on. */
  readonly onFailure: (error: Error) => void
  readonly onEvent?: (name: string, details: Readonly<Record<string, unknown>>) => void
}

const SLICE_MS = 2
/** The clock is looked at every so many records, and every so many bytes of log. */
const RECORDS_BETWEEN_LOOKS = 64
const BYTES_BETWEEN_LOOKS = 1024 * 1024
/** How long to wait for room on the device before trying again to write entries out. */
const DISK_FULL_RETRY_MS = 250
/** Further behind, the bytes to dispatch leave the tail in memory, and each slice waits for the thread pool. */
const BEHIND_BYTES = 512 * 1024
/**
 * What lies in files only is read in chunks of so many, the next one meanwhile: more than is appended in one turn, so that
 * dispatch catches up with whoever appends flat out.
 */
const CHUNK_BYTES = 4 * 1024 * 1024
const PLACE_ONLY: RecordChecks = { body: false, record: 'ignore', position: true }

/** Why a slice ended. */
type SliceEnd = 'end' | 'time' | 'starved' | 'full'

/** The dispatch loop of a store. */
export class Dispatcher {
  readonly dispatched: Watermark
  readonly #parts: DispatcherParts
  readonly #records: RecordDispatch
  readonly #walk: LogWalk
  readonly #sliceMs: number
  readonly #onEvent: (name: string, details: Readonly<Record<string, unknown>>) => void
  readonly #stop = new AbortController()
  #isRunning = false
  /** What the loop waits for between two slices. */
  #waiting: Promise<void> | undefined
  /** Entries being written behind the loop's back. */
  #writing: Promise<void> | undefined
  #lastStoreTimestamp = 0
  #count = 0

  constructor(parts: DispatcherParts) {
    const { from, log, limit, checks = () => PLACE_ONLY } = parts
    this.#parts = parts
    this.#sliceMs = parts.sliceMs ?? SLICE_MS
    this.#onEvent = parts.onEvent ?? (() => undefined)
    this.dispatched = new Watermark('dispatched', from)
    this.#walk = new LogWalk(log, { from, limit, checks, chunkBytes: CHUNK_BYTES, readsAhead: true })
    this.#records = new RecordDispatch({
      queues: parts.queues,
      index: parts.index,
      isDropped: parts.isDropped ?? (() => false),
      onDispatch: parts.onDispatch ?? (() => undefined),
      onEvent: this.#onEvent,
    })
  }

  /** storeTimestamp of the last dispatched record; 0 before the first. */
  get lastStoreTimestamp(): number {
    return this.#lastStoreTimestamp
  }

  /** Records that went into their queues since the dispatcher was made. */
  get dispatchedRecords(): number {
    return this.#count
  }

  /** Whether so much waits that appends had better give way. */
  get isBehind(): boolean {
    return this.#parts.limit() - this.dispatched.value > BEHIND_BYTES
  }

  /** The limit has moved. Where nothing runs, the first slice runs before this returns. */
  wake(): void {
    if (this.#isRunning || this.#stop.signal.aborted) return
    this.#isRunning = true
    this.#runSlice()
  }

  /** Resolves when everything up to the limit at the time of the call is dispatched; rejects once the dispatcher has failed or stopped. */
  async drain(): Promise<void> {
    const target = this.#parts.limit()
    this.wake()
    await this.dispatched.reached(target)
  }

  /** Ends dispatching where it is; idempotent. Those who wait for `dispatched` are told by whoever closes the store. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#waiting
    await this.#writing
  }

  readonly #runSlice = (): void => {
    if (this.#stop.signal.aborted) return
    let end: SliceEnd
    try {
      end = this.#slice()
    } catch (error) {
      this.#parts.onFailure(asError(error))
      return
    }
    this.#writeBehind()
    if (end === 'end') this.#isRunning = false
    else if (end === 'time') runNextTurn(this.#runSlice)
    else this.#waiting = this.#waitThenRun(end)
  }

  #slice(): SliceEnd {
    const { queues, index, clock } = this.#parts
    const walk = this.#walk
    const startedMs = clock.monotonicMs()
    let records = 0
    let lookedAt = walk.position
    let end: SliceEnd | undefined
    while (end === undefined) {
      const step = walk.step()
      if (step === 'record') {
        if (this.#records.dispatch(walk.cursor)) this.#count++
        this.#lastStoreTimestamp = walk.cursor.storeTimestamp
        if (++records < RECORDS_BETWEEN_LOOKS && walk.position - lookedAt < BYTES_BETWEEN_LOOKS) continue
        records = 0
        lookedAt = walk.position
        if (queues.isFull || index?.isFull) end = 'full'
        else if (clock.monotonicMs() - startedMs >= this.#sliceMs) end = 'time'
      } else if (step === 'damage') this.#onEvent('damaged-range', { ...walk.damage })
      else if (step !== 'filler') end = step
    }
    this.dispatched.advance(Math.max(this.dispatched.value, walk.position))
    return end
  }

  async #waitThenRun(reason: SliceEnd): Promise<void> {
    try {
      if (reason === 'starved') await this.#fill()
      else await this.#writeOut()
    } catch (error) {
      this.#parts.onFailure(asError(error))
      return
    }
    // Whoever keeps the event loop busy gets his turn between two slices, also where all bytes are at hand.
    runNextTurn(this.#runSlice)
  }

  /** Reads on. Without a descriptor it waits for one: dispatch falls behind, and nothing is lost. */
  async #fill(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        return await this.#walk.fill()
      } catch (error) {
        if (!isPassing(error)) throw asError(error)
        await this.#waitForDevice()
      }
    }
  }

  /** Writes entries out while dispatch goes on. A full device is met again when memory is full. */
  #writeBehind(): void {
    const { queues, index, onFailure } = this.#parts
    if (this.#writing !== undefined || !(queues.wantsWriting || index?.wantsWriting)) return
    this.#writing = this.#writeOnce()
      .then(() => undefined, onFailure)
      .finally(() => {
        this.#writing = undefined
      })
  }

  /** False where the device is full. */
  async #writeOnce(): Promise<boolean> {
    const { queues, index } = this.#parts
    try {
      await queues.writeOut()
      await index?.writeOut()
      return true
    } catch (error) {
      if (!isPassing(error)) throw asError(error)
      this.#onEvent('disk-pressure', { operation: 'dispatch' })
      return false
    }
  }

  /** Makes room in memory. A full device is waited for: nothing is lost, for entries can be made again from the log. */
  async #writeOut(): Promise<void> {
    while (!(await this.#writeOnce())) {
      if (!(await this.#waitForDevice())) return
    }
  }

  /** False where the dispatcher was stopped meanwhile. */
  #waitForDevice(): Promise<boolean> {
    return waitInBackground(this.#parts.clock, DISK_FULL_RETRY_MS, this.#stop.signal)
  }
}
