/**
 * Reads LZ4 frames, checking every length before it is believed: lz4js trusts lengths and offsets.
 * Multi-byte numbers of a frame are little-endian. Checksums are skipped: a stored body has a CRC of its own.
 *
 * | offset | bytes | field      | meaning                                                        |
 * | -----: | ----: | ---------- | -------------------------------------------------------------- |
 * |      0 |     4 | magic      | 0x184D2204                                                     |
 * |      4 |     1 | flags      | version 01 in the top bits, then the FLAG bits below           |
 * |      5 |     1 | blockBytes | largest block in bits 4 to 6: 4 to 7 for 64 KiB to 4 MiB       |
 *
 * Then, where flags say so, content size (8 bytes) and dictionary id (4), and one byte of header checksum; then blocks: a length
 * of 4 bytes whose top bit says "not compressed", the bytes, perhaps a checksum (4); a length of 0 ends them.
 */
import { BoundedOutput, OutputTooLarge } from './bounded-output.ts'
import { layoutBytes, offsetsOf } from './layout.ts'

export const LZ4_FRAME_LAYOUT = [
  { offset: 0, bytes: 4, field: 'magic' },
  { offset: 4, bytes: 1, field: 'flags' },
  { offset: 5, bytes: 1, field: 'blockBytes' },
] as const

const AT = offsetsOf(LZ4_FRAME_LAYOUT)
const MAGIC = 0x184d2204
const VERSION_MASK = 0xc0
const VERSION_1 = 0x40
const BLOCK_CHECKSUM_FLAG = 0x10
const CONTENT_SIZE_FLAG = 0x08
const CONTENT_CHECKSUM_FLAG = 0x04
const DICTIONARY_FLAG = 0x01
const CHECKSUM_BYTES = 4
const STORED_BLOCK = 0x8000_0000
const MATCH_BYTES_MIN = 4
/** A length of four bits that goes on in further bytes. */
const LONG = 15

/** What is wrong with a frame. */
export type Lz4Failure = 'damaged' | 'too-large'

/** The content of one frame, or why there is none. Takes no more than about twice `bytesMax` of memory, whatever the frame claims. */
export function readLz4Frame(frame: Uint8Array, bytesMax: number): Buffer | Lz4Failure {
  try {
    return readFrame(frame, new BoundedOutput(4 * frame.length + 64, bytesMax)) ?? 'damaged'
  } catch (error) {
    if (error instanceof OutputTooLarge) return 'too-large'
    throw error
  }
}

/** Undefined where the frame is damaged. */
function readFrame(frame: Uint8Array, output: BoundedOutput): Buffer | undefined {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length)
  if (frame.length < layoutBytes(LZ4_FRAME_LAYOUT) || view.getUint32(AT.magic, true) !== MAGIC) return undefined
  const flags = view.getUint8(AT.flags)
  if ((flags & VERSION_MASK) !== VERSION_1 || (flags & DICTIONARY_FLAG) !== 0) return undefined
  const sizeCode = (view.getUint8(AT.blockBytes) >> 4) & 7
  if (sizeCode < 4) return undefined
  const blockBytesMax = 1 << (8 + 2 * sizeCode)
  let at = layoutBytes(LZ4_FRAME_LAYOUT) + ((flags & CONTENT_SIZE_FLAG) === 0 ? 0 : 8) + 1
  for (;;) {
    if (at + 4 > frame.length) return undefined
    const word = view.getUint32(at, true)
    at += 4
    if (word === 0) break
    const blockBytes = word & ~STORED_BLOCK
    const end = at + blockBytes
    if (blockBytes > blockBytesMax || end > frame.length) return undefined
    if (word >= STORED_BLOCK) output.add(frame, at, end)
    else if (!unpack(frame, at, end, output)) return undefined
    at = end + ((flags & BLOCK_CHECKSUM_FLAG) === 0 ? 0 : CHECKSUM_BYTES)
  }
  if ((flags & CONTENT_CHECKSUM_FLAG) !== 0) at += CHECKSUM_BYTES
  return at === frame.length ? output.content() : undefined
}

/** One compressed block: literals and matches in turn; it ends after literals. @returns false where it is damaged */
function unpack(from: Uint8Array, start: number, end: number, output: BoundedOutput): boolean {
  let at = start
  while (at < end) {
    const token = from[at++] as number
    let literals = token >> 4
    if (literals === LONG) {
      let more = 255
      while (more === 255) {
        if (at >= end) return false
        more = from[at++] as number
        literals += more
      }
    }
    if (at + literals > end) return false
    output.add(from, at, at + literals)
    at += literals
    if (at === end) return true
    if (at + 2 > end) return false
    const distance = (from[at] as number) | ((from[at + 1] as number) << 8)
    at += 2
    let bytes = (token & 15) + MATCH_BYTES_MIN
    if ((token & 15) === LONG) {
      let more = 255
      while (more === 255) {
        if (at >= end) return false
        more = from[at++] as number
        bytes += more
      }
    }
    if (!output.repeat(distance, bytes)) return false
  }
  return false
}
