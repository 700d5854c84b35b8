/**
 * Sends that the store has no room for yet, in the order they were called: order per message group is the order of the calls.
 * Bounded in bytes; each waits until it is appended, its time is over, its signal aborts, or it cannot succeed.
 */
import type { Clock } from '../base/clock.ts'
import { abortError, asError, isErrorNamed, PocketMQError } from '../base/errors.ts'
import type { Alarm, Alarms } from './alarms.ts'

/** One send that waits. */
type Waiting<T> = {
  readonly bytes: number
  readonly append: () => T
  readonly signal: AbortSignal | undefined
  readonly resolve: (value: T) => void
  readonly reject: (error: Error) => void
  readonly onAbort: () => void
  deadline: Alarm | undefined
  attempts: number
  isGone: boolean
}

/** What the queue needs. */
export type WaitingSendsOptions = {
  readonly clock: Clock
  readonly bytesMax: number
  /** Attempts while the device is full. */
  readonly maxAttempts: number
  readonly retryDelayMs: number
  /** How long each waits; undefined: until there is room. */
  readonly timeoutMs: number | undefined
  /** By the monotonic clock. */
  readonly alarms: Alarms
  readonly admitted: (bytes: number, signal?: AbortSignal) => Promise<void>
}

/** Done entries at the front of the queue that are worth a copy of the rest. */
const COMPACT_AT = 16_384

/** A queue of appends, first come first served. */
export class WaitingSends {
  readonly #options: WaitingSendsOptions
  readonly #stop = new AbortController()
  /** In order from #head on; those that gave up stay until their turn comes. */
  #queue: Waiting<unknown>[] = []
  #head = 0
  #count = 0
  #bytes = 0
  #draining: Promise<void> | undefined

  constructor(options: WaitingSendsOptions) {
    this.#options = options
  }

  /** Whether anybody waits: then the next one has to as well. */
  get isEmpty(): boolean {
    return this.#count === 0
  }

  /** Whether an append failed for a reason that may pass. */
  static isWorthWaiting(error: unknown): boolean {
    return isErrorNamed(error, 'BACKPRESSURE') || isErrorNamed(error, 'DISK_FULL')
  }

  /** Resolves with what `append` answered. @throws BACKPRESSURE where too much waits already, TIMEOUT, AbortError */
  add<T>(bytes: number, append: () => T, signal?: AbortSignal): Promise<T> {
    if (this.#bytes + bytes > this.#options.bytesMax)
      return Promise.reject(tooMuchWaits(this.#options.bytesMax, this.#bytes))
    return new Promise<T>((resolve, reject) => {
      const waiting: Waiting<T> = {
        bytes,
        append,
        signal,
        resolve,
        reject,
        onAbort: () => this.#giveUp(waiting as unknown as Waiting<unknown>, abortError(signal as AbortSignal)),
        deadline: undefined,
        attempts: 0,
        isGone: false,
      }
      const { timeoutMs, alarms } = this.#options
      if (timeoutMs !== undefined) {
        const onTimeout = (): void => this.#giveUp(waiting as unknown as Waiting<unknown>, noRoomInTime(timeoutMs))
        waiting.deadline = alarms.in(timeoutMs, onTimeout)
      }
      signal?.addEventListener('abort', waiting.onAbort, { once: true })
      this.#queue.push(waiting as unknown as Waiting<unknown>)
      this.#count++
      this.#bytes += bytes
      this.#draining ??= this.#drain()
    })
  }

  /** Resolves when nobody waits any more. */
  async drained(): Promise<void> {
    while (this.#draining !== undefined) await this.#draining
  }

  /** Rejects everybody who waits. */
  close(error: Error): void {
    this.#stop.abort(error)
    for (const waiting of [...this.#queue]) this.#giveUp(waiting, error)
  }

  async #drain(): Promise<void> {
    try {
      for (let first = this.#first(); first !== undefined; first = this.#first()) await this.#attempt(first)
    } finally {
      this.#draining = undefined
    }
  }

  #first(): Waiting<unknown> | undefined {
    while (this.#queue[this.#head]?.isGone === true) this.#head++
    if (this.#head === this.#queue.length || this.#head > COMPACT_AT) {
      this.#queue = this.#queue.slice(this.#head)
      this.#head = 0
    }
    return this.#queue[this.#head]
  }

  async #attempt(first: Waiting<unknown>): Promise<void> {
    try {
      const value = first.append()
      this.#leave(first)
      first.resolve(value)
    } catch (error) {
      if (!WaitingSends.isWorthWaiting(error) || !(await this.#paused(first, error)))
        this.#giveUp(first, asError(error))
    }
  }

  /** Waits until another attempt makes sense; false: it does not. */
  async #paused(first: Waiting<unknown>, error: unknown): Promise<boolean> {
    const { signal } = this.#stop
    try {
      if (isErrorNamed(error, 'BACKPRESSURE')) {
        await this.#options.admitted(first.bytes, signal)
        return true
      }
      if (++first.attempts >= this.#options.maxAttempts) return false
      await this.#options.clock.sleep(this.#options.retryDelayMs, { signal })
      return true
    } catch (failure) {
      this.#giveUp(first, asError(failure))
      return true
    }
  }

  #giveUp(waiting: Waiting<unknown>, error: Error): void {
    if (waiting.isGone) return
    this.#leave(waiting)
    waiting.reject(error)
  }

  #leave(waiting: Waiting<unknown>): void {
    waiting.isGone = true
    if (waiting.deadline !== undefined) this.#options.alarms.cancel(waiting.deadline)
    waiting.signal?.removeEventListener('abort', waiting.onAbort)
    this.#count--
    this.#bytes -= waiting.bytes
  }
}

function tooMuchWaits(limit: number, actual: number): PocketMQError {
  return new PocketMQError('BACKPRESSURE', `sends of ${actual} bytes wait for room already`, {
    hint: 'Await the promises of earlier sends before sending more.',
    details: { field: 'waitingBytesMax', limit, actual },
  })
}

function noRoomInTime(timeoutMs: number): PocketMQError {
  return new PocketMQError('TIMEOUT', `the store had no room within ${timeoutMs} ms; nothing was stored`, {
    hint: 'Send again later, send less at once, or give the producer a longer requestTimeout.',
    details: { field: 'requestTimeout', limit: timeoutMs },
  })
}
