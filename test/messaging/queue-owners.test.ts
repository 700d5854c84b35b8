import { describe, expect, test } from 'vitest'
import type { AssignmentOption } from '../../src/messaging/assignment-settings.ts'
import type { ClientEvent, ConsumerRegistration } from '../../src/messaging/core-types.ts'
import type { MessageView } from '../../src/messaging/message-view.ts'
import type { PushConsumer } from '../../src/messaging/push-consumer.ts'
import type { Bench } from './consuming-bench.ts'
import { latch, openKit, settled } from './consuming-bench.ts'

const everything = { consumerGroup: 'billing', subscriptions: { orders: '*' } }
const inOrder = { ...everything, orderly: true, onExhausted: 'dlq' } as const

/** A member that notes what it gets as `name:queue/offset`. */
async function member(
  { kit }: Bench,
  name: string,
  seen: string[],
  more: { assignment?: AssignmentOption; drainTimeout?: number; hold?: (message: MessageView) => unknown } = {},
): Promise<PushConsumer> {
  const { hold, ...options } = more
  return await kit.consumers.push({
    ...inOrder,
    ...options,
    instanceName: name,
    messageListener: message => {
      seen.push(`${name}:${message.queueId}/${message.queueOffset}`)
      return hold?.(message)
    },
  })
}

/** Who owns queue 0, 1, ... of `orders`, by instance name. */
async function owners({ kit }: Bench, group = 'billing'): Promise<(string | undefined)[]> {
  const { queues } = await kit.core.progress({ clientId: 'test' }, group)
  return queues.filter(({ topic }) => topic === 'orders').map(({ owner }) => owner?.split('@')[0])
}

describe('a queue that goes to a member that joins', () => {
  test('goes at once when the message that is being handled ends; the rest of what its owner had goes to the new one', async () => {
    const bench = await openKit()
    const { kit } = bench
    const gate = latch()
    const seen: string[] = []
    await member(bench, 'a', seen, { hold: message => (message.queueOffset === 0 ? gate.promise : undefined) })
    await kit.fill(6, i => ({ queueId: i % 2 }))
    await settled()
    await member(bench, 'b', seen)
    await settled()
    expect(seen.sort()).toEqual(['a:0/0', 'a:1/0'])
    gate.open()
    await settled()
    expect(seen.filter(one => one.startsWith('b'))).toEqual(['b:1/1', 'b:1/2'])
    expect(seen.filter(one => one.startsWith('a')).sort()).toEqual(['a:0/0', 'a:0/1', 'a:0/2', 'a:1/0'])
    expect([kit.offsets.offset('billing', 'orders', 0), kit.offsets.offset('billing', 'orders', 1)]).toEqual([3, 3])
  })

  test('is taken away when its owner is not done within drainTimeout, and what that one says afterwards ends nothing', async () => {
    const bench = await openKit()
    const { kit, clock } = bench
    const gate = latch()
    const seen: string[] = []
    await member(bench, 'a', seen, {
      drainTimeout: 5000,
      hold: ({ queueId }) => (queueId === 1 ? gate.promise : undefined),
    })
    await kit.fill(4, i => ({ queueId: i % 2 }))
    await settled()
    await member(bench, 'b', seen, { hold: () => new Promise(() => undefined) })
    await clock.advance(4999)
    await settled()
    expect(seen.filter(one => one.startsWith('b'))).toEqual([])
    await clock.advance(1)
    await settled()
    expect(seen.filter(one => one.startsWith('b'))).toEqual(['b:1/0'])
    gate.open()
    await settled()
    expect(kit.offsets.offset('billing', 'orders', 1)).toBe(0)
    expect(seen.filter(one => one === 'a:1/1')).toEqual([])
  })

  test('stays with its owner where that gets it back before the time is over', async () => {
    const bench = await openKit()
    const { kit, clock } = bench
    const gate = latch()
    const seen: string[] = []
    await member(bench, 'a', seen, { hold: ({ queueId }) => (queueId === 1 ? gate.promise : undefined) })
    await kit.fill(4, i => ({ queueId: i % 2 }))
    await settled()
    const b = await member(bench, 'b', seen)
    await b.close()
    await clock.advance(20_000)
    gate.open()
    await settled()
    expect(seen.sort()).toEqual(['a:0/0', 'a:0/1', 'a:1/0', 'a:1/1'])
  })
})

describe('a strategy', () => {
  test('can be chosen: averaged by default, circle, consistent-hash, lists of queues, or a function', async () => {
    const chosen: [AssignmentOption | undefined, (string | undefined)[]][] = [
      [undefined, ['a', 'a', 'b', 'b']],
      ['circle', ['a', 'b', 'a', 'b']],
      [
        (queues, [first, second]) => ({ [first as string]: queues.slice(0, 1), [second as string]: queues.slice(1) }),
        ['a', 'b', 'b', 'b'],
      ],
    ]
    for (const [assignment, expected] of chosen) {
      const bench = await openKit()
      await bench.kit.topics.create({ topic: 'orders', queues: 4 })
      for (const name of ['b', 'a']) await member(bench, name, [], assignment === undefined ? {} : { assignment })
      await settled()
      expect(await owners(bench)).toEqual(expected)
    }
    const ring = await openKit()
    await ring.kit.topics.create({ topic: 'orders', queues: 4 })
    for (const name of ['b', 'a', 'c']) await member(ring, name, [], { assignment: 'consistent-hash' })
    const before = await owners(ring)
    await member(ring, 'd', [], { assignment: 'consistent-hash' })
    const after = await owners(ring)
    after.forEach((owner, i) => {
      expect([before[i], 'd']).toContain(owner)
    })
  })

  test('is one for the group: another one is refused, and so is a queue that two members list', async () => {
    const bench = await openKit()
    await bench.kit.topics.create({ topic: 'orders', queues: 2 })
    const list = (...ids: number[]): AssignmentOption => ({
      queues: ids.map(queueId => ({ topic: 'orders', queueId })),
    })
    await member(bench, 'a', [], { assignment: list(0) })
    await expect(member(bench, 'b', [])).rejects.toMatchObject({
      code: 'POCKETMQ_SUBSCRIPTION_MISMATCH',
      details: { registered: 'lists of queues', refused: 'averaged', clientId: 'a@billing' },
    })
    await expect(member(bench, 'b', [], { assignment: list(1, 0) })).rejects.toMatchObject({
      code: 'POCKETMQ_INVALID_ARGUMENT',
      details: { field: 'assignment', topic: 'orders', queueId: 0, clientId: 'a@billing' },
    })
    await member(bench, 'b', [], { assignment: list(1) })
    expect(await owners(bench)).toEqual(['a', 'b'])
  })

  test('of a user that leaves a queue out is not followed, and an error event says why', async () => {
    const bench = await openKit()
    await bench.kit.topics.create({ topic: 'orders', queues: 2 })
    await member(bench, 'a', [], { assignment: queues => ({ 'a@billing': queues.slice(1) }) })
    await settled()
    expect(await owners(bench)).toEqual(['a', 'a'])
    expect(bench.kit.heard('error')).toMatchObject([
      {
        where: 'the assignment of group billing',
        error: { code: 'POCKETMQ_INVALID_ARGUMENT', details: { queueId: 0 } },
      },
    ])
  })
})

describe('a queue without an owner', () => {
  test('is spoken of once, until it has had one', async () => {
    const bench = await openKit()
    const { kit } = bench
    await kit.topics.create({ topic: 'orders', queues: 3 })
    const of = (...ids: number[]): { assignment: AssignmentOption } => ({
      assignment: { queues: ids.map(queueId => ({ topic: 'orders', queueId })) },
    })
    await member(bench, 'a', [], of(0))
    await settled()
    const unassigned = (queueId: number): object => ({ group: 'billing', topic: 'orders', queueId })
    expect(kit.heard('queue-unassigned')).toEqual([unassigned(1), unassigned(2)])
    const b = await member(bench, 'b', [], of(1))
    await settled()
    expect(kit.heard('queue-unassigned')).toHaveLength(2)
    await b.close()
    await settled()
    expect(kit.heard('queue-unassigned').slice(2)).toEqual([unassigned(1)])
  })

  test('is one whose only subscriber left; nobody who does not subscribe gets it, and a group without members is another event', async () => {
    const { kit } = await openKit()
    await kit.topics.create({ topic: 'returns', queues: 2 })
    const got: string[] = []
    const push = async (topic: string): Promise<PushConsumer> =>
      await kit.consumers.push({
        ...inOrder,
        subscriptions: { [topic]: '*' },
        topicSets: 'independent',
        messageListener: message => void got.push(`${topic} got ${message.topic}`),
      })
    const orders = await push('orders')
    const returns = await push('returns')
    await returns.close()
    await settled()
    const unassigned = [0, 1].map(queueId => ({ group: 'billing', topic: 'returns', queueId }))
    await kit.fill(2, i => ({ topic: i === 0 ? 'orders' : 'returns' }))
    await settled()
    expect(got).toEqual(['orders got orders'])
    expect(kit.heard('queue-unassigned')).toEqual(unassigned)
    const before = kit.heard('queue-unassigned').length
    await orders.close()
    await settled()
    expect(kit.heard('queue-unassigned')).toHaveLength(before)
  })

  test('and members without a queue: it is warned of more members than queues, once', async () => {
    const warnings: [object, string][] = []
    const none = (): void => undefined
    const logger = {
      debug: none,
      info: none,
      error: none,
      warn: (fields: object, text: string) => void warnings.push([fields, text]),
    }
    const bench = await openKit({}, { logger })
    await bench.kit.topics.create({ topic: 'orders', queues: 1 })
    for (const name of ['a', 'b', 'c']) await member(bench, name, [])
    await settled()
    const told = warnings.filter(([, text]) => text.includes('members without a queue')).map(([fields]) => fields)
    expect(told.at(-1)).toMatchObject({ group: 'billing', members: 3, idle: ['b@billing', 'c@billing'] })
    await bench.kit.fill(3)
    await settled()
    expect(warnings.filter(([, text]) => text.includes('members without a queue'))).toHaveLength(told.length)
  })
})

describe('an assignment', () => {
  const registration: ConsumerRegistration = {
    group: 'reports',
    kind: 'pull',
    model: 'clustering',
    order: 'none',
    subscriptions: [{ topic: 'orders', type: 'TAG', expression: '*' }],
    startFrom: 'first',
    concurrency: 1,
    maxReconsumeTimes: 16,
    retry: { kind: 'levels' },
    onExhausted: 'dlq',
    onSubscriptionMismatch: 'reject',
    topicSets: 'same',
    assignment: { kind: 'averaged' },
    drainMs: 10_000,
    isNamed: true,
  }

  test('has an epoch: what was committed for an earlier one is refused as stale', async () => {
    const { kit } = await openKit()
    await kit.topics.create({ topic: 'orders', queues: 2 })
    await kit.fill(4, i => ({ queueId: i % 2 }))
    const [a, b] = [{ clientId: 'a@reports' }, { clientId: 'b@reports' }]
    await kit.core.join(a, registration)
    const first = kit.core.assignment(a, 'reports').queues.filter(({ topic }) => topic === 'orders')
    expect(first.map(({ queueId }) => queueId)).toEqual([0, 1])
    const commit = (ctx: typeof a, queueId: number, epoch: number) =>
      kit.core.commit(ctx, { group: 'reports', queues: [{ topic: 'orders', queueId, queueOffset: 1, epoch }] }).statuses
    expect(commit(a, 1, first[1]?.epoch ?? 0)).toEqual(['ok'])
    await kit.core.join(b, registration)
    await settled()
    const second = kit.core.assignment(b, 'reports')
    expect(
      second.queues
        .filter(({ topic }) => topic === 'orders')
        .map(({ queueId, epoch }) => [queueId, epoch === second.epoch]),
    ).toEqual([[1, true]])
    expect([commit(a, 1, first[1]?.epoch ?? 0), commit(a, 0, first[0]?.epoch ?? 0)]).toEqual([['stale'], ['ok']])
    expect([commit(b, 1, first[1]?.epoch ?? 0), commit(b, 1, second.epoch)]).toEqual([['stale'], ['ok']])
    const events: readonly ClientEvent[] = await kit.core.nextEvents(a)
    expect(events).toContainEqual({
      kind: 'revoked',
      group: 'reports',
      epoch: second.epoch,
      drainMs: 10_000,
      queues: [{ topic: 'orders', queueId: 1 }],
    })
  })
})
