/**
 * One slot of `timerwheel`: the messages due in one second. Big-endian, 32 bytes; the file has 1,209,600 slots (two weeks
 * of seconds), and time t in seconds lies in slot t modulo that.   RocketMQ: TimerWheel, Slot.
 *
 * | offset | bytes | field         | meaning                                                              |
 * | -----: | ----: | ------------- | -------------------------------------------------------------------- |
 * |      0 |     8 | seconds       | deliver time divided by the precision of 1000 ms; another time's slot is dead |
 * |      8 |     8 | firstPosition | oldest unit of the slot in the timer log                             |
 * |     16 |     8 | lastPosition  | newest unit; the others hang on it by previousPosition               |
 * |     24 |     4 | messageCount  | messages in the slot (deletions do not count)                        |
 * |     28 |     4 | magic         | unused, 0                                                            |
 */
import { readI64, writeI64 } from './bytes.ts'
import { layoutBytes, offsetsOf } from './layout.ts'

export const TIMER_SLOT_LAYOUT = [
  { offset: 0, bytes: 8, field: 'seconds' },
  { offset: 8, bytes: 8, field: 'firstPosition' },
  { offset: 16, bytes: 8, field: 'lastPosition' },
  { offset: 24, bytes: 4, field: 'messageCount' },
  { offset: 28, bytes: 4, field: 'magic' },
] as const

export const TIMER_SLOT_BYTES: number = layoutBytes(TIMER_SLOT_LAYOUT)
/** Slots of a wheel: two weeks. */
export const TIMER_SLOTS: number = 2 * 7 * 86_400
/** Length of the file. */
export const TIMER_WHEEL_BYTES: number = TIMER_SLOTS * TIMER_SLOT_BYTES
/** A slot is this long. */
export const TIMER_PRECISION_MS = 1000

const AT = offsetsOf(TIMER_SLOT_LAYOUT)

/** What a slot says. */
export type TimerSlot = {
  readonly seconds: number
  readonly firstPosition: number
  readonly lastPosition: number
  readonly messageCount: number
}

/** Position in the file of the slot for a deliver time in epoch milliseconds. */
export function timerSlotPosition(deliverMs: number): number {
  return (Math.floor(deliverMs / TIMER_PRECISION_MS) % TIMER_SLOTS) * TIMER_SLOT_BYTES
}

/** Writes the slot at index `at` of the view. */
export function writeTimerSlot(view: DataView, at: number, slot: TimerSlot): void {
  writeI64(view, at + AT.seconds, slot.seconds)
  writeI64(view, at + AT.firstPosition, slot.firstPosition)
  writeI64(view, at + AT.lastPosition, slot.lastPosition)
  view.setInt32(at + AT.messageCount, slot.messageCount)
  view.setInt32(at + AT.magic, 0)
}

/** The slot at index `at`, or undefined where nothing was ever put into it, or nonsense. */
export function readTimerSlot(view: DataView, at: number): TimerSlot | undefined {
  const slot = {
    seconds: readI64(view, at + AT.seconds),
    firstPosition: readI64(view, at + AT.firstPosition),
    lastPosition: readI64(view, at + AT.lastPosition),
    messageCount: view.getInt32(at + AT.messageCount),
  }
  if (slot.seconds <= 0 || slot.firstPosition < 0 || slot.lastPosition < slot.firstPosition) return undefined
  for (const value of [slot.seconds, slot.firstPosition, slot.lastPosition]) {
    if (!Number.isSafeInteger(value)) return undefined
  }
  return slot.messageCount < 0 ? undefined : slot
}
