import { describe, expect, test } from 'vitest'
import type { MessageView } from '../../src/messaging/message-view.ts'
import type { Bench } from './consuming-bench.ts'
import { openKit, settled } from './consuming-bench.ts'

const ordered = {
  consumerGroup: 'billing',
  subscriptions: { orders: '*' },
  orderly: true,
  autoCommit: false,
  onExhausted: 'dlq',
} as const

/** Consumes by hand; answers what was handled, in order. */
async function handle(
  { kit }: Bench,
  answer: (message: MessageView) => unknown,
  instanceName = 'a',
): Promise<number[]> {
  const handled: number[] = []
  await kit.consumers.push({
    ...ordered,
    instanceName,
    messageListener: message => {
      handled.push(message.queueOffset)
      return answer(message)
    },
  })
  await settled()
  return handled
}

describe('a queue that is committed by hand', () => {
  test('goes on without a commit, and is where it was last committed', async () => {
    const bench = await openKit()
    await bench.kit.fill(100)
    const handled = await handle(bench, message => (message.queueOffset === 69 ? 'commit' : undefined))
    expect(handled).toEqual(Array.from({ length: 100 }, (_, i) => i))
    expect(bench.kit.offsets.offset('billing', 'orders', 0)).toBe(70)
    const { disk, clock } = bench
    const again = await openKit({ disk: disk.kill(), clock })
    expect((await handle(again, () => undefined))[0]).toBe(70)
  })

  test('a rollback lets everything since the last commit come again after a second, as the same attempt', async () => {
    const bench = await openKit()
    await bench.kit.fill(5)
    const attempts: number[] = []
    let rollbacks = 1
    const handled = await handle(bench, message => {
      attempts.push(message.deliveryAttempt)
      if (message.queueOffset === 1) return 'commit'
      return message.queueOffset === 4 && rollbacks-- > 0 ? 'rollback' : undefined
    })
    expect(handled).toEqual([0, 1, 2, 3, 4])
    await bench.clock.advance(999)
    expect(handled).toHaveLength(5)
    await bench.clock.advance(1)
    await settled()
    expect([handled.slice(5), new Set(attempts)]).toEqual([[2, 3, 4], new Set([1])])
    expect(bench.kit.offsets.offset('billing', 'orders', 0)).toBe(2)
  })

  test('a handler that throws gets its message alone again, and what was handled before waits on', async () => {
    const bench = await openKit()
    await bench.kit.fill(4)
    let failures = 1
    const handled = await handle(bench, message => {
      if (message.queueOffset === 2 && failures-- > 0) throw new Error('not yet')
      return message.queueOffset === 3 ? 'commit' : undefined
    })
    expect(handled).toEqual([0, 1, 2])
    await bench.clock.advance(1000)
    await settled()
    expect([handled, bench.kit.offsets.offset('billing', 'orders', 0)]).toEqual([[0, 1, 2, 2, 3], 4])
  })

  test('what its consumer did not commit goes to the next owner', async () => {
    const bench = await openKit()
    await bench.kit.fill(3)
    const consumer = await bench.kit.consumers.push({ ...ordered, messageListener: () => undefined })
    await settled()
    const handled = await handle(bench, () => 'commit', 'b')
    await consumer.close()
    await settled()
    expect(handled).toEqual([0, 1, 2])
    expect(bench.kit.offsets.offset('billing', 'orders', 0)).toBe(3)
  })

  test('pauses, and says so, at 4,096 messages that are not committed', async () => {
    const bench = await openKit()
    await bench.kit.fill(4200)
    const handled = await handle(bench, () => undefined)
    for (let i = 0; i < 100 && handled.length < 4096; i++) await settled()
    await settled()
    expect(handled).toHaveLength(4096)
    expect(bench.kit.said.filter(event => event.name === 'queue-paused')).toHaveLength(1)
  })

  test('has to be in order per queue', async () => {
    const { kit } = await openKit()
    const invalid = expect.objectContaining({ code: 'POCKETMQ_INVALID_ARGUMENT' })
    for (const orderly of [false, 'group'] as const) {
      await expect(kit.consumers.push({ ...ordered, orderly, messageListener: () => undefined })).rejects.toEqual(
        invalid,
      )
    }
  })
})

test("where every return acknowledges, 'rollback' is a retry and 'commit' nothing special", async () => {
  const { kit, clock } = await openKit()
  await kit.fill(2)
  const seen: number[][] = []
  await kit.consumers.push({
    ...ordered,
    autoCommit: true,
    messageListener: message => {
      seen.push([message.queueOffset, message.deliveryAttempt])
      return message.deliveryAttempt === 1 && message.queueOffset === 0 ? 'rollback' : 'commit'
    },
  })
  await settled()
  await clock.advance(1000)
  await settled()
  expect(seen).toEqual([
    [0, 1],
    [0, 2],
    [1, 1],
  ])
})

test('an ordered worker leaves a queue after a minute where others wait, and comes back to it', async () => {
  const { kit, clock } = await openKit()
  await kit.fill(8, i => ({ queueId: i < 4 ? 0 : 1 }))
  const queues: number[] = []
  await kit.consumers.push({
    ...ordered,
    autoCommit: true,
    concurrency: 1,
    messageListener: async message => {
      queues.push(message.queueId)
      await clock.sleep(40_000)
    },
  })
  for (let i = 0; i < 8; i++) {
    await settled()
    await clock.advance(40_000)
  }
  await settled()
  expect(queues).toEqual([0, 0, 1, 1, 0, 0, 1, 1])
})
