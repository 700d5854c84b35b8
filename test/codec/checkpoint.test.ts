import { describe, expect, it } from 'vitest'
import {
  CHECKPOINT_BYTES,
  decodeCheckpoint,
  EMPTY_CHECKPOINT,
  encodeCheckpoint,
  rescanTimestamp,
} from '../../src/codec/checkpoint.ts'
import { bytesOf } from './bytes-of.ts'

// The first 48 of 4096 bytes of golden g2 (5.5.0, closed cleanly).
const REAL = bytesOf(
  `000001a1fcc8898d 000001a1fcc889f8 000001a1fcc889d5 0000000000000000 0000000000000000 0000000000030a4a`,
)

const CHECKPOINT = {
  physicMessageTimestamp: 1_795_242_363_277,
  logicsMessageTimestamp: 1_795_242_363_384,
  indexMessageTimestamp: 1_795_242_363_349,
  masterFlushedOffset: 0,
  confirmPhysicalOffset: 0,
  logicsPhysicalOffset: 199_242,
}

describe('the checkpoint', () => {
  it('reads as the broker wrote it, and also where only its first bytes are there', () => {
    const padded = Buffer.concat([REAL, Buffer.alloc(CHECKPOINT_BYTES - REAL.length)])
    expect(decodeCheckpoint(padded)).toEqual(CHECKPOINT)
    expect(decodeCheckpoint(REAL)).toEqual(CHECKPOINT)
    expect(decodeCheckpoint(REAL.subarray(0, 40))).toEqual({ ...CHECKPOINT, logicsPhysicalOffset: 0 })
  })

  it('is written as 4096 bytes, byte for byte as the broker does', () => {
    const bytes = encodeCheckpoint(CHECKPOINT)
    expect(bytes.length).toBe(4096)
    expect(bytes.subarray(0, 48)).toEqual(REAL)
    expect(bytes.subarray(48).every(byte => byte === 0)).toBe(true)
  })

  it('makes a broker rescan from three seconds before the older of its timestamps', () => {
    expect(rescanTimestamp(CHECKPOINT)).toBe(CHECKPOINT.physicMessageTimestamp - 3000)
    expect(rescanTimestamp(EMPTY_CHECKPOINT)).toBe(0)
  })

  it('is damaged where it is too short or holds numbers that cannot be', () => {
    expect(() => decodeCheckpoint(REAL.subarray(0, 39))).toThrow(expect.objectContaining({ code: 'POCKETMQ_CORRUPT' }))
    for (let field = 0; field < 6; field++) {
      for (const first of [0x80, 0x7f]) {
        const bytes = Buffer.from(REAL)
        bytes.writeUInt8(first, field * 8)
        expect(() => decodeCheckpoint(bytes)).toThrow(expect.objectContaining({ code: 'POCKETMQ_CORRUPT' }))
      }
    }
  })
})
