import { expect, test } from 'vitest'
import { PendingTimers } from '../../src/messaging/pending-timers.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'

type Waiting = { dueMs: number; queueOffset: number }

test('whatever is added, recalled and taken, the earliest come first and nothing comes twice', () => {
  const random = seededRandom(9)
  const timers = new PendingTimers()
  let model: Waiting[] = []
  let next = 0
  for (let step = 0; step < 20_000; step++) {
    const what = random.below(10)
    if (what < 5) {
      const dueMs = random.below(100_000)
      timers.add({ dueMs, queueOffset: next, physicalOffset: next * 10, sizeBytes: 1, keyHash: next % 7 })
      model.push({ dueMs, queueOffset: next++ })
    } else if (what < 8 && model.length > 0) {
      const { queueOffset } = model[random.below(model.length)] as Waiting
      timers.settle(queueOffset)
      model = model.filter(waiting => waiting.queueOffset !== queueOffset)
    } else if (what === 8) {
      const nowMs = random.below(20_000)
      const taken = timers.takeDue(nowMs, 3)
      const expected = model
        .filter(({ dueMs }) => dueMs <= nowMs)
        .sort((a, b) => a.dueMs - b.dueMs || a.queueOffset - b.queueOffset)
        .slice(0, 3)
      expect(taken.map(({ queueOffset }) => queueOffset)).toEqual(expected.map(({ queueOffset }) => queueOffset))
      for (const timer of taken) {
        if (random.chance(0.3)) timers.putBack(timer)
        else {
          timers.settle(timer.queueOffset)
          model = model.filter(({ queueOffset }) => queueOffset !== timer.queueOffset)
        }
      }
    }
    expect(timers.count).toBe(model.length)
    const earliest = model.reduce((least, { dueMs }) => Math.min(least, dueMs), Number.POSITIVE_INFINITY)
    expect(timers.nextDueMs).toBe(earliest)
    expect(timers.lowestPhysicalOffset).toBe((model[0]?.queueOffset ?? Number.POSITIVE_INFINITY) * 10)
  }
})

test('messages with one key hash are told apart, and forgotten one by one', () => {
  const timers = new PendingTimers()
  for (const queueOffset of [1, 2, 3])
    timers.add({ dueMs: 5, queueOffset, physicalOffset: 0, sizeBytes: 1, keyHash: 4 })
  timers.settle(2)
  timers.settle(2)
  expect(timers.withKeyHash(4).map(({ queueOffset }) => queueOffset)).toEqual([1, 3])
  timers.settle(1)
  timers.settle(3)
  expect(timers.withKeyHash(4)).toEqual([])
})
