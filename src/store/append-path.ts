/**
 * From an admitted record to bytes in the log's tail: one synchronous function, no `await` in it.
 * JavaScript's run-to-completion is the put lock. If anything in it throws, nothing has moved.
 * RocketMQ: CommitLog.asyncPutMessage and its AppendMessageCallback.
 */
import { assert } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import { asError, PocketMQError } from '../base/errors.ts'
import { FirstCallback, runNextTurn, TurnBudget } from '../base/turns.ts'
import type { RecordEncoder } from '../codec/record-encoder.ts'
import { TRANSACTION_COMMIT, TRANSACTION_MASK } from '../codec/record-layout.ts'
import type { CommitLog } from './commit-log.ts'
import type { QueueCounter, QueueOffsets } from './queue-offsets.ts'
import type { PutKind, PutRecord, PutResult } from './store-types.ts'

/** How long promises of one turn may follow one another before the event loop gets its turn. */
const TURN_BUDGET_MS = 4

/** How far the log may run ahead of the device and of dispatch. ARCHITECTURE decision 21. */
export type AppendBounds = { readonly unflushedBytesMax: number; readonly undispatchedBytesMax: number }

/** What the append path is wired to. */
export type AppendParts = {
  readonly log: CommitLog
  readonly encoder: RecordEncoder
  readonly offsets: QueueOffsets
  readonly clock: Clock
  readonly bounds: AppendBounds
  /** Largest record, and largest sum of an append unit's records: what one segment holds. */
  readonly unitBytesMax: number
  readonly dispatched: () => number
  /** Dispatch needs a turn of its own now, or it never catches up with promises that follow one another. */
  readonly isDispatchBehind: () => boolean
  /** Throws where the store takes nothing of that kind now: closed, failed, read-only, disk too full, its bytes used up. */
  readonly checkOpen: (kind: PutKind) => void
  /** Bytes have reached the page cache. */
  readonly onWritten: () => void
  /** Writing failed; what was appended and not written is gone, and those who wait for it have to be told. */
  readonly onWriteFailure: (error: Error) => void
  readonly lastStoreTimestamp: number
}

/** The one way into the log. */
export class AppendPath {
  readonly #parts: AppendParts
  readonly #turn: TurnBudget
  readonly #first = new FirstCallback()
  /** Counters moved by records that may not be written yet, one for each move, and where those records are; the arrays only grow. */
  readonly #unwritten: QueueCounter[] = []
  readonly #unwrittenAt: number[] = []
  #unwrittenCount = 0
  #isWriteOutDue = false
  #lastStoreTimestamp: number
  #refusedBytes = 0

  constructor(parts: AppendParts) {
    this.#parts = parts
    this.#turn = new TurnBudget(parts.clock, TURN_BUDGET_MS)
    this.#lastStoreTimestamp = parts.lastStoreTimestamp
  }

  get lastStoreTimestamp(): number {
    return this.#lastStoreTimestamp
  }

  /** What was refused last; 0 where something was appended since. */
  get refusedBytes(): number {
    return this.#refusedBytes
  }

  /** Appends one record. */
  put(record: PutRecord, kind: PutKind = 'new'): PutResult {
    const { checkOpen, encoder, log } = this.#parts
    checkOpen(kind)
    const sizeBytes = encoder.prepare(record)
    if (sizeBytes > this.#parts.unitBytesMax) this.#refuseSize(sizeBytes)
    this.#admit(sizeBytes)
    const at = this.#room(sizeBytes)
    const result = this.#encode(record, at, log.appended, sizeBytes)
    log.append(sizeBytes)
    this.#writeOutThisTurn()
    return result
  }

  /** Appends several records as one unit: contiguous, in one segment, with one step of `appended`. */
  putAll(records: readonly PutRecord[], kind: PutKind = 'new'): PutResult[] {
    const { checkOpen, encoder, log } = this.#parts
    checkOpen(kind)
    const count = records.length
    if (count === 0) return []
    const sizes = records.map((record, i) => encoder.prepare(record, { index: i + 1, count }))
    const total = sizes.reduce((sum, size) => sum + size, 0)
    if (total > this.#parts.unitBytesMax) this.#refuseSize(total)
    this.#admit(total)
    const at = this.#room(total)
    const results: PutResult[] = []
    let done = 0
    for (const [i, record] of records.entries()) {
      const sizeBytes = sizes[i] as number
      encoder.prepare(record, { index: i + 1, count })
      results.push(this.#encode(record, at + done, log.appended + done, sizeBytes))
      done += sizeBytes
    }
    log.append(total)
    this.#writeOutThisTurn()
    return results
  }

  /** Puts what is appended into the page cache now. @throws what the write met, after taking back what is lost */
  writeOut(): void {
    const { log, onWritten } = this.#parts
    try {
      log.writeOut()
    } catch (error) {
      this.#takeBack(asError(error))
      throw error
    }
    this.#unwrittenCount = 0
    onWritten()
  }

  #admit(sizeBytes: number): void {
    const { log, bounds, dispatched } = this.#parts
    const appended = log.appended + sizeBytes
    this.#refusedBytes = sizeBytes
    if (appended - log.flushed.value > bounds.unflushedBytesMax && log.appended > log.flushed.value) {
      throw backpressure('unflushedBytesMax', bounds.unflushedBytesMax, log.appended - log.flushed.value)
    }
    if (appended - dispatched() > bounds.undispatchedBytesMax && log.appended > dispatched()) {
      throw backpressure('undispatchedBytesMax', bounds.undispatchedBytesMax, log.appended - dispatched())
    }
  }

  #refuseSize(actual: number): never {
    const limit = this.#parts.unitBytesMax
    throw new PocketMQError(
      'MESSAGE_TOO_LARGE',
      `this takes ${actual} bytes in the log, and a segment holds ${limit}`,
      {
        hint: 'Split the batch or the message, or open a new folder with larger segments.',
        details: { field: 'record', limit, actual },
      },
    )
  }

  #room(sizeBytes: number): number {
    let at: number
    try {
      at = this.#parts.log.room(sizeBytes)
    } catch (error) {
      this.#takeBack(asError(error))
      throw error
    }
    if (at >= 0) {
      this.#refusedBytes = 0
      return at
    }
    throw new PocketMQError('BACKPRESSURE', 'the segment is not prepared that far yet', {
      hint: 'Await `store.admitted(bytes)`, or use `send`, which waits by itself.',
    })
  }

  #encode(record: PutRecord, at: number, physicalOffset: number, sizeBytes: number): PutResult {
    const { log, encoder, offsets, clock } = this.#parts
    const counter = offsets.counter(record.topic, record.queueId)
    const type = (record.sysFlag ?? 0) & TRANSACTION_MASK
    // Records of type PREPARED and ROLLBACK never get a queue entry. FORMAT section 5.
    const isNumbered = type === 0 || type === TRANSACTION_COMMIT
    const queueOffset = isNumbered ? counter.next : 0
    const storeTimestamp = Math.max(clock.nowMs(), this.#lastStoreTimestamp)
    encoder.encode(log.tailBytes, log.tailView, at, queueOffset, physicalOffset, storeTimestamp)
    this.#lastStoreTimestamp = storeTimestamp
    if (isNumbered) {
      counter.next = queueOffset + 1
      const i = this.#unwrittenCount++
      this.#unwritten[i] = counter
      this.#unwrittenAt[i] = physicalOffset
    }
    return { physicalOffset, queueOffset, sizeBytes, storeTimestamp }
  }

  #writeOutThisTurn(): void {
    if (this.#isWriteOutDue) return
    this.#isWriteOutDue = true
    // Where several callbacks of a turn append, the first one's records go out at once, and those of all others together.
    const isLater = this.#turn.isSpent() || this.#parts.isDispatchBehind() || !this.#first.isStill()
    if (isLater) runNextTurn(this.#writeOutNow)
    else queueMicrotask(this.#writeOutNow)
  }

  readonly #writeOutNow = (): void => {
    this.#isWriteOutDue = false
    try {
      this.writeOut()
    } catch (error) {
      // Those who wait for these records have been told by onWriteFailure, and nobody called this function: only a bug goes on.
      if (!(error instanceof PocketMQError)) throw error
    }
  }

  #takeBack(error: Error): void {
    const { log, onWriteFailure, onWritten } = this.#parts
    log.rewindToWritten()
    for (let i = 0; i < this.#unwrittenCount; i++) {
      if ((this.#unwrittenAt[i] as number) >= log.appended) (this.#unwritten[i] as QueueCounter).next--
    }
    this.#unwrittenCount = 0
    assert(log.appended === log.written.value, 'a failed write leaves nothing unwritten behind')
    onWriteFailure(error)
    // What was written before the failure is readable, also where nothing more can be written for long.
    onWritten()
  }
}

function backpressure(setting: string, limit: number, actual: number): PocketMQError {
  return new PocketMQError('BACKPRESSURE', `${actual} bytes wait already, and ${setting} allows ${limit}`, {
    hint: 'Await `store.admitted(bytes)`, or use `send`, which waits by itself.',
    details: { setting, limit, actual },
  })
}
