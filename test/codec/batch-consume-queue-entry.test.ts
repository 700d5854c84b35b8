import { expect, it } from 'vitest'
import {
  BATCH_CONSUME_QUEUE_ENTRY_BYTES,
  readBatchConsumeQueueEntry,
  writeBatchConsumeQueueEntry,
} from '../../src/codec/batch-consume-queue-entry.ts'
import { bytesOf, viewOf } from './bytes-of.ts'

// batchconsumequeue/Topic_A/0 of golden g3b: two inner batches of five messages.
const REAL = bytesOf(`000000000000055b000004350000000000000000000001a1fcc8e66900000000000000000005ffffffff00000000
  0000000000000e300000055b0000000000000000000001a1fcc8e66a00000000000000050005ffffffff00000000`)

const ENTRIES = [
  {
    physicalOffset: 1371,
    sizeBytes: 1077,
    tagsCode: 0,
    storeTimestamp: 1_795_242_387_049,
    baseQueueOffset: 0,
    messageCount: 5,
  },
  {
    physicalOffset: 3632,
    sizeBytes: 1371,
    tagsCode: 0,
    storeTimestamp: 1_795_242_387_050,
    baseQueueOffset: 5,
    messageCount: 5,
  },
]

it('a batch consume-queue entry reads as the broker wrote it', () => {
  const entries = [0, 1].map(n => readBatchConsumeQueueEntry(viewOf(REAL), n * BATCH_CONSUME_QUEUE_ENTRY_BYTES))
  expect(entries).toEqual(ENTRIES)
})

it('a batch consume-queue entry is written byte for byte as the broker does', () => {
  const bytes = Buffer.alloc(92)
  for (const [n, entry] of ENTRIES.entries()) {
    writeBatchConsumeQueueEntry(viewOf(bytes), n * BATCH_CONSUME_QUEUE_ENTRY_BYTES, entry)
  }
  expect(bytes).toEqual(REAL)
})

it('a batch consume-queue entry is none where nothing was written or the numbers cannot be', () => {
  expect(readBatchConsumeQueueEntry(viewOf(Buffer.alloc(46)), 0)).toBeUndefined()
  for (const [at, value] of [
    [8, 0],
    [28, -1],
    [36, 0],
    [0, 0x7fffffff],
  ] as const) {
    const bytes = Buffer.from(REAL.subarray(0, 46))
    if (at === 36) bytes.writeInt16BE(value, at)
    else bytes.writeInt32BE(value, at)
    expect(readBatchConsumeQueueEntry(viewOf(bytes), 0)).toBeUndefined()
  }
})
