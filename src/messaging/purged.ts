/**
 * What was purged: for each queue the offset below which its messages count as gone, for groups that are there and for those that come
 * later. Kept as the offsets of a group of ours, so that it is as durable as offsets are; a broker knows nothing of it.
 */
import type { MessageStore } from '../store/message-store.ts'
import type { ConsumerGroup } from './consumer-group.ts'
import type { QueueAddress } from './core-types.ts'
import type { GroupOffset, GroupOffsets } from './group-offsets.ts'
import { isSystemGroup } from './limits.ts'
import type { OffsetTable } from './offset-table.ts'
import { instanceOf } from './offset-table.ts'

const PURGED_GROUP = 'CID_PMQ_PURGED'

/** What a purge made everybody skip. */
export type PurgeResult = {
  /** Groups that had a place in one of the queues. */
  readonly groups: readonly string[]
  readonly queues: readonly { readonly queueId: number; readonly messages: number }[]
}

/** What is purged, and where the places of groups are. */
export type PurgeParts = {
  readonly store: MessageStore
  readonly offsets: OffsetTable
  /** Groups at work by the name of their offsets. */
  readonly working: { shared(offsetsName: string): ConsumerGroup | undefined }
}

/** The first message of a queue that is neither removed nor purged. */
export function firstOffset(
  store: Pick<MessageStore, 'queueRange'>,
  entries: Pick<GroupOffsets, 'get'>,
  topic: string,
  queueId: number,
): number {
  const purged = entries.get(PURGED_GROUP, topic, queueId)?.ranges.committed ?? 0
  return Math.max(purged, store.queueRange(topic, queueId)?.minQueueOffset ?? 0)
}

/** Messages of a topic that are neither removed nor purged. */
export function messagesIn(
  store: Pick<MessageStore, 'queueRange' | 'queues'>,
  entries: Pick<GroupOffsets, 'get'>,
  topic: string,
): number {
  let messages = 0
  for (const range of store.queues()) {
    if (range.topic === topic) messages += range.maxQueueOffset - firstOffset(store, entries, topic, range.queueId)
  }
  return messages
}

/** Empties queues of a topic, with what was appended to them so far. On the device when it resolves. */
export async function purgeQueues(
  { store, offsets, working }: PurgeParts,
  topic: string,
  queueIds: readonly number[],
): Promise<PurgeResult> {
  await store.dispatched(store.watermarks.appended)
  // As for a reset: a replay after a kill must not settle in the new epoch what copies settled in the old one.
  await store.flush()
  const groups = new Set<string>()
  const queues: { queueId: number; messages: number }[] = []
  // From here on without await: nobody's ack comes between two queues of one purge.
  for (const queueId of queueIds) {
    const end = store.queueRange(topic, queueId)?.maxQueueOffset ?? 0
    queues.push({ queueId, messages: end - firstOffset(store, offsets.entries, topic, queueId) })
    offsets.entries.obtain(PURGED_GROUP, topic, queueId, () => 0).done(0, end)
    for (const entry of placesIn(offsets.entries, { topic, queueId })) {
      groups.add(instanceOf(entry.group)?.group ?? entry.group)
      entry.reset(end)
      const group = working.shared(entry.group)
      const cursor = group?.cursor(topic, queueId)
      if (group !== undefined && cursor !== undefined) group.restart(cursor)
    }
  }
  await offsets.flush()
  return { groups: [...groups].sort(), queues }
}

/** Places of users' groups, and of each instance of a broadcast, in a queue. */
function placesIn(entries: GroupOffsets, { topic, queueId }: QueueAddress): GroupOffset[] {
  return entries
    .groups()
    .filter(name => !isSystemGroup(name))
    .flatMap(name => entries.get(name, topic, queueId) ?? [])
}
