/** A clock that stands still until a test moves it. */
import { assert } from '../base/assert.ts'
import type { Clock, SleepOptions } from '../base/clock.ts'
import { abortError } from '../base/errors.ts'
import { nextTurn } from '../base/turns.ts'

type Sleeper = { readonly wakesMs: number; readonly wake: () => void }

/** Turns of the event loop given to whoever a sleep has woken, before time goes on. */
const TURNS_AFTER_WAKING = 2

/** Time as a test tells it. Pass it as `clock`. */
export class ManualClock implements Clock {
  /** Of the monotonic clock; the wall clock is this plus #offsetMs. */
  #elapsedMs = 0
  #offsetMs: number
  /** Ascending by time; of equal times the one that came first is first. */
  #sleepers: Sleeper[] = []

  /** @param startMs what the wall clock shows at first, in epoch milliseconds */
  constructor(startMs = 1_700_000_000_000) {
    this.#offsetMs = startMs
  }

  nowMs(): number {
    return Math.floor(this.#offsetMs + this.#elapsedMs)
  }

  monotonicMs(): number {
    return this.#elapsedMs
  }

  sleep(ms: number, { signal }: SleepOptions = {}): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(abortError(signal))
      const onAbort = (): void => {
        this.#sleepers = this.#sleepers.filter(other => other !== sleeper)
        reject(abortError(signal as AbortSignal))
      }
      const wake = (): void => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      }
      const sleeper: Sleeper = { wakesMs: this.#elapsedMs + Math.max(0, ms), wake }
      const after = this.#sleepers.findIndex(other => other.wakesMs > sleeper.wakesMs)
      this.#sleepers.splice(after < 0 ? this.#sleepers.length : after, 0, sleeper)
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  /**
   * Lets `ms` milliseconds pass. Every sleep that ends in them ends at its own time, in order, and what it wakes runs on
   * (promises, and a few turns of the event loop) before time goes further; sleeps begun meanwhile count too.
   */
  async advance(ms: number): Promise<void> {
    assert(ms >= 0, 'time goes forward; stepWallClock moves the wall clock back')
    const untilMs = this.#elapsedMs + ms
    await settle()
    for (let first = this.#sleepers[0]; first !== undefined && first.wakesMs <= untilMs; first = this.#sleepers[0]) {
      this.#sleepers.shift()
      this.#elapsedMs = Math.max(this.#elapsedMs, first.wakesMs)
      first.wake()
      await settle()
    }
    this.#elapsedMs = untilMs
  }

  /** Moves the wall clock alone, as an administrator or NTP would: no sleep ends by it. Negative steps it back. */
  stepWallClock(ms: number): void {
    this.#offsetMs += ms
  }

  /** How many sleeps are under way. */
  get sleepers(): number {
    return this.#sleepers.length
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < TURNS_AFTER_WAKING; turn++) await nextTurn()
}
