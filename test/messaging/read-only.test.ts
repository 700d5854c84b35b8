import { expect, test } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import { PocketMQ } from '../../src/messaging/pocket-mq.ts'
import { bodiesOf, FOLDER, openQueue } from './queue-on-disk.ts'

test('a folder that is open elsewhere, or crashed, is read without changing a byte of it', async () => {
  const { mq, disk, clock } = await openQueue()
  const producer = mq.producer({ group: 'pg' })
  await producer.send({ topic: 'a', body: 'plain' })
  await producer.send({ topic: 'a', body: 'by time', delay: 1_000 })
  await producer.send({ topic: 'a', body: 'by level', delayLevel: 1 })
  await producer.send({ topic: 'a', body: 'half' }, producer.beginTransaction())
  const consumer = await mq.simpleConsumer({ consumerGroup: 'g', subscriptions: { a: '*' } })
  await consumer.close()
  const crashed = disk.kill()
  const before = crashed.digest()
  const reading = await PocketMQ.openReadOnly(FOLDER, { fileSystem: crashed, clock, logger: silentLogger })
  expect(await bodiesOf(reading, 'a')).toEqual(['plain'])
  expect(await reading.admin.stats()).toMatchObject({ topics: 1, delayed: 2, undecidedTransactions: 1 })
  expect((await reading.admin.groupProgress('g')).lagMessages).toBe(1)
  await expect(reading.producer().send({ topic: 'a', body: 'x' })).rejects.toMatchObject({ code: 'POCKETMQ_READ_ONLY' })
  await clock.advance(5_000)
  await reading.close()
  expect(crashed.digest()).toBe(before)
})
