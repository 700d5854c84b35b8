import { describe, expect, test } from 'vitest'
import type { PocketMQ } from '../../src/messaging/pocket-mq.ts'
import { settled } from './consuming-bench.ts'
import { openQueue } from './queue-on-disk.ts'

/** Sends bodies to queue 0 of `orders`. */
async function send(mq: PocketMQ, ...bodies: string[]): Promise<void> {
  for (const body of bodies) await mq.producer().send({ topic: 'orders', body }, { queueId: 0, durability: 'disk' })
  await settled()
}

/** Bodies a group gets. */
async function received(mq: PocketMQ, consumerGroup: string, startFrom: 'first' | number = 'first'): Promise<string[]> {
  const options = { consumerGroup, subscriptions: { orders: '*' }, awaitDuration: 0, startFrom }
  const simple = await mq.simpleConsumer(options)
  const messages = await simple.receive(32)
  await simple.close()
  return messages.map(message => message.body.toString())
}

describe('what was purged', () => {
  test('is not delivered to a group that comes later, whatever it starts from, nor after a kill or a power cut', async () => {
    const { mq, disk, clock } = await openQueue()
    await mq.admin.createTopic({ topic: 'orders', queues: 1 })
    await send(mq, 'a', 'b')
    expect(await mq.admin.purge({ topic: 'orders' })).toEqual({ groups: [], queues: [{ queueId: 0, messages: 2 }] })
    await send(mq, 'c')
    expect(await received(mq, 'late')).toEqual(['c'])
    expect(await received(mq, 'since', 0)).toEqual(['c'])
    for (const image of [disk.kill(), disk.powerCut(5)]) {
      const { mq: after } = await openQueue({}, { disk: image, clock })
      expect(await received(after, 'later')).toEqual(['c'])
      expect(await after.admin.resetOffset({ group: 'later', topic: 'orders', to: 'first' })).toMatchObject({
        queues: [{ to: 2 }],
      })
      const below = after.admin.resetOffset({ group: 'later', topic: 'orders', to: 1 })
      await expect(below).rejects.toMatchObject({ code: 'POCKETMQ_INVALID_ARGUMENT' })
      expect(await after.admin.purge({ topic: 'orders' })).toMatchObject({ queues: [{ messages: 1 }] })
      await after.close()
    }
  })

  test('is gone for a pull consumer that seeks to the beginning, and for a tail', async () => {
    const { mq } = await openQueue()
    await mq.admin.createTopic({ topic: 'orders', queues: 1 })
    await send(mq, 'a', 'b')
    await mq.admin.purge({ topic: 'orders', queueId: 0 })
    await send(mq, 'c')
    const pull = await mq.pullConsumer({ consumerGroup: 'reports' })
    const queue = { topic: 'orders', queueId: 0 }
    pull.assign([queue])
    pull.seekToBegin(queue)
    expect((await pull.poll({ timeout: 0 })).map(message => message.body.toString())).toEqual(['c'])
    for await (const message of mq.tail('orders', { from: 'first' })) {
      expect(message.body.toString()).toBe('c')
      break
    }
  })

  test('is skipped by groups that are there, each instance of a broadcast too, and counts as nothing', async () => {
    const { mq } = await openQueue()
    await mq.admin.createTopic({ topic: 'orders', queues: 1 })
    const common = { subscriptions: { orders: '*' }, messageListener: () => undefined }
    const shared = await mq.pushConsumer({ ...common, consumerGroup: 'shared' })
    const each = { ...common, consumerGroup: 'each', mode: 'broadcasting', instanceName: 'web-1' } as const
    const instance = await mq.pushConsumer(each)
    await Promise.all([shared.close(), instance.close()])
    await send(mq, 'a', 'b')
    expect((await mq.admin.purge({ topic: 'orders' })).groups).toEqual(['each', 'shared'])
    await send(mq, 'c')
    const got: string[] = []
    for (const options of [{ ...common, consumerGroup: 'shared' }, each]) {
      await mq.pushConsumer({ ...options, messageListener: message => void got.push(message.body.toString()) })
    }
    await settled()
    expect(got).toEqual(['c', 'c'])
  })

  test('of a topic that is deleted and comes again says nothing about the new one', async () => {
    const { mq } = await openQueue()
    await mq.admin.createTopic({ topic: 'orders', queues: 1 })
    await send(mq, 'a')
    await mq.admin.purge({ topic: 'orders' })
    await mq.admin.deleteTopic('orders')
    await mq.admin.createTopic({ topic: 'orders', queues: 1 })
    await send(mq, 'b')
    expect(await received(mq, 'late')).toEqual(['b'])
  })

  test('of dead letters is neither listed nor sent back', async () => {
    const { mq } = await openQueue()
    await mq.admin.createTopic({ topic: 'orders', queues: 1 })
    const failing = { consumerGroup: 'g', subscriptions: { orders: '*' }, messageListener: () => 'dlq' }
    await mq.pushConsumer(failing)
    await send(mq, 'a', 'b')
    await settled()
    expect(await mq.admin.deadLetters('g')).toHaveLength(2)
    await mq.admin.purge({ topic: '%DLQ%g' })
    expect(await mq.admin.deadLetters('g')).toEqual([])
    expect(await mq.admin.redrive({ group: 'g' })).toEqual({ redriven: 0, left: 0 })
  })
})

describe('waitUntilEmpty', () => {
  test.each([
    ["RocketMQ's levels", undefined, 10_000],
    ['a table of its own', [7000], 7000],
  ])('waits for a failed message that will be tried again, by %s', async (_name, retryBackoff, waitMs) => {
    const { mq, clock } = await openQueue()
    let tries = 0
    await mq.pushConsumer({
      consumerGroup: 'g',
      subscriptions: { orders: '*' },
      retryBackoff,
      messageListener: () => (++tries === 1 ? 'retry' : undefined),
    })
    await send(mq, 'a')
    // Delayed messages of others are none of the group's.
    await mq.producer().send({ topic: 'elsewhere', body: 'later', delayLevel: 18 })
    await mq.producer().send({ topic: 'orders', body: 'later', delay: 3_600_000 })
    let isEmpty = false
    const waiting = mq.admin.waitUntilEmpty('g').then(() => {
      isEmpty = true
    })
    await clock.advance(waitMs - 1)
    await settled()
    expect([tries, isEmpty]).toEqual([1, false])
    await clock.advance(1)
    await waiting
    expect(tries).toBe(2)
  })

  test('waits for a message that is being handled', async () => {
    const { mq } = await openQueue()
    const simple = await mq.simpleConsumer({ consumerGroup: 'g', subscriptions: { orders: '*' }, awaitDuration: 0 })
    await send(mq, 'a')
    const [message] = await simple.receive()
    let isEmpty = false
    const waiting = mq.admin.waitUntilEmpty('g').then(() => {
      isEmpty = true
    })
    await settled()
    expect(isEmpty).toBe(false)
    await message?.ack()
    await waiting
  })
})
