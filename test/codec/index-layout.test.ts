import { describe, expect, it } from 'vitest'
import {
  indexEntryPosition,
  indexFileBytes,
  indexKeyHash,
  indexSeconds,
  indexSlotPosition,
  readIndexEntry,
  readIndexHeader,
  writeIndexEntry,
  writeIndexHeader,
} from '../../src/codec/index-layout.ts'
import { bytesOf, viewOf } from './bytes-of.ts'

// The one index file of a live 5.5.0 broker's folder (golden g4): header, and entries 1 to 3.
const HEADER = bytesOf('000001a1fcc9fd0f 000001a1fccb3d07 0000000000000000 000000000001621b 00000113 0000028b')
const ENTRIES = bytesOf('5ed60a9f 0000000000000000 00000000 00000000 0e195643 0000000000000000 00000000 00000000')
const SIZES = { slots: 1000, entries: 4000 }

describe('an index file', () => {
  it('has the length and the positions RocketMQ gives it', () => {
    expect(indexFileBytes({ slots: 5_000_000, entries: 20_000_000 })).toBe(420_000_040)
    expect(indexFileBytes(SIZES)).toBe(84_040)
    expect([indexSlotPosition(0), indexSlotPosition(61)]).toEqual([40, 284])
    expect([indexEntryPosition(1000, 0), indexEntryPosition(1000, 1)]).toEqual([4040, 4060])
  })

  it('has its header read and written byte for byte', () => {
    const header = readIndexHeader(viewOf(HEADER), 0, SIZES)
    expect(header).toEqual({
      beginTimestamp: 1_795_242_458_383,
      endTimestamp: 1_795_242_540_295,
      beginPhysicalOffset: 0,
      endPhysicalOffset: 90_651,
      usedSlots: 275,
      nextEntry: 651,
    })
    const bytes = Buffer.alloc(40)
    writeIndexHeader(viewOf(bytes), 0, header as NonNullable<typeof header>)
    expect(bytes).toEqual(HEADER)
  })

  it('has its entries read and written byte for byte', () => {
    const entry = { keyHash: 0x5ed60a9f, physicalOffset: 0, secondsSince: 0, previousEntry: 0 }
    expect(readIndexEntry(viewOf(ENTRIES), 0, 1)).toEqual(entry)
    expect(readIndexEntry(viewOf(ENTRIES), 20, 2)).toEqual({ ...entry, keyHash: 0x0e195643 })
    const bytes = Buffer.alloc(20)
    writeIndexEntry(viewOf(bytes), 0, 0x5ed60a9f, 0, 0, 0)
    expect(bytes).toEqual(ENTRIES.subarray(0, 20))
  })

  it('of zeros is an empty one: its next entry is the first', () => {
    expect(readIndexHeader(viewOf(Buffer.alloc(40)), 0, SIZES)?.nextEntry).toBe(1)
  })

  it('is refused when its counts do not fit the file, or its numbers cannot be', () => {
    expect(readIndexHeader(viewOf(HEADER), 0, { slots: 1000, entries: 650 })).toBeUndefined()
    expect(readIndexHeader(viewOf(HEADER), 0, { slots: 274, entries: 4000 })).toBeUndefined()
    for (const at of [0, 8, 16, 24, 32, 36]) {
      const bytes = Buffer.from(HEADER)
      bytes.writeUInt8(0x80, at)
      expect(readIndexHeader(viewOf(bytes), 0, SIZES)).toBeUndefined()
    }
  })

  it('has chains that lead to lower entries only, so that no chain is a circle', () => {
    const bytes = Buffer.alloc(20)
    writeIndexEntry(viewOf(bytes), 0, 1, 100, 0, 7)
    expect(readIndexEntry(viewOf(bytes), 0, 8)?.previousEntry).toBe(7)
    expect(readIndexEntry(viewOf(bytes), 0, 7)).toBeUndefined()
    expect(readIndexEntry(viewOf(bytes), 0, 3)).toBeUndefined()
  })
})

describe('the hash of a key', () => {
  it('is the one RocketMQ computes', () => {
    expect(indexKeyHash('TopicTest', 'key0')).toBe(1_655_984_461)
    expect(indexKeyHash('TopicTest', 'key0') % 100).toBe(61)
  })

  it('is never negative, not even where the Java hash has no positive counterpart', () => {
    // The Java hash of this topic and key is exactly -2^31, whose absolute value is no 32-bit integer.
    expect(indexKeyHash('t', 'achssxlk')).toBe(0)
    expect(indexKeyHash('a', 'b')).toBe(94_400)
  })
})

describe('the seconds of an entry', () => {
  it('count from the beginning of the file, and stay in their range', () => {
    expect(indexSeconds(1_000_000, 1_002_999)).toBe(2)
    expect(indexSeconds(1_000_000, 999_000)).toBe(0)
    expect(indexSeconds(0, 1_700_000_000_000)).toBe(0)
    expect(indexSeconds(1, 1_700_000_000_000_000)).toBe(0x7fffffff)
  })
})
