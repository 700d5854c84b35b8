import { expect, test } from 'vitest'
import type { DeliveryCore } from '../../src/messaging/delivery-core.ts'
import { tail } from '../../src/messaging/tail.ts'
import type { Passed } from '../support/cloning-core.ts'
import { cloning } from '../support/cloning-core.ts'
import type { Bench } from './consuming-bench.ts'
import { openKit, settled } from './consuming-bench.ts'

const ctx = { clientId: 'test', connectionId: 'wire' }
const orders = { topic: 'orders', queueId: 0 }

async function openCloning(): Promise<Bench & { readonly passed: Passed; readonly core: DeliveryCore }> {
  const passed: Passed = new Map()
  let behind: DeliveryCore | undefined
  const bench = await openKit({}, {}, core => {
    behind = cloning(core, passed)
    return behind
  })
  return { ...bench, passed, core: behind as DeliveryCore }
}

test('consumers of every kind work with a structured clone between them and the service', async () => {
  const { kit, core, clock, passed } = await openCloning()
  const subscriptions = { orders: '*' }
  await kit.fill(30, i => ({ group: `g${i % 3}` }))
  const pushed = [0, 0, 0, 0]
  const push = (n: number) => ({
    consumerGroup: `push-${n}`,
    subscriptions,
    messageListener: (message: { body: Buffer; deliveryAttempt: number }) => {
      pushed[n] = (pushed[n] ?? 0) + message.body.length
      if (n === 0 && message.deliveryAttempt === 1 && message.body.toString() === '7') throw new Error('again')
    },
  })
  await kit.consumers.push(push(0))
  await kit.consumers.push({ ...push(1), orderly: true, onExhausted: 'dlq' })
  await kit.consumers.push({ ...push(2), orderly: 'group', onExhausted: 'dlq' })
  await kit.consumers.push({ ...push(3), mode: 'broadcasting', instanceName: 'a' })
  const simple = await kit.consumers.simple({ consumerGroup: 'simple', subscriptions })
  const [first, second, third] = await simple.receive(3)
  await first?.ack()
  await second?.changeInvisibleDuration(60_000)
  await second?.ack()
  await third?.nack()
  const pull = await kit.consumers.pull({ consumerGroup: 'pull' })
  pull.assign([orders])
  pull.seek(orders, 5)
  expect((await pull.poll({ maxMessageNum: 4 })).map(message => message.queueOffset)).toEqual([5, 6, 7, 8])
  await pull.commit()
  expect(await pull.offsetForTimestamp(orders, clock.nowMs())).toBe(0)
  for await (const message of tail({ core, store: kit.store, topics: kit.topics }, 'orders', { from: 'first' })) {
    if (message.queueOffset === 9) break
  }
  await settled()
  expect(pushed).toEqual([50, 50, 50, 50])
  expect(kit.offsets.offset('simple', 'orders', 0)).toBe(3)
  await kit.consumers.close()
  const used = ['join', 'leave', 'receive', 'acknowledge', 'settle', 'changeInvisible', 'pull', 'hasMessage', 'commit']
  expect([...passed.keys()]).toEqual(
    expect.arrayContaining([...used.filter(name => name !== 'hasMessage'), 'queueBounds', 'searchOffset']),
  )
})

test('administration answers plain values too', async () => {
  const { kit, core } = await openCloning()
  await kit.fill(4)
  const simple = await kit.consumers.simple({
    consumerGroup: 'billing',
    subscriptions: { orders: '*' },
    instanceName: 'a',
  })
  await simple.receive(2)
  expect(await core.progress(ctx, 'billing')).toMatchObject({ lagMessages: 4 })
  expect(core.groups()).toMatchObject([{ group: 'billing', members: [{ clientId: 'a@billing' }] }])
  expect(core.consumers('billing')).toHaveLength(1)
  expect(core.consumerIds(ctx, 'billing')).toEqual(['a@billing'])
  expect(core.queryOffset(ctx, { group: 'billing', ...orders })).toBe(0)
  expect(await core.hasMessage(ctx, { queues: [{ ...orders, queueOffset: 3 }], waitMs: 0 })).toBe(true)
  expect(
    await core.resetOffset(ctx, { group: 'billing', topic: 'orders', queueId: 0, to: { kind: 'last' } }),
  ).toMatchObject({
    queues: [{ to: 4 }],
  })
  const events = await core.nextEvents({ clientId: 'a@billing' })
  expect(events.map(event => event.kind)).toContain('reset-offset')
})

test('what a client on a closed connection had goes to others at once', async () => {
  const { kit, core } = await openCloning()
  await kit.fill(2)
  const gone = await kit.consumers.simple({ consumerGroup: 'billing', subscriptions: { orders: '*' } })
  await gone.receive()
  core.connectionClosed('kit')
  expect(core.consumers('billing')).toEqual([])
  const other = await kit.consumers.simple({ consumerGroup: 'billing', subscriptions: { orders: '*' } })
  expect(await other.receive()).toHaveLength(2)
})
