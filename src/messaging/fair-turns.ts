/**
 * Turns of the event loop shared among loops that could each go on for ever: who has used up the turn waits in line, and one of
 * the line goes on in each later turn. However many loops there are, timers and I/O come to their right.
 */
import type { Clock } from '../base/clock.ts'
import { runNextTurn } from '../base/turns.ts'

/** The line. */
export class FairTurns {
  readonly #clock: Clock
  readonly #budgetMs: number
  #line: (() => void)[] = []
  #startedMs = 0
  #isCounting = false
  #isResuming = false

  constructor(clock: Clock, budgetMs: number) {
    this.#clock = clock
    this.#budgetMs = budgetMs
  }

  /** Undefined while the turn has time left; else resolves in a later turn, in the order asked. */
  next(): Promise<void> | undefined {
    if (!this.#isSpent()) return undefined
    return new Promise(resolve => {
      this.#line.push(resolve)
      this.#resumeLater()
    })
  }

  #isSpent(): boolean {
    const nowMs = this.#clock.monotonicMs()
    if (this.#isCounting) return nowMs - this.#startedMs > this.#budgetMs
    this.#isCounting = true
    this.#startedMs = nowMs
    runNextTurn(this.#turned)
    return false
  }

  readonly #turned = (): void => {
    this.#isCounting = false
  }

  #resumeLater(): void {
    if (this.#isResuming) return
    this.#isResuming = true
    runNextTurn(this.#resume)
  }

  readonly #resume = (): void => {
    this.#isResuming = false
    this.#isCounting = false
    this.#line.shift()?.()
    if (this.#line.length > 0) this.#resumeLater()
  }
}
