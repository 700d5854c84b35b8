/** How far groups are: per queue what is done, in hand and left, in messages and bytes, and how old the oldest of it is. */
import type { MessageStore } from '../store/message-store.ts'
import type { ConsumerGroup } from './consumer-group.ts'
import type { GroupProgress, QueueProgress } from './core-types.ts'
import type { GroupOffset } from './group-offsets.ts'

/** Progress of a group over the queues it has an offset in. */
export async function groupProgress(
  store: MessageStore,
  group: string,
  entries: Iterable<GroupOffset>,
  working: ConsumerGroup | undefined,
): Promise<GroupProgress> {
  const queues: QueueProgress[] = []
  for (const entry of [...entries]) queues.push(await queueProgress(store, entry, working))
  queues.sort((a, b) => (a.topic === b.topic ? a.queueId - b.queueId : a.topic < b.topic ? -1 : 1))
  return {
    group,
    queues,
    lagMessages: queues.reduce((sum, queue) => sum + queue.lagMessages, 0),
    lagBytes: queues.reduce((sum, queue) => sum + queue.lagBytes, 0),
  }
}

async function queueProgress(
  store: MessageStore,
  entry: GroupOffset,
  working: ConsumerGroup | undefined,
): Promise<QueueProgress> {
  const { topic, queueId, ranges } = entry
  const range = store.queueRange(topic, queueId)
  const minQueueOffset = range?.minQueueOffset ?? 0
  const maxQueueOffset = range?.maxQueueOffset ?? 0
  const from = Math.max(ranges.committed, minQueueOffset)
  const { ackedAbove } = ranges
  const lagMessages = Math.max(0, maxQueueOffset - from - ackedAbove)
  const cursor = working?.cursor(topic, queueId)
  const owner = cursor === undefined ? undefined : working?.owners.ownerOf(cursor)?.clientId
  const oldest = lagMessages === 0 ? undefined : await storeTimestampAt(store, topic, queueId, from)
  return {
    topic,
    queueId,
    minQueueOffset,
    maxQueueOffset,
    committed: ranges.committed,
    pulled: Math.max(ranges.committed, cursor?.readAt ?? 0),
    inFlight: cursor?.inFlight.size ?? 0,
    ackedAbove,
    lagMessages,
    lagBytes: lagMessages === 0 ? 0 : await lagBytes(store, entry, from, maxQueueOffset),
    ...(oldest === undefined ? {} : { oldestStoreTimestamp: oldest }),
    ...(owner === undefined ? {} : { owner }),
  }
}

/** Bytes of what is not done in [from, to). */
async function lagBytes(
  store: MessageStore,
  { topic, queueId, ranges }: GroupOffset,
  from: number,
  to: number,
): Promise<number> {
  let bytes = await store.queueBytes(topic, queueId, from, to)
  for (const { start, end } of ranges.above())
    bytes -= await store.queueBytes(topic, queueId, Math.max(start, from), end)
  return bytes
}

/** Undefined where there is no such message. */
export async function storeTimestampAt(
  store: MessageStore,
  topic: string,
  queueId: number,
  queueOffset: number,
): Promise<number | undefined> {
  const { messages } = await store.read({ topic, queueId, queueOffset, maxMessages: 1 })
  return messages[0]?.storeTimestamp
}
