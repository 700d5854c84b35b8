/** Finds a place in a queue by time: binary search over the storeTimestamps of its records.   RocketMQ: ConsumeQueue.getOffsetInQueueByTime. */
import { i32At, i64At } from '../codec/bytes.ts'
import {
  BORN_HOST_IPV6_FLAG,
  HOST_IPV6_EXTRA_BYTES,
  PHYSICAL_OFFSET_OFFSET,
  STORE_TIMESTAMP_OFFSET_IPV4,
  SYS_FLAG_OFFSET,
} from '../codec/record-layout.ts'
import type { ConsumeQueue } from './consume-queue.ts'
import type { LogReads } from './log-reads.ts'

/** A record's head up to its storeTimestamp, with an IPv6 born host. */
const HEAD_BYTES = STORE_TIMESTAMP_OFFSET_IPV4 + HOST_IPV6_EXTRA_BYTES + 8

/**
 * `lower`: the first slot whose record was stored at or after `timestampMs`, else the queue's end. `upper`: the last one stored at
 * or before it, else the queue's begin. Exact, because storeTimestamps never fall along a queue; where a broker's clock stepped
 * back, one of the slots where the time is crossed.
 */
export async function searchByTime(
  queue: ConsumeQueue,
  reads: LogReads,
  timestampMs: number,
  boundary: 'lower' | 'upper',
): Promise<number> {
  const { minQueueOffset, maxQueueOffset } = queue
  let low = minQueueOffset
  let high = maxQueueOffset
  while (low < high) {
    const middle = low + Math.floor((high - low) / 2)
    // Slots without a record say nothing: the next one that has a record speaks for them.
    let slot = middle
    let storedMs = await storeTimestampAt(queue, reads, slot)
    while (storedMs === undefined && ++slot < high) storedMs = await storeTimestampAt(queue, reads, slot)
    const isBehind = storedMs === undefined || (boundary === 'lower' ? storedMs >= timestampMs : storedMs > timestampMs)
    if (isBehind) high = middle
    else low = slot + 1
  }
  return boundary === 'lower' ? low : Math.max(minQueueOffset, low - 1)
}

async function storeTimestampAt(queue: ConsumeQueue, reads: LogReads, slot: number): Promise<number | undefined> {
  const entry = await queue.readEntries(slot, 1)
  if (entry.length === 0) return undefined
  const physicalOffset = i64At(entry, 0)
  const head = Buffer.allocUnsafe(HEAD_BYTES)
  // A record is longer than its head, so this reads nothing that is not there.
  if (i32At(entry, 8) < HEAD_BYTES || !(physicalOffset >= 0)) return undefined
  if (!(await reads.copyAlone(head, 0, physicalOffset, HEAD_BYTES))) return undefined
  if (i64At(head, PHYSICAL_OFFSET_OFFSET) !== physicalOffset) return undefined
  const isIpv6 = (i32At(head, SYS_FLAG_OFFSET) & BORN_HOST_IPV6_FLAG) !== 0
  return i64At(head, STORE_TIMESTAMP_OFFSET_IPV4 + (isIpv6 ? HOST_IPV6_EXTRA_BYTES : 0))
}
