/**
 * Turns of the event loop shared among loops that could each go on for ever: who has used up the turn waits in line, and one of
 * the line goes on in each later turn. However many loops there are, timers and I/O come to their right.
 */
import type { Clock } from '../base/clock.ts'
import { runNextTurn, TurnBudget } from '../base/turns.ts'

/** The line. */
export class FairTurns {
  readonly #budget: TurnBudget
  #line: (() => void)[] = []
  #isResuming = false

  constructor(clock: Clock, budgetMs: number) {
    this.#budget = new TurnBudget(clock, budgetMs)
  }

  /** Undefined while the turn has time left; else resolves in a later turn, in the order asked. */
  next(): Promise<void> | undefined {
    if (!this.#budget.isSpent()) return undefined
    return new Promise(resolve => {
      this.#line.push(resolve)
      this.#resumeLater()
    })
  }

  #resumeLater(): void {
    if (this.#isResuming) return
    this.#isResuming = true
    runNextTurn(this.#resume)
  }

  readonly #resume = (): void => {
    this.#isResuming = false
    this.#budget.restart()
    this.#line.shift()?.()
    if (this.#line.length > 0) this.#resumeLater()
  }
}
