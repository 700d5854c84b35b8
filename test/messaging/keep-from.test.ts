import { describe, expect, test } from 'vitest'
import { GroupOffsets } from '../../src/messaging/group-offsets.ts'
import type { GroupRecords } from '../../src/messaging/group-records.ts'
import { keepFrom } from '../../src/messaging/keep-from.ts'
import type { MessageStore } from '../../src/store/message-store.ts'

const QUEUES = 1000
const GROUPS = 5

/** Each queue has ten messages; a message lies at its queue's number and its own offset. */
function fakeStore(): MessageStore {
  const store = {
    retention: { keepUnconsumed: true, absentGroupHours: 1 },
    clock: { nowMs: () => 0 },
    queueRange: () => ({ minQueueOffset: 0, maxQueueOffset: 10 }),
    read: async ({ queueId, queueOffset }: { queueId: number; queueOffset: number }) => ({
      messages: [{ physicalOffset: queueId * 1000 + queueOffset }],
    }),
  }
  return store as unknown as MessageStore
}

function offsets(): GroupOffsets {
  const entries = new GroupOffsets(() => undefined)
  for (let group = 0; group < GROUPS; group++) {
    for (let queueId = 0; queueId < QUEUES; queueId++) {
      // The first queue is done; in the others the last group is the slowest.
      entries.obtain(`group-${group}`, 'orders', queueId, () => (queueId === 0 ? 10 : 9 - group))
    }
  }
  return entries
}

describe('what retention has to keep', () => {
  const records = { lastSeenMs: () => undefined } as unknown as GroupRecords

  test('is the oldest message that a group has not consumed', async () => {
    expect(await keepFrom(fakeStore(), offsets(), records, () => true)).toBe(1000 + 9 - (GROUPS - 1))
  })

  test('is looked for in many turns of the event loop, and each group is asked for once', async () => {
    let turns = 0
    let isDone = false
    const turn = (): void => {
      turns++
      if (!isDone) setImmediate(turn)
    }
    setImmediate(turn)
    let asked = 0
    await keepFrom(fakeStore(), offsets(), records, () => ++asked > 0)
    isDone = true
    expect(asked).toBe(GROUPS)
    expect(turns).toBeGreaterThan(QUEUES / 64)
  })
})
