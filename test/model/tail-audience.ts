/** Tails of a topic: each sees every message of each queue once, in order, from where it began, while its process lives. */
import type { PocketMQ } from '../../src/messaging/pocket-mq.ts'
import { mustBe } from './must-be.ts'

const TAILS_MAX = 2

type Tail = {
  readonly stop: AbortController
  /** What comes next, by queue; a queue that appears later begins at 0. */
  readonly next: Map<number, number>
  readonly over: Promise<void>
}

/** The tails of one topic. */
export class TailAudience {
  /** What a check within a loop found. */
  readonly wrong: unknown[]
  seen = 0
  #tails: Tail[] = []

  constructor(wrong: unknown[]) {
    this.wrong = wrong
  }

  join(mq: PocketMQ, which: number): void {
    if (this.#tails.length >= TAILS_MAX) return
    const from = which % 2 === 0 ? 'first' : 'last'
    const next = from === 'first' ? new Map<number, number>() : endsOf(mq)
    const stop = new AbortController()
    const over = this.#follow(mq, from, next, stop.signal)
    this.#tails.push({ stop, next, over })
  }

  async leave(which: number): Promise<void> {
    const [tail] = this.#tails.splice(which % Math.max(1, this.#tails.length), 1)
    tail?.stop.abort()
    await tail?.over
  }

  /** The queue has closed: each of them has ended by itself. */
  async gone(): Promise<void> {
    for (const { over } of this.#tails.splice(0)) await over
  }

  /** Everybody who is there has seen everything. */
  check(mq: PocketMQ): void {
    for (const { next } of this.#tails) {
      for (const [queueId, end] of endsOf(mq)) {
        mustBe(next.get(queueId) ?? 0, end, `how far a tail of queue ${queueId} has come`)
      }
    }
  }

  async #follow(mq: PocketMQ, from: 'first' | 'last', next: Map<number, number>, signal: AbortSignal): Promise<void> {
    try {
      for await (const { queueId, queueOffset } of mq.tail('orders', { from, signal })) {
        const expected = next.get(queueId) ?? 0
        if (queueOffset !== expected) {
          this.wrong.push(new Error(`a tail of queue ${queueId} saw ${queueOffset} where ${expected} comes next`))
        }
        next.set(queueId, queueOffset + 1)
        this.seen++
      }
    } catch (error) {
      if (!signal.aborted) this.wrong.push(error)
    }
  }
}

function endsOf(mq: PocketMQ): Map<number, number> {
  const queues = mq.store.queues().filter(({ topic }) => topic === 'orders')
  return new Map(queues.map(({ queueId, maxQueueOffset }) => [queueId, maxQueueOffset]))
}
