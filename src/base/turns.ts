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

/** Counts turns while somebody asks: one callback a turn, however many ask. */
const turns = {
  count: 0,
  isCounting: false,
  turned: (): void => {
    turns.isCounting = false
    turns.count++
  },
}

/** A number for the present turn, and another one for each later turn. */
export function presentTurn(): number {
  if (!turns.isCounting) {
    turns.isCounting = true
    setImmediate(turns.turned)
  }
  return turns.count
}

/** Tells when the present turn has lasted longer than its budget. */
export class TurnBudget {
  readonly #clock: Clock
  readonly #budgetMs: number
  #startedMs = 0
  #turn = -1

  constructor(clock: Clock, budgetMs: number) {
    this.#clock = clock
    this.#budgetMs = budgetMs
  }

  /** Whether work of this kind has been going on for longer than the budget without the event loop turning. */
  isSpent(): boolean {
    const nowMs = this.#clock.monotonicMs()
    const turn = presentTurn()
    if (turn === this.#turn) return nowMs - this.#startedMs > this.#budgetMs
    this.#turn = turn
    this.#startedMs = nowMs
    return false
  }

  /** The turn's time begins anew. */
  restart(): void {
    this.#turn = -1
  }
}

/**
 * Within a turn the event loop runs many callbacks, each with the promises that follow from it. Tells whether it is still the first
 * that asked: what it wants done at once may wait for all the others where they want the same.
 */
export class FirstCallback {
  #turn = -1
  #isOver = false

  isStill(): boolean {
    const turn = presentTurn()
    if (turn === this.#turn) return !this.#isOver
    this.#turn = turn
    this.#isOver = false
    queueMicrotask(this.#overSoon)
    return true
  }

  /** From within a promise: ticks come when no promise is left. */
  readonly #overSoon = (): void => process.nextTick(this.#over)

  readonly #over = (): void => {
    this.#isOver = true
  }
}
