/**
 * Turns of the event loop: how long work goes on when there is always more of it.
 * A loop that only ever awaits promises of the same turn would keep timers and I/O waiting for as long as it runs.
 */
import type { Clock } from './clock.ts'

/** Runs `work` in the next turn of the event loop, after pending I/O. */
export function runNextTurn(work: () => void): void {
  setImmediate(work)
}

/** Resolves in the next turn of the event loop, after pending I/O. */
export function nextTurn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}

/** Tells when the present turn has lasted longer than its budget. */
export class TurnBudget {
  readonly #clock: Clock
  readonly #budgetMs: number
  #startedMs = 0
  #isRunning = false

  constructor(clock: Clock, budgetMs: number) {
    this.#clock = clock
    this.#budgetMs = budgetMs
  }

  /** Whether work of this kind has been going on for longer than the budget without the event loop turning. */
  isSpent(): boolean {
    const now = this.#clock.monotonicMs()
    if (this.#isRunning) return now - this.#startedMs > this.#budgetMs
    this.#isRunning = true
    this.#startedMs = now
    setImmediate(this.#turned)
    return false
  }

  readonly #turned = (): void => {
    this.#isRunning = false
  }
}
