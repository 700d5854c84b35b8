/** A broker's pop consumers keep retries in topics of their own: a group that comes from there goes on with them. */
import { expect, test } from 'vitest'
import { settled } from './consuming-bench.ts'
import { openQueue } from './queue-on-disk.ts'

const FORMS = ['%RETRY%billing', '%RETRY%billing+orders', '%RETRY%billing_orders']

test("a group gets what lies in its retry topic in any of RocketMQ's three forms, once, and not another group's", async () => {
  const { mq, disk, clock } = await openQueue()
  await mq.producer().send({ topic: 'orders', body: 'new' })
  for (const topic of [...FORMS, '%RETRY%billing_invoices', '%RETRY%other_orders']) {
    mq.store.put({ topic, queueId: 0, body: Buffer.from(topic), reconsumeTimes: 2 })
  }
  await mq.close()
  const again = await openQueue({}, { disk, clock })
  const got: string[] = []
  const billing = { consumerGroup: 'billing', subscriptions: { orders: '*' } }
  const push = await again.mq.pushConsumer({
    ...billing,
    messageListener: ({ body, topic, deliveryAttempt }) => void got.push(`${body} ${topic} ${deliveryAttempt}`),
  })
  await settled()
  // Each by the topic it was sent to first; the plain form's says that in a property.
  const [plain, ...ofTopic] = FORMS
  expect(got.sort()).toEqual([`${plain} ${plain} 3`, ...ofTopic.map(topic => `${topic} orders 3`), 'new orders 1'])
  await push.close()
  const simple = await again.mq.simpleConsumer({ ...billing, awaitDuration: 0 })
  expect(await simple.receive()).toEqual([])
})

test('a simple consumer acknowledges them like any other', async () => {
  const { mq, disk, clock } = await openQueue()
  for (const topic of FORMS) mq.store.put({ topic, queueId: 0, body: Buffer.from(topic), reconsumeTimes: 2 })
  await mq.close()
  const again = await openQueue({}, { disk, clock })
  const options = { consumerGroup: 'billing', subscriptions: { orders: '*' }, awaitDuration: 0 }
  const simple = await again.mq.simpleConsumer(options)
  const messages = await simple.receive(16)
  expect(messages.map(({ body }) => body.toString()).sort()).toEqual([...FORMS])
  expect(messages.map(({ topic }) => topic).sort()).toEqual(['%RETRY%billing', 'orders', 'orders'])
  const [first, ...others] = messages
  for (const message of others) await message.ack()
  // What is kept of a message is enough to end it.
  await first?.changeInvisibleDuration(20_000)
  await simple.ack({ topic: first?.topic ?? '', receiptHandle: first?.receiptHandle ?? '' })
  expect((await again.mq.admin.groupProgress('billing')).lagMessages).toBe(0)
})

test('one that fails again is copied, and dies, by the topic it was sent to first', async () => {
  const { mq, disk, clock } = await openQueue()
  for (const topic of FORMS.slice(1)) mq.store.put({ topic, queueId: 0, body: Buffer.from(topic), reconsumeTimes: 0 })
  await mq.close()
  const again = await openQueue({}, { disk, clock })
  const got: string[] = []
  await again.mq.pushConsumer({
    ...{ consumerGroup: 'billing', subscriptions: { orders: '*' }, maxAttempts: 1 },
    messageListener: ({ topic, deliveryAttempt }) => {
      got.push(`${topic} ${deliveryAttempt}`)
      throw new Error('not yet')
    },
  })
  await settled()
  await clock.advance(10_000)
  await settled()
  expect(got.sort()).toEqual(['orders 1', 'orders 1', 'orders 2', 'orders 2'])
  expect((await again.mq.admin.deadLetters('billing')).map(({ topic }) => topic)).toEqual(['orders', 'orders'])
})

test('a group of members with different topics gives each one the retries of its own', async () => {
  const { mq, disk, clock } = await openQueue()
  for (const topic of FORMS.slice(1)) mq.store.put({ topic, queueId: 0, body: Buffer.from(topic) })
  await mq.close()
  const again = await openQueue({}, { disk, clock })
  const got: string[] = []
  for (const topic of ['audit', 'orders']) {
    const group = { consumerGroup: 'billing', topicSets: 'independent', subscriptions: { [topic]: '*' } } as const
    await again.mq.pushConsumer({ ...group, messageListener: message => void got.push(`${topic}: ${message.topic}`) })
  }
  await settled()
  expect(got).toEqual(['orders: orders', 'orders: orders'])
})

test('a group that is called like another one and its topic together keeps its retries to itself', async () => {
  const { mq, clock } = await openQueue()
  await mq.producer().send({ topic: 'orders', body: 'x' })
  const attempts: number[] = []
  await mq.pushConsumer({
    ...{ consumerGroup: 'billing_orders', subscriptions: { orders: '*' } },
    messageListener: ({ deliveryAttempt }) => {
      attempts.push(deliveryAttempt)
      return deliveryAttempt === 1 ? { retryAfter: 0 } : undefined
    },
  })
  await settled()
  expect(attempts).toEqual([1, 2])
  const got: string[] = []
  await mq.pushConsumer({
    ...{ consumerGroup: 'billing', subscriptions: { orders: '*' } },
    messageListener: ({ topic, deliveryAttempt }) => void got.push(`${topic} ${deliveryAttempt}`),
  })
  await clock.advance(60_000)
  await settled()
  expect(got).toEqual(['orders 1'])
})
