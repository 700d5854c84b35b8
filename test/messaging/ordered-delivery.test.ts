import { describe, expect, test } from 'vitest'
import { averaged } from '../../src/messaging/assignment.ts'
import type { MessageView } from '../../src/messaging/message-view.ts'
import { latch, openKit, settled } from './consuming-bench.ts'

const perQueue = {
  consumerGroup: 'billing',
  subscriptions: { orders: '*' },
  orderly: true,
  onExhausted: 'dlq',
} as const
const perGroup = { ...perQueue, orderly: 'group' } as const

describe('queues are shared out in contiguous blocks', () => {
  test.each([
    [9, 3, [3, 3, 3]],
    [4, 3, [2, 1, 1]],
    [2, 3, [1, 1, 0]],
    [5, 1, [5]],
  ])('%i queues over %i members: %j', (queues, members, shares) => {
    const list = Array.from({ length: queues }, (_, i) => i)
    const names = Array.from({ length: members }, (_, i) => `m${i}`)
    const owners = averaged(list, names)
    expect(names.map(name => list.filter(queue => owners.get(queue) === name).length)).toEqual(shares)
    const blocks = list.map(queue => owners.get(queue))
    expect(blocks).toEqual([...blocks].sort())
  })
})

describe('ordered delivery by queue', () => {
  test('handles one message of a queue at a time, in order, and queues beside one another', async () => {
    const { kit } = await openKit()
    const seen: Record<number, number[]> = { 0: [], 1: [] }
    let running = 0
    let most = 0
    await kit.consumers.push({
      ...perQueue,
      messageListener: async message => {
        most = Math.max(most, ++running)
        seen[message.queueId]?.push(message.queueOffset)
        await settled()
        running--
      },
    })
    await kit.fill(20, i => ({ queueId: i % 2 }))
    for (let i = 0; i < 30; i++) await settled()
    const ten = Array.from({ length: 10 }, (_, i) => i)
    expect([seen, most]).toEqual([{ 0: ten, 1: ten }, 2])
  })

  test('a failed message is tried again in place, after a second, before any later one', async () => {
    const { kit, clock } = await openKit()
    const tries: string[] = []
    await kit.consumers.push({
      ...perQueue,
      messageListener: message => {
        tries.push(`${message.queueOffset}/${message.deliveryAttempt}`)
        if (message.queueOffset === 1 && message.deliveryAttempt < 3) throw new Error('not yet')
      },
    })
    await kit.fill(4)
    await settled()
    expect(tries).toEqual(['0/1', '1/1'])
    await clock.advance(999)
    expect(tries).toHaveLength(2)
    await clock.advance(1)
    expect(tries).toEqual(['0/1', '1/1', '1/2'])
    await clock.advance(1000)
    expect(tries).toEqual(['0/1', '1/1', '1/2', '1/3', '2/1', '3/1'])
    expect(kit.store.queueRange('%RETRY%billing', 0)).toBeUndefined()
  })

  test('a message whose attempts are used up becomes a dead letter, and the queue goes on', async () => {
    const { kit, clock } = await openKit()
    const done: number[] = []
    await kit.consumers.push({
      ...perQueue,
      maxAttempts: 1,
      messageListener: message => {
        if (message.queueOffset === 0) throw new Error('never')
        done.push(message.queueOffset)
      },
    })
    await kit.fill(2)
    await clock.advance(1000)
    await settled()
    expect(done).toEqual([1])
    expect(kit.heard('dead-letter')).toMatchObject([{ group: 'billing', topic: 'orders', attempts: 2 }])
    const { messages } = await kit.store.read({ topic: '%DLQ%billing', queueId: 0, queueOffset: 0, maxMessages: 1 })
    expect(messages[0]?.properties).toMatchObject({ DLQ_ORIGIN_TOPIC: 'orders', UNIQ_KEY: 'message-1' })
    expect(kit.offsets.offset('billing', 'orders', 0)).toBe(2)
  })

  test("where the consumer chose 'block', its queue waits for it, and it is said", async () => {
    const { kit, clock } = await openKit()
    let tries = 0
    await kit.consumers.push({
      ...perQueue,
      onExhausted: 'block',
      maxAttempts: 1,
      messageListener: message => {
        if (message.queueId === 1) return
        tries++
        throw new Error('never')
      },
    })
    await kit.fill(4, i => ({ queueId: i % 2 }))
    await clock.advance(5000)
    expect(tries).toBe(6)
    expect(kit.heard('message-blocks')).toMatchObject([{ topic: 'orders', queueId: 0, queueOffset: 0, attempts: 2 }])
    expect([kit.offsets.offset('billing', 'orders', 0), kit.offsets.offset('billing', 'orders', 1)]).toEqual([0, 2])
  })

  test('an orderly consumer has to choose what becomes of exhausted messages', async () => {
    const { kit } = await openKit()
    const options = { ...perQueue, onExhausted: undefined, messageListener: () => undefined }
    await expect(kit.consumers.push(options)).rejects.toMatchObject({
      code: 'POCKETMQ_INVALID_ARGUMENT',
      details: { option: 'onExhausted' },
    })
  })

  test('queues of a member that leaves move to the others at once, and go on in order', async () => {
    const { kit } = await openKit()
    const seen: string[] = []
    const listen = (name: string) => (message: MessageView) => {
      seen.push(`${name}:${message.queueId}/${message.queueOffset}`)
      return name === 'a' ? new Promise(() => undefined) : undefined
    }
    const a = await kit.consumers.push({ ...perQueue, instanceName: 'a', messageListener: listen('a') })
    await kit.consumers.push({ ...perQueue, instanceName: 'b', messageListener: listen('b') })
    await kit.fill(4, i => ({ queueId: i % 2 }))
    await settled()
    expect(seen.sort()).toEqual(['a:0/0', 'b:1/0', 'b:1/1'])
    await a.close({ drainMs: 0 })
    await settled()
    expect(seen.slice(3)).toEqual(['b:0/0', 'b:0/1'])
  })

  test('a member that joins takes over its share when what is in hand has ended', async () => {
    const { kit } = await openKit()
    const gate = latch()
    const seen: string[] = []
    await kit.consumers.push({
      ...perQueue,
      instanceName: 'a',
      messageListener: async message => {
        seen.push(`a:${message.queueId}/${message.queueOffset}`)
        await gate.promise
      },
    })
    await kit.fill(2, i => ({ queueId: i % 2 }))
    await settled()
    await kit.consumers.push({
      ...perQueue,
      instanceName: 'b',
      messageListener: message => void seen.push(`b:${message.queueId}/${message.queueOffset}`),
    })
    await kit.fill(2, i => ({ queueId: i % 2 }))
    await settled()
    expect(seen.sort()).toEqual(['a:0/0', 'a:1/0'])
    gate.open()
    await settled()
    expect(seen.slice(2).sort()).toEqual(['a:0/1', 'b:1/1'])
  })
})

describe('ordered delivery by message group', () => {
  test('keeps the order of each message group and handles groups beside one another', async () => {
    const { kit } = await openKit()
    const seen: Record<string, number[]> = {}
    let most = 0
    let running = 0
    await kit.consumers.push({
      ...perGroup,
      messageListener: async message => {
        most = Math.max(most, ++running)
        const group = message.messageGroup ?? ''
        seen[group] = [...(seen[group] ?? []), message.queueOffset]
        await settled()
        running--
      },
    })
    await kit.fill(30, i => ({ group: `customer-${i % 3}` }))
    for (let i = 0; i < 30; i++) await settled()
    const of = (first: number): number[] => Array.from({ length: 10 }, (_, i) => first + i * 3)
    expect([seen, most]).toEqual([{ 'customer-0': of(0), 'customer-1': of(1), 'customer-2': of(2) }, 3])
    expect(kit.offsets.offset('billing', 'orders', 0)).toBe(30)
  })

  test('only the message group of a failing message waits; the others go on', async () => {
    const { kit, clock } = await openKit()
    const seen: string[] = []
    let isBroken = true
    await kit.consumers.push({
      ...perGroup,
      messageListener: message => {
        if (message.messageGroup === 'bad' && isBroken) throw new Error('no')
        seen.push(`${message.messageGroup}/${message.queueOffset}`)
      },
    })
    await kit.fill(6, i => ({ group: i % 2 === 0 ? 'bad' : 'good' }))
    await settled()
    expect(seen).toEqual(['good/1', 'good/3', 'good/5'])
    isBroken = false
    await clock.advance(1000)
    await settled()
    expect(seen.slice(3)).toEqual(['bad/0', 'bad/2', 'bad/4'])
  })

  test('messages without a group wait for nobody', async () => {
    const { kit } = await openKit()
    const seen: number[] = []
    await kit.consumers.push({
      ...perGroup,
      messageListener: message => {
        seen.push(message.queueOffset)
        return message.queueOffset === 0 ? new Promise(() => undefined) : undefined
      },
    })
    await kit.fill(3)
    await settled()
    expect(seen).toEqual([0, 1, 2])
  })

  test('thousands of messages behind a parked group do not stop the groups behind them', async () => {
    const { kit } = await openKit()
    let done = 0
    await kit.consumers.push({
      ...perGroup,
      messageListener: message => {
        if (message.messageGroup === 'stuck') return new Promise(() => undefined)
        done++
        return undefined
      },
    })
    await kit.fill(3000, i => ({ group: i < 2500 ? 'stuck' : `g${i}` }))
    for (let i = 0; i < 20; i++) await settled()
    expect(done).toBe(500)
  })

  test('a queue pauses, and says so, at 4,096 done ranges above the commit', async () => {
    const { kit } = await openKit({}, { commitLogSegmentBytes: 8 * 1024 * 1024, consumeQueueSegmentEntries: 20_000 })
    const gate = latch()
    let done = 0
    await kit.consumers.push({
      consumerGroup: 'billing',
      subscriptions: { orders: '*' },
      concurrency: 10_000,
      messageListener: async message => {
        if (message.queueOffset % 2 === 0) await gate.promise
        done++
      },
    })
    for (let step = 0; step < 18; step++) {
      await kit.fill(500)
      await settled()
    }
    expect(kit.heard('queue-paused')).toMatchObject([{ group: 'billing', topic: 'orders', queueId: 0 }])
    // What was in hand when it paused may still end.
    expect(done).toBeLessThan(4096 + 500)
    gate.open()
    for (let i = 0; i < 50; i++) await settled()
    expect([done, kit.offsets.offset('billing', 'orders', 0)]).toEqual([9000, 9000])
  })
})
