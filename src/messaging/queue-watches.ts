/**
 * Who wants to know when a queue grows: groups at work, pulls and tails that wait. Fed by the dispatcher for every message,
 * so it only notes what has grown; those who wait are told once, at the end of the turn's dispatching.
 */
import type { DispatchRequest } from '../store/message-store.ts'

/** Told that a queue has grown. `endOffset` is one past its last message, whose place in the log the others are. */
export type QueueWatcher = (endOffset: number, physicalOffset: number, sizeBytes: number) => unknown

/** Told about a queue at the first message since somebody watches the topic; it may have been there before. */
export type TopicWatcher = (queueId: number, endOffset: number) => void

type QueueWatch = {
  readonly watchers: Set<QueueWatcher>
  endOffset: number
  /** Place of the last message. */
  physicalOffset: number
  sizeBytes: number
  isDirty: boolean
  /** The topic's watchers have been told of it. */
  isTold: boolean
}

type TopicWatch = {
  readonly topic: string
  /** Retry, dead-letter, schedule and timer topics hold copies that settle messages. */
  readonly maySettle: boolean
  readonly queues: (QueueWatch | undefined)[]
  readonly watchers: Set<TopicWatcher>
}

/** The watches of one store. */
export class QueueWatches {
  readonly #topics = new Map<string, TopicWatch>()
  readonly #maySettle: (topic: string) => boolean
  #last: TopicWatch | undefined
  #dirty: QueueWatch[] = []
  readonly #tell = (): void => this.#tellDirty()

  constructor(maySettle: (topic: string) => boolean) {
    this.#maySettle = maySettle
  }

  /** A message has become readable. Answers whether its topic may hold copies that settle others. */
  dispatched({ topic, queueId, queueOffset, physicalOffset, sizeBytes }: DispatchRequest): boolean {
    let watch = this.#last
    if (watch === undefined || watch.topic !== topic) {
      watch = this.#topic(topic)
      this.#last = watch
    }
    const queue = watch.queues[queueId]
    if (queue !== undefined) {
      queue.endOffset = queueOffset + 1
      queue.physicalOffset = physicalOffset
      queue.sizeBytes = sizeBytes
      if (!queue.isDirty && queue.watchers.size > 0) this.#markDirty(queue)
    }
    if (watch.watchers.size > 0 && queue?.isTold !== true) this.#tellOfQueue(watch, queueId, queueOffset + 1)
    return watch.maySettle
  }

  /** Tells `watcher` whenever the queue grows. Answers how to stop that. */
  watchQueue(topic: string, queueId: number, watcher: QueueWatcher): () => void {
    const queue = this.#queue(this.#topic(topic), queueId)
    queue.watchers.add(watcher)
    return () => {
      queue.watchers.delete(watcher)
    }
  }

  /** Tells `watcher` of each queue of the topic that nobody knew, at its first message. Answers how to stop that. */
  watchTopic(topic: string, watcher: TopicWatcher): () => void {
    const watch = this.#topic(topic)
    watch.watchers.add(watcher)
    // Whoever comes later is told anew: the watcher knows which queues it has.
    for (const queue of watch.queues) if (queue !== undefined) queue.isTold = false
    return () => {
      watch.watchers.delete(watcher)
    }
  }

  /** The topic's queues are gone; those that come under its name are new. */
  forget(topic: string): void {
    this.#topic(topic).queues.length = 0
  }

  #tellOfQueue(watch: TopicWatch, queueId: number, endOffset: number): void {
    const queue = this.#queue(watch, queueId)
    queue.endOffset = endOffset
    queue.isTold = true
    // Joining a queue takes a while; the dispatcher does not wait for it.
    queueMicrotask(() => {
      for (const watcher of [...watch.watchers]) watcher(queueId, queue.endOffset)
    })
  }

  #topic(topic: string): TopicWatch {
    let watch = this.#topics.get(topic)
    if (watch === undefined) {
      watch = { topic, maySettle: this.#maySettle(topic), queues: [], watchers: new Set() }
      this.#topics.set(topic, watch)
    }
    return watch
  }

  #queue(watch: TopicWatch, queueId: number): QueueWatch {
    let queue = watch.queues[queueId]
    if (queue === undefined) {
      queue = { watchers: new Set(), endOffset: 0, physicalOffset: 0, sizeBytes: 0, isDirty: false, isTold: false }
      watch.queues[queueId] = queue
    }
    return queue
  }

  #markDirty(queue: QueueWatch): void {
    queue.isDirty = true
    this.#dirty.push(queue)
    if (this.#dirty.length === 1) queueMicrotask(this.#tell)
  }

  #tellDirty(): void {
    const dirty = this.#dirty
    this.#dirty = []
    for (const queue of dirty) {
      queue.isDirty = false
      const { endOffset, physicalOffset, sizeBytes } = queue
      for (const watcher of queue.watchers) watcher(endOffset, physicalOffset, sizeBytes)
    }
  }
}
