/**
 * In a store that promises the device nothing reads before it is flushed. A transaction's new copy was read when it was only
 * written: it "does not read", the checker of its producer group ended, and no transaction of the group was ever decided.
 */
import { expect, it } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import { PocketMQ } from '../../src/messaging/pocket-mq.ts'
import { ManualClock, SimulatedDisk } from '../../src/testing/testing.ts'

it('an undecided transaction of a store that promises the device is committed by its checker', async () => {
  const clock = new ManualClock()
  const mq = await PocketMQ.open('/store', {
    ...{ fileSystem: new SimulatedDisk({ clock }), clock, logger: silentLogger, durability: 'disk' },
    retention: { freeBytesMin: 0 },
  })
  const producer = mq.producer({ group: 'shop', checker: () => 'commit' })
  await producer.send({ topic: 'orders', body: 'undecided' }, producer.beginTransaction())
  await clock.advance(60_000)
  expect(mq.store.queues().filter(range => range.topic === 'orders')).toHaveLength(1)
  await mq.close()
})
