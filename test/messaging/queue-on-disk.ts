/** A PocketMQ on a simulated disk with a clock that stands still: what most messaging tests run on. */
import { onTestFinished } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import type { PocketMQOptions } from '../../src/messaging/pocket-mq.ts'
import { PocketMQ } from '../../src/messaging/pocket-mq.ts'
import type { StoredMessage } from '../../src/store/message-store.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'

export const FOLDER = '/queue'

/** Small files, so that a disk in memory stays small. */
const SMALL = {
  commitLogSegmentBytes: 1024 * 1024,
  consumeQueueSegmentEntries: 1000,
  indexSlots: 100,
  indexEntries: 1000,
}

export type Bench = { readonly mq: PocketMQ; readonly disk: SimulatedDisk; readonly clock: ManualClock }

/** Opens a queue; it is closed when the test is over, if it is not by then. */
export async function openQueue(
  options: PocketMQOptions = {},
  { disk = new SimulatedDisk(), clock = new ManualClock() }: { disk?: SimulatedDisk; clock?: ManualClock } = {},
): Promise<Bench> {
  const random = seededRandom(7)
  const mq = await PocketMQ.open(FOLDER, {
    ...(disk.paths().length === 0 ? SMALL : {}),
    fileSystem: disk,
    clock,
    logger: silentLogger,
    random: () => random.next(),
    ...options,
  })
  onTestFinished(async () => {
    // A handler that never ends must not hold up the next test.
    await mq.close({ drainMs: 0 }).catch(() => undefined)
  })
  return { mq, disk, clock }
}

/** Everything readable in a topic, by queue and offset. */
export async function messagesOf(mq: PocketMQ, topic: string): Promise<StoredMessage[]> {
  await mq.store.dispatched(mq.store.watermarks.appended)
  const messages: StoredMessage[] = []
  for (const range of mq.store.queues()) {
    if (range.topic !== topic) continue
    let queueOffset = range.minQueueOffset
    while (queueOffset < range.maxQueueOffset) {
      const result = await mq.store.read({ topic, queueId: range.queueId, queueOffset, maxMessages: 100 })
      messages.push(...result.messages)
      if (result.nextQueueOffset <= queueOffset) break
      queueOffset = result.nextQueueOffset
    }
  }
  return messages
}

/** Bodies of a topic's messages as text, in log order. */
export async function bodiesOf(mq: PocketMQ, topic: string): Promise<string[]> {
  const messages = await messagesOf(mq, topic)
  return messages.sort((a, b) => a.physicalOffset - b.physicalOffset).map(message => message.body.toString())
}
