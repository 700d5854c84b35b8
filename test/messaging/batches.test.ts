import { describe, expect, test } from 'vitest'
import type { MessageView } from '../../src/messaging/message-view.ts'
import { latch, openKit, settled } from './consuming-bench.ts'
import type { Bench } from './queue-on-disk.ts'
import { openQueue } from './queue-on-disk.ts'

const everything = { consumerGroup: 'billing', subscriptions: { orders: '*' } }
const offsetsOf = (messages: readonly MessageView[]): number[] => messages.map(message => message.queueOffset)

/** A whole queue with so many messages in one queue of a topic. */
async function openOrders(count: number): Promise<Bench> {
  const bench = await openQueue()
  await bench.mq.admin.createTopic({ topic: 'orders', queues: 1 })
  const producer = bench.mq.producer()
  for (let i = 0; i < count; i++) await producer.send({ topic: 'orders', body: `${i}` })
  return bench
}

describe('a batch listener', () => {
  test('gets what there is, up to batchSize messages at a time, and returning acknowledges all of them', async () => {
    const { kit } = await openKit()
    await kit.fill(10)
    const batches: number[][] = []
    await kit.consumers.push({
      ...everything,
      batchSize: 4,
      concurrency: 1,
      batchListener: messages => void batches.push(offsetsOf(messages)),
    })
    await settled()
    expect(batches).toEqual([
      [0, 1, 2, 3],
      [4, 5, 6, 7],
      [8, 9],
    ])
    expect(kit.offsets.offset('billing', 'orders', 0)).toBe(10)
  })

  test('gets messages of several queues together', async () => {
    const { kit } = await openKit()
    await kit.fill(8, i => ({ queueId: i % 4 }))
    const sizes: number[] = []
    await kit.consumers.push({ ...everything, batchListener: messages => void sizes.push(messages.length) })
    await settled()
    expect(sizes).toEqual([8])
  })

  test('runs `concurrency` times at once', async () => {
    const { kit } = await openKit()
    await kit.fill(10)
    const gate = latch()
    const batches: number[][] = []
    const consumer = await kit.consumers.push({
      ...everything,
      batchSize: 2,
      concurrency: 3,
      batchListener: async messages => {
        batches.push(offsetsOf(messages))
        await gate.promise
      },
    })
    await settled()
    expect([batches.length, consumer.inFlight]).toEqual([3, 3])
    gate.open()
    await settled()
    expect(batches.flat()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  test('with an ackIndex keeps what it acknowledged, and the others come again', async () => {
    const { mq, clock } = await openOrders(5)
    const batches: number[][] = []
    await mq.pushConsumer({
      ...everything,
      batchListener: messages => {
        batches.push(messages.map(message => Number(message.body)))
        return batches.length === 1 ? { ackIndex: 2, retryAfter: 1000 } : undefined
      },
    })
    await settled()
    await clock.advance(1001)
    await settled()
    expect(batches[0]).toEqual([0, 1, 2, 3, 4])
    expect(batches.slice(1).flat()).toEqual([3, 4])
    expect(await mq.admin.groupProgress('billing')).toMatchObject({ lagMessages: 0 })
  })

  test('says for each message what becomes of it', async () => {
    const { mq, clock } = await openOrders(3)
    const batches: number[][] = []
    await mq.pushConsumer({
      ...everything,
      batchListener: messages => {
        batches.push(messages.map(message => Number(message.body)))
        return [undefined, 'dlq', { retryAfter: 500 }]
      },
    })
    await settled()
    expect(batches).toEqual([[0, 1, 2]])
    expect((await mq.admin.deadLetters('billing')).map(letter => `${letter.body}`)).toEqual(['1'])
    await clock.advance(501)
    await settled()
    expect(batches).toEqual([[0, 1, 2], [2]])
  })

  test('that throws, or takes too long, lets all its messages come again, and it is said of each', async () => {
    const { mq, clock } = await openOrders(2)
    const said: string[] = []
    mq.on('handler-failed', ({ attempt }) => said.push(`failed ${attempt}`))
    mq.on('handler-timeout', ({ afterMs }) => said.push(`timeout ${afterMs}`))
    const sizes: number[] = []
    let signal: AbortSignal | undefined
    await mq.pushConsumer({
      ...everything,
      consumeTimeout: 1000,
      batchListener: (messages, context) => {
        sizes.push(messages.length)
        const attempt = messages[0]?.deliveryAttempt
        if (attempt === 1) throw new Error('no')
        if (attempt !== 2) return undefined
        signal = context.signal
        return new Promise(() => undefined)
      },
    })
    await settled()
    expect([sizes, said]).toEqual([[2], ['failed 1', 'failed 1']])
    await clock.advance(11_000)
    await settled()
    expect(signal?.reason).toMatchObject({ code: 'POCKETMQ_TIMEOUT' })
    expect(said.slice(2)).toEqual(['timeout 1000', 'timeout 1000'])
    await clock.advance(40_000)
    await settled()
    expect(sizes.reduce((sum, size) => sum + size)).toBe(6)
    expect(await mq.admin.groupProgress('billing')).toMatchObject({ lagMessages: 0 })
  })

  test('in order gets one batch of a queue at a time, and a failed one again before any later message', async () => {
    const { kit, clock } = await openKit()
    await kit.fill(5)
    const batches: number[][] = []
    await kit.consumers.push({
      ...everything,
      orderly: true,
      onExhausted: 'block',
      batchSize: 2,
      batchListener: messages => {
        batches.push(offsetsOf(messages))
        return batches.length === 2 ? { ackIndex: 0 } : undefined
      },
    })
    await settled()
    expect(batches).toEqual([
      [0, 1],
      [2, 3],
    ])
    await clock.advance(1000)
    await settled()
    expect(batches.slice(2).flat()).toEqual([3, 4])
    expect(kit.offsets.offset('billing', 'orders', 0)).toBe(5)
  })

  test('stands in place of a messageListener, and only it takes a batchSize', async () => {
    const { kit } = await openKit()
    const invalid = expect.objectContaining({ code: 'POCKETMQ_INVALID_ARGUMENT' })
    const [one, several] = [{ messageListener: () => undefined }, { batchListener: () => undefined }]
    const wrong = [{ ...one, ...several }, {}, { ...one, batchSize: 2 }, { ...several, batchSize: 0 }]
    for (const options of wrong)
      await expect(kit.consumers.push({ ...everything, ...options } as never)).rejects.toEqual(invalid)
    await kit.consumers.push({ ...everything, ...one, batchSize: 1 })
  })
})
