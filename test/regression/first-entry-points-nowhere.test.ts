/** A queue's first entry with a place below zero was taken for one of a record that retention had removed: its message was not shown. */
import { expect, it } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import type { StoreOptions } from '../../src/store/message-store.ts'
import { MessageStore } from '../../src/store/message-store.ts'
import { ManualClock, SimulatedDisk } from '../../src/testing/testing.ts'
import { readQueue } from '../crash/bad-bytes/facts.ts'

it('the message of a first entry whose place is damaged is shown', async () => {
  const disk = new SimulatedDisk()
  const options = (fileSystem: SimulatedDisk): StoreOptions => ({
    ...{ fileSystem, clock: new ManualClock(), logger: silentLogger, retention: { freeBytesMin: 0 } },
    ...{ commitLogSegmentBytes: 4096, consumeQueueSegmentEntries: 10, indexSlots: 10, indexEntries: 20 },
  })
  const store = await MessageStore.open('/store', options(disk))
  for (const body of ['a', 'b', 'c']) store.put({ topic: 'orders', queueId: 0, body: Buffer.from(body) })
  await store.close()
  disk.flipBit('/store/consumequeue/orders/0/00000000000000000000', 0, 7)
  const reader = await MessageStore.openReadOnly('/store', options(disk))
  const shown: string[] = []
  await readQueue(reader, 'orders', 0, 0, message => shown.push(message.body.toString()))
  expect(shown).toEqual(['a', 'b', 'c'])
  await reader.close()
})
