/** The next queueOffset of every queue. RocketMQ: QueueOffsetOperator. Rebuilt from the consume queues at open. */

/** The counter of one queue; the append path moves it, and takes a move back when a write fails. */
export type QueueCounter = { next: number }

/** Counters by topic and queueId. */
export class QueueOffsets {
  readonly #topics = new Map<string, QueueCounter[]>()
  #lastTopic = ''
  #lastCounters: QueueCounter[] = []

  /** The queue's counter, made at 0 where the queue is new. */
  counter(topic: string, queueId: number): QueueCounter {
    if (topic !== this.#lastTopic) this.#use(topic)
    const known = this.#lastCounters[queueId]
    if (known !== undefined) return known
    const made = { next: 0 }
    this.#lastCounters[queueId] = made
    return made
  }

  /** What recovery found, or what a tombstone remembers; never moves a counter back. */
  raise(topic: string, queueId: number, next: number): void {
    const counter = this.counter(topic, queueId)
    if (counter.next < next) counter.next = next
  }

  /** The next offset of each queue of a topic, by queueId; 0 for the holes. */
  nextOffsets(topic: string): number[] {
    return Array.from(this.#topics.get(topic) ?? [], counter => counter?.next ?? 0)
  }

  #use(topic: string): void {
    let counters = this.#topics.get(topic)
    if (counters === undefined) {
      counters = []
      this.#topics.set(topic, counters)
    }
    this.#lastTopic = topic
    this.#lastCounters = counters
  }
}
