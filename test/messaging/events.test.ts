import { describe, expect, test } from 'vitest'
import type { Logger } from '../../src/base/logger.ts'
import { Events } from '../../src/messaging/events.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { settled } from './consuming-bench.ts'
import { openQueue } from './queue-on-disk.ts'

const none = (): void => undefined

/** A logger, and what was told to it as an error or a warning. */
function listeningLogger(): { logger: Logger; told: { fields: Record<string, unknown>; text: string }[] } {
  const told: { fields: Record<string, unknown>; text: string }[] = []
  const note = (fields: object, text: string): void => void told.push({ fields: { ...fields }, text })
  return { logger: { debug: none, info: none, warn: note, error: note }, told }
}

describe('an error in the background', () => {
  test('without a listener goes to the logger, at most once a minute, with the number of those between', async () => {
    const clock = new ManualClock()
    const { logger, told } = listeningLogger()
    const events = new Events(clock, logger)
    for (let i = 0; i < 5; i++) events.emit('error', { where: 'here', error: new Error(`no ${i}`) })
    expect(told).toMatchObject([{ text: 'here: no 0', fields: { where: 'here', unlogged: 0 } }])
    await clock.advance(59_999)
    events.emit('error', { where: 'here', error: new Error('no 5') })
    expect(told).toHaveLength(1)
    await clock.advance(1)
    events.emit('error', { where: 'there', error: new Error('no 6') })
    expect(told.slice(1)).toMatchObject([{ text: 'there: no 6', fields: { unlogged: 5 } }])
  })

  test('goes to its listener alone; one that throws is logged, and a listener of another event that throws is an error event', () => {
    const { logger, told } = listeningLogger()
    const events = new Events(new ManualClock(), logger)
    const heard: string[] = []
    const stop = events.on('error', ({ where }) => {
      heard.push(where)
      if (where === 'here') throw new Error('the listener is broken')
    })
    events.on('store', () => {
      throw new Error('this one too')
    })
    events.emit('store', { name: 'x', details: {} })
    expect([heard, told]).toEqual([['a listener of store'], []])
    events.emit('error', { where: 'here', error: new Error('no') })
    expect(told).toMatchObject([{ text: 'a listener of error: the listener is broken' }])
    stop()
    expect(events.has('error')).toBe(false)
  })

  test('of a failed flush has the code, hint and retryable of the error a caller gets', async () => {
    const { mq, disk } = await openQueue()
    const errors: unknown[] = []
    mq.on('error', ({ error }) => errors.push(error))
    disk.inject({ operation: 'flush', path: 'commitlog/*', times: Number.POSITIVE_INFINITY, fault: { errno: 'EIO' } })
    const refused = mq.producer().send({ topic: 'orders', body: 'x' }, { durability: 'disk' })
    await expect(refused).rejects.toMatchObject({ code: 'POCKETMQ_STORE_FAILED' })
    expect(errors[0]).toMatchObject({
      code: 'POCKETMQ_STORE_FAILED',
      retryable: false,
      hint: expect.stringContaining('open it again'),
    })
  })
})

describe('an event says', () => {
  const subscribed = { consumerGroup: 'billing', subscriptions: { orders: 'paid' }, messageListener: none }

  test('that an expression matched none of the last thousand messages, once, until one matches', async () => {
    const { mq } = await openQueue()
    await mq.admin.createTopic({ topic: 'orders', queues: 1 })
    const said: unknown[] = []
    mq.on('subscription-matches-nothing', detail => said.push(detail))
    await mq.pushConsumer(subscribed)
    const producer = mq.producer()
    const fill = async (count: number, tag: string): Promise<void> => {
      for (let i = 0; i < count; i++) producer.sendOneway({ topic: 'orders', body: 'x', tag })
      await mq.store.dispatched(mq.store.watermarks.appended)
      for (let i = 0; i < 5; i++) await settled()
    }
    await fill(999, 'open')
    expect(said).toEqual([])
    await fill(600, 'open')
    expect(said).toMatchObject([{ group: 'billing', topic: 'orders', expression: 'paid' }])
    expect((said[0] as { messages: number }).messages).toBeGreaterThanOrEqual(1000)
    await fill(1500, 'open')
    expect(said).toHaveLength(1)
    await fill(1, 'paid')
    await fill(1100, 'open')
    expect(said).toHaveLength(2)
  })

  test('nothing of the kind about a group that takes everything', async () => {
    const { mq } = await openQueue()
    const said: unknown[] = []
    mq.on('subscription-matches-nothing', detail => said.push(detail))
    await mq.pushConsumer({ ...subscribed, subscriptions: { orders: '*' } })
    for (let i = 0; i < 1200; i++) mq.producer().sendOneway({ topic: 'orders', body: 'x' })
    for (let i = 0; i < 10; i++) await settled()
    expect(said).toEqual([])
  })

  test('which messages a group lost to retention before it read them, and what the engine below removed', async () => {
    const retention = { hours: 0, freeBytesMin: 0, keepUnconsumed: false }
    const { mq, clock } = await openQueue({ retention, commitLogSegmentBytes: 64 * 1024 })
    await mq.admin.createTopic({ topic: 'orders', queues: 1 })
    const said: unknown[] = []
    mq.on('offset-gap', detail => said.push(detail))
    const found: string[] = []
    mq.on('store', ({ name }) => found.push(name))
    const first = await mq.simpleConsumer({
      ...{ consumerGroup: 'billing', subscriptions: { orders: '*' } },
      awaitDuration: 0,
    })
    await first.close()
    const body = Buffer.alloc(16 * 1024)
    for (let i = 0; i < 20; i++) await mq.producer().send({ topic: 'orders', body })
    await mq.store.flush()
    await clock.advance(2 * 3_600_000)
    await settled()
    const lost = mq.store.queueRange('orders', 0)?.minQueueOffset ?? 0
    expect(lost).toBeGreaterThan(0)
    expect(found).toContain('segment-removed')
    const again = await mq.simpleConsumer({
      ...{ consumerGroup: 'billing', subscriptions: { orders: '*' } },
      awaitDuration: 0,
    })
    await again.receive(1)
    expect(said).toEqual([{ group: 'billing', topic: 'orders', queueId: 0, from: 0, to: lost, lost }])
  })

  test('that a consumer had messages longer than it may', async () => {
    const { mq, clock } = await openQueue()
    const said: unknown[] = []
    mq.on('lease-expired', detail => said.push(detail))
    const simple = await mq.simpleConsumer({
      ...{ consumerGroup: 'billing', subscriptions: { orders: '*' } },
      awaitDuration: 0,
      instanceName: 'web-1',
    })
    const { queueId } = await mq.producer().send({ topic: 'orders', body: 'x' })
    await settled()
    expect(await simple.receive(1, 10_000)).toHaveLength(1)
    await clock.advance(10_000)
    await settled()
    expect(said).toEqual([{ group: 'billing', topic: 'orders', queueId, clientId: 'web-1@billing', messages: 1 }])
  })

  test('that the device is nearly full', async () => {
    const { mq, disk, clock } = await openQueue({ retention: { freeBytesMin: 1024 * 1024 } })
    const said: unknown[] = []
    mq.on('disk-pressure', detail => said.push(detail))
    disk.freeBytes = 512 * 1024
    await clock.advance(60_000)
    await settled()
    expect(said[0]).toMatchObject({ freeBytesMin: 1024 * 1024, isTooFull: true })
  })
})
