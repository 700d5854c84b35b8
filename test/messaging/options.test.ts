/** Every option that is accepted acts; one that would not is refused, with a hint. */
import { describe, expect, test } from 'vitest'
import { settled } from './consuming-bench.ts'
import { openQueue } from './queue-on-disk.ts'

const BILLING = { consumerGroup: 'billing', subscriptions: { orders: '*' } }

function refused(option: string): unknown {
  return expect.objectContaining({
    code: 'POCKETMQ_INVALID_ARGUMENT',
    hint: expect.stringMatching(/./),
    details: expect.objectContaining({ option }),
  })
}

describe('an option with a misspelt name is refused', () => {
  const message = { topic: 'orders', body: 'x' }

  test('by send, sendBatch and sendOneway, and nothing is stored', async () => {
    const { mq } = await openQueue()
    const producer = mq.producer()
    const typo = { durabilty: 'disk' } as object
    await expect(producer.send(message, typo)).rejects.toEqual(refused('durabilty'))
    await expect(producer.sendBatch([message], typo)).rejects.toEqual(refused('durabilty'))
    expect(() => producer.sendOneway(message, typo)).toThrowError(refused('durabilty') as Error)
    expect(mq.store.queues().filter(({ topic }) => topic === 'orders')).toEqual([])
  })

  test('by administration, which would do more than it was asked for', async () => {
    const { mq } = await openQueue()
    const { admin } = mq
    await admin.createTopic({ topic: 'orders', queues: 2 })
    const consumer = await mq.simpleConsumer(BILLING)
    await consumer.close()
    const calls: readonly (readonly [string, Promise<unknown>])[] = [
      ['queue', admin.purge({ topic: 'orders', queue: 1 } as never)],
      ['queue', admin.resetOffset({ group: 'billing', topic: 'orders', queue: 1, to: 'last' } as never)],
      ['limit', admin.redrive({ group: 'billing', limit: 1 } as never)],
      ['limit', admin.deadLetters('billing', { limit: 1 } as never)],
      ['limit', admin.queryByKey('orders', 'k', { limit: 1 } as never)],
      ['offset', admin.peek({ topic: 'orders', queueId: 0, offset: 1 } as never)],
      ['timeout', admin.waitUntilEmpty('billing', { timeout: 1 } as never)],
      ['queueNums', admin.createTopic({ topic: 'news', queueNums: 8 } as never)],
      ['queueNums', admin.updateTopic({ topic: 'orders', queueNums: 8 } as never)],
    ]
    for (const [option, call] of calls) await expect(call).rejects.toEqual(refused(option))
  })

  test('by receive, nack, poll and tail', async () => {
    const { mq } = await openQueue()
    await mq.producer().send(message)
    const simple = await mq.simpleConsumer({ ...BILLING, awaitDuration: 0 })
    await expect(simple.receive(1, 1000, { timeout: 1 } as never)).rejects.toEqual(refused('timeout'))
    const [received] = await simple.receive(1)
    await expect(received?.nack({ delayMs: 1000 } as never)).rejects.toEqual(refused('delayMs'))
    const pull = await mq.pullConsumer({ consumerGroup: 'replay' })
    await expect(pull.poll({ max: 1 } as never)).rejects.toEqual(refused('max'))
    await expect(mq.tail('orders', { start: 'first' } as never).next()).rejects.toEqual(refused('start'))
  })
})

describe('a field that a message has not', () => {
  test.each(['tags', 'delayTimeLevel', 'shardingKey', 'priority'])(
    '%s is refused, for it would be lost',
    async field => {
      const { mq } = await openQueue()
      const message = { topic: 'orders', body: 'x', [field]: 5 }
      await expect(mq.producer().send(message)).rejects.toMatchObject({
        code: 'POCKETMQ_INVALID_ARGUMENT',
        hint: expect.stringContaining('messageGroup'),
        details: { field },
      })
    },
  )

  test('is fine without a value, and a message that was received is sent on as it is', async () => {
    const { mq } = await openQueue()
    const theirs = {
      topic: 'orders',
      body: 'x',
      tag: 't',
      keys: ['k'],
      properties: new Map([['a', 'b']]),
      priority: undefined,
    }
    await mq.producer().send(theirs)
    await settled()
    const simple = await mq.simpleConsumer({ ...BILLING, awaitDuration: 0 })
    const [received] = await simple.receive()
    await mq.producer().send(received as NonNullable<typeof received>)
    await settled()
    const [again] = await simple.receive()
    expect(again).toMatchObject({ topic: 'orders', tag: 't', keys: ['k'], properties: { a: 'b' } })
  })
})

describe('an option that means nothing for its consumer is refused', () => {
  const messageListener = (): void => undefined

  test.each([
    ['onExhausted', { onExhausted: 'block' }],
    ['assignment', { assignment: 'circle' }],
    ['assignment', { orderly: 'group', onExhausted: 'dlq', assignment: { queues: [] } }],
    ['drainTimeout', { drainTimeout: 1000 }],
  ] as const)('%s of %j, for messages are shared out one by one', async (option, options) => {
    const { mq } = await openQueue()
    await expect(mq.pushConsumer({ ...BILLING, messageListener, ...options })).rejects.toEqual(refused(option))
  })

  test('onExhausted, assignment and drainTimeout of an unordered simple consumer', async () => {
    const { mq } = await openQueue()
    await expect(mq.simpleConsumer({ ...BILLING, onExhausted: 'block' })).rejects.toEqual(refused('onExhausted'))
    await expect(mq.simpleConsumer({ ...BILLING, assignment: 'circle' })).rejects.toEqual(refused('assignment'))
    await expect(mq.simpleConsumer({ ...BILLING, drainTimeout: 1 })).rejects.toEqual(refused('drainTimeout'))
  })
})

test('a listener for an event that there is not is refused, with the names of those there are', async () => {
  const { mq } = await openQueue()
  expect(() => mq.on('deadletter' as never, () => undefined)).toThrowError(
    expect.objectContaining({ code: 'POCKETMQ_INVALID_ARGUMENT', hint: expect.stringContaining('dead-letter') }),
  )
})

test('a queue of another topic, or none, is no choice of selectQueue', async () => {
  const { mq } = await openQueue()
  const choices = [{ topic: 'news', queueId: 0 }, { topic: 'orders', queueId: 4 }, undefined as never]
  for (const choice of choices) {
    const sent = mq.producer().send({ topic: 'orders', body: 'x' }, { selectQueue: () => choice })
    await expect(sent).rejects.toMatchObject({ code: 'POCKETMQ_INVALID_ARGUMENT' })
  }
})
