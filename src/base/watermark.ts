/**
 * A position that only moves forward, and those who wait for it to pass theirs.
 * The store's watermarks (written, flushed, dispatched) are the only thing that flows back from disk to callers.
 */
import { assert } from './assert.ts'
import { abortError } from './errors.ts'
import { runNextTurn } from './turns.ts'

type Waiter = {
  readonly at: number
  /** What its promise resolves with. */
  readonly value: unknown
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

/** Waiters that are told within one turn of the event loop: what they do next comes before any timer and any I/O. */
const TOLD_A_TURN = 128

/** A monotonic position with waiters. */
export class Watermark {
  readonly name: string
  #value: number
  #failure: Error | undefined
  /** Ascending by `at` from #head on; those before #head are done. */
  #waiters: Waiter[] = []
  #head = 0
  #isTelling = false

  constructor(name: string, value: number) {
    this.name = name
    this.#value = value
  }

  get value(): number {
    return this.#value
  }

  /** Moves forward to `to` and resolves whoever waited for it; where they are many, the later ones in later turns. */
  advance(to: number): void {
    if (to < this.#value) assert(false, `${this.name} moves only forward: ${this.#value} to ${to}`)
    this.#value = to
    if (!this.#isTelling) this.#tell()
  }

  readonly #tell = (): void => {
    const waiters = this.#waiters
    const end = Math.min(waiters.length, this.#head + TOLD_A_TURN)
    while (this.#head < end && (waiters[this.#head] as Waiter).at <= this.#value) {
      const waiter = waiters[this.#head++] as Waiter
      waiter.resolve(waiter.value)
    }
    const next = waiters[this.#head]
    this.#isTelling = next !== undefined && next.at <= this.#value
    if (this.#isTelling) runNextTurn(this.#tell)
    if (this.#head === waiters.length) {
      this.#waiters = []
      this.#head = 0
    } else if (this.#head > 4096) {
      this.#waiters = waiters.slice(this.#head)
      this.#head = 0
    }
  }

  /** Resolves once the watermark is at or past `at`. Rejects with the failure, or with AbortError. */
  reached(at: number, signal?: AbortSignal): Promise<void> {
    if (signal === undefined) return this.reachedWith(at, undefined)
    if (this.#value >= at) return Promise.resolve()
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(abortError(signal))
      const onAbort = (): void => {
        this.#remove(waiter)
        reject(abortError(signal))
      }
      const waiter: Waiter = {
        at,
        value: undefined,
        resolve: () => {
          signal.removeEventListener('abort', onAbort)
          resolve()
        },
        reject: error => {
          signal.removeEventListener('abort', onAbort)
          reject(error)
        },
      }
      signal.addEventListener('abort', onAbort, { once: true })
      this.#enqueue(waiter)
    })
  }

  /** Resolves with `value` once the watermark is at or past `at`: the one promise of whoever has an answer ready. */
  reachedWith<T>(at: number, value: T): Promise<T> {
    if (this.#value >= at) return Promise.resolve(value)
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise<T>((resolve, reject) => {
      this.#enqueue({ at, value, resolve: resolve as (value: unknown) => void, reject })
    })
  }

  /** Whether anybody waits for a position beyond the present one. */
  get hasWaiters(): boolean {
    return (this.#waiters.at(-1)?.at ?? this.#value) > this.#value
  }

  /** Rejects everyone who waits for a position beyond `position`; later waiters are not affected. */
  rejectBeyond(position: number, error: Error): void {
    const kept: Waiter[] = []
    const rejected: Waiter[] = []
    for (let i = this.#head; i < this.#waiters.length; i++) {
      const waiter = this.#waiters[i] as Waiter
      ;(waiter.at > position ? rejected : kept).push(waiter)
    }
    this.#waiters = kept
    this.#head = 0
    for (const waiter of rejected) waiter.reject(error)
  }

  /** Rejects everyone who waits, now and from now on: the store has failed or closed. */
  fail(error: Error): void {
    this.#failure ??= error
    this.rejectBeyond(this.#value, error)
  }

  #enqueue(waiter: Waiter): void {
    const waiters = this.#waiters
    let i = waiters.length
    // Appends come in order, so this loop almost never runs.
    while (i > this.#head && (waiters[i - 1] as Waiter).at > waiter.at) i--
    if (i === waiters.length) waiters.push(waiter)
    else waiters.splice(i, 0, waiter)
  }

  #remove(waiter: Waiter): void {
    const i = this.#waiters.indexOf(waiter, this.#head)
    if (i >= 0) this.#waiters.splice(i, 1)
  }
}
