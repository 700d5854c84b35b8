/** Which queues a topic has: those of its configuration, and those on disk, which may be more where a topic has shrunk. */
import { PocketMQError } from '../base/errors.ts'
import type { MessageStore } from '../store/message-store.ts'
import type { Topics } from './topics.ts'

/** Queue ids by topic, as the store is now. */
export class QueueIds {
  readonly #topics: Topics
  readonly #onDisk = new Map<string, number[]>()

  constructor(topics: Topics, store: Pick<MessageStore, 'queues'>) {
    this.#topics = topics
    for (const { topic, queueId } of store.queues()) {
      const ids = this.#onDisk.get(topic)
      if (ids === undefined) this.#onDisk.set(topic, [queueId])
      else ids.push(queueId)
    }
  }

  /** Ascending. */
  of(topic: string): number[] {
    const config = this.#topics.get(topic)
    const count = Math.max(config?.readQueues ?? 0, config?.writeQueues ?? 0)
    const ids = Array.from({ length: count }, (_, i) => i)
    return [...ids, ...(this.#onDisk.get(topic) ?? []).filter(id => id >= count)]
  }
}

/** All queues of a topic, or the one. @throws TOPIC_NOT_FOUND */
export function queuesOf(
  topics: Topics,
  store: Pick<MessageStore, 'queues'>,
  topic: string,
  queueId?: number,
): number[] {
  const known = new QueueIds(topics, store).of(topic)
  const ids = queueId === undefined ? known : [queueId]
  if (ids.length > 0 && ids.every(id => known.includes(id))) return ids
  const which = queueId === undefined ? '' : `queue ${queueId} of `
  throw new PocketMQError('TOPIC_NOT_FOUND', `there is no ${which}topic '${topic}'`, {
    hint: 'Look at the topics with `pocketmq topics DIR`.',
    details: { topic, queueId },
  })
}
