/**
 * Things to do at a time: one heap, and one sleep until the earliest. Nothing polls, and nothing ever runs early.
 * Two kinds: by the wall clock (a delayed message's date) and by the monotonic one (leases, which no clock step may end).
 */
import type { Clock } from '../base/clock.ts'
import { asError } from '../base/errors.ts'

/** Longest sleep without a look at the wall clock: timers follow neither its steps nor a laptop's sleep. */
export const SLEEP_MS_MAX = 60_000

/** One thing to do; the caller's handle for {@link Alarms.cancel}. */
export type Alarm = {
  atMs: number
  run(alarm: Alarm): void
  /** Its place in the heap, -1 before it is set and once it has run or was cancelled. */
  index: number
}

/** The clock's alarms of one engine. */
export class Alarms {
  readonly #clock: Clock
  readonly #kind: 'wall' | 'monotonic'
  readonly #heap: Alarm[] = []
  /** What an alarm threw: a bug, and the engine's to report. */
  readonly #onFailure: (error: Error) => void
  #sleep: { readonly untilMs: number; readonly stop: AbortController } | undefined
  #isClosed = false
  #isRinging = false

  constructor(clock: Clock, kind: 'wall' | 'monotonic', onFailure: (error: Error) => void) {
    this.#clock = clock
    this.#kind = kind
    this.#onFailure = onFailure
  }

  /** What its clock shows. */
  nowMs(): number {
    return this.#kind === 'wall' ? this.#clock.nowMs() : this.#clock.monotonicMs()
  }

  /** Runs `run` after `ms` milliseconds; Infinity is never. */
  in(ms: number, run: () => void): Alarm {
    return this.at(this.nowMs() + ms, run)
  }

  /** Runs `run` once the clock shows `atMs` or later, in a turn of its own; Infinity is never. */
  at(atMs: number, run: () => void): Alarm {
    const alarm: Alarm = { atMs, run, index: -1 }
    this.set(alarm)
    return alarm
  }

  /** The same for an object of the caller's that is its own alarm, and is not set: where each message has one. */
  set(alarm: Alarm): void {
    if (this.#isClosed || alarm.atMs === Number.POSITIVE_INFINITY) return
    alarm.index = this.#heap.length
    this.#heap.push(alarm)
    this.#up(alarm.index)
    if (!this.#isRinging && alarm.index === 0) this.#sleepUntilFirst()
  }

  /** Forgets an alarm. Fine if it has run. */
  cancel(alarm: Alarm | undefined): void {
    if (alarm === undefined || alarm.index < 0) return
    // The sleep goes on: one wake for nothing costs less than a new sleep for every lease that ends in time.
    this.#removeAt(alarm.index)
  }

  /** How many are set. */
  get count(): number {
    return this.#heap.length
  }

  /** Forgets all of them; later ones never run. */
  close(): void {
    this.#isClosed = true
    for (const alarm of this.#heap) alarm.index = -1
    this.#heap.length = 0
    this.#stopSleep()
  }

  #sleepUntilFirst(): void {
    const first = this.#heap[0]
    if (first === undefined) return
    const nowMs = this.nowMs()
    const untilMs = this.#kind === 'wall' ? Math.min(first.atMs, nowMs + SLEEP_MS_MAX) : first.atMs
    if (this.#sleep !== undefined && this.#sleep.untilMs <= untilMs) return
    this.#stopSleep()
    const sleep = { untilMs, stop: new AbortController() }
    this.#sleep = sleep
    const over = (): void => {
      if (this.#sleep !== sleep) return
      this.#sleep = undefined
      this.#ring()
    }
    // The only rejection is our own abort, after which `sleep` is not the present one.
    this.#clock.sleep(Math.max(0, untilMs - nowMs), { signal: sleep.stop.signal, background: true }).then(over, over)
  }

  #stopSleep(): void {
    const sleep = this.#sleep
    this.#sleep = undefined
    sleep?.stop.abort()
  }

  #ring(): void {
    this.#isRinging = true
    const nowMs = this.nowMs()
    for (let first = this.#heap[0]; first !== undefined && first.atMs <= nowMs; first = this.#heap[0]) {
      this.#removeAt(0)
      try {
        first.run(first)
      } catch (error) {
        this.#onFailure(asError(error))
      }
    }
    this.#isRinging = false
    this.#sleepUntilFirst()
  }

  #removeAt(index: number): void {
    const heap = this.#heap
    const removed = heap[index] as Alarm
    const last = heap.pop() as Alarm
    removed.index = -1
    if (last === removed) return
    heap[index] = last
    last.index = index
    this.#up(index)
    this.#down(last.index)
  }

  #up(from: number): void {
    const heap = this.#heap
    const alarm = heap[from] as Alarm
    let index = from
    while (index > 0) {
      const parentIndex = (index - 1) >> 1
      const parent = heap[parentIndex] as Alarm
      if (parent.atMs <= alarm.atMs) break
      heap[index] = parent
      parent.index = index
      index = parentIndex
    }
    heap[index] = alarm
    alarm.index = index
  }

  #down(from: number): void {
    const heap = this.#heap
    const alarm = heap[from] as Alarm
    let index = from
    for (;;) {
      let childIndex = 2 * index + 1
      if (childIndex >= heap.length) break
      if (childIndex + 1 < heap.length && (heap[childIndex + 1] as Alarm).atMs < (heap[childIndex] as Alarm).atMs)
        childIndex++
      const child = heap[childIndex] as Alarm
      if (child.atMs >= alarm.atMs) break
      heap[index] = child
      child.index = index
      index = childIndex
    }
    heap[index] = alarm
    alarm.index = index
  }
}
