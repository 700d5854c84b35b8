import { describe, expect, test } from 'vitest'
import type { MessageView } from '../../src/messaging/message-view.ts'
import { latch, openKit, settled } from './consuming-bench.ts'

const everything = { consumerGroup: 'billing', subscriptions: { orders: '*' } }

describe('a push consumer', () => {
  test('calls its handler for what is there and for what comes, and the group is done with it', async () => {
    const { kit } = await openKit()
    await kit.fill(5)
    const bodies: string[] = []
    await kit.consumers.push({ ...everything, messageListener: message => bodies.push(message.body.toString()) })
    await settled()
    await kit.fill(3)
    await settled()
    expect(bodies).toEqual(['0', '1', '2', '3', '4', '5', '6', '7'])
    expect(kit.offsets.offset('billing', 'orders', 0)).toBe(8)
  })

  test('runs at most `concurrency` handlers at once, and takes no message it has no hand for', async () => {
    const { kit } = await openKit()
    await kit.fill(10)
    const gate = latch()
    let running = 0
    let most = 0
    const consumer = await kit.consumers.push({
      ...everything,
      concurrency: 3,
      messageListener: async () => {
        most = Math.max(most, ++running)
        await gate.promise
        running--
      },
    })
    await settled()
    expect([most, consumer.inFlight]).toEqual([3, 3])
    const progress = await kit.core.progress({ clientId: 'test' }, 'billing')
    expect(progress.queues[0]).toMatchObject({ committed: 0, inFlight: 3, lagMessages: 10 })
    gate.open()
    await settled()
    expect([most, kit.offsets.offset('billing', 'orders', 0)]).toEqual([3, 10])
  })

  test('a message that ends before an older one is not delivered again after a kill, and the older one is', async () => {
    const { kit, disk, clock } = await openKit()
    await kit.fill(6)
    await kit.consumers.push({
      ...everything,
      messageListener: message => (message.queueOffset === 1 ? new Promise(() => undefined) : undefined),
    })
    await settled()
    expect(kit.offsets.offset('billing', 'orders', 0)).toBe(1)
    const again = await openKit({ disk: disk.kill(), clock })
    const offsets: number[] = []
    await again.kit.consumers.push({ ...everything, messageListener: message => offsets.push(message.queueOffset) })
    await settled()
    expect(offsets).toEqual([1])
  })

  test('only messages of its tags reach the handler, and the others count as consumed', async () => {
    const { kit } = await openKit()
    await kit.fill(9, i => ({ tag: ['paid', 'open', 'refunded'][i % 3] as string }))
    const tags: (string | undefined)[] = []
    await kit.consumers.push({
      consumerGroup: 'billing',
      subscriptions: { orders: 'paid || refunded' },
      messageListener: message => tags.push(message.tag),
    })
    await settled()
    expect(tags).toEqual(['paid', 'refunded', 'paid', 'refunded', 'paid', 'refunded'])
    expect(kit.offsets.offset('billing', 'orders', 0)).toBe(9)
  })

  test('tags with the same hash are told apart', async () => {
    const { kit } = await openKit()
    // "Aa" and "BB" have one Java hash.
    await kit.fill(4, i => ({ tag: i % 2 === 0 ? 'Aa' : 'BB' }))
    const tags: (string | undefined)[] = []
    await kit.consumers.push({
      consumerGroup: 'billing',
      subscriptions: { orders: 'Aa' },
      messageListener: m => tags.push(m.tag),
    })
    await settled()
    expect([tags, kit.offsets.offset('billing', 'orders', 0)]).toEqual([['Aa', 'Aa'], 4])
  })

  test('nine messages over three instances are three each, with one queue as with eight', async () => {
    for (const queues of [1, 4, 8]) {
      const { kit } = await openKit()
      const counts = [0, 0, 0]
      for (const i of counts.keys()) {
        const count = (): void => {
          counts[i] = (counts[i] ?? 0) + 1
        }
        await kit.consumers.push({ ...everything, messageListener: count })
      }
      await kit.fill(9, i => ({ queueId: i % queues }))
      await settled()
      expect(counts).toEqual([3, 3, 3])
      await kit.close()
    }
  })

  test('a slow member holds back nobody: the others take what it does not', async () => {
    const { kit } = await openKit()
    const slow: number[] = []
    const fast: number[] = []
    const hang = (message: MessageView): Promise<void> => {
      slow.push(message.queueOffset)
      return new Promise(() => undefined)
    }
    await kit.consumers.push({ ...everything, concurrency: 1, messageListener: hang })
    await kit.consumers.push({
      ...everything,
      concurrency: 1,
      messageListener: message => fast.push(message.queueOffset),
    })
    await kit.fill(100)
    await settled()
    expect([slow.length, fast.length]).toEqual([1, 99])
  })

  test('what a closing consumer had in hand goes to another at once, as the same attempt', async () => {
    const { kit } = await openKit()
    const first = await kit.consumers.push({ ...everything, messageListener: () => new Promise(() => undefined) })
    await kit.fill(3)
    await settled()
    const got: number[][] = []
    await kit.consumers.push({ ...everything, messageListener: m => got.push([m.queueOffset, m.deliveryAttempt]) })
    await first.close({ drainMs: 0 })
    await settled()
    expect(got).toEqual([
      [0, 1],
      [1, 1],
      [2, 1],
    ])
  })

  test('close waits for running handlers, and takes no more', async () => {
    const { kit } = await openKit()
    const gate = latch()
    let handled = 0
    const consumer = await kit.consumers.push({
      ...everything,
      concurrency: 2,
      messageListener: async () => {
        await gate.promise
        handled++
      },
    })
    await kit.fill(5)
    await settled()
    const closed = consumer.close()
    await settled()
    gate.open()
    await closed
    expect([handled, kit.offsets.offset('billing', 'orders', 0)]).toEqual([2, 2])
  })

  test('close aborts the signal of a handler that outlasts the drain', async () => {
    const { kit, clock } = await openKit()
    let reason: unknown
    const consumer = await kit.consumers.push({
      ...everything,
      messageListener: (_message, { signal }) =>
        new Promise<void>(resolve => {
          signal.addEventListener('abort', () => {
            reason = signal.reason
            resolve()
          })
        }),
    })
    await kit.fill(1)
    await settled()
    const closed = consumer.close({ drainMs: 5000 })
    await clock.advance(4999)
    expect(reason).toBeUndefined()
    await clock.advance(1)
    await closed
    expect(reason).toMatchObject({ name: 'AbortError' })
    expect(kit.offsets.offset('billing', 'orders', 0)).toBe(0)
  })

  test('a handler that takes too long is aborted, and its message is retried', async () => {
    const { kit, clock } = await openKit()
    let isAborted = false
    await kit.consumers.push({
      ...everything,
      consumeTimeout: 60_000,
      messageListener: (_message, { signal }) => {
        signal.addEventListener('abort', () => {
          isAborted = true
        })
        return new Promise(() => undefined)
      },
    })
    await kit.fill(1)
    await settled()
    await clock.advance(59_999)
    expect(isAborted).toBe(false)
    await clock.advance(1)
    await settled()
    expect(isAborted).toBe(true)
    expect(kit.heard('handler-timeout')).toMatchObject([{ group: 'billing', topic: 'orders', afterMs: 60_000 }])
    // Its copy waits in the schedule topic, level 3: 10 s.
    expect(kit.store.queueRange('SCHEDULE_TOPIC_XXXX', 2)?.maxQueueOffset).toBe(1)
    expect(kit.offsets.offset('billing', 'orders', 0)).toBe(1)
  })

  test('a group without an offset starts at the first message, or at the end, or at a time', async () => {
    const { kit, clock } = await openKit()
    await kit.fill(2)
    await clock.advance(10_000)
    const at = clock.nowMs()
    await kit.fill(2)
    const seen: Record<string, number[]> = {}
    for (const [name, startFrom] of Object.entries({ first: 'first', last: 'last', date: new Date(at) } as const)) {
      const offsets: number[] = []
      seen[name] = offsets
      const options = { consumerGroup: `from-${name}`, subscriptions: { orders: '*' }, startFrom }
      await kit.consumers.push({ ...options, messageListener: message => offsets.push(message.queueOffset) })
    }
    await settled()
    await kit.fill(1)
    await settled()
    expect(seen).toEqual({ first: [0, 1, 2, 3, 4], last: [4], date: [2, 3, 4] })
  })

  test('a topic that is created later is consumed from its first message, whatever the start position', async () => {
    const { kit } = await openKit()
    const offsets: number[] = []
    await kit.consumers.push({
      ...everything,
      startFrom: 'last',
      messageListener: message => offsets.push(message.queueOffset),
    })
    await kit.fill(3, i => ({ queueId: i === 2 ? 7 : 0 }))
    await settled()
    expect(offsets).toEqual([0, 1, 0])
  })

  test('bodies of broadcasts reach every instance, and a named instance resumes from its own place', async () => {
    const { kit, disk, clock } = await openKit()
    const got: Record<string, number> = {}
    const join = async (bench: Awaited<ReturnType<typeof openKit>>, instanceName: string): Promise<void> => {
      await bench.kit.consumers.push({
        ...everything,
        mode: 'broadcasting',
        instanceName,
        messageListener: () => {
          got[instanceName] = (got[instanceName] ?? 0) + 1
        },
      })
    }
    for (const name of ['a', 'b', 'c']) await join({ kit, disk, clock }, name)
    await kit.fill(9)
    await settled()
    expect(got).toEqual({ a: 9, b: 9, c: 9 })
    await kit.close()
    const again = await openKit({ disk, clock })
    await again.kit.fill(2)
    await join(again, 'a')
    await settled()
    expect(got).toEqual({ a: 11, b: 9, c: 9 })
  })

  test('a broadcast message that fails is dropped and said', async () => {
    const { kit } = await openKit()
    await kit.consumers.push({
      ...everything,
      mode: 'broadcasting',
      instanceName: 'a',
      messageListener: () => {
        throw new Error('no')
      },
    })
    await kit.fill(2)
    await settled()
    expect(kit.heard('broadcast-dropped')).toHaveLength(2)
    expect(kit.store.queueRange('%RETRY%billing', 0)).toBeUndefined()
  })
})
