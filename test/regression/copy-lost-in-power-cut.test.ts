/**
 * A message was settled by its retry copy in our offset table, which is written without fsync; a power cut kept the table and
 * took the copy: the message was gone. What a copy settles is written only once the log has the copy on the device.
 */
import { expect, test } from 'vitest'
import { settled } from '../messaging/consuming-bench.ts'
import { openQueue } from '../messaging/queue-on-disk.ts'

const everything = { consumerGroup: 'billing', subscriptions: { orders: '*' } }

test('a power cut that takes a retry copy leaves the message it would have settled', async () => {
  let copiesLost = 0
  for (let seed = 0; seed < 60; seed++) {
    const { mq, disk, clock } = await openQueue({ flushIntervalMs: 60_000 })
    await mq.producer().send({ topic: 'orders', body: 'x' }, { durability: 'disk' })
    await mq.pushConsumer({ ...everything, messageListener: () => 'retry' })
    await settled()
    const cut = await openQueue({}, { disk: disk.powerCut(seed), clock })
    const parked = cut.mq.store.queueRange('SCHEDULE_TOPIC_XXXX', 2)?.maxQueueOffset ?? 0
    if (parked === 0) copiesLost++
    const attempts: number[] = []
    await cut.mq.pushConsumer({
      ...everything,
      messageListener: message => void attempts.push(message.deliveryAttempt),
    })
    await clock.advance(10_000)
    await settled()
    expect(attempts, `seed ${seed}, parked ${parked}`).toEqual([parked === 0 ? 1 : 2])
    await mq.close().catch(() => undefined)
    await cut.mq.close()
  }
  expect(copiesLost).toBeGreaterThan(0)
})
