import { describe, expect, test } from 'vitest'
import type { PullConsumerOptions } from '../../src/messaging/consumer-options.ts'
import type { PullConsumer } from '../../src/messaging/pull-consumer.ts'
import type { Bench } from './consuming-bench.ts'
import { openKit, settled } from './consuming-bench.ts'

const invalid = expect.objectContaining({ code: 'POCKETMQ_INVALID_ARGUMENT' })
const mismatch = expect.objectContaining({ code: 'POCKETMQ_SUBSCRIPTION_MISMATCH' })
const queueIds = (pull: PullConsumer): number[] => pull.assignment().map(queue => queue.queueId)

async function placesOf(pull: PullConsumer): Promise<string[]> {
  return (await pull.poll({ timeout: 0, maxMessageNum: 100 })).map(
    message => `${message.queueId}/${message.queueOffset}`,
  )
}

describe('a pull consumer that subscribes', () => {
  test('gets its share of the queues, and the shares change as others come and go', async () => {
    const { kit } = await openKit()
    await kit.fill(8, i => ({ queueId: i % 4 }))
    const a = await kit.consumers.pull({ consumerGroup: 'billing', instanceName: 'a' })
    await a.subscribe({ orders: '*' })
    expect(queueIds(a)).toEqual([0, 1, 2, 3])
    const b = await kit.consumers.pull({ consumerGroup: 'billing', instanceName: 'b', subscriptions: { orders: '*' } })
    expect([queueIds(a), queueIds(b)]).toEqual([
      [0, 1],
      [2, 3],
    ])
    expect([await placesOf(a), await placesOf(b)]).toEqual([
      ['0/0', '0/1', '1/0', '1/1'],
      ['2/0', '2/1', '3/0', '3/1'],
    ])
    await b.close()
    expect(queueIds(a)).toEqual([0, 1, 2, 3])
    // What was not committed there comes again here; what stayed here goes on where it was.
    expect(await placesOf(a)).toEqual(['2/0', '2/1', '3/0', '3/1'])
  })

  test('that waits gets what comes into a queue that has become its own', async () => {
    const { kit } = await openKit()
    await kit.fill(2, i => ({ queueId: 2 * i }))
    const a = await kit.consumers.pull({ consumerGroup: 'billing', instanceName: 'a', subscriptions: { orders: '*' } })
    const b = await kit.consumers.pull({ consumerGroup: 'billing', instanceName: 'b', subscriptions: { orders: '*' } })
    expect(await placesOf(a)).toEqual(['0/0'])
    const waiting = a.poll()
    await settled()
    await b.close()
    expect((await waiting).map(message => message.queueId)).toEqual([2])
  })

  test('gets a queue that its topic gets later, and a topic that is created later, from the first message', async () => {
    const { kit } = await openKit()
    const pull = await kit.consumers.pull({
      consumerGroup: 'billing',
      startFrom: 'last',
      subscriptions: { orders: '*' },
    })
    const waiting = pull.poll()
    await settled()
    await kit.fill(1)
    expect((await waiting).map(message => message.queueOffset)).toEqual([0])
    const again = pull.poll()
    await settled()
    await kit.fill(1, () => ({ queueId: 5 }))
    expect((await again).map(message => [message.queueId, message.queueOffset])).toEqual([[5, 0]])
  })

  test('gets what its expression matches, and the others count as polled', async () => {
    const { kit } = await openKit()
    await kit.fill(6, i => ({ tag: i % 2 === 0 ? 'paid' : 'open' }))
    const pull = await kit.consumers.pull({ consumerGroup: 'billing' })
    await pull.subscribe({ orders: 'paid' })
    expect((await pull.poll()).map(message => message.queueOffset)).toEqual([0, 2, 4])
    await pull.commit()
    expect(pull.committed({ topic: 'orders', queueId: 0 })).toBe(6)
  })

  test('goes on where its group committed, after a kill', async () => {
    const { kit, disk, clock } = await openKit()
    await kit.fill(5)
    const options = { consumerGroup: 'billing', subscriptions: { orders: '*' } }
    const pull = await kit.consumers.pull(options)
    await pull.poll({ maxMessageNum: 2 })
    await pull.commit()
    await pull.poll({ maxMessageNum: 2 })
    const again = await openKit({ disk: disk.kill(), clock })
    expect(await placesOf(await again.kit.consumers.pull(options))).toEqual(['0/2', '0/3', '0/4'])
  })

  test('does not assign, and one that assigns does not subscribe', async () => {
    const { kit } = await openKit()
    await kit.fill(1)
    const pull = await kit.consumers.pull({ consumerGroup: 'billing' })
    await expect(pull.subscribe({})).rejects.toEqual(invalid)
    await pull.subscribe({ orders: '*' })
    expect(() => pull.assign([{ topic: 'orders', queueId: 0 }])).toThrowError(invalid)
    const other = await kit.consumers.pull({ consumerGroup: 'shipping' })
    other.assign([{ topic: 'orders', queueId: 0 }])
    await expect(other.subscribe({ orders: '*' })).rejects.toEqual(invalid)
    expect(await placesOf(other)).toEqual(['0/0'])
  })

  test('has the subscription of its group, and is told when that becomes another', async () => {
    const { kit } = await openKit()
    await kit.fill(1)
    const subscriptions = { orders: 'paid' }
    const pull = await kit.consumers.pull({ consumerGroup: 'billing', instanceName: 'a', subscriptions })
    const other = await kit.consumers.pull({ consumerGroup: 'billing', instanceName: 'b' })
    await expect(other.subscribe({ orders: 'open' })).rejects.toEqual(mismatch)
    await other.close()
    const told = expect(pull.poll()).rejects.toEqual(mismatch)
    await settled()
    const more = { consumerGroup: 'billing', subscriptions: { orders: 'open' } }
    await kit.consumers.pull({ ...more, onSubscriptionMismatch: 'replace' })
    await told
  })

  test('can subscribe to something else, and ends its wait when it closes', async () => {
    const { kit } = await openKit()
    await kit.fill(2, i => ({ topic: i === 0 ? 'orders' : 'audit' }))
    const pull = await kit.consumers.pull({ consumerGroup: 'billing', onSubscriptionMismatch: 'replace' })
    await pull.subscribe({ orders: '*' })
    expect((await pull.poll()).map(message => message.topic)).toEqual(['orders'])
    await pull.subscribe({ audit: '*' })
    expect((await pull.poll()).map(message => message.topic)).toEqual(['audit'])
    const waiting = pull.poll()
    await pull.close()
    expect(await waiting).toEqual([])
  })
})

describe('a queue that goes to another pull consumer', () => {
  const options = { consumerGroup: 'billing', subscriptions: { orders: '*' } }
  const pair = async (
    more: Partial<PullConsumerOptions> = {},
  ): Promise<Bench & { a: PullConsumer; b: PullConsumer }> => {
    const bench = await openKit()
    await bench.kit.topics.create({ topic: 'orders', queues: 2 })
    await bench.kit.fill(8, i => ({ queueId: i % 2 }))
    const b = await bench.kit.consumers.pull({ ...options, ...more, instanceName: 'b' })
    await b.poll({ timeout: 0, maxMessageNum: 4 })
    const a = await bench.kit.consumers.pull({ ...options, ...more, instanceName: 'a' })
    return { ...bench, a, b }
  }

  test('waits for what was polled of it to be committed, and goes on behind that', async () => {
    const { a, b, kit, clock } = await pair()
    expect([queueIds(a), queueIds(b)]).toEqual([[], [1]])
    expect(await kit.core.progress({ clientId: 'test' }, 'billing')).toMatchObject({
      queues: [{ owner: 'b@billing' }, {}],
    })
    const waiting = a.poll({ maxMessageNum: 100 })
    await clock.advance(1000)
    // It gets no more of the queue meanwhile.
    expect(await placesOf(b)).toEqual(['1/0', '1/1', '1/2', '1/3'])
    await b.commit()
    expect(a.committed({ topic: 'orders', queueId: 0 })).toBe(4)
    await kit.fill(1)
    expect((await waiting).map(message => message.queueOffset)).toEqual([4])
    expect([queueIds(a), queueIds(b)]).toEqual([[0], [1]])
  })

  test('is taken after drainTimeout, comes again there, and its late commit counts for nothing', async () => {
    const { a, b, clock } = await pair({ drainTimeout: 5000 })
    await clock.advance(4999)
    expect(queueIds(a)).toEqual([])
    const waiting = a.poll({ maxMessageNum: 100 })
    await clock.advance(1)
    expect((await waiting).map(message => message.queueOffset)).toEqual([0, 1, 2, 3])
    await b.commit()
    expect(a.committed({ topic: 'orders', queueId: 0 })).toBe(0)
    await a.commit()
    expect(a.committed({ topic: 'orders', queueId: 0 })).toBe(4)
  })

  test('goes at once where nothing of it is open: all is committed, sought, or its consumer closes', async () => {
    const committing = await pair()
    const c = await committing.kit.consumers.pull({ ...options, instanceName: 'c' })
    await committing.b.commit()
    await committing.a.close()
    expect([queueIds(committing.b), queueIds(c)]).toEqual([[0], [1]])
    const seeking = await openKit()
    await seeking.kit.fill(4)
    const sought = await seeking.kit.consumers.pull({ ...options, instanceName: 'b' })
    await sought.poll({ timeout: 0 })
    sought.seek({ topic: 'orders', queueId: 0 }, 1)
    await sought.commit()
    const next = await seeking.kit.consumers.pull({ ...options, instanceName: 'a' })
    expect(await placesOf(next)).toEqual(['0/1', '0/2', '0/3'])
    const closing = await pair()
    await closing.b.close()
    expect(await placesOf(closing.a)).toHaveLength(8)
  })

  test('is given up by the next poll with autoCommit, which says that what was polled is done', async () => {
    const { a, b } = await pair({ autoCommit: true })
    expect(queueIds(a)).toEqual([])
    await b.poll({ timeout: 0 })
    expect([queueIds(a), a.committed({ topic: 'orders', queueId: 0 })]).toEqual([[0], 4])
  })

  test('stays, in its place, with a consumer that gets it back before the time is over', async () => {
    const { a, b, kit, clock } = await pair()
    await placesOf(b)
    await a.close()
    await clock.advance(20_000)
    expect(queueIds(b)).toEqual([0, 1])
    await kit.fill(1)
    expect(await placesOf(b)).toEqual(['0/4'])
    // And what it has of it then is waited for as before.
    const c = await kit.consumers.pull({ ...options, instanceName: 'a' })
    await clock.advance(9_999)
    expect(queueIds(c)).toEqual([])
    await clock.advance(1)
    expect(queueIds(c)).toEqual([0])
  })

  test('is free when its group is moved: what was polled before counts no longer', async () => {
    const { a, b, kit } = await pair()
    const to = { kind: 'offset', value: 2 } as const
    await kit.core.resetOffset({ clientId: 'test' }, { group: 'billing', topic: 'orders', queueId: 0, to })
    expect(queueIds(a)).toEqual([0])
    await b.commit()
    expect(await placesOf(a)).toEqual(['0/2', '0/3'])
  })
})
