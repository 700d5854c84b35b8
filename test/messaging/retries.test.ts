import { describe, expect, test } from 'vitest'
import { settled } from './consuming-bench.ts'
import { messagesOf, openQueue } from './queue-on-disk.ts'

const everything = { consumerGroup: 'billing', subscriptions: { orders: '*' } }
const SECOND = 1000
const MINUTE = 60 * SECOND
/** Half-second flushes through hours of a clock's time are most of what a test does. */
const FOR_HOURS = { flushIntervalMs: MINUTE }
/** RocketMQ's table from level 3 on: 4 h 45 min 40 s in all. */
const WAITS = [10, 30, 60, 120, 180, 240, 300, 360, 420, 480, 540, 600, 1200, 1800, 3600, 7200].map(s => s * SECOND)

describe('a message whose handler fails', () => {
  test("comes again on the times of RocketMQ's table, under its own topic and id, and is a dead letter when it fails after 16 retries", async () => {
    const { mq, clock } = await openQueue(FOR_HOURS)
    const tries: { atMs: number; attempt: number; topic: string; messageId: string }[] = []
    await mq.pushConsumer({
      ...everything,
      messageListener: ({ deliveryAttempt: attempt, topic, messageId }) => {
        tries.push({ atMs: clock.nowMs(), attempt, topic, messageId })
        throw new Error('never')
      },
    })
    const startMs = clock.nowMs()
    const { messageId } = await mq.producer().send({ topic: 'orders', body: 'x', tag: 'paid', keys: ['order-1'] })
    await settled()
    for (const waitMs of WAITS) {
      await clock.advance(waitMs - 1)
      const before = tries.length
      await clock.advance(1)
      await settled()
      expect(tries.length).toBe(before + 1)
    }
    expect(tries.map(one => one.attempt)).toEqual(Array.from({ length: 17 }, (_, i) => i + 1))
    expect(new Set(tries.map(one => `${one.topic} ${one.messageId}`))).toEqual(new Set([`orders ${messageId}`]))
    expect((tries.at(-1)?.atMs ?? 0) - startMs).toBe(((4 * 60 + 45) * 60 + 40) * SECOND)
    await clock.advance(3 * 60 * MINUTE)
    expect(tries).toHaveLength(17)
    const [dead] = await messagesOf(mq, '%DLQ%billing')
    expect(dead?.properties).toMatchObject({
      DLQ_ORIGIN_TOPIC: 'orders',
      TAGS: 'paid',
      KEYS: 'order-1',
      UNIQ_KEY: messageId,
    })
    expect(dead?.reconsumeTimes).toBe(17)
  })

  test('waits in the schedule topic as RocketMQ has it, with its origin in its properties', async () => {
    const { mq } = await openQueue()
    await mq.pushConsumer({ ...everything, messageListener: () => 'retry' })
    const { messageId, offsetMessageId } = await mq.producer().send({ topic: 'orders', body: 'x' })
    await settled()
    const [parked] = await messagesOf(mq, 'SCHEDULE_TOPIC_XXXX')
    expect(parked?.queueId).toBe(2)
    expect(parked?.properties).toMatchObject({
      REAL_TOPIC: '%RETRY%billing',
      REAL_QID: '0',
      DELAY: '3',
      RETRY_TOPIC: 'orders',
      ORIGIN_MESSAGE_ID: offsetMessageId,
      UNIQ_KEY: messageId,
      RECONSUME_TIME: '1',
      WAIT: 'false',
    })
    expect(parked?.reconsumeTimes).toBe(1)
  })

  test('does not hold back those behind it', async () => {
    const { mq } = await openQueue()
    const done: string[] = []
    await mq.pushConsumer({
      ...everything,
      concurrency: 1,
      messageListener: message => {
        if (message.body.toString() === 'bad') throw new Error('no')
        done.push(message.body.toString())
      },
    })
    const producer = mq.producer()
    for (const body of ['bad', 'a', 'b']) await producer.send({ topic: 'orders', body })
    await settled()
    expect(done).toEqual(['a', 'b'])
  })

  test('comes again after the waits its consumer chose, or that the handler asked for', async () => {
    const { mq, clock } = await openQueue()
    const startMs = clock.nowMs()
    const tries: number[] = []
    await mq.pushConsumer({
      ...everything,
      retryBackoff: [2000, 7000],
      messageListener: ({ deliveryAttempt }) => {
        tries.push(clock.nowMs() - startMs)
        return deliveryAttempt < 4 ? 'retry' : deliveryAttempt === 4 ? { retryAfter: 500 } : undefined
      },
    })
    await mq.producer().send({ topic: 'orders', body: 'x' })
    await settled()
    await clock.advance(60_000)
    await settled()
    expect(tries).toEqual([0, 2000, 9000, 16_000, 16_500])
  })

  test('is a dead letter at once where its handler says so', async () => {
    const { mq, clock } = await openQueue(FOR_HOURS)
    const letters: unknown[] = []
    mq.on('dead-letter', letter => letters.push(letter))
    let calls = 0
    await mq.pushConsumer({
      ...everything,
      messageListener: () => {
        calls++
        return 'dlq'
      },
    })
    const { messageId } = await mq.producer().send({ topic: 'orders', body: 'x' })
    await settled()
    await clock.advance(3 * 60 * MINUTE)
    expect([calls, letters]).toEqual([1, [{ group: 'billing', topic: 'orders', messageId, attempts: 1 }]])
  })

  test("counts ConsumeResult.FAILURE of RocketMQ's client as a failure", async () => {
    const { mq, clock } = await openQueue()
    const attempts: number[] = []
    await mq.pushConsumer({
      ...everything,
      messageListener: {
        consume: message => {
          attempts.push(message.deliveryAttempt)
          return { name: message.deliveryAttempt === 1 ? 'FAILURE' : 'SUCCESS' }
        },
      },
    })
    await mq.producer().send({ topic: 'orders', body: 'x' })
    await settled()
    await clock.advance(60_000)
    await settled()
    expect(attempts).toEqual([1, 2])
  })

  test('is there once after a kill at any moment of its retry', async () => {
    const { mq, disk, clock } = await openQueue(FOR_HOURS)
    await mq.pushConsumer({ ...everything, messageListener: () => 'retry' })
    await mq.producer().send({ topic: 'orders', body: 'x' })
    await settled()
    // The copy is parked; the message it settles must not come again beside it.
    const parked = await openQueue(FOR_HOURS, { disk: disk.kill(), clock })
    const attempts: number[] = []
    await parked.mq.pushConsumer({
      ...everything,
      messageListener: ({ deliveryAttempt }) => void attempts.push(deliveryAttempt),
    })
    await settled()
    expect(attempts).toEqual([])
    await clock.advance(10_000)
    await settled()
    expect(attempts).toEqual([2])
    const done = await openQueue(FOR_HOURS, { disk: parked.disk.kill(), clock })
    await done.mq.pushConsumer({
      ...everything,
      messageListener: ({ deliveryAttempt }) => void attempts.push(deliveryAttempt),
    })
    await clock.advance(3 * 60 * MINUTE)
    expect(attempts).toEqual([2])
  })

  test('is settled by its copy even where our own offset table is lost', async () => {
    const { mq, disk, clock } = await openQueue()
    await mq.pushConsumer({ ...everything, messageListener: () => 'retry' })
    await mq.producer().send({ topic: 'orders', body: 'x' })
    await settled()
    await mq.store.flush()
    await clock.advance(5000)
    const bare = disk.kill()
    for (const path of bare.paths()) if (path.startsWith('/queue/pocketmq/offsets')) await bare.remove(path)
    const again = await openQueue(FOR_HOURS, { disk: bare, clock })
    const attempts: number[] = []
    await again.mq.pushConsumer({
      ...everything,
      messageListener: ({ deliveryAttempt }) => void attempts.push(deliveryAttempt),
    })
    await clock.advance(60_000)
    await settled()
    expect(attempts).toEqual([2])
  })

  test('of a simple consumer that gives it back comes through the retry topic without a wait', async () => {
    const { mq } = await openQueue()
    const simple = await mq.simpleConsumer({ ...everything, awaitDuration: 0 })
    await mq.producer().send({ topic: 'orders', body: 'x' })
    await settled()
    const [message] = await simple.receive()
    await message?.nack()
    const [again] = await simple.receive()
    expect([again?.deliveryAttempt, again?.receiptHandle.split(' ')[4]]).toEqual([2, '1'])
    expect((await messagesOf(mq, '%RETRY%billing'))[0]?.reconsumeTimes).toBe(1)
  })
})
