/** Names of the files of a sequence: the position of the first byte, 20 decimal digits.   RocketMQ: UtilAll.offset2FileName. */
import { assert } from '../base/assert.ts'

const NAME = /^\d{20}$/

/** The name of the file whose first byte is byte `start` of its sequence. */
export function segmentName(start: number): string {
  assert(Number.isSafeInteger(start) && start >= 0, 'a segment starts at a position')
  return String(start).padStart(20, '0')
}

/** The position a file name stands for, or undefined for any other name. */
export function parseSegmentName(name: string): number | undefined {
  if (!NAME.test(name)) return undefined
  const start = Number(name)
  return Number.isSafeInteger(start) ? start : undefined
}
