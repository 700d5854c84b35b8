/**
 * A queue whose topic was deleted goes on counting, so its first file begins with slots that say that nothing is there. A power
 * cut kept the names of its two files, of the second one also the content, and of the first nothing: recovery put the entries
 * in their slots again, found the slots before them unwritten, took the first for the queue's end, and cut all of it.
 */
import { expect, it } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import type { StoreOptions } from '../../src/store/message-store.ts'
import { MessageStore } from '../../src/store/message-store.ts'
import { ManualClock, SimulatedDisk } from '../../src/testing/testing.ts'

const DIR = '/store'
const BEFORE = 8
const AFTER = 5

it('a queue whose first slots were lost keeps every message behind them', async () => {
  const disk = new SimulatedDisk()
  const options = (fileSystem: SimulatedDisk): StoreOptions => ({
    ...{ fileSystem, clock: new ManualClock(), logger: silentLogger, consumeQueueSegmentEntries: 12 },
    retention: { freeBytesMin: 0 },
  })
  const store = await MessageStore.open(DIR, options(disk))
  const put = (i: number): unknown => store.put({ topic: 'orders', queueId: 0, body: Buffer.from(`${i}`) })
  for (let i = 0; i < BEFORE; i++) put(i)
  await store.flush()
  await store.deleteTopic('orders')
  for (let i = BEFORE; i < BEFORE + AFTER; i++) put(i)
  await store.flushed(store.watermarks.appended)
  const cut = disk.powerCut(1)
  await store.close()
  const [first, second] = ['00000000000000000000', '00000000000000000240'].map(
    name => `/store/consumequeue/orders/0/${name}`,
  )
  cut.place(first as string, Buffer.alloc(240))
  cut.place(second as string, disk.contentOf(second as string))
  const again = await MessageStore.open(DIR, options(cut))
  const { messages } = await again.read({ topic: 'orders', queueId: 0, queueOffset: BEFORE, maxMessages: 32 })
  const { minQueueOffset, maxQueueOffset } = again.queueRange('orders', 0) ?? {}
  expect(messages.map(message => message.body.toString())).toEqual(['8', '9', '10', '11'])
  expect([minQueueOffset, maxQueueOffset]).toEqual([BEFORE, BEFORE + AFTER])
  await again.close()
})
