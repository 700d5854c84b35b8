/** The next queueOffset of every queue. RocketMQ: QueueOffsetOperator. Known from the consume queues when first asked for. */

/** The counter of one queue; the append path moves it, and takes a move back when a write fails. */
export type QueueCounter = { next: number }

/** Counters by topic and queueId. */
export class QueueOffsets {
  readonly #lookUp: (topic: string, queueId: number) => number
  readonly #topics = new Map<string, QueueCounter[]>()
  #lastTopic: string | undefined
  #lastCounters: QueueCounter[] = []

  /** @param lookUp where a queue that was not asked for yet goes on counting */
  constructor(lookUp: (topic: string, queueId: number) => number) {
    this.#lookUp = lookUp
  }

  /** The queue's counter. */
  counter(topic: string, queueId: number): QueueCounter {
    if (topic !== this.#lastTopic) this.#use(topic)
    const known = this.#lastCounters[queueId]
    if (known !== undefined) return known
    const made = { next: this.#lookUp(topic, queueId) }
    this.#lastCounters[queueId] = made
    return made
  }

  /** Queues of a topic that were asked for. */
  queueIds(topic: string): number[] {
    return Object.keys(this.#topics.get(topic) ?? []).map(Number)
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
