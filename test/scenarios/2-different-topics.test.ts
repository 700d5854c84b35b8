/**
 * Production problem 2: two consumers of one group subscribe to different topics.
 *
 * In RocketMQ every member computes the assignment over all members of the group, whatever they subscribe to. Queues of
 * `orders` go to a consumer that reads only `invoices`; nobody reads them, and their messages wait for ever.
 *
 * Here a consumer with another set of topics is refused. Where different sets are wanted (`topicSets: 'independent'`), messages
 * of a topic go only to members that subscribe to it.
 */
import { expect, test } from 'vitest'
import { nextTurn } from '../../src/base/turns.ts'
import { openQueue } from '../messaging/queue-on-disk.ts'

async function turns(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await nextTurn()
}

test('a consumer with another topic is refused, and the queues of the first one stay read', async () => {
  const { mq } = await openQueue()
  const got: string[] = []
  await mq.pushConsumer({
    consumerGroup: 'office',
    subscriptions: { orders: '*' },
    messageListener: message => void got.push(message.body.toString()),
  })
  const other = mq.pushConsumer({
    consumerGroup: 'office',
    subscriptions: { invoices: '*' },
    messageListener: () => undefined,
  })
  await expect(other).rejects.toMatchObject({ code: 'POCKETMQ_SUBSCRIPTION_MISMATCH' })
  const producer = mq.producer()
  for (let i = 0; i < 16; i++) await producer.send({ topic: 'orders', body: `${i}` })
  await turns()
  expect(got).toHaveLength(16)
})

test('where different sets are asked for, each topic goes to those who read it, ordered queues included', async () => {
  const { mq } = await openQueue()
  const seen = { orders: 0, invoices: 0 }
  const joined = { consumerGroup: 'office', topicSets: 'independent', orderly: true, onExhausted: 'dlq' } as const
  await mq.pushConsumer({
    ...joined,
    subscriptions: { orders: '*' },
    messageListener: message => {
      expect(message.topic).toBe('orders')
      seen.orders++
    },
  })
  await mq.pushConsumer({
    ...joined,
    subscriptions: { invoices: '*' },
    messageListener: message => {
      expect(message.topic).toBe('invoices')
      seen.invoices++
    },
  })
  const producer = mq.producer()
  for (let i = 0; i < 12; i++) {
    await producer.send({ topic: 'orders', body: `${i}` })
    await producer.send({ topic: 'invoices', body: `${i}` })
  }
  await turns()
  expect(seen).toEqual({ orders: 12, invoices: 12 })
})
