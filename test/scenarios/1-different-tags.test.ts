/**
 * Production problem 1: two consumers of one group subscribe to different tags.
 *
 * In RocketMQ the broker keeps one subscription for each group and topic, and the newest heartbeat overwrites it. With one
 * consumer on `A` and another on `B` the broker filters by whichever spoke last; a queue assigned to the consumer on `A`
 * delivers no `A` while `B` is in force, and its offset moves on over what was filtered away. Half of the messages are gone,
 * and nothing says so.
 *
 * Here the group's subscription is a durable record. A consumer that wants another one is refused before it receives anything,
 * with both sides in the error, unless it chose what is to happen.
 */
import { expect, test } from 'vitest'
import { nextTurn } from '../../src/base/turns.ts'
import { openQueue } from '../messaging/queue-on-disk.ts'

async function turns(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await nextTurn()
}

test('the second consumer is refused with both expressions, and the first one loses nothing', async () => {
  const { mq } = await openQueue()
  const got: string[] = []
  await mq.pushConsumer({
    consumerGroup: 'billing',
    subscriptions: { orders: 'paid' },
    messageListener: message => void got.push(message.body.toString()),
  })
  const refused = mq.pushConsumer({
    consumerGroup: 'billing',
    subscriptions: { orders: 'refunded' },
    messageListener: () => undefined,
  })
  await expect(refused).rejects.toMatchObject({
    code: 'POCKETMQ_SUBSCRIPTION_MISMATCH',
    details: { registered: expect.stringContaining('paid'), refused: expect.stringContaining('refunded') },
  })
  const producer = mq.producer()
  for (let i = 0; i < 10; i++)
    await producer.send({ topic: 'orders', body: `${i}`, tag: i % 2 === 0 ? 'paid' : 'refunded' })
  await turns()
  expect(got.sort()).toEqual(['0', '2', '4', '6', '8'])
})

test('the same tags in another order are the same subscription', async () => {
  const { mq } = await openQueue()
  const consumer = (expression: string): Promise<unknown> =>
    mq.pushConsumer({
      consumerGroup: 'billing',
      subscriptions: { orders: expression },
      messageListener: () => undefined,
    })
  await consumer('paid || refunded')
  await expect(consumer('refunded||paid')).resolves.toBeDefined()
})

test('the record outlives the process: a deploy with another expression is refused until it says replace', async () => {
  const { mq, disk, clock } = await openQueue()
  await mq.pushConsumer({
    consumerGroup: 'billing',
    subscriptions: { orders: 'paid' },
    messageListener: () => undefined,
  })
  await mq.close()
  const again = await openQueue({}, { disk, clock })
  const options = { consumerGroup: 'billing', subscriptions: { orders: '*' }, messageListener: () => undefined }
  await expect(again.mq.pushConsumer(options)).rejects.toMatchObject({ code: 'POCKETMQ_SUBSCRIPTION_MISMATCH' })
  await again.mq.pushConsumer({ ...options, onSubscriptionMismatch: 'replace' })
  const [group] = await again.mq.admin.groups()
  expect(group?.subscriptions).toEqual([{ topic: 'orders', type: 'TAG', expression: '*' }])
})
