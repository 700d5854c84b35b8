/**
 * Production problem 4: a topic or queue that no consumer is registered for.
 *
 * In RocketMQ a client can be registered with one broker and not with another, or with none at all: messages pile up where
 * nobody looks, and the first to notice is whoever misses them.
 *
 * Here one folder is the whole registry. A topic with messages and without a group, a group with messages and without a live member,
 * a queue that is none of its group's members', and an expression that matches nothing are said: as events, and the first two
 * whenever somebody asks for `health`.
 */
import { expect, test } from 'vitest'
import { nextTurn } from '../../src/base/turns.ts'
import { openQueue } from '../messaging/queue-on-disk.ts'

const MINUTE_MS = 60_000

async function turns(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await nextTurn()
}

test('a topic that nobody consumes is said, once, and in health', async () => {
  const { mq, clock } = await openQueue()
  const said: string[] = []
  mq.on('topic-unconsumed', ({ topic }) => said.push(topic))
  await mq.producer().send({ topic: 'forgotten', body: 'x' })
  await turns()
  await clock.advance(10 * MINUTE_MS)
  expect(said).toEqual(['forgotten'])
  const { status, findings } = await mq.admin.health()
  expect(status).toBe('attention')
  expect(findings.join()).toContain('forgotten')
})

test('a group whose last member left while messages wait is said, and no more once somebody is back', async () => {
  const { mq, clock } = await openQueue()
  const said: string[] = []
  mq.on('group-absent', ({ group, lag }) => said.push(`${group} ${lag}`))
  const options = { consumerGroup: 'billing', subscriptions: { orders: '*' }, messageListener: () => undefined }
  const consumer = await mq.pushConsumer(options)
  await mq.producer().send({ topic: 'orders', body: '1' })
  await turns()
  await consumer.close()
  for (let i = 0; i < 3; i++) await mq.producer().send({ topic: 'orders', body: `${i}` })
  await turns()
  await clock.advance(10 * MINUTE_MS)
  expect(said[0]).toBe('billing 3')
  expect((await mq.admin.health()).status).toBe('attention')
  await mq.pushConsumer(options)
  await turns()
  expect(await mq.admin.health()).toEqual({ status: 'ok', findings: [] })
})

test('a queue that none of its group is there for is said, until somebody takes it', async () => {
  const { mq } = await openQueue()
  await mq.admin.createTopic({ topic: 'orders', queues: 3 })
  const said: number[] = []
  mq.on('queue-unassigned', ({ queueId }) => said.push(queueId))
  const got: number[] = []
  const owner = (...queueIds: number[]): Promise<unknown> =>
    mq.pushConsumer({
      consumerGroup: 'billing',
      subscriptions: { orders: '*' },
      orderly: true,
      onExhausted: 'block',
      assignment: { queues: queueIds.map(queueId => ({ topic: 'orders', queueId })) },
      messageListener: message => void got.push(message.queueId),
    })
  await owner(0, 1)
  await turns()
  expect(said).toEqual([2])
  const producer = mq.producer()
  for (const queueId of [0, 1, 2]) await producer.send({ topic: 'orders', body: 'x' }, { queueId })
  await turns()
  expect(got.sort()).toEqual([0, 1])
  await owner(2)
  await turns()
  expect([got.sort(), said]).toEqual([[0, 1, 2], [2]])
})

test('an expression that matches nothing is said: the group is there, and yet nobody gets the messages', async () => {
  const { mq } = await openQueue()
  const said: unknown[] = []
  mq.on('subscription-matches-nothing', ({ topic, expression }) => said.push([topic, expression]))
  await mq.pushConsumer({
    consumerGroup: 'billing',
    subscriptions: { orders: 'payed' },
    messageListener: () => undefined,
  })
  const producer = mq.producer()
  for (let i = 0; i < 4100; i++) producer.sendOneway({ topic: 'orders', body: `${i}`, tag: 'paid' })
  await mq.admin.waitUntilEmpty('billing')
  expect(said).toEqual([['orders', 'payed']])
})
