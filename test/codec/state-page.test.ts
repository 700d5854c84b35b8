import { describe, expect, it } from 'vitest'
import { encodeOwnFile } from '../../src/codec/own-file.ts'
import type { StatePage } from '../../src/codec/state-page.ts'
import {
  decodeStatePage,
  decodeStateSlot,
  encodeStateSlot,
  STATE_PAGE_BYTES,
  STATE_SLOT_BYTES,
  stateSlotPosition,
} from '../../src/codec/state-page.ts'
import { bitFlips } from './bytes-of.ts'

const PAGE: StatePage = {
  sequence: 7,
  min: 67_108_864,
  flushed: 2 ** 40,
  written: 2 ** 40 + 1,
  dispatched: 2 ** 40 - 5,
  indexed: 2 ** 40 - 9,
  checkpointed: 2 ** 40 - 100,
  lastStoreTimestamp: 1_795_242_363_277,
  commitLogSegmentBytes: 67_108_864,
  consumeQueueEntries: 300_000,
  indexSlots: 500_000,
  indexEntries: 2_000_000,
  queueFiles: 12,
  indexFiles: 3,
  queueEntries: 2 ** 41,
  indexEnd: 2 ** 40 - 300,
  isCleanClose: true,
  consumerOffsetSha256: '11'.repeat(32),
  checkpointSha256: undefined,
  formerConsumerOffsetSha256: '22'.repeat(32),
  formerCheckpointSha256: '33'.repeat(32),
  listsSequence: 3,
}

function pageOf(...slots: readonly StatePage[]): Buffer {
  const bytes = Buffer.alloc(STATE_PAGE_BYTES)
  for (const slot of slots) encodeStateSlot(slot).copy(bytes, stateSlotPosition(slot.sequence))
  return bytes
}

describe('the state page', () => {
  it('has 4096 bytes and two slots, which sequence numbers take in turn', () => {
    expect([STATE_PAGE_BYTES, STATE_SLOT_BYTES]).toEqual([4096, 2048])
    expect([1, 2, 3].map(stateSlotPosition)).toEqual([2048, 0, 2048])
  })

  it('gives back what was saved', () => {
    expect(decodeStatePage(pageOf(PAGE))).toEqual(PAGE)
    const other = { ...PAGE, isCleanClose: false, consumerOffsetSha256: undefined, checkpointSha256: 'ab'.repeat(32) }
    expect(decodeStatePage(pageOf(other))).toEqual(other)
  })

  it('says what was saved last', () => {
    const newer = { ...PAGE, sequence: 8, flushed: PAGE.flushed + 1 }
    expect(decodeStatePage(pageOf(PAGE, newer))).toEqual(newer)
  })

  it('with a torn newer slot says what was saved before', () => {
    const bytes = pageOf(PAGE, { ...PAGE, sequence: 8, flushed: PAGE.flushed + 1 })
    for (let torn = 0; torn < STATE_SLOT_BYTES; torn += 512) {
      const half = Buffer.from(bytes)
      // The newer slot is the first one; from `torn` on a sector of it never reached the device.
      half.fill(0xee, torn, torn + 512)
      expect(decodeStatePage(half)).toEqual(PAGE)
    }
  })

  it('that never was written says nothing, whatever its length', () => {
    for (const length of [0, 1, 2047, 2048, 4095, 4096, 9000]) {
      expect(decodeStatePage(Buffer.alloc(length))).toBeUndefined()
    }
  })

  it('does not believe a slot that stands where another sequence number belongs', () => {
    const bytes = Buffer.alloc(STATE_PAGE_BYTES)
    encodeStateSlot(PAGE).copy(bytes, 0)
    expect(decodeStatePage(bytes)).toBeUndefined()
  })

  it('of a newer PocketMQ is refused', () => {
    const newer = encodeOwnFile(encodeStateSlot(PAGE).subarray(12), 2)
    const bytes = pageOf({ ...PAGE, sequence: 8 })
    newer.copy(bytes, STATE_SLOT_BYTES)
    expect(() => decodeStatePage(bytes)).toThrow(expect.objectContaining({ code: 'POCKETMQ_UNSUPPORTED_FORMAT' }))
  })

  it('is damaged where any one bit of a slot is flipped', () => {
    let refused = 0
    for (const flipped of bitFlips(encodeStateSlot(PAGE))) {
      expect(() => decodeStateSlot(flipped)).toThrow(expect.objectContaining({ code: 'POCKETMQ_CORRUPT' }))
      refused++
    }
    expect(refused).toBe(STATE_SLOT_BYTES * 8)
  })
})
