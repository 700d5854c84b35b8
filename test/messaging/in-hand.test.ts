import { describe, expect, test } from 'vitest'
import { AllHands, Hands, IN_ALL_HANDS_BYTES_MAX, IN_HAND_MESSAGES_MAX } from '../../src/messaging/in-hand.ts'
import { openKit, settled } from './consuming-bench.ts'

const everything = { consumerGroup: 'billing', subscriptions: { orders: '*' } }
const MIB = 1024 * 1024

describe('a simple consumer that does not acknowledge', () => {
  test('has 256 messages of a queue in hand, and goes on by one for each that ends', async () => {
    const { kit } = await openKit()
    await kit.fill(300)
    const simple = await kit.consumers.simple(everything)
    const messages = await simple.receive(1024)
    expect(messages).toHaveLength(256)
    const more = simple.receive(1024)
    await settled()
    await messages[7]?.ack()
    expect((await more).map(message => message.queueOffset)).toEqual([256])
    const again = simple.receive(1024)
    await settled()
    await simple.deadLetter(messages[8] as (typeof messages)[0])
    expect((await again).map(message => message.queueOffset)).toEqual([257])
    // Another queue, and another consumer, have room of their own.
    await kit.fill(1, () => ({ queueId: 1 }))
    expect((await simple.receive(1024)).map(message => message.queueId)).toEqual([1])
    const other = await kit.consumers.simple(everything)
    expect(await other.receive(1024)).toHaveLength(300 - 258)
  })

  test('waits no longer than it says', async () => {
    const { kit, clock } = await openKit()
    await kit.fill(300)
    const simple = await kit.consumers.simple({ ...everything, awaitDuration: 1000 })
    await simple.receive(1024)
    const more = simple.receive(1)
    await clock.advance(1000)
    expect(await more).toEqual([])
    const looking = await kit.consumers.simple({ ...everything, awaitDuration: 0 })
    expect(await looking.receive(1024)).toHaveLength(300 - 256)
    expect(await looking.receive(1024)).toEqual([])
  })

  test('goes on when their time is over, and when they are given back for later', async () => {
    const { kit, clock } = await openKit()
    await kit.fill(300)
    const simple = await kit.consumers.simple({ ...everything, awaitDuration: 0 })
    const messages = await simple.receive(1024, 10_000)
    for (const message of messages.slice(0, 10)) await message.nack({ delay: 3_600_000 })
    expect((await simple.receive(1024, 60_000)).map(message => message.queueOffset)[0]).toBe(256)
    // A message whose time starts anew stays in hand.
    for (const message of messages.slice(10, 20)) await message.changeInvisibleDuration(60_000)
    expect(await simple.receive(1024)).toEqual([])
    await clock.advance(10_000)
    await settled()
    const fresh = await simple.receive(1024)
    expect(fresh.filter(message => message.deliveryAttempt === 1)).toHaveLength(300 - 256 - 10)
    expect(fresh.filter(message => message.deliveryAttempt === 2)).toHaveLength(236)
  })

  test('has 16 MiB of a queue in hand', async () => {
    const { kit } = await openKit({}, { commitLogSegmentBytes: 64 * MIB })
    await kit.fill(18, () => ({ body: 'x'.repeat(MIB) }))
    const simple = await kit.consumers.simple({ ...everything, awaitDuration: 0 })
    const messages = await simple.receive(1024)
    expect(messages).toHaveLength(15)
    expect(await simple.receive(1024)).toEqual([])
    await messages[0]?.ack()
    expect(await simple.receive(1024)).toHaveLength(1)
  })

  test('has room again when its queue is moved', async () => {
    const { kit } = await openKit()
    await kit.fill(300)
    const simple = await kit.consumers.simple({ ...everything, awaitDuration: 0 })
    await simple.receive(1024)
    const to = { kind: 'offset', value: 100 } as const
    await kit.core.resetOffset({ clientId: 'test' }, { group: 'billing', topic: 'orders', queueId: 0, to })
    expect((await simple.receive(1024)).map(message => message.queueOffset)[0]).toBe(100)
  })
})

describe('all hands of a store', () => {
  test('have 64 MiB, but empty ones always get one message', () => {
    const all = new AllHands()
    const calls: string[] = []
    const [a, b] = ['a', 'b'].map(name => new Hands(all, () => void calls.push(name))) as [Hands, Hands]
    const queues = Array.from({ length: 5 }, () => ({}))
    for (const queue of queues.slice(0, 4)) a.took(queue, 16 * MIB)
    expect(all.bytes).toBe(IN_ALL_HANDS_BYTES_MAX)
    expect([a.hasRoom(queues[4] as object, 1), b.hasRoom(queues[4] as object, 4 * MIB)]).toEqual([false, true])
    b.took(queues[4] as object, 4 * MIB)
    expect(b.hasRoom(queues[4] as object, 1)).toBe(false)
    a.freed(queues[0] as object, 16 * MIB)
    expect(calls.sort()).toContain('b')
    expect(b.hasRoom(queues[4] as object, 1)).toBe(true)
  })

  test('say once that there is room, and only after there was none', () => {
    const calls: string[] = []
    const hands = new Hands(new AllHands(), () => void calls.push('room'))
    const queue = {}
    for (let i = 0; i < IN_HAND_MESSAGES_MAX; i++) hands.took(queue, 1)
    hands.freed(queue, 1)
    expect(calls).toEqual([])
    hands.took(queue, 1)
    expect([hands.hasRoom(queue, 1), hands.hasRoom({}, 1)]).toEqual([false, true])
    hands.freed(queue, 1)
    hands.freed(queue, 1)
    expect(calls).toEqual(['room'])
  })
})
