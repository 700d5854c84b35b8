/** So many sends at once, and so many a second. */
import { EventEmitter, once } from 'node:events'
import { systemClock } from '../../base/clock.ts'
import { asError } from '../../base/errors.ts'

/** Lets sends start in turn; the first failure ends it. */
export class Pace {
  readonly #inFlightMax: number
  readonly #intervalMs: number
  readonly #ends = new EventEmitter()
  #nextMs = 0
  #inFlight = 0
  #failure: Error | undefined

  constructor(inFlightMax: number, perSecond: number | undefined) {
    this.#inFlightMax = inFlightMax
    this.#intervalMs = perSecond === undefined ? 0 : 1000 / perSecond
  }

  /** Resolves when the next send may start. @throws what an earlier one met */
  async turn(): Promise<void> {
    while (this.#inFlight >= this.#inFlightMax) await once(this.#ends, 'end')
    if (this.#failure !== undefined) throw this.#failure
    if (this.#intervalMs === 0) return
    const nowMs = systemClock.monotonicMs()
    this.#nextMs = Math.max(this.#nextMs, nowMs) + this.#intervalMs
    const waitMs = this.#nextMs - this.#intervalMs - nowMs
    if (waitMs > 1) await systemClock.sleep(waitMs)
  }

  /** Counts a send that has started. */
  start(send: Promise<void>): void {
    this.#inFlight++
    const end = (): void => {
      this.#inFlight--
      this.#ends.emit('end')
    }
    send.then(end, error => {
      this.#failure ??= asError(error)
      end()
    })
  }

  /** Resolves when all have ended. @throws what one of them met */
  async finished(): Promise<void> {
    while (this.#inFlight > 0) await once(this.#ends, 'end')
    if (this.#failure !== undefined) throw this.#failure
  }
}
