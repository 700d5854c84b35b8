/** Lines of a stream, without their line break. A line has a longest length, so that no input fills the memory. */
import type { Readable } from 'node:stream'
import { PocketMQError } from '../../base/errors.ts'

/** Longest line; the largest body is half of it. */
const LINE_BYTES_MAX = 8 * 1024 * 1024
const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d

/** Each line's bytes; the last one may lack its line break. @throws INVALID_ARGUMENT where a line is too long */
export async function* linesOf(input: Readable): AsyncGenerator<Buffer> {
  let pending: Buffer[] = []
  let pendingBytes = 0
  let number = 1
  for await (const chunk of input as AsyncIterable<Buffer | string>) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
    let start = 0
    for (;;) {
      const end = bytes.indexOf(LINE_FEED, start)
      if (end < 0) break
      pending.push(bytes.subarray(start, end))
      yield withoutReturn(Buffer.concat(pending))
      pending = []
      pendingBytes = 0
      number++
      start = end + 1
    }
    pending.push(bytes.subarray(start))
    pendingBytes += bytes.length - start
    if (pendingBytes > LINE_BYTES_MAX) {
      throw new PocketMQError('INVALID_ARGUMENT', `line ${number} is longer than ${LINE_BYTES_MAX} bytes`, {
        hint: 'Give one message a line, or shorten this one.',
      })
    }
  }
  if (pendingBytes > 0) yield withoutReturn(Buffer.concat(pending))
}

function withoutReturn(line: Buffer): Buffer {
  return line.at(-1) === CARRIAGE_RETURN ? line.subarray(0, -1) : line
}
