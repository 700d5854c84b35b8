/**
 * Delayed messages that wait: by when they are due, by where they lie, by whose they are. No clock, no I/O.
 * Those taken out by recall stay in the heap until they come up; when they are half of it, it is built anew.
 */
import type { PendingTimerEntry } from '../codec/pending-timers.ts'

/** One message that waits. */
export type PendingTimer = PendingTimerEntry & {
  /** `waiting` may be recalled; `delivering` is about to be appended; `done` is delivered or recalled. */
  state: 'waiting' | 'delivering' | 'done'
}

/** The waiting messages of one store. */
export class PendingTimers {
  /** By queueOffset; in the order of queueOffsets, so that the first is the oldest. */
  readonly #byOffset = new Map<number, PendingTimer>()
  readonly #byKey = new Map<number, PendingTimer | PendingTimer[]>()
  #heap: PendingTimer[] = []

  get count(): number {
    return this.#byOffset.size
  }

  /** The lowest physicalOffset of a waiting message; Infinity without any. */
  get lowestPhysicalOffset(): number {
    for (const timer of this.#byOffset.values()) return timer.physicalOffset
    return Number.POSITIVE_INFINITY
  }

  /** All of them, the oldest first. */
  entries(): PendingTimerEntry[] {
    return [...this.#byOffset.values()]
  }

  has(queueOffset: number): boolean {
    return this.#byOffset.has(queueOffset)
  }

  /** Takes a message; a queueOffset that is there already is left alone. */
  add({ dueMs, queueOffset, physicalOffset, sizeBytes, keyHash }: PendingTimerEntry): void {
    if (this.#byOffset.has(queueOffset)) return
    const timer: PendingTimer = { dueMs, queueOffset, physicalOffset, sizeBytes, keyHash, state: 'waiting' }
    this.#byOffset.set(queueOffset, timer)
    const others = this.#byKey.get(keyHash)
    if (others === undefined) this.#byKey.set(keyHash, timer)
    else if (Array.isArray(others)) others.push(timer)
    else this.#byKey.set(keyHash, [others, timer])
    this.#push(timer)
  }

  /** Messages whose id has this hash. */
  withKeyHash(keyHash: number): readonly PendingTimer[] {
    const found = this.#byKey.get(keyHash)
    if (found === undefined) return []
    return Array.isArray(found) ? [...found] : [found]
  }

  /** The message at this queueOffset is delivered or recalled. */
  settle(queueOffset: number): void {
    const timer = this.#byOffset.get(queueOffset)
    if (timer === undefined) return
    timer.state = 'done'
    this.#byOffset.delete(queueOffset)
    const others = this.#byKey.get(timer.keyHash)
    const rest = Array.isArray(others) ? others.filter(other => other !== timer) : []
    if (rest.length === 0) this.#byKey.delete(timer.keyHash)
    else this.#byKey.set(timer.keyHash, rest)
    if (this.#heap.length > 1024 && this.#heap.length > 2 * this.#byOffset.size) this.#rebuild()
  }

  /** When the next one is due; Infinity without any. */
  get nextDueMs(): number {
    this.#dropDone()
    return this.#heap[0]?.dueMs ?? Number.POSITIVE_INFINITY
  }

  /** Up to `count` messages due at `nowMs`, the earliest first; they are `delivering` from then on. */
  takeDue(nowMs: number, count: number): PendingTimer[] {
    const due: PendingTimer[] = []
    while (due.length < count && this.nextDueMs <= nowMs) {
      const timer = this.#pop()
      timer.state = 'delivering'
      due.push(timer)
    }
    return due
  }

  /** A message that was taken and could not be delivered waits again. */
  putBack(timer: PendingTimer): void {
    if (timer.state !== 'delivering') return
    timer.state = 'waiting'
    this.#push(timer)
  }

  #dropDone(): void {
    while (this.#heap[0]?.state === 'done') this.#pop()
  }

  #rebuild(): void {
    const waiting = this.#heap.filter(timer => timer.state === 'waiting')
    // A sorted array is a heap.
    this.#heap = waiting.sort((a, b) => (isBefore(a, b) ? -1 : 1))
  }

  #push(timer: PendingTimer): void {
    const heap = this.#heap
    let index = heap.length
    heap.push(timer)
    while (index > 0) {
      const parentIndex = (index - 1) >> 1
      const parent = heap[parentIndex] as PendingTimer
      if (!isBefore(timer, parent)) break
      heap[index] = parent
      index = parentIndex
    }
    heap[index] = timer
  }

  #pop(): PendingTimer {
    const heap = this.#heap
    const first = heap[0] as PendingTimer
    const last = heap.pop() as PendingTimer
    if (last === first) return first
    let index = 0
    for (;;) {
      let childIndex = 2 * index + 1
      if (childIndex >= heap.length) break
      const right = heap[childIndex + 1]
      if (right !== undefined && isBefore(right, heap[childIndex] as PendingTimer)) childIndex++
      const child = heap[childIndex] as PendingTimer
      if (!isBefore(child, last)) break
      heap[index] = child
      index = childIndex
    }
    heap[index] = last
    return first
  }
}

/** Messages due at one time come back in the order they were sent. */
function isBefore(a: PendingTimer, b: PendingTimer): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.queueOffset < b.queueOffset)
}
