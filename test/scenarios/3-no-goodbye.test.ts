/**
 * Production problem 3: a consumer goes without a goodbye.
 *
 * In RocketMQ a killed consumer stays a member until its connection is seen to be dead, up to 120 s; until then its share of
 * the queues belongs to nobody, and ordered queues stay locked for it for another 60 s.
 *
 * Here the end of a consumer is an event. Closed, hung past its timeout, or gone with its process: what it held goes to the
 * others at once, and the group's members are those who are there.
 */
import { expect, test } from 'vitest'
import { nextTurn } from '../../src/base/turns.ts'
import type { MessageView } from '../../src/index.ts'
import { openQueue } from '../messaging/queue-on-disk.ts'

const BILLING = { consumerGroup: 'billing', subscriptions: { orders: '*' } }

async function turns(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await nextTurn()
}

function never(): Promise<never> {
  return new Promise(() => undefined)
}

test('closed abruptly: what it had in its hands is handled by the other one at once', async () => {
  const { mq } = await openQueue()
  const producer = mq.producer()
  const held: string[] = []
  const gone = await mq.pushConsumer({
    ...BILLING,
    messageListener: message => {
      held.push(message.messageId)
      return never()
    },
  })
  for (let i = 0; i < 8; i++) await producer.send({ topic: 'orders', body: `${i}` })
  await turns()
  expect(held).toHaveLength(8)
  const got: string[] = []
  await mq.pushConsumer({ ...BILLING, messageListener: message => void got.push(message.messageId) })
  await gone.close({ drainMs: 0 })
  await turns()
  expect(got.sort()).toEqual(held.sort())
  expect(await mq.admin.consumers('billing')).toHaveLength(1)
})

test('closed abruptly: its ordered queues go on with the next owner, from the message that was not done', async () => {
  const { mq } = await openQueue()
  await mq.admin.createTopic({ topic: 'orders', queues: 2, type: 'FIFO' })
  const ordered = { ...BILLING, orderly: true, onExhausted: 'block' } as const
  const gone = await mq.pushConsumer({ ...ordered, messageListener: never })
  const producer = mq.producer()
  for (let i = 0; i < 10; i++) await producer.send({ topic: 'orders', body: `${i}`, messageGroup: `customer-${i % 4}` })
  await turns()
  const got: MessageView[] = []
  await mq.pushConsumer({ ...ordered, messageListener: message => void got.push(message) })
  await gone.close({ drainMs: 0 })
  await turns()
  expect(got).toHaveLength(10)
  for (const queueId of [0, 1]) {
    const offsets = got.filter(message => message.queueId === queueId).map(message => message.queueOffset)
    expect(offsets).toEqual([...offsets].sort((a, b) => a - b))
  }
})

test('hung: a handler that runs past its timeout is aborted, and its message comes again', async () => {
  const { mq, clock } = await openQueue()
  let isAborted = false
  const attempts: number[] = []
  await mq.pushConsumer({
    ...BILLING,
    consumeTimeout: 60_000,
    messageListener: async (message, { signal }) => {
      attempts.push(message.deliveryAttempt)
      if (message.deliveryAttempt > 1) return
      await new Promise<void>(resolve => {
        signal.addEventListener('abort', () => {
          isAborted = true
          resolve()
        })
      })
      throw new Error('given up')
    },
  })
  await mq.producer().send({ topic: 'orders', body: 'slow' })
  await turns()
  expect(attempts).toEqual([1])
  await clock.advance(60_000)
  expect(isAborted).toBe(true)
  await clock.advance(60_000)
  await turns()
  expect(attempts).toEqual([1, 2])
})

test("hung: what a simple consumer received and forgot is another one's when its time is over, and its late ack ends nothing", async () => {
  const { mq, clock } = await openQueue()
  const patient = { ...BILLING, awaitDuration: 60_000 }
  const [hung, other] = [await mq.simpleConsumer(patient), await mq.simpleConsumer(patient)]
  await mq.producer().send({ topic: 'orders', body: 'forgotten' })
  const [held] = await hung.receive(1, 30_000)
  let got: MessageView | undefined
  const waiting = other.receive(1, 30_000).then(([message]) => {
    got = message
  })
  await clock.advance(29_999)
  await turns()
  expect(got).toBeUndefined()
  await clock.advance(1)
  await waiting
  expect([got?.messageId, got?.deliveryAttempt]).toEqual([held?.messageId, 2])
  await expect(held?.ack()).rejects.toMatchObject({ code: 'POCKETMQ_INVALID_RECEIPT_HANDLE' })
})

test('hung in order: its queue waits for it no longer than its timeout, and moves on when it is closed', async () => {
  const { mq, clock } = await openQueue()
  await mq.admin.createTopic({ topic: 'orders', queues: 1, type: 'FIFO' })
  const ordered = { ...BILLING, orderly: true, onExhausted: 'block', consumeTimeout: 60_000 } as const
  const attempts: number[] = []
  const hung = await mq.pushConsumer({
    ...ordered,
    messageListener: message => {
      attempts.push(message.deliveryAttempt)
      return never()
    },
  })
  for (let i = 0; i < 3; i++) await mq.producer().send({ topic: 'orders', body: `${i}`, messageGroup: 'a' })
  await clock.advance(62_000)
  await turns()
  expect(attempts).toEqual([1, 2])
  const got: string[] = []
  await mq.pushConsumer({ ...ordered, messageListener: message => void got.push(message.body.toString()) })
  await hung.close({ drainMs: 0 })
  await turns()
  expect(got).toEqual(['0', '1', '2'])
})

test('gone with its process: the folder is opened again, only what was in work repeats, and nobody is online', async () => {
  const { mq, disk, clock } = await openQueue()
  const producer = mq.producer()
  const done: string[] = []
  const held: string[] = []
  await mq.pushConsumer({
    ...BILLING,
    concurrency: 4,
    messageListener: message => {
      const body = message.body.toString()
      if (Number(body) % 5 === 0) {
        held.push(body)
        return never()
      }
      done.push(body)
    },
  })
  for (let i = 0; i < 20; i++) await producer.send({ topic: 'orders', body: `${i}` }, { durability: 'disk' })
  await turns()
  const after = await openQueue({}, { disk: disk.kill(), clock })
  expect(await after.mq.admin.consumers('billing')).toEqual([])
  const again: string[] = []
  await after.mq.pushConsumer({ ...BILLING, messageListener: message => void again.push(message.body.toString()) })
  await turns()
  const rest = Array.from({ length: 20 }, (_, i) => `${i}`).filter(body => !done.includes(body))
  expect(again.sort()).toEqual(rest.sort())
  expect(again).toEqual(expect.arrayContaining(held))
})
