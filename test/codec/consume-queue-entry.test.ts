import { describe, expect, it } from 'vitest'
import {
  CONSUME_QUEUE_ENTRY_BYTES,
  EXTENSION_ADDRESS_MAX,
  entryTagsCode,
  isConsumeQueueEntry,
  isPreBlankEntry,
  readConsumeQueueEntry,
  writeConsumeQueueEntry,
} from '../../src/codec/consume-queue-entry.ts'
import { bytesOf, viewOf } from './bytes-of.ts'

// The first three slots of consumequeue/normal/0 and the first of SCHEDULE_TOPIC_XXXX/2 of a real 5.5.0 broker (golden g4).
const NORMAL = bytesOf(`00000000000000000000015b000000000027a807 00000000000005f9000001c8000000000027a808
  0000000000000c1c000001850000000000000000`)
const SCHEDULE = bytesOf('0000000000008e270000023b000001a1fcca2b96')

describe('a consume-queue entry', () => {
  it('reads as the broker wrote it: where, how long, which tag', () => {
    const view = viewOf(NORMAL)
    const entries = [0, 1, 2].map(n => readConsumeQueueEntry(view, n * CONSUME_QUEUE_ENTRY_BYTES))
    expect(entries).toEqual([
      { physicalOffset: 0, sizeBytes: 347, tagsCode: 2598919 },
      { physicalOffset: 1529, sizeBytes: 456, tagsCode: 2598920 },
      { physicalOffset: 3100, sizeBytes: 389, tagsCode: 0 },
    ])
  })

  it('of the schedule topic holds the delivery time instead of a hash', () => {
    expect(entryTagsCode(viewOf(SCHEDULE), 0)).toBe(1_795_242_470_294)
  })

  it('is written byte for byte as the broker does', () => {
    const bytes = Buffer.alloc(60)
    writeConsumeQueueEntry(viewOf(bytes), 0, 0, 347, 2598919)
    writeConsumeQueueEntry(viewOf(bytes), 20, 1529, 456, 2598920)
    writeConsumeQueueEntry(viewOf(bytes), 40, 3100, 389, 0)
    expect(bytes).toEqual(NORMAL)
  })

  it('keeps a negative tag hash', () => {
    const bytes = Buffer.alloc(20)
    writeConsumeQueueEntry(viewOf(bytes), 0, 2 ** 40, 100, -2_147_483_648)
    expect(readConsumeQueueEntry(viewOf(bytes), 0)).toEqual({
      physicalOffset: 2 ** 40,
      sizeBytes: 100,
      tagsCode: -2_147_483_648,
    })
  })

  it('is none where nothing was written, where a slot is pre-blank, and where the numbers cannot be', () => {
    const preBlank = bytesOf('0000000000000000 7fffffff 0000000000000000')
    const hostile = [
      Buffer.alloc(20),
      preBlank,
      bytesOf('ffffffffffffffff 00000064 0000000000000000'),
      bytesOf('0000000000000000 ffffffff 0000000000000000'),
      bytesOf('7fffffffffffffff 00000064 0000000000000000'),
    ]
    expect(hostile.map(bytes => isConsumeQueueEntry(viewOf(bytes), 0))).toEqual([false, false, false, false, false])
    expect(hostile.map(bytes => readConsumeQueueEntry(viewOf(bytes), 0))).toEqual(hostile.map(() => undefined))
    expect(isPreBlankEntry(viewOf(preBlank), 0)).toBe(true)
    expect(isPreBlankEntry(viewOf(Buffer.alloc(20)), 0)).toBe(false)
  })

  it('whose tags code is an address into consumequeue_ext is told from a hash', () => {
    const address = bytesOf('0000000000000000 00000064 8000000000000010')
    expect(entryTagsCode(viewOf(address), 0)).toBeLessThanOrEqual(EXTENSION_ADDRESS_MAX)
    expect(-2_147_483_648).toBeGreaterThan(EXTENSION_ADDRESS_MAX)
  })
})
