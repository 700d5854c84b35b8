/**
 * The whole-record CRC: a property that is always the record's last 20 bytes.   RocketMQ: enabledAppendPropCRC, `__CRC32#`.
 * The CRC runs over everything before it.
 *
 * | offset | bytes | field    | meaning                                                                                       |
 * | -----: | ----: | -------- | --------------------------------------------------------------------------------------------- |
 * |      0 |     8 | name     | ASCII `__CRC32#`                                                                              |
 * |      8 |     1 | nameEnd  | U+0001                                                                                        |
 * |      9 |    10 | digits   | CRC-32 without its top bit in decimal, least significant digit first, then `0` up to 10 digits |
 * |     19 |     1 | valueEnd | U+0002                                                                                        |
 */
import { assert } from '../base/assert.ts'
import { layoutBytes, offsetsOf } from './layout.ts'
import { NAME_END_BYTE, PROPERTY_CRC32, VALUE_END_BYTE } from './properties.ts'

export const RECORD_CRC_LAYOUT = [
  { offset: 0, bytes: 8, field: 'name' },
  { offset: 8, bytes: 1, field: 'nameEnd' },
  { offset: 9, bytes: 10, field: 'digits' },
  { offset: 19, bytes: 1, field: 'valueEnd' },
] as const

export const RECORD_CRC_BYTES: number = layoutBytes(RECORD_CRC_LAYOUT)
const AT = offsetsOf(RECORD_CRC_LAYOUT)
const NAME_END_AT = AT.nameEnd
const DIGITS_AT = AT.digits
const VALUE_END_AT = AT.valueEnd
const ZERO = 0x30

assert(PROPERTY_CRC32.length === NAME_END_AT, 'the name fills its field')

/** The two digits of 0 to 99 as they stand here: units, then tens. */
const DIGIT_PAIRS = Uint16Array.from({ length: 100 }, (_, n) => ((ZERO + (n % 10)) << 8) | (ZERO + Math.floor(n / 10)))

/** The name as two big-endian words, so that it is compared and written in one go. */
const NAME_HIGH = Buffer.from(PROPERTY_CRC32).readInt32BE(0)
const NAME_LOW = Buffer.from(PROPERTY_CRC32).readInt32BE(4)

/** Writes the property at `at`. `crc` is over the whole record before it. */
export function writeRecordCrc(view: DataView, at: number, crc: number): void {
  view.setInt32(at, NAME_HIGH)
  view.setInt32(at + 4, NAME_LOW)
  view.setUint8(at + NAME_END_AT, NAME_END_BYTE)
  let rest = crc & 0x7fffffff
  for (let digit = at + DIGITS_AT; digit < at + VALUE_END_AT; digit += 2) {
    const hundredth = (rest / 100) | 0
    view.setUint16(digit, DIGIT_PAIRS[rest - hundredth * 100] as number)
    rest = hundredth
  }
  view.setUint8(at + VALUE_END_AT, VALUE_END_BYTE)
}

/** Whether the property stands at `at`, whatever its digits: its name must begin where a property begins. */
export function hasRecordCrc(view: DataView, at: number, propertiesStart: number): boolean {
  if (at < propertiesStart || view.getInt32(at) !== NAME_HIGH || view.getInt32(at + 4) !== NAME_LOW) return false
  if (view.getUint8(at + NAME_END_AT) !== NAME_END_BYTE || view.getUint8(at + VALUE_END_AT) !== VALUE_END_BYTE)
    return false
  return at === propertiesStart || view.getUint8(at - 1) === VALUE_END_BYTE
}

/** Whether the digits at `at` say `crc`. */
export function matchesRecordCrc(view: DataView, at: number, crc: number): boolean {
  let rest = crc & 0x7fffffff
  for (let digit = at + DIGITS_AT; digit < at + VALUE_END_AT; digit += 2) {
    const hundredth = (rest / 100) | 0
    if (view.getUint16(digit) !== DIGIT_PAIRS[rest - hundredth * 100]) return false
    rest = hundredth
  }
  return true
}
