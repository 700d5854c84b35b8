/** What retention has to keep: the oldest message that a registered group has not consumed. SEMANTICS 7.4. */
import { nextTurn } from '../base/turns.ts'
import type { MessageStore } from '../store/message-store.ts'
import type { GroupOffset, GroupOffsets } from './group-offsets.ts'
import type { GroupRecords } from './group-records.ts'
import { isGroupTopic, isSystemGroup, isSystemTopic } from './limits.ts'

const HOUR_MS = 3_600_000
/** Queues that are looked at within one turn of the event loop. */
const LOOK_UPS_A_TURN = 32

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
  /** Asked once for each group, however many queues it has. */
  const registered = new Map<string, boolean>()
  for (const entry of entries.all()) {
    const { group, topic } = entry
    if (isSystemTopic(topic) && !isGroupTopic(topic)) continue
    let isKept = registered.get(group)
    if (isKept === undefined) {
      isKept = isRegistered(group, records, hasMembers, absentBeforeMs)
      registered.set(group, isKept)
    }
    if (!isKept) continue
    const key = `${entry.topic}#${entry.queueId}`
    const other = slowest.get(key)
    if (other === undefined || entry.ranges.committed < other.ranges.committed) slowest.set(key, entry)
  }
  let lowest = Number.POSITIVE_INFINITY
  let lookedUp = 0
  for (const { topic, queueId, ranges } of slowest.values()) {
    const range = store.queueRange(topic, queueId)
    if (range === undefined || ranges.committed >= range.maxQueueOffset) continue
    // What can be read at once takes no turn of its own, and thousands of queues would be one long one.
    if (++lookedUp % LOOK_UPS_A_TURN === 0) await nextTurn()
    const queueOffset = Math.max(ranges.committed, range.minQueueOffset)
    const { messages } = await store.read({ topic, queueId, queueOffset, maxMessages: 1 })
    lowest = Math.min(lowest, messages[0]?.physicalOffset ?? lowest)
  }
  return lowest
}

function isRegistered(
  group: string,
  records: GroupRecords,
  hasMembers: (group: string) => boolean,
  absentBeforeMs: number,
): boolean {
  if (isSystemGroup(group)) return false
  const name = group.split('/')[0] as string
  if (hasMembers(name)) return true
  const lastSeenMs = records.lastSeenMs(name)
  // A group that a broker left has no record of ours: it counts until it is known to be absent.
  return lastSeenMs === undefined || lastSeenMs >= absentBeforeMs
}
