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
    messageListener: ({ body, deliveryAttempt }) => void got.push(`${body} ${deliveryAttempt}`),
  })
  await settled()
  expect(got.sort()).toEqual([...FORMS.map(topic => `${topic} 3`), 'new 1'])
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
  for (const message of messages) await message.ack()
  expect((await again.mq.admin.groupProgress('billing')).lagMessages).toBe(0)
})
