import { describe, expect, it } from 'vitest'
import { decodeTimerCheck, encodeTimerCheck } from '../../src/codec/timer-check.ts'
import {
  readTimerLogUnit,
  TIMER_LOG_UNIT_BYTES,
  TIMER_MARK_DELETE,
  TIMER_MARK_DELIVER,
  timerLogFillerBytes,
  writeTimerLogFiller,
  writeTimerLogUnit,
} from '../../src/codec/timer-log.ts'
import { readTimerSlot, TIMER_WHEEL_BYTES, timerSlotPosition, writeTimerSlot } from '../../src/codec/timer-wheel.ts'
import { bytesOf, viewOf } from './bytes-of.ts'

// From the folder of a live 5.5.0 broker (golden g4): units at 0 and at 0x138 of the timer log (the second is a recall's
// deletion in the slot of 0x104), wheel slot 196091, the first 56 of 4096 bytes of config/timercheck.
const UNIT = bytesOf(`00000034 ffffffffffffffff 00000001 000001a1fcc9fb90 00000bb8 00000000000077c3 00000159 05b0b983
  0000000000000000`)
const DELETION =
  bytesOf(`00000034 0000000000000104 00000005 000001a1fcca49b0 000927c0 000000000000f014 00000164 05b0b983
  0000000000000000`)
const SLOT = bytesOf('000000006b0139fb 000000000000023c 0000000000000410 00000009 00000000')
const CHECK = bytesOf(`000001a1fccc7848 00000000000004ac 0000000000000017 0000000000000017 0000000000000000
  000001a1fccc78f3 0000000000000143`)

describe('a unit of the timer log', () => {
  const unit = {
    previousPosition: -1,
    marks: TIMER_MARK_DELIVER,
    writeTimestamp: 1_795_242_458_000,
    delayMs: 3000,
    physicalOffset: 30_659,
    recordBytes: 345,
    topicHash: 95_467_907,
  }

  it('reads and is written as the broker wrote it', () => {
    expect(readTimerLogUnit(viewOf(UNIT), 0, 0)).toEqual(unit)
    const bytes = Buffer.alloc(TIMER_LOG_UNIT_BYTES)
    writeTimerLogUnit(viewOf(bytes), 0, unit)
    expect(bytes).toEqual(UNIT)
  })

  it('of a recall is marked as a deletion and hangs on the unit before it', () => {
    const deletion = readTimerLogUnit(viewOf(DELETION), 0, 0x138)
    expect(deletion).toMatchObject({ previousPosition: 0x104, marks: TIMER_MARK_DELETE | TIMER_MARK_DELIVER })
  })

  it('is none past the end, in zeros, and where it would lead a chain forward or round', () => {
    expect(readTimerLogUnit(viewOf(UNIT.subarray(0, 51)), 0, 0)).toBeUndefined()
    expect(readTimerLogUnit(viewOf(Buffer.alloc(52)), 0, 0)).toBeUndefined()
    expect(readTimerLogUnit(viewOf(DELETION), 0, 0x104)).toBeUndefined()
    expect(readTimerLogUnit(viewOf(DELETION), 0, 0x100)).toBeUndefined()
  })

  it('is none with numbers that cannot be', () => {
    for (const [at, value] of [
      [4, 0x80000000],
      [16, 0x80000000],
      [28, 0x7fffffff],
      [36, 0],
      [0, 51],
    ] as const) {
      const bytes = Buffer.from(UNIT)
      bytes.writeUInt32BE(value, at)
      expect(readTimerLogUnit(viewOf(bytes), 0, 0)).toBeUndefined()
    }
  })
})

describe('the filler of a timer-log file', () => {
  it('says how far the next file is', () => {
    const bytes = Buffer.alloc(40)
    writeTimerLogFiller(viewOf(bytes), 0, 40)
    expect(bytes.subarray(0, 16)).toEqual(bytesOf('00000028 0000000000000000 cbd43194'))
    expect(timerLogFillerBytes(viewOf(bytes), 0)).toBe(40)
  })

  it('is none elsewhere, and never stands still', () => {
    expect(timerLogFillerBytes(viewOf(UNIT), 0)).toBe(0)
    expect(timerLogFillerBytes(viewOf(UNIT), 40)).toBe(0)
    expect(timerLogFillerBytes(viewOf(bytesOf('00000000 0000000000000000 cbd43194')), 0)).toBe(0)
  })
})

describe('a slot of the timer wheel', () => {
  const slot = { seconds: 1_795_242_491, firstPosition: 572, lastPosition: 1040, messageCount: 9 }

  it('reads and is written as the broker wrote it', () => {
    expect(readTimerSlot(viewOf(SLOT), 0)).toEqual(slot)
    const bytes = Buffer.alloc(32)
    writeTimerSlot(viewOf(bytes), 0, slot)
    expect(bytes).toEqual(SLOT)
  })

  it('lies where the broker put it, in a wheel of two weeks', () => {
    expect(timerSlotPosition(1_795_242_491_999)).toBe(196_091 * 32)
    expect(TIMER_WHEEL_BYTES).toBe(38_707_200)
  })

  it('is none where nothing was put, and with numbers that cannot be', () => {
    expect(readTimerSlot(viewOf(Buffer.alloc(32)), 0)).toBeUndefined()
    for (const [at, value] of [
      [0, 0x7fffffff],
      [8, 0x80000000],
      [16, 0x80000000],
      [24, 0x80000000],
    ] as const) {
      const bytes = Buffer.from(SLOT)
      bytes.writeUInt32BE(value, at)
      expect(readTimerSlot(viewOf(bytes), 0)).toBeUndefined()
    }
  })
})

describe('timercheck', () => {
  const check = {
    lastReadTimestamp: 1_795_242_621_000,
    timerLogFlushed: 1196,
    timerQueueOffset: 23,
    masterQueueOffset: 23,
    stateVersion: 0,
    versionTimestamp: 1_795_242_621_171,
    versionCounter: 323,
  }

  it('reads and is written as the broker wrote it', () => {
    expect(decodeTimerCheck(CHECK)).toEqual(check)
    const bytes = encodeTimerCheck(check)
    expect(bytes.length).toBe(4096)
    expect(bytes.subarray(0, 56)).toEqual(CHECK)
  })

  it('is damaged where it is too short or holds numbers that cannot be', () => {
    expect(() => decodeTimerCheck(CHECK.subarray(0, 31))).toThrow(expect.objectContaining({ code: 'POCKETMQ_CORRUPT' }))
    for (let field = 0; field < 7; field++) {
      const bytes = Buffer.from(CHECK)
      bytes.writeUInt8(0x80, field * 8)
      expect(() => decodeTimerCheck(bytes)).toThrow(expect.objectContaining({ code: 'POCKETMQ_CORRUPT' }))
    }
  })
})
