/** The messages of a hand-out once more, for a client that lost the answer: they are read where they lie. */
import type { MessageStore } from '../store/message-store.ts'
import type { ReceivedMessage } from './core-types.ts'
import type { Lease, Leases } from './leases.ts'
import type { GivenBatch } from './waiting-receives.ts'

/** What of a lease is still in hand when it has been read; what is gone from the store is left out. */
export async function readAgain(
  store: Pick<MessageStore, 'read'>,
  leases: Pick<Leases, 'open'>,
  lease: Lease,
): Promise<GivenBatch> {
  const { topic, queueId, failures } = lease.cursor
  const read: ReceivedMessage[] = []
  for (const queueOffset of leases.open(lease)) {
    const { messages } = await store.read({ topic, queueId, queueOffset, maxMessages: 1 })
    const message = messages[0]
    if (message?.queueOffset !== queueOffset) continue
    const { physicalOffset, sizeBytes, reconsumeTimes, batchBytes: bytes, batchStart: start } = message
    const deliveryAttempt = Math.max(reconsumeTimes, failures.get(queueOffset) ?? 0) + 1
    read.push({ bytes, start, sizeBytes, queueOffset, physicalOffset, deliveryAttempt })
  }
  const open = new Set(leases.open(lease))
  return { lease, messages: read.filter(message => open.has(message.queueOffset)), isAgain: true }
}
