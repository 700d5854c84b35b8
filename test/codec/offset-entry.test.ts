import { describe, expect, it } from 'vitest'
import type { OffsetEntry } from '../../src/codec/offset-entry.ts'
import { decodeOffsetLog, OFFSET_ENTRY_BYTES, OffsetLogEncoder } from '../../src/codec/offset-entry.ts'
import { bitFlips } from './bytes-of.ts'

const FIRST: OffsetEntry = {
  group: 'billing',
  topic: 'orders',
  queueId: 3,
  epoch: 1,
  queueOffset: 12,
  ackedFrom: 0,
  ackedTo: 0,
}
const SECOND: OffsetEntry = { ...FIRST, queueOffset: 2 ** 40, ackedFrom: 2 ** 40 + 5, ackedTo: 2 ** 40 + 9 }
const LONG: OffsetEntry = { ...FIRST, group: 'ü'.repeat(60), topic: `%RETRY%${'t'.repeat(240)}`, epoch: 2 ** 32 - 1 }

function logOf(write: (encoder: OffsetLogEncoder) => void): Buffer {
  const encoder = new OffsetLogEncoder()
  encoder.header()
  write(encoder)
  return encoder.take()
}

const LOG = logOf(encoder => {
  encoder.position(FIRST)
  encoder.settles(5000)
  encoder.position(SECOND)
  encoder.position(LONG)
  encoder.settles(9000)
})

describe('the log of consumer positions', () => {
  it('gives back what was written, names of any length included', () => {
    expect(decodeOffsetLog(LOG)).toEqual({ entries: [FIRST, SECOND, LONG], settledUpTo: 9000, skippedEntries: 0 })
    expect(LOG.length % OFFSET_ENTRY_BYTES).toBe(0)
  })

  it('goes on where the file ended before: names are written once for each file', () => {
    const encoder = new OffsetLogEncoder()
    encoder.header()
    encoder.position(FIRST)
    const before = encoder.take()
    encoder.position(SECOND)
    const after = encoder.take()
    expect(after.length).toBe(OFFSET_ENTRY_BYTES)
    expect(decodeOffsetLog(Buffer.concat([before, after])).entries).toEqual([FIRST, SECOND])
  })

  it('holds many entries', () => {
    const entries = Array.from({ length: 5000 }, (_, n) => ({ ...FIRST, topic: `topic-${n % 700}`, queueOffset: n }))
    const log = logOf(encoder => {
      for (const entry of entries) encoder.position(entry)
    })
    expect(decodeOffsetLog(log).entries).toEqual(entries)
  })

  it('that was never written to says nothing', () => {
    expect(decodeOffsetLog(Buffer.alloc(0))).toEqual({ entries: [], settledUpTo: 0, skippedEntries: 0 })
  })

  it('torn at any byte gives back every whole entry before that', () => {
    for (let end = OFFSET_ENTRY_BYTES; end < LOG.length; end++) {
      const { entries, skippedEntries } = decodeOffsetLog(LOG.subarray(0, end))
      expect(skippedEntries).toBe(0)
      expect([FIRST, SECOND, LONG].slice(0, entries.length)).toEqual(entries)
    }
  })

  it('with a sector that never reached the device skips what was there and reads on', () => {
    // Blocks: header, two names, FIRST, settles, SECOND, ...
    const bytes = Buffer.from(LOG)
    bytes.fill(0, 3 * OFFSET_ENTRY_BYTES, 4 * OFFSET_ENTRY_BYTES)
    expect(decodeOffsetLog(bytes).entries).toEqual([SECOND, LONG])
    expect(decodeOffsetLog(bytes).skippedEntries).toBe(1)
  })

  it('does not believe that retries were applied when entries before that are missing', () => {
    const bytes = Buffer.from(LOG)
    bytes.fill(0, 3 * OFFSET_ENTRY_BYTES, 4 * OFFSET_ENTRY_BYTES)
    expect(decodeOffsetLog(bytes).settledUpTo).toBe(0)
    const later = Buffer.from(LOG)
    later.fill(0, 5 * OFFSET_ENTRY_BYTES, 6 * OFFSET_ENTRY_BYTES)
    expect(decodeOffsetLog(later)).toMatchObject({ entries: [FIRST, LONG], settledUpTo: 5000 })
  })

  it('skips positions whose name is lost', () => {
    const bytes = Buffer.from(LOG)
    bytes.fill(0, OFFSET_ENTRY_BYTES, 2 * OFFSET_ENTRY_BYTES)
    expect(decodeOffsetLog(bytes)).toMatchObject({ entries: [LONG], skippedEntries: 3 })
  })

  it('with any bit flipped never says what was not written', () => {
    const written = [FIRST, SECOND, LONG]
    for (const flipped of bitFlips(LOG.subarray(OFFSET_ENTRY_BYTES))) {
      const { entries, settledUpTo, skippedEntries } = decodeOffsetLog(
        Buffer.concat([LOG.subarray(0, OFFSET_ENTRY_BYTES), flipped]),
      )
      expect(skippedEntries).toBeGreaterThan(0)
      expect([0, 5000]).toContain(settledUpTo)
      expect(entries.filter(entry => !written.some(one => JSON.stringify(one) === JSON.stringify(entry)))).toEqual([])
    }
  })

  it('with a damaged header is damaged', () => {
    for (const flipped of bitFlips(LOG.subarray(0, OFFSET_ENTRY_BYTES))) {
      expect(() => decodeOffsetLog(flipped)).toThrow(expect.objectContaining({ code: 'POCKETMQ_CORRUPT' }))
    }
    expect(() => decodeOffsetLog(LOG.subarray(0, 20))).toThrow(expect.objectContaining({ code: 'POCKETMQ_CORRUPT' }))
  })

  it('takes no name that no group or topic can have', () => {
    const encoder = new OffsetLogEncoder()
    for (const group of ['', 'x'.repeat(256)]) {
      expect(() => encoder.position({ ...FIRST, group })).toThrow(
        expect.objectContaining({ code: 'POCKETMQ_INVALID_ARGUMENT' }),
      )
    }
  })
})
