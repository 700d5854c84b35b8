/**
 * Deleted topics: neither dispatch nor rebuild brings them back, and a topic created again goes on counting.
 * RocketMQ's deleted topics return after an unclean restart (#1852). ARCHITECTURE decision 24.
 */
import type { Tombstone } from '../codec/state-lists.ts'
import type { Checkpointer } from './checkpointer.ts'
import type { CommitLog } from './commit-log.ts'
import type { ConsumeQueues } from './consume-queues.ts'
import type { QueueOffsets } from './queue-offsets.ts'

/** What burying a topic touches. */
export type TombstonesParts = {
  readonly log: CommitLog
  readonly queues: ConsumeQueues
  readonly offsets: QueueOffsets
  readonly checkpointer: Checkpointer
}

/** Tombstones by topic. */
export class Tombstones {
  #list: readonly Tombstone[] = []
  #byTopic: ReadonlyMap<string, Tombstone> = new Map()
  #parts: TombstonesParts | undefined

  constructor(tombstones: readonly Tombstone[]) {
    this.#hold(tombstones)
  }

  /** The rest of the store, which is built around what this already answers. */
  connect(parts: TombstonesParts): void {
    this.#parts = parts
  }

  /** Whether a record is of a topic that was deleted after it was appended. */
  isDropped(topic: string, physicalOffset: number): boolean {
    const tombstone = this.#byTopic.size === 0 ? undefined : this.#byTopic.get(topic)
    return tombstone !== undefined && physicalOffset < tombstone.physicalOffset
  }

  /** Records of the topic below this were deleted with it. */
  physicalOffsetOf(topic: string): number | undefined {
    return this.#byTopic.get(topic)?.physicalOffset
  }

  /**
   * A power cut may have taken records that a topic was deleted with: what is appended in their place is not deleted. Answers
   * the tombstones that hold when the log ends at `end`; the very same list where nothing has changed.
   */
  cutAt(end: number): readonly Tombstone[] {
    if (this.#list.some(({ physicalOffset }) => physicalOffset > end)) {
      this.#hold(this.#list.map(one => ({ ...one, physicalOffset: Math.min(one.physicalOffset, end) })))
    }
    return this.#list
  }

  /** Where a queue of a topic that was deleted goes on counting; 0 where it was not. */
  nextQueueOffset(topic: string, queueId: number): number {
    return this.#byTopic.get(topic)?.nextQueueOffsets.get(queueId) ?? 0
  }

  /** Deletes a topic's queues. The tombstone is on the device before the first file goes. */
  async bury(topic: string): Promise<void> {
    const { log, queues, offsets, checkpointer } = this.#parts as TombstonesParts
    // A queue may not be there yet: its first records are appended and not dispatched.
    const queueIds = [...queues.all()].flatMap(queue => (queue.topic === topic ? queue.queueId : []))
    const nextQueueOffsets = new Map(this.#byTopic.get(topic)?.nextQueueOffsets)
    for (const queueId of [...queueIds, ...offsets.queueIds(topic)])
      nextQueueOffsets.set(queueId, offsets.counter(topic, queueId).next)
    const tombstone: Tombstone = { topic, physicalOffset: log.appended, nextQueueOffsets }
    this.#hold([...this.#list.filter(other => other.topic !== topic), tombstone])
    await checkpointer.change({ tombstones: this.#list })
    await queues.drop(topic)
  }

  #hold(tombstones: readonly Tombstone[]): void {
    this.#list = tombstones
    this.#byTopic = new Map(tombstones.map(tombstone => [tombstone.topic, tombstone]))
  }
}
