import { expect, test } from 'vitest'
import type { PendingTimersFile } from '../../src/codec/pending-timers.ts'
import { decodePendingTimers, encodePendingTimers } from '../../src/codec/pending-timers.ts'

const FILE: PendingTimersFile = {
  appliedTo: 2 ** 40 + 7,
  nextQueueOffset: 12,
  checkHash: Buffer.alloc(32, 1),
  checkHashBefore: Buffer.alloc(32, 2),
  timerLogFileBytes: 104_857_600,
  entries: [
    { dueMs: 1_795_242_461_000, queueOffset: 3, physicalOffset: 2 ** 33, sizeBytes: 300, keyHash: -5 },
    {
      dueMs: 1_795_242_462_001,
      queueOffset: 11,
      physicalOffset: 2 ** 33 + 300,
      sizeBytes: 301,
      keyHash: 2_147_483_647,
    },
  ],
}

test('what is written reads back', () => {
  const decoded = decodePendingTimers(encodePendingTimers(FILE))
  expect({ ...decoded, checkHash: [...decoded.checkHash], checkHashBefore: [...decoded.checkHashBefore] }).toEqual({
    ...FILE,
    checkHash: [...FILE.checkHash],
    checkHashBefore: [...FILE.checkHashBefore],
  })
  expect(decodePendingTimers(encodePendingTimers({ ...FILE, entries: [] })).entries).toEqual([])
})

test('every truncation and every flipped bit is a typed error, never another value', () => {
  const bytes = encodePendingTimers(FILE)
  for (let length = 0; length < bytes.length; length++) {
    expect(() => decodePendingTimers(Buffer.from(bytes.subarray(0, length)))).toThrow(
      expect.objectContaining({ code: 'POCKETMQ_CORRUPT' }),
    )
  }
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = Buffer.from(bytes)
    flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
    expect(() => decodePendingTimers(flipped)).toThrow(expect.objectContaining({ code: 'POCKETMQ_CORRUPT' }))
  }
})
