/**
 * Production problem 4: a topic or queue that no consumer is registered for.
 *
 * In RocketMQ a client can be registered with one broker and not with another, or with none at all: messages pile up where
 * nobody looks, and the first to notice is whoever misses them.
 *
 * Here one folder is the whole registry. A topic with messages and without a group, and a group with messages and without a
 * live member, are said: as events, and whenever somebody asks for `health`.
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
