/**
 * Which messages of a queue are done: everything below `committed`, and ranges above it. Pure, no clock, no I/O.
 * Holds: ranges are ascending, apart from one another, and none touches `committed`.
 */
import { assert } from '../base/assert.ts'

/** Queue offsets from `start` up to, but without, `end`. */
export type OffsetRange = { readonly start: number; readonly end: number }

/** The done part of one queue for one group. RocketMQ keeps only the lower end (ProcessQueue). */
export class AckRanges {
  #committed: number
  readonly #starts: number[] = []
  readonly #ends: number[] = []

  constructor(committed: number, above: readonly OffsetRange[] = []) {
    assert(Number.isSafeInteger(committed) && committed >= 0, 'a committed offset is a whole number')
    this.#committed = committed
    for (const { start, end } of above) this.add(start, end)
  }

  /** Everything below is done; the message at it is not. */
  get committed(): number {
    return this.#committed
  }

  /** How many separate ranges are done above `committed`. */
  get count(): number {
    return this.#starts.length
  }

  /** Where the last range ends, or `committed` where there is none. */
  get end(): number {
    return this.#ends.at(-1) ?? this.#committed
  }

  /** How many messages are done above `committed`. */
  get ackedAbove(): number {
    let sum = 0
    for (let i = 0; i < this.#starts.length; i++) sum += (this.#ends[i] as number) - (this.#starts[i] as number)
    return sum
  }

  /** Whether the message at `queueOffset` is done. */
  has(queueOffset: number): boolean {
    if (queueOffset < this.#committed) return true
    const i = this.#firstEndingAfter(queueOffset)
    return i < this.#starts.length && (this.#starts[i] as number) <= queueOffset
  }

  /** The first message at or after `queueOffset` that is not done. */
  firstOpen(queueOffset: number): number {
    if (queueOffset < this.#committed) return this.#committed
    const i = this.#firstEndingAfter(queueOffset)
    return i < this.#starts.length && (this.#starts[i] as number) <= queueOffset
      ? (this.#ends[i] as number)
      : queueOffset
  }

  /** Marks [start, end) as done; what was done already stays so. */
  add(start: number, end: number): void {
    if (end <= this.#committed || end <= start) return
    if (start <= this.#committed) this.#commitTo(end)
    else this.#addAbove(start, end)
  }

  /** Forgets everything at or beyond `end`: the queue's recovered end. Answers whether anything was forgotten. */
  cutTo(end: number): boolean {
    if (this.end <= end && this.#committed <= end) return false
    this.#committed = Math.min(this.#committed, end)
    while (this.#starts.length > 0 && (this.#starts.at(-1) as number) >= end) {
      this.#starts.pop()
      this.#ends.pop()
    }
    const last = this.#ends.length - 1
    if (last >= 0 && (this.#ends[last] as number) > end) this.#ends[last] = end
    return true
  }

  /** The ranges above `committed`, ascending; a copy. */
  above(): OffsetRange[] {
    return this.#starts.map((start, i) => ({ start, end: this.#ends[i] as number }))
  }

  #addAbove(start: number, end: number): void {
    const starts = this.#starts
    const ends = this.#ends
    const last = starts.length - 1
    // Acks come nearly in order: most extend the last range or begin a new one behind it.
    if (last < 0 || start > (ends[last] as number)) {
      starts.push(start)
      ends.push(end)
      return
    }
    const first = this.#firstEndingAfter(start - 1)
    let after = first
    while (after < starts.length && (starts[after] as number) <= end) after++
    if (after === first) {
      starts.splice(first, 0, start)
      ends.splice(first, 0, end)
      return
    }
    starts[first] = Math.min(start, starts[first] as number)
    ends[first] = Math.max(end, ends[after - 1] as number)
    if (after - first > 1) {
      starts.splice(first + 1, after - first - 1)
      ends.splice(first + 1, after - first - 1)
    }
  }

  #commitTo(end: number): void {
    const starts = this.#starts
    const ends = this.#ends
    let committed = end
    let swallowed = 0
    while (swallowed < starts.length && (starts[swallowed] as number) <= committed) {
      committed = Math.max(committed, ends[swallowed] as number)
      swallowed++
    }
    if (swallowed > 0) {
      starts.splice(0, swallowed)
      ends.splice(0, swallowed)
    }
    this.#committed = committed
  }

  /** Index of the first range whose end lies beyond `queueOffset`. */
  #firstEndingAfter(queueOffset: number): number {
    let low = 0
    let high = this.#ends.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#ends[middle] as number) > queueOffset) high = middle
      else low = middle + 1
    }
    return low
  }
}
