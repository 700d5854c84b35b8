import { createRequire } from 'node:module'
import { expect, test } from 'vitest'
import { checkedQueueId, queueOfGroup, RoundRobin } from '../../src/messaging/queue-choice.ts'

test("a message group has one queue, the one RocketMQ's Java client computes", () => {
  // "customer-7".hashCode() is -1667157403 in Java; its remainder by 4 is -3.
  expect(queueOfGroup('Aa', 4)).toBe(2112 % 4)
  expect(queueOfGroup('BB', 4)).toBe(queueOfGroup('Aa', 4))
  // "polygenelubricants".hashCode() is Integer.MIN_VALUE.
  expect(queueOfGroup('polygenelubricants', 7)).toBe(2)
  for (let i = 0; i < 1000; i++) {
    const queueId = queueOfGroup(`customer-${i}`, 5)
    expect(queueId).toBeGreaterThanOrEqual(0)
    expect(queueId).toBeLessThan(5)
  }
})

test("with sip24 a message group has the queue that RocketMQ's gRPC client for Node computes", async () => {
  const load = createRequire(import.meta.url)
  const { calculateStringSipHash24 } = load('rocketmq-client-nodejs/dist/util') as {
    calculateStringSipHash24(text: string): bigint
  }
  for (let i = 0; i < 1000; i++) {
    const group = `customer-${i}-Ä`
    expect(queueOfGroup(group, 1 + (i % 9), 'sip24')).toBe(
      Number(calculateStringSipHash24(group) % BigInt(1 + (i % 9))),
    )
  }
})

test('round robin starts anywhere and then takes each queue in turn, for every topic by itself', () => {
  const roundRobin = new RoundRobin(() => 0.6)
  expect([1, 2, 3, 4, 5].map(() => roundRobin.next('a', 4))).toEqual([2, 3, 0, 1, 2])
  expect([1, 2].map(() => roundRobin.next('b', 2))).toEqual([1, 0])
  expect(roundRobin.next('a', 4)).toBe(3)
})

test('round robin goes on within the queues there are when they become fewer', () => {
  const roundRobin = new RoundRobin(() => 0.9)
  expect(roundRobin.next('a', 4)).toBe(3)
  expect(roundRobin.next('a', 2)).toBe(0)
  expect(roundRobin.next('a', 2)).toBe(1)
})

test('a queue that the topic does not have is refused', () => {
  expect(checkedQueueId(3, 'a', 4)).toBe(3)
  for (const queueId of [4, -1, 1.5, '1', undefined]) {
    expect(() => checkedQueueId(queueId, 'a', 4)).toThrow(
      expect.objectContaining({ code: 'POCKETMQ_INVALID_ARGUMENT' }),
    )
  }
})
