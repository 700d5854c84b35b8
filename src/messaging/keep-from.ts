/** What retention has to keep: the oldest message that a registered group has not consumed. SEMANTICS 7.4. */
import type { MessageStore } from '../store/message-store.ts'
import type { GroupOffset, GroupOffsets } from './group-offsets.ts'
import type { GroupRecords } from './group-records.ts'
import { isGroupTopic, isSystemGroup, isSystemTopic } from './limits.ts'

const HOUR_MS = 3_600_000

/** The lowest physicalOffset that is still needed; Infinity where nothing is. */
export async function keepFrom(
  store: MessageStore,
  entries: GroupOffsets,
  records: GroupRecords,
  hasMembers: (group: string) => boolean,
): Promise<number> {
  if (!store.retention.keepUnconsumed) return Number.POSITIVE_INFINITY
  const absentBeforeMs = store.clock.nowMs() - store.retention.absentGroupHours * HOUR_MS
  /** The least advanced group of each queue. */
  const slowest = new Map<string, GroupOffset>()
  for (const entry of entries.all()) {
    if (!isRegistered(entry, records, hasMembers, absentBeforeMs)) continue
    const key = `${entry.topic}#${entry.queueId}`
    const other = slowest.get(key)
    if (other === undefined || entry.ranges.committed < other.ranges.committed) slowest.set(key, entry)
  }
  let lowest = Number.POSITIVE_INFINITY
  for (const { topic, queueId, ranges } of slowest.values()) {
    const range = store.queueRange(topic, queueId)
    if (range === undefined || ranges.committed >= range.maxQueueOffset) continue
    const queueOffset = Math.max(ranges.committed, range.minQueueOffset)
    const { messages } = await store.read({ topic, queueId, queueOffset, maxMessages: 1 })
    lowest = Math.min(lowest, messages[0]?.physicalOffset ?? lowest)
  }
  return lowest
}

function isRegistered(
  { group, topic }: GroupOffset,
  records: GroupRecords,
  hasMembers: (group: string) => boolean,
  absentBeforeMs: number,
): boolean {
  if (isSystemGroup(group) || (isSystemTopic(topic) && !isGroupTopic(topic))) return false
  const name = group.split('/')[0] as string
  if (hasMembers(name)) return true
  const lastSeenMs = records.lastSeenMs(name)
  // A group that a broker left has no record of ours: it counts until it is known to be absent.
  return lastSeenMs === undefined || lastSeenMs >= absentBeforeMs
}
