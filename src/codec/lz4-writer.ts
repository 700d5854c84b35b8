/**
 * Writes LZ4 frames as Java's LZ4FrameOutputStream does: blocks of up to 4 MiB that do not refer to one another, no checksums.
 * Java's reader refuses frames whose blocks depend on each other, and those are all that lz4js writes.
 */

/** Magic, version 1 with independent blocks, blocks of up to 4 MiB, and the XXH32 byte over these two. */
const FRAME_HEAD: Uint8Array = Uint8Array.of(0x04, 0x22, 0x4d, 0x18, 0x60, 0x70, 0x73)
const BLOCK_BYTES = 4 * 1024 * 1024
const LENGTH_BYTES = 4
const STORED_BLOCK = 0x8000_0000
const MATCH_BYTES_MIN = 4
/** The format's rules for a block's end: its last bytes are literals, and no match starts later than this before it. */
const LAST_LITERALS = 5
const LAST_MATCH_START = 12
const DISTANCE_MAX = 0xffff
const HASH_BITS = 14
/** After so many places without a match, as a power of two, the next look is one place further on. */
const SKIP_BITS = 6
/** A length of four bits that goes on in further bytes. */
const LONG = 15

/** Up to here a loop is quicker than a call that copies. */
const LOOP_BYTES_MAX = 48

/** `body` as one frame. */
export function writeLz4Frame(body: Uint8Array): Buffer {
  const blocks = Math.ceil(body.length / BLOCK_BYTES)
  const frame = Buffer.alloc(FRAME_HEAD.length + (blocks + 1) * LENGTH_BYTES + packedBytesMax(body.length))
  frame.set(FRAME_HEAD)
  let at = FRAME_HEAD.length
  for (let start = 0; start < body.length; start += BLOCK_BYTES) {
    const block = body.subarray(start, start + BLOCK_BYTES)
    const dataAt = at + LENGTH_BYTES
    const packed = packBlock(block, frame, dataAt)
    if (packed < block.length) {
      frame.writeUInt32LE(packed, at)
      at = dataAt + packed
    } else {
      frame.writeUInt32LE(STORED_BLOCK + block.length, at)
      frame.set(block, dataAt)
      at = dataAt + block.length
    }
  }
  frame.writeUInt32LE(0, at)
  return frame.subarray(0, at + LENGTH_BYTES)
}

/** What does not pack at all grows by one byte in 255. */
function packedBytesMax(bytes: number): number {
  return bytes + Math.ceil(bytes / 255) + 16
}

/** Packs one block into `target` from `start` on. @returns how many bytes it takes there */
function packBlock(block: Uint8Array, target: Buffer, start: number): number {
  const view = new DataView(block.buffer, block.byteOffset, block.length)
  const seen = new Int32Array(1 << HASH_BITS).fill(-1)
  const lastStart = block.length - LAST_MATCH_START
  const matchEnd = block.length - LAST_LITERALS
  let out = start
  let literalsFrom = 0
  let tries = 1 << SKIP_BITS
  for (let at = 0; at <= lastStart; at += tries++ >> SKIP_BITS) {
    const word = view.getInt32(at, true)
    const hash = Math.imul(word, 0x9e3779b1) >>> (32 - HASH_BITS)
    const candidate = seen[hash] as number
    seen[hash] = at
    if (candidate < 0 || at - candidate > DISTANCE_MAX || view.getInt32(candidate, true) !== word) continue
    let length = MATCH_BYTES_MIN
    while (at + length < matchEnd && block[candidate + length] === block[at + length]) length++
    out = putLiterals(target, out, block, literalsFrom, at, length - MATCH_BYTES_MIN)
    target[out++] = (at - candidate) & 0xff
    target[out++] = (at - candidate) >> 8
    if (length - MATCH_BYTES_MIN >= LONG) out = putLength(target, out, length - MATCH_BYTES_MIN - LONG)
    literalsFrom = at + length
    tries = 1 << SKIP_BITS
    // The loop steps on by one from here.
    at = literalsFrom - 1
  }
  return putLiterals(target, out, block, literalsFrom, block.length, 0) - start
}

/** A token for the literals and the match that follows, and the literals. @returns where they end */
function putLiterals(
  target: Buffer,
  start: number,
  block: Uint8Array,
  from: number,
  to: number,
  match: number,
): number {
  const count = to - from
  let out = start
  target[out++] = (Math.min(count, LONG) << 4) | Math.min(match, LONG)
  if (count >= LONG) out = putLength(target, out, count - LONG)
  if (count > LOOP_BYTES_MAX) target.set(block.subarray(from, to), out)
  else for (let i = 0; i < count; i++) target[out + i] = block[from + i] as number
  return out + count
}

/** What a length has beyond its four bits, in bytes that add up; one below 255 is the last. */
function putLength(target: Buffer, start: number, rest: number): number {
  let out = start
  let left = rest
  for (; left >= 255; left -= 255) target[out++] = 255
  target[out++] = left
  return out
}
