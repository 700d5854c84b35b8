/**
 * Reads LZ4 frames, checking every length before it is believed. lz4js writes them; its reader trusts lengths and offsets.
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

/** What is wrong with a frame. */
export type Lz4Failure = 'damaged' | 'too-large'

/** The content of one frame, or why there is none. Takes no more than twice `bytesMax` of memory, whatever the frame claims. */
export function readLz4Frame(frame: Uint8Array, bytesMax: number): Buffer | Lz4Failure {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length)
  if (frame.length < layoutBytes(LZ4_FRAME_LAYOUT) || view.getUint32(AT.magic, true) !== MAGIC) return 'damaged'
  const flags = view.getUint8(AT.flags)
  if ((flags & VERSION_MASK) !== VERSION_1 || (flags & DICTIONARY_FLAG) !== 0) return 'damaged'
  const sizeCode = (view.getUint8(AT.blockBytes) >> 4) & 7
  if (sizeCode < 4) return 'damaged'
  const blockBytesMax = 1 << (8 + 2 * sizeCode)
  let at = layoutBytes(LZ4_FRAME_LAYOUT) + ((flags & CONTENT_SIZE_FLAG) === 0 ? 0 : 8) + 1
  const output = new Lz4Output(Math.min(bytesMax, 4 * frame.length + 64), bytesMax)
  for (;;) {
    if (at + 4 > frame.length) return 'damaged'
    const word = view.getUint32(at, true)
    at += 4
    if (word === 0) break
    const blockBytes = word & ~STORED_BLOCK
    const end = at + blockBytes
    if (blockBytes < 0 || blockBytes > blockBytesMax || end > frame.length) return 'damaged'
    const failure = word >= STORED_BLOCK ? output.store(frame, at, end) : output.unpack(frame, at, end)
    if (failure !== undefined) return failure
    at = end + ((flags & BLOCK_CHECKSUM_FLAG) === 0 ? 0 : CHECKSUM_BYTES)
  }
  if ((flags & CONTENT_CHECKSUM_FLAG) !== 0) at += CHECKSUM_BYTES
  return at === frame.length ? output.content() : 'damaged'
}

/** What has been unpacked; later blocks may refer to earlier ones. */
class Lz4Output {
  #bytes: Buffer
  #length = 0
  readonly #bytesMax: number

  constructor(bytes: number, bytesMax: number) {
    this.#bytes = Buffer.alloc(bytes)
    this.#bytesMax = bytesMax
  }

  content(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  /** Literal bytes from `start` up to `end`. */
  store(from: Uint8Array, start: number, end: number): Lz4Failure | undefined {
    if (!this.#reserve(end - start)) return 'too-large'
    this.#bytes.set(from.subarray(start, end), this.#length)
    this.#length += end - start
    return undefined
  }

  /** One compressed block: literals and matches in turn; it ends after literals. */
  unpack(from: Uint8Array, start: number, end: number): Lz4Failure | undefined {
    let at = start
    while (at < end) {
      const token = from[at++] as number
      let literals = token >> 4
      if (literals === 15) {
        let more = 255
        while (more === 255) {
          if (at >= end) return 'damaged'
          more = from[at++] as number
          literals += more
        }
      }
      if (at + literals > end) return 'damaged'
      const failure = this.store(from, at, at + literals)
      if (failure !== undefined) return failure
      at += literals
      if (at === end) return undefined
      if (at + 2 > end) return 'damaged'
      const distance = (from[at] as number) | ((from[at + 1] as number) << 8)
      at += 2
      let bytes = (token & 15) + MATCH_BYTES_MIN
      if ((token & 15) === 15) {
        let more = 255
        while (more === 255) {
          if (at >= end) return 'damaged'
          more = from[at++] as number
          bytes += more
        }
      }
      if (distance === 0 || distance > this.#length) return 'damaged'
      if (!this.#reserve(bytes)) return 'too-large'
      this.#repeat(distance, bytes)
    }
    return 'damaged'
  }

  /** Copies what lies `distance` back; the copy may run into itself. */
  #repeat(distance: number, count: number): void {
    const bytes = this.#bytes
    let at = this.#length
    for (const end = at + count; at < end; at++) bytes[at] = bytes[at - distance] as number
    this.#length = at
  }

  #reserve(bytes: number): boolean {
    const needed = this.#length + bytes
    if (needed > this.#bytesMax) return false
    if (needed > this.#bytes.length) {
      const grown = Buffer.alloc(Math.min(this.#bytesMax, Math.max(needed, 2 * this.#bytes.length)))
      grown.set(this.content())
      this.#bytes = grown
    }
    return true
  }
}
