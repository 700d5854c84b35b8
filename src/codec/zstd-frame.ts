/**
 * Reads one zstd frame by fzstd, for a Node without a zstd of its own. fzstd allocates what a header asks for, so the header is
 * checked first. Multi-byte numbers of a frame are little-endian; the frame's checksum is skipped: a stored body has its own CRC.
 *
 * | offset | bytes | field      | meaning                                                                            |
 * | -----: | ----: | ---------- | ---------------------------------------------------------------------------------- |
 * |      0 |     4 | magic      | 0xFD2FB528                                                                         |
 * |      4 |     1 | descriptor | bits 0-1 dictionary id bytes, 2 checksum, 5 no window byte, 6-7 content size bytes |
 *
 * Then a window byte, the dictionary id and the content size, as far as the descriptor says.
 */
import { Decompress } from 'fzstd'
import { layoutBytes, offsetsOf } from './layout.ts'

export const ZSTD_FRAME_LAYOUT = [
  { offset: 0, bytes: 4, field: 'magic' },
  { offset: 4, bytes: 1, field: 'descriptor' },
] as const

const AT = offsetsOf(ZSTD_FRAME_LAYOUT)
const MAGIC = 0xfd2fb528
const TWO_32 = 2 ** 32

/** A block holds no more, packed or unpacked. */
const BLOCK_BYTES_MAX = 128 * 1024
/** What the window byte's exponent counts from. */
const WINDOW_EXPONENT_BASE = 10
/** A window smaller than a block would make blocks smaller, too. */
const WINDOW_EXPONENT_MIN = 17
/** The kind of a block that is one byte, repeated. */
const REPEATED_BYTE = 1

/** What is wrong with a frame. */
export type ZstdFailure = 'damaged' | 'too-large'

class TooLarge extends Error {}

/** The content of exactly one frame, or why there is none. */
export function readZstdFrame(frame: Uint8Array, bytesMax: number): Buffer | ZstdFailure {
  const header = readHeader(frame)
  if (header === undefined) return 'damaged'
  const { windowBytes, contentBytes } = header
  if (contentBytes !== undefined && contentBytes > bytesMax) return 'too-large'
  const pieces: Uint8Array[] = []
  let bytes = 0
  const decoder = new Decompress(piece => {
    bytes += piece.length
    if (bytes > bytesMax) throw new TooLarge()
    pieces.push(piece)
  })
  try {
    decoder.push(withSmallWindow(frame, windowBytes, bytesMax), true)
  } catch (error) {
    // fzstd also meets broken input as a RangeError or TypeError of its own arrays.
    return error instanceof TooLarge ? 'too-large' : 'damaged'
  }
  if (contentBytes !== undefined && bytes !== contentBytes) return 'damaged'
  return Buffer.concat(pieces, bytes)
}

type FrameHeader = { readonly windowBytes: number; readonly contentBytes: number | undefined }

/** What the header says, if the bytes are one whole frame by the lengths of its blocks; else undefined. */
function readHeader(frame: Uint8Array): FrameHeader | undefined {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length)
  let at = layoutBytes(ZSTD_FRAME_LAYOUT)
  if (frame.length < at + 1 || view.getUint32(AT.magic, true) !== MAGIC) return undefined
  const descriptor = view.getUint8(AT.descriptor)
  const isSingleSegment = (descriptor & 0x20) !== 0
  let windowBytes = 0
  if (!isSingleSegment) {
    const byte = view.getUint8(at++)
    windowBytes = 2 ** (WINDOW_EXPONENT_BASE + (byte >> 3)) * (1 + (byte & 7) / 8)
  }
  at += [0, 1, 2, 4][descriptor & 3] as number
  const sizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6] as number
  if (at + sizeBytes > frame.length) return undefined
  const contentBytes = contentSize(view, at, sizeBytes)
  if (isSingleSegment) windowBytes = contentBytes ?? 0
  const end = endOfBlocks(view, at + sizeBytes)
  if (end === undefined || end + ((descriptor & 0x04) === 0 ? 0 : 4) !== frame.length) return undefined
  return { windowBytes, contentBytes }
}

/**
 * Level 22 asks for a window of 128 MiB whatever it packs, and a forged header for 2 GiB. No match reaches back further than the
 * content is long, so a window that holds all the content there may be does as well.
 */
function withSmallWindow(frame: Uint8Array, windowBytes: number, bytesMax: number): Uint8Array {
  const exponent = Math.max(WINDOW_EXPONENT_MIN, Math.ceil(Math.log2(bytesMax)))
  if (windowBytes <= 2 ** exponent) return frame
  const copy = Uint8Array.from(frame)
  copy[layoutBytes(ZSTD_FRAME_LAYOUT)] = (exponent - WINDOW_EXPONENT_BASE) << 3
  return copy
}

function contentSize(view: DataView, at: number, bytes: number): number | undefined {
  if (bytes === 1) return view.getUint8(at)
  // Two bytes count from 256: one byte says the smaller ones.
  if (bytes === 2) return view.getUint16(at, true) + 256
  if (bytes === 4) return view.getUint32(at, true)
  return bytes === 8 ? view.getUint32(at, true) + view.getUint32(at + 4, true) * TWO_32 : undefined
}

/** Where the last block ends: each has three bytes of header, with its size, kind and whether it is the last. */
function endOfBlocks(view: DataView, start: number): number | undefined {
  let at = start
  while (at + 3 <= view.byteLength) {
    const header = view.getUint16(at, true) | (view.getUint8(at + 2) << 16)
    const kind = (header >> 1) & 3
    const bytes = header >> 3
    if (kind === 3 || bytes > BLOCK_BYTES_MAX) return undefined
    at += 3 + (kind === REPEATED_BYTE ? 1 : bytes)
    if ((header & 1) !== 0) return at
  }
  return undefined
}
