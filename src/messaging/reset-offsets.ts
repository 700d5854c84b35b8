/** Moving a group's offsets, with a new epoch: receipts of what was handed out before end nothing. */
import { PocketMQError } from '../base/errors.ts'
import type { MessageStore, QueueRange } from '../store/message-store.ts'
import type { ResetOffsetRequest, ResetOffsetResult } from './core-types.ts'
import type { OffsetTable } from './offset-table.ts'
import { firstOffset } from './purged.ts'
import { queuesOf } from './queue-ids.ts'
import type { Topics } from './topics.ts'
import type { WorkingGroups } from './working-groups.ts'
import { firstAtOrAfter } from './working-groups.ts'

/** What is moved. */
export type ResetParts = {
  readonly store: MessageStore
  readonly topics: Topics
  readonly offsets: OffsetTable
  readonly working: WorkingGroups
}

/** @throws INVALID_ARGUMENT where an offset lies outside its queue, TOPIC_NOT_FOUND */
export async function resetOffsets(parts: ResetParts, request: ResetOffsetRequest): Promise<ResetOffsetResult> {
  const { store, offsets, working } = parts
  const { group, topic } = request
  const targets: { readonly queueId: number; readonly to: number }[] = []
  for (const range of rangesOf(parts, request))
    targets.push({ queueId: range.queueId, to: await target(store, range, request) })
  const queues: ResetOffsetResult['queues'][number][] = []
  // What copies have settled so far is written for good: a replay after a kill must not settle it again in the new epoch.
  await store.flush()
  // From here on without await: nobody's ack comes between two queues of one reset.
  for (const { queueId, to } of targets) {
    const entry = offsets.entries.obtain(group, topic, queueId, () => to)
    queues.push({ topic, queueId, from: entry.ranges.committed, to })
    entry.reset(to)
    const at = working.shared(group)
    const cursor = at?.cursor(topic, queueId)
    if (at !== undefined && cursor !== undefined) at.restart(cursor)
  }
  offsets.write()
  return { queues }
}

function rangesOf(
  { store, topics, offsets }: ResetParts,
  { topic, queueId }: ResetOffsetRequest,
): readonly QueueRange[] {
  return queuesOf(topics, store, topic, queueId).map(id => ({
    topic,
    queueId: id,
    minQueueOffset: firstOffset(store, offsets.entries, topic, id),
    maxQueueOffset: store.queueRange(topic, id)?.maxQueueOffset ?? 0,
  }))
}

async function target(store: MessageStore, range: QueueRange, { to }: ResetOffsetRequest): Promise<number> {
  const { topic, queueId, minQueueOffset, maxQueueOffset } = range
  if (to.kind === 'first') return minQueueOffset
  if (to.kind === 'last') return maxQueueOffset
  if (to.kind === 'timestamp') return Math.max(minQueueOffset, await firstAtOrAfter(store, topic, queueId, to.value))
  if (to.value >= minQueueOffset && to.value <= maxQueueOffset) return to.value
  throw new PocketMQError(
    'INVALID_ARGUMENT',
    `offset ${to.value} is not in queue ${topic}/${queueId}: ${minQueueOffset} to ${maxQueueOffset}`,
    {
      hint: 'Choose an offset inside the queue, or first, last or a date.',
      details: { topic, queueId, offset: to.value, minQueueOffset, maxQueueOffset },
    },
  )
}
