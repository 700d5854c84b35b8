/**
 * Keeps the process alive while a consumer waits for messages: nothing else would, for waiting is neither I/O nor a timer.
 * One long sleep stands for all who wait; it ends a turn after the last of them, so that a busy loop never touches it.
 */
import type { Clock } from '../base/clock.ts'
import { runNextTurn } from '../base/turns.ts'

/** Longer than any process lives. */
const FOREVER_MS = 100 * 366 * 24 * 3_600_000
/** Why the sleep ends. Made once: without a reason every end makes an exception with a stack. */
const NOBODY_WAITS = new Error('nobody waits')

/** Waits that keep the process alive. */
export class KeepAlive {
  readonly #clock: Clock
  #waiting = 0
  #isEnding = false
  #sleep: AbortController | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Answers `wait`; until it has settled the process does not end by itself. */
  during<T>(wait: Promise<T>): Promise<T> {
    this.#waiting++
    if (this.#sleep === undefined) this.#begin()
    wait.then(this.#over, this.#over)
    return wait
  }

  readonly #over = (): void => {
    this.#waiting--
    if (this.#waiting > 0 || this.#isEnding) return
    this.#isEnding = true
    runNextTurn(this.#endIfIdle)
  }

  #begin(): void {
    const stop = new AbortController()
    this.#sleep = stop
    // It ends by being aborted and in no other way, which is nobody's failure.
    void Promise.allSettled([this.#clock.sleep(FOREVER_MS, { signal: stop.signal })])
  }

  readonly #endIfIdle = (): void => {
    this.#isEnding = false
    if (this.#waiting > 0) return
    this.#sleep?.abort(NOBODY_WAITS)
    this.#sleep = undefined
  }
}
