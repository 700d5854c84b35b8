/**
 * Failed messages that wait to be tried again: their copies are parked among the delayed messages, where no group's lag counts them.
 * Looked for only when somebody waits for a group to be empty.
 */
import { PROPERTY_REAL_TOPIC } from '../codec/properties.ts'
import type { MessageStore, StoredMessage } from '../store/message-store.ts'
import { retryTopicOf } from './retry-topics.ts'
import { SCHEDULE_TOPIC, TIMER_TOPIC } from './topics.ts'

/** Where delayed messages wait. */
export type ParkedParts = {
  readonly store: MessageStore
  /** First offset that waits, by queue of the schedule topic. */
  readonly levels: { waiting(): Iterable<{ readonly queueId: number; readonly next: number }> }
  readonly timers: {
    readonly waiting: { entries(): readonly { readonly queueOffset: number }[]; has(queueOffset: number): boolean }
  }
}

type Place = { readonly topic: string; readonly queueId: number; readonly queueOffset: number }

/** Finds a group's parked retries. */
export class ParkedRetries {
  readonly #parts: ParkedParts
  readonly #retryTopic: string
  /** The one found last: while it waits nothing has to be looked for. */
  #found: Place | undefined

  constructor(parts: ParkedParts, group: string) {
    this.#parts = parts
    this.#retryTopic = retryTopicOf(group)
  }

  /** Whether one waits. */
  async any(): Promise<boolean> {
    if (this.#found !== undefined && this.#waits(this.#found)) return true
    this.#found = (await this.#inLevels()) ?? (await this.#inTimers())
    return this.#found !== undefined
  }

  #waits({ topic, queueId, queueOffset }: Place): boolean {
    if (topic === TIMER_TOPIC) return this.#parts.timers.waiting.has(queueOffset)
    return [...this.#parts.levels.waiting()].some(level => level.queueId === queueId && level.next <= queueOffset)
  }

  async #inLevels(): Promise<Place | undefined> {
    for (const { queueId, next } of this.#parts.levels.waiting()) {
      const end = this.#parts.store.queueRange(SCHEDULE_TOPIC, queueId)?.maxQueueOffset ?? 0
      for (let queueOffset = next; queueOffset < end; ) {
        const request = { topic: SCHEDULE_TOPIC, queueId, queueOffset, maxMessages: 64 }
        const { messages, nextQueueOffset } = await this.#parts.store.read(request)
        const found = messages.find(message => this.#isRetry(message))
        if (found !== undefined) return { topic: SCHEDULE_TOPIC, queueId, queueOffset: found.queueOffset }
        if (nextQueueOffset <= queueOffset) break
        queueOffset = nextQueueOffset
      }
    }
    return undefined
  }

  async #inTimers(): Promise<Place | undefined> {
    for (const { queueOffset } of this.#parts.timers.waiting.entries()) {
      const { messages } = await this.#parts.store.read({ topic: TIMER_TOPIC, queueId: 0, queueOffset, maxMessages: 1 })
      const found = messages.find(message => message.queueOffset === queueOffset && this.#isRetry(message))
      if (found !== undefined) return { topic: TIMER_TOPIC, queueId: 0, queueOffset }
    }
    return undefined
  }

  #isRetry(message: StoredMessage): boolean {
    return message.property(PROPERTY_REAL_TOPIC) === this.#retryTopic
  }
}
