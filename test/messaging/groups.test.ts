import { describe, expect, test } from 'vitest'
import { openKit, settled } from './consuming-bench.ts'

const quiet = { messageListener: () => undefined }
const push = (tags: string) => ({ consumerGroup: 'billing', subscriptions: { orders: tags }, ...quiet })
const mismatch = expect.objectContaining({ code: 'POCKETMQ_SUBSCRIPTION_MISMATCH' })

describe("a group's subscription", () => {
  test('is one for all members: another expression is refused, and both are shown', async () => {
    const { kit } = await openKit()
    await kit.consumers.push(push('paid'))
    const refused = kit.consumers.push(push('open'))
    await expect(refused).rejects.toMatchObject({
      code: 'POCKETMQ_SUBSCRIPTION_MISMATCH',
      details: { group: 'billing', registered: 'orders: paid', refused: 'orders: open', version: 1 },
    })
    expect(kit.heard('subscription-mismatch')).toHaveLength(1)
  })

  test('is the same whatever the order and spacing of its tags', async () => {
    const { kit } = await openKit()
    await kit.consumers.push(push('b||a'))
    await kit.consumers.push(push(' a || b || a'))
    expect(kit.core.groups()).toMatchObject([
      { group: 'billing', subscriptionVersion: 1, subscriptions: [{ expression: 'a || b' }] },
    ])
  })

  test('has one set of topics, unless its members say otherwise', async () => {
    const { kit } = await openKit()
    await kit.consumers.push(push('*'))
    const other = { consumerGroup: 'billing', subscriptions: { returns: '*' }, ...quiet }
    await expect(kit.consumers.push(other)).rejects.toEqual(mismatch)
    await kit.consumers.push({ ...other, topicSets: 'independent' })
    expect(kit.core.groups()[0]?.subscriptions.map(one => one.topic)).toEqual(['orders', 'returns'])
  })

  test('with different topics, each message goes to a member that subscribes to it', async () => {
    const { kit } = await openKit()
    const got: string[] = []
    for (const topic of ['orders', 'returns']) {
      await kit.consumers.push({
        consumerGroup: 'billing',
        subscriptions: { [topic]: '*' },
        topicSets: 'independent',
        messageListener: message => got.push(`${topic} got ${message.topic}`),
      })
    }
    await kit.fill(6, i => ({ topic: i % 2 === 0 ? 'orders' : 'returns' }))
    await settled()
    expect(got.sort()).toEqual([...Array(3).fill('orders got orders'), ...Array(3).fill('returns got returns')])
  })

  test('outlives its members and the process', async () => {
    const { kit, disk, clock } = await openKit()
    await kit.consumers.push(push('paid'))
    const again = await openKit({ disk: disk.kill(), clock })
    await expect(again.kit.consumers.push(push('open'))).rejects.toEqual(mismatch)
    await again.kit.consumers.push(push('paid'))
  })

  test("'replace' makes it the newcomer's, and the others get no more", async () => {
    const { kit } = await openKit()
    const old: string[] = []
    const fresh: string[] = []
    await kit.consumers.push({ ...push('paid'), messageListener: message => old.push(message.tag ?? '') })
    await kit.consumers.push({
      ...push('paid || open'),
      onSubscriptionMismatch: 'replace',
      messageListener: message => fresh.push(message.tag ?? ''),
    })
    await kit.fill(4, i => ({ tag: i % 2 === 0 ? 'paid' : 'open' }))
    await settled()
    expect([old, fresh]).toEqual([[], ['paid', 'open', 'paid', 'open']])
    expect(kit.heard('consumer-fenced')).toMatchObject([{ group: 'billing' }])
    expect(kit.core.groups()).toMatchObject([{ subscriptionVersion: 2 }])
  })

  test("'wait' joins when the others have left", async () => {
    const { kit } = await openKit()
    const first = await kit.consumers.push(push('paid'))
    let isIn = false
    const waiting = kit.consumers.push({ ...push('open'), onSubscriptionMismatch: 'wait' }).then(() => {
      isIn = true
    })
    await settled()
    expect(isIn).toBe(false)
    await first.close()
    await waiting
    expect(kit.core.groups()).toMatchObject([{ subscriptionVersion: 2, subscriptions: [{ expression: 'open' }] }])
  })

  test('a consumer that waits to join can be told to stop, and a closing queue tells it', async () => {
    const { kit } = await openKit()
    await kit.consumers.push(push('paid'))
    const stop = new AbortController()
    const waiting = kit.consumers.push({ ...push('open'), onSubscriptionMismatch: 'wait', signal: stop.signal })
    await settled()
    stop.abort()
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' })
    const other = kit.consumers.push({ ...push('open'), onSubscriptionMismatch: 'wait' })
    const told = expect(other).rejects.toMatchObject({ code: 'POCKETMQ_STORE_CLOSED' })
    await settled()
    await kit.close()
    await told
  })

  test("'isolate' gives it a group of its own that starts where its parent is", async () => {
    const { kit } = await openKit()
    await kit.consumers.push(push('*'))
    await kit.fill(3)
    await settled()
    const tags: (string | undefined)[] = []
    const isolated = await kit.consumers.push({
      ...push('paid'),
      onSubscriptionMismatch: 'isolate',
      messageListener: message => tags.push(message.tag),
    })
    expect(isolated.group).toMatch(/^billing~[0-9a-f]{8}$/)
    await kit.fill(2, () => ({ tag: 'paid' }))
    await settled()
    expect(tags).toEqual(['paid', 'paid'])
  })
})

describe('a group', () => {
  test('has one way to deliver: pull beside push, and orderly beside concurrent, are refused', async () => {
    const { kit } = await openKit()
    await kit.consumers.push(push('*'))
    await expect(kit.consumers.pull({ consumerGroup: 'billing' })).rejects.toEqual(mismatch)
    await expect(kit.consumers.push({ ...push('*'), orderly: true, onExhausted: 'dlq' })).rejects.toEqual(mismatch)
    await expect(kit.consumers.push({ ...push('*'), mode: 'broadcasting' })).rejects.toEqual(mismatch)
  })

  test('has each instance name once among the living', async () => {
    const { kit } = await openKit()
    const named = { ...push('*'), instanceName: 'web-1' }
    const first = await kit.consumers.push(named)
    await expect(kit.consumers.push(named)).rejects.toMatchObject({
      code: 'POCKETMQ_INSTANCE_ID_IN_USE',
      details: { instanceName: 'web-1', pid: process.pid },
    })
    await kit.consumers.push({ ...named, consumerGroup: 'shipping' })
    await first.close()
    await kit.consumers.push(named)
  })

  test('says who is in it, and how far it is', async () => {
    const { kit, clock } = await openKit()
    const storedMs = clock.nowMs()
    const simple = await kit.consumers.simple({
      consumerGroup: 'billing',
      subscriptions: { orders: '*' },
      instanceName: 'web-1',
    })
    await kit.fill(5)
    const messages = await simple.receive(3)
    await messages[1]?.ack()
    await clock.advance(1000)
    const { queues, lagMessages, lagBytes } = await kit.core.progress({ clientId: 'test' }, 'billing')
    const size = messages[0]?.sizeBytes ?? 0
    expect([lagMessages, lagBytes]).toEqual([4, 4 * size])
    expect(queues[0]).toMatchObject({
      committed: 0,
      pulled: 5,
      inFlight: 2,
      ackedAbove: 1,
      oldestStoreTimestamp: storedMs,
    })
    expect(kit.core.consumers('billing')).toMatchObject([{ clientId: 'web-1@billing', kind: 'simple', inFlight: 2 }])
  })

  test('moves to where it is told, and what was in hand before ends nothing', async () => {
    const { kit } = await openKit()
    await kit.fill(5)
    const simple = await kit.consumers.simple({ consumerGroup: 'billing', subscriptions: { orders: '*' } })
    const before = await simple.receive(3)
    const ctx = { clientId: 'test' }
    const request = { group: 'billing', topic: 'orders', queueId: 0, to: { kind: 'offset', value: 1 } } as const
    expect(await kit.core.resetOffset(ctx, request)).toEqual({
      queues: [{ topic: 'orders', queueId: 0, from: 0, to: 1 }],
    })
    await expect(before[2]?.ack()).rejects.toMatchObject({ code: 'POCKETMQ_INVALID_RECEIPT_HANDLE' })
    expect((await simple.receive()).map(message => message.queueOffset)).toEqual([1, 2, 3, 4])
    const beyond = { ...request, to: { kind: 'offset', value: 6 } } as const
    await expect(kit.core.resetOffset(ctx, beyond)).rejects.toMatchObject({ code: 'POCKETMQ_INVALID_ARGUMENT' })
  })

  test('keeps a reset over a kill, also one that goes back', async () => {
    const { kit, disk, clock } = await openKit()
    await kit.fill(5)
    const consumer = await kit.consumers.push(push('*'))
    await settled()
    await consumer.close()
    await kit.core.resetOffset(
      { clientId: 'test' },
      { group: 'billing', topic: 'orders', queueId: 0, to: { kind: 'first' } },
    )
    const again = await openKit({ disk: disk.kill(), clock })
    expect(again.kit.offsets.offset('billing', 'orders', 0)).toBe(0)
  })
})
