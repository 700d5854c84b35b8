/**
 * One unit of the timer log: a pending delayed message. Big-endian, 52 bytes.   RocketMQ: TimerLog.
 *
 * | offset | bytes | field            | meaning                                                               |
 * | -----: | ----: | ---------------- | --------------------------------------------------------------------- |
 * |      0 |     4 | sizeBytes        | 52                                                                    |
 * |      4 |     8 | previousPosition | unit before it in the same wheel slot, -1 = none                      |
 * |     12 |     4 | marks            | 1 deliver, 2 roll (put it into the timer topic again), 4 delete       |
 * |     16 |     8 | writeTimestamp   | when the unit was written, in epoch milliseconds                      |
 * |     24 |     4 | delayMs          | deliver time minus writeTimestamp                                     |
 * |     28 |     8 | physicalOffset   | the record in the commit log                                          |
 * |     36 |     4 | recordBytes      | its size                                                              |
 * |     40 |     4 | topicHash        | Java hash of the real topic                                           |
 * |     44 |     8 | reserved         | 0                                                                     |
 *
 * What closes a file whose next unit did not fit, at least 16 bytes before its end:
 * | offset | bytes | field          | meaning                                    |
 * | -----: | ----: | -------------- | ------------------------------------------ |
 * |      0 |     4 | remainingBytes | from here to the end of the file           |
 * |      4 |     8 | zero           | 0                                          |
 * |     12 |     4 | magic          | 0xCBD43194                                 |
 */
import { readI64, writeI64 } from './bytes.ts'
import { layoutBytes, offsetsOf } from './layout.ts'

export const TIMER_LOG_UNIT_LAYOUT = [
  { offset: 0, bytes: 4, field: 'sizeBytes' },
  { offset: 4, bytes: 8, field: 'previousPosition' },
  { offset: 12, bytes: 4, field: 'marks' },
  { offset: 16, bytes: 8, field: 'writeTimestamp' },
  { offset: 24, bytes: 4, field: 'delayMs' },
  { offset: 28, bytes: 8, field: 'physicalOffset' },
  { offset: 36, bytes: 4, field: 'recordBytes' },
  { offset: 40, bytes: 4, field: 'topicHash' },
  { offset: 44, bytes: 8, field: 'reserved' },
] as const

export const TIMER_LOG_FILLER_LAYOUT = [
  { offset: 0, bytes: 4, field: 'remainingBytes' },
  { offset: 4, bytes: 8, field: 'zero' },
  { offset: 12, bytes: 4, field: 'magic' },
] as const

export const TIMER_LOG_UNIT_BYTES: number = layoutBytes(TIMER_LOG_UNIT_LAYOUT)
export const TIMER_LOG_FILLER_BYTES: number = layoutBytes(TIMER_LOG_FILLER_LAYOUT)
/** Length of a timer-log file in a broker with default settings. */
export const TIMER_LOG_FILE_BYTES = 104_857_600

/** Bits of `marks`. */
export const TIMER_MARK_DELIVER = 1
export const TIMER_MARK_ROLL = 2
export const TIMER_MARK_DELETE = 4

const AT = offsetsOf(TIMER_LOG_UNIT_LAYOUT)
const FILLER = offsetsOf(TIMER_LOG_FILLER_LAYOUT)
const FILLER_MAGIC = 0xcbd43194 | 0

/** What a unit says. */
export type TimerLogUnit = {
  readonly previousPosition: number
  readonly marks: number
  readonly writeTimestamp: number
  readonly delayMs: number
  readonly physicalOffset: number
  readonly recordBytes: number
  readonly topicHash: number
}

/** Writes the unit at index `at` of the view. */
export function writeTimerLogUnit(view: DataView, at: number, unit: TimerLogUnit): void {
  view.setInt32(at + AT.sizeBytes, TIMER_LOG_UNIT_BYTES)
  writeI64(view, at + AT.previousPosition, unit.previousPosition)
  view.setInt32(at + AT.marks, unit.marks)
  writeI64(view, at + AT.writeTimestamp, unit.writeTimestamp)
  view.setInt32(at + AT.delayMs, unit.delayMs)
  writeI64(view, at + AT.physicalOffset, unit.physicalOffset)
  view.setInt32(at + AT.recordBytes, unit.recordBytes)
  view.setInt32(at + AT.topicHash, unit.topicHash)
  writeI64(view, at + AT.reserved, 0)
}

/**
 * The unit at index `at`, or undefined where there is none: the end, a filler, or nonsense. `position` is the unit's own
 * position in the timer log: a chain only ever leads to lower ones, which bounds the walk along it.
 */
export function readTimerLogUnit(view: DataView, at: number, position: number): TimerLogUnit | undefined {
  if (at + TIMER_LOG_UNIT_BYTES > view.byteLength) return undefined
  if (view.getInt32(at + AT.sizeBytes) !== TIMER_LOG_UNIT_BYTES) return undefined
  const unit = {
    previousPosition: readI64(view, at + AT.previousPosition),
    marks: view.getInt32(at + AT.marks),
    writeTimestamp: readI64(view, at + AT.writeTimestamp),
    delayMs: view.getInt32(at + AT.delayMs),
    physicalOffset: readI64(view, at + AT.physicalOffset),
    recordBytes: view.getInt32(at + AT.recordBytes),
    topicHash: view.getInt32(at + AT.topicHash),
  }
  if (unit.previousPosition < -1 || unit.previousPosition >= position) return undefined
  for (const value of [unit.physicalOffset, unit.writeTimestamp]) {
    if (value < 0 || !Number.isSafeInteger(value)) return undefined
  }
  return unit.recordBytes > 0 ? unit : undefined
}

/** Closes a file: `remainingBytes` (at least 16) are left from index `at` to its end. */
export function writeTimerLogFiller(view: DataView, at: number, remainingBytes: number): void {
  view.setInt32(at + FILLER.remainingBytes, remainingBytes)
  writeI64(view, at + FILLER.zero, 0)
  view.setInt32(at + FILLER.magic, FILLER_MAGIC)
}

/** Bytes to skip where a filler stands at index `at`, else 0. */
export function timerLogFillerBytes(view: DataView, at: number): number {
  if (at + TIMER_LOG_FILLER_BYTES > view.byteLength || view.getInt32(at + FILLER.magic) !== FILLER_MAGIC) return 0
  const remainingBytes = view.getInt32(at + FILLER.remainingBytes)
  return remainingBytes >= TIMER_LOG_FILLER_BYTES ? remainingBytes : 0
}
