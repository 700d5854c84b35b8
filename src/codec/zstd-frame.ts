/**
 * Reads one zstd frame, for a Node without a zstd of its own. Every length is checked before it is believed: the decoders on npm
 * allocate what a header asks for, and some never end on forged tables. Numbers of a frame are little-endian; its checksum is
 * skipped: a stored body has a CRC of its own.   RFC 8878.
 *
 * | offset | bytes | field      | meaning                                                                            |
 * | -----: | ----: | ---------- | ---------------------------------------------------------------------------------- |
 * |      0 |     4 | magic      | 0xFD2FB528                                                                         |
 * |      4 |     1 | descriptor | bits 0-1 dictionary id bytes, 2 checksum, 5 no window byte, 6-7 content size bytes |
 *
 * Then a window byte, the dictionary id and the content size, as far as the descriptor says; then blocks, each after three bytes
 * with its size, kind and whether it is the last.
 */
import { BoundedOutput, OutputTooLarge } from './bounded-output.ts'
import { layoutBytes, offsetsOf } from './layout.ts'
import { ZstdDamage } from './zstd-bits.ts'
import { ZSTD_BLOCK_BYTES_MAX, ZstdBlocks } from './zstd-block.ts'

export const ZSTD_FRAME_LAYOUT = [
  { offset: 0, bytes: 4, field: 'magic' },
  { offset: 4, bytes: 1, field: 'descriptor' },
] as const

const AT = offsetsOf(ZSTD_FRAME_LAYOUT)
const MAGIC = 0xfd2fb528
const TWO_32 = 2 ** 32
const CHECKSUM_FLAG = 0x04
const RESERVED_FLAG = 0x08
const SINGLE_SEGMENT_FLAG = 0x20
const CHECKSUM_BYTES = 4
const BLOCK_HEAD_BYTES = 3

/** Kinds of blocks. */
const RAW = 0
const ONE_BYTE = 1
const COMPRESSED = 2

/** What is wrong with a frame. */
export type ZstdFailure = 'damaged' | 'too-large'

/** The content of exactly one frame, or why there is none. Takes no more than about twice `bytesMax` of memory. */
export function readZstdFrame(frame: Uint8Array, bytesMax: number): Buffer | ZstdFailure {
  try {
    const { contentBytes, blocksAt, hasChecksum } = readHeader(frame)
    if (contentBytes !== undefined && contentBytes > bytesMax) return 'too-large'
    const output = new BoundedOutput(contentBytes ?? 4 * frame.length + 64, bytesMax)
    const end = readBlocks(frame, blocksAt, output)
    if (end + (hasChecksum ? CHECKSUM_BYTES : 0) !== frame.length) return 'damaged'
    return contentBytes === undefined || contentBytes === output.length ? output.content() : 'damaged'
  } catch (error) {
    if (error instanceof OutputTooLarge) return 'too-large'
    if (error instanceof ZstdDamage) return 'damaged'
    throw error
  }
}

type FrameHeader = {
  readonly contentBytes: number | undefined
  readonly blocksAt: number
  readonly hasChecksum: boolean
}

function readHeader(frame: Uint8Array): FrameHeader {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length)
  let at = layoutBytes(ZSTD_FRAME_LAYOUT)
  if (frame.length < at || view.getUint32(AT.magic, true) !== MAGIC) throw new ZstdDamage()
  const descriptor = view.getUint8(AT.descriptor)
  if ((descriptor & RESERVED_FLAG) !== 0) throw new ZstdDamage()
  const isSingleSegment = (descriptor & SINGLE_SEGMENT_FLAG) !== 0
  // The window is how far back a repeat may reach; all of the content is kept here, so it does not matter.
  if (!isSingleSegment) at++
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] as number
  const sizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6] as number
  const blocksAt = at + dictionaryBytes + sizeBytes
  if (blocksAt > frame.length) throw new ZstdDamage()
  // Nobody compresses messages by a dictionary that their reader would have to know.
  for (let i = 0; i < dictionaryBytes; i++) if (view.getUint8(at + i) !== 0) throw new ZstdDamage()
  const contentBytes = contentSize(view, at + dictionaryBytes, sizeBytes)
  return { contentBytes, blocksAt, hasChecksum: (descriptor & CHECKSUM_FLAG) !== 0 }
}

function contentSize(view: DataView, at: number, bytes: number): number | undefined {
  if (bytes === 1) return view.getUint8(at)
  // Two bytes count from 256: one byte says the smaller ones.
  if (bytes === 2) return view.getUint16(at, true) + 256
  if (bytes === 4) return view.getUint32(at, true)
  return bytes === 8 ? view.getUint32(at, true) + view.getUint32(at + 4, true) * TWO_32 : undefined
}

/** Decodes all blocks. @returns where the last one ends */
function readBlocks(frame: Uint8Array, start: number, output: BoundedOutput): number {
  const blocks = new ZstdBlocks(output)
  let at = start
  for (;;) {
    const [low, middle, high] = frame.subarray(at, at + BLOCK_HEAD_BYTES)
    if (low === undefined || middle === undefined || high === undefined) throw new ZstdDamage()
    const head = low | (middle << 8) | (high << 16)
    const kind = (head >> 1) & 3
    const bytes = head >> 3
    at += BLOCK_HEAD_BYTES
    const end = at + (kind === ONE_BYTE ? 1 : bytes)
    if (bytes > ZSTD_BLOCK_BYTES_MAX || end > frame.length) throw new ZstdDamage()
    if (kind === RAW) output.add(frame, at, end)
    else if (kind === ONE_BYTE) output.fill(frame[at] as number, bytes)
    else if (kind === COMPRESSED) blocks.decode(frame.subarray(at, end))
    else throw new ZstdDamage()
    at = end
    if ((head & 1) !== 0) return at
  }
}
