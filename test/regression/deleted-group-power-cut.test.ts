/** A group was deleted, the power failed, and its offsets were there again: a new group of that name began where the old one had been. */
import { expect, test } from 'vitest'
import { openQueue } from '../messaging/queue-on-disk.ts'

test('a group that was deleted stays deleted in a power cut, and one of that name begins anew', async () => {
  const { mq, disk, clock } = await openQueue()
  const everything = { consumerGroup: 'billing', subscriptions: { orders: '*' }, awaitDuration: 0 }
  await mq.producer().send({ topic: 'orders', body: 'x' }, { durability: 'disk' })
  const consumer = await mq.simpleConsumer(everything)
  for (const message of await consumer.receive()) await message.ack()
  await consumer.close()
  await clock.advance(10_000)
  await mq.admin.deleteGroup('billing')
  const cuts = Array.from({ length: 20 }, (_, seed) => disk.powerCut(seed))
  await mq.close()
  for (const [seed, cut] of cuts.entries()) {
    const again = await openQueue({}, { disk: cut, clock })
    expect({ seed, groups: await again.mq.admin.groups() }).toEqual({ seed, groups: [] })
    const anew = await again.mq.simpleConsumer(everything)
    expect({ seed, messages: (await anew.receive()).length }).toEqual({ seed, messages: 1 })
    await again.mq.close()
  }
})

test('a group that is deleted right behind a topic stays deleted', async () => {
  const { mq, disk, clock } = await openQueue()
  for (const topic of ['orders', 'side']) await mq.producer().send({ topic, body: 'x' }, { durability: 'disk' })
  const consumer = await mq.simpleConsumer({
    consumerGroup: 'billing',
    subscriptions: { orders: '*' },
    awaitDuration: 0,
  })
  for (const message of await consumer.receive()) await message.ack()
  await consumer.close()
  await mq.admin.deleteTopic('side')
  await mq.admin.deleteGroup('billing')
  await mq.close()
  const again = await openQueue({}, { disk, clock })
  expect(await again.mq.admin.groups()).toEqual([])
})
