/**
 * One compressed zstd block: literals, then sequences of "so many literals, then repeat so much from so far back". RFC 8878, section 3.1.1.3.
 */
import type { BoundedOutput } from './bounded-output.ts'
import { BackwardBits, ZstdDamage } from './zstd-bits.ts'
import type { FseTable } from './zstd-fse.ts'
import { FseState, fseTable, readFseTable, repeatedSymbol } from './zstd-fse.ts'
import type { HuffmanTable } from './zstd-huffman.ts'
import { readHuffmanStream, readHuffmanTable } from './zstd-huffman.ts'

/** A block holds no more, packed or unpacked. */
export const ZSTD_BLOCK_BYTES_MAX: number = 128 * 1024

/** What the three kinds of codes are: their tables' limits, their usual table, and what a code stands for. */
type CodeKind = {
  readonly accuracyBitsMax: number
  readonly symbolMax: number
  readonly usual: FseTable
  readonly bases: readonly number[]
  readonly bits: readonly number[]
}

const upTo = (count: number, first: number): number[] => Array.from({ length: count }, (_, i) => first + i)
const times = (count: number, value: number): number[] => new Array<number>(count).fill(value)

const LITERAL_LENGTH: CodeKind = {
  accuracyBitsMax: 9,
  symbolMax: 35,
  usual: fseTable([4, 3, ...times(11, 2), 1, 1, 1, ...times(9, 2), 3, 2, ...times(5, 1), ...times(4, -1)], 6),
  bases: [
    ...upTo(16, 0),
    ...[16, 18, 20, 22, 24, 28, 32, 40, 48, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536],
  ],
  bits: [...times(16, 0), 1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
}

const MATCH_LENGTH: CodeKind = {
  accuracyBitsMax: 9,
  symbolMax: 52,
  usual: fseTable([1, 4, 3, ...times(6, 2), ...times(37, 1), ...times(7, -1)], 6),
  bases: [
    ...upTo(32, 3),
    ...[35, 37, 39, 41, 43, 47, 51, 59, 67, 83, 99, 131, 259, 515, 1027, 2051, 4099, 8195, 16387, 32771, 65539],
  ],
  bits: [...times(32, 0), 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
}

const OFFSET: CodeKind = {
  accuracyBitsMax: 8,
  symbolMax: 31,
  usual: fseTable([...times(6, 1), 2, 2, 2, ...times(15, 1), ...times(5, -1)], 5),
  bases: upTo(32, 0).map(code => 2 ** code),
  bits: upTo(32, 0),
}

/** Modes of a table in a block: the usual one, one symbol, described here, the one of the block before. */
const USUAL = 0
const ONE_SYMBOL = 1
const DESCRIBED = 2

const RAW_LITERALS = 0
const ONE_LITERAL = 1
const TREE_AND_LITERALS = 2

/** Decodes the blocks of one frame; tables and offsets go on from block to block. */
export class ZstdBlocks {
  readonly #output: BoundedOutput
  #huffman: HuffmanTable | undefined
  #literalLengths: FseTable | undefined
  #matchLengths: FseTable | undefined
  #offsets: FseTable | undefined
  /** The last three offsets, newest first. */
  readonly #recent: [number, number, number] = [1, 4, 8]

  constructor(output: BoundedOutput) {
    this.#output = output
  }

  /** Adds one block's content to the output. @throws ZstdDamage, OutputTooLarge */
  decode(block: Uint8Array): void {
    const [literals, end] = this.#readLiterals(block)
    this.#runSequences(block, end, literals)
  }

  #readLiterals(block: Uint8Array): readonly [Uint8Array, number] {
    const first = byteAt(block, 0)
    const kind = first & 3
    const format = (first >> 2) & 3
    if (kind === RAW_LITERALS || kind === ONE_LITERAL) {
      const headBytes = (format & 1) === 0 ? 1 : format === 1 ? 2 : 3
      const bytes = numberAt(block, headBytes) >>> (headBytes === 1 ? 3 : 4)
      checkBlockBytes(bytes)
      if (kind === ONE_LITERAL) return [new Uint8Array(bytes).fill(byteAt(block, headBytes)), headBytes + 1]
      return [piece(block, headBytes, headBytes + bytes), headBytes + bytes]
    }
    const headBytes = format < 2 ? 3 : format + 2
    const sizeBits = format < 2 ? 10 : 4 * format + 6
    // Up to 40 bits, so by division and not by shifts.
    const sizes = Math.floor(numberAt(block, headBytes) / 16)
    const bytes = sizes % 2 ** sizeBits
    const packedBytes = Math.floor(sizes / 2 ** sizeBits)
    checkBlockBytes(bytes)
    const packed = piece(block, headBytes, headBytes + packedBytes)
    return [this.#unpackLiterals(packed, kind === TREE_AND_LITERALS, format !== 0, bytes), headBytes + packedBytes]
  }

  #unpackLiterals(packed: Uint8Array, hasTree: boolean, isFourStreams: boolean, bytes: number): Uint8Array {
    let at = 0
    if (hasTree) [this.#huffman, at] = readHuffmanTable(packed, 0)
    const table = this.#huffman
    if (table === undefined) throw new ZstdDamage()
    const literals = new Uint8Array(bytes)
    if (!isFourStreams) {
      readHuffmanStream(table, packed.subarray(at), literals)
      return literals
    }
    const quarter = (bytes + 3) >> 2
    // Three lengths of two bytes; the fourth stream is what is left.
    let start = at + 6
    for (let i = 0; i < 4; i++) {
      const end = i < 3 ? start + (byteAt(packed, at + 2 * i) | (byteAt(packed, at + 2 * i + 1) << 8)) : packed.length
      const target = piece(literals, i * quarter, i < 3 ? (i + 1) * quarter : bytes)
      readHuffmanStream(table, piece(packed, start, end), target)
      start = end
    }
    return literals
  }

  #runSequences(block: Uint8Array, start: number, literals: Uint8Array): void {
    const [count, modesAt] = sequenceCount(block, start)
    if (count === 0) {
      if (modesAt !== block.length) throw new ZstdDamage()
      this.#output.add(literals, 0, literals.length)
      return
    }
    const modes = byteAt(block, modesAt)
    if ((modes & 3) !== 0) throw new ZstdDamage()
    let at = modesAt + 1
    ;[this.#literalLengths, at] = readTable(block, at, modes >> 6, LITERAL_LENGTH, this.#literalLengths)
    ;[this.#offsets, at] = readTable(block, at, (modes >> 4) & 3, OFFSET, this.#offsets)
    ;[this.#matchLengths, at] = readTable(block, at, (modes >> 2) & 3, MATCH_LENGTH, this.#matchLengths)
    const bits = new BackwardBits(piece(block, at, block.length))
    const literalLengths = new FseState(this.#literalLengths, bits)
    const offsets = new FseState(this.#offsets, bits)
    const matchLengths = new FseState(this.#matchLengths, bits)
    let used = 0
    for (let i = 0; i < count; i++) {
      if (i > 0) {
        literalLengths.step(bits)
        matchLengths.step(bits)
        offsets.step(bits)
      }
      const offsetValue = decoded(OFFSET, offsets.symbol, bits)
      const matchLength = decoded(MATCH_LENGTH, matchLengths.symbol, bits)
      const literalLength = decoded(LITERAL_LENGTH, literalLengths.symbol, bits)
      if (bits.left < 0 || used + literalLength > literals.length) throw new ZstdDamage()
      this.#output.add(literals, used, used + literalLength)
      used += literalLength
      if (!this.#output.repeat(this.#offsetOf(offsetValue, literalLength), matchLength)) throw new ZstdDamage()
    }
    if (bits.left !== 0) throw new ZstdDamage()
    this.#output.add(literals, used, literals.length)
  }

  /** An offset from its stored value: 1 to 3 mean one of the last three, shifted by one where no literals come before. */
  #offsetOf(value: number, literalLength: number): number {
    const recent = this.#recent
    if (value > 3) {
      recent[2] = recent[1]
      recent[1] = recent[0]
      recent[0] = value - 3
      return recent[0]
    }
    const index = value - 1 + (literalLength === 0 ? 1 : 0)
    if (index === 0) return recent[0]
    const offset = index === 3 ? recent[0] - 1 : (recent[index] as number)
    if (index > 1) recent[2] = recent[1]
    recent[1] = recent[0]
    recent[0] = offset
    return offset
  }
}

/** How many sequences there are, and where the byte of table modes stands. */
function sequenceCount(block: Uint8Array, start: number): readonly [number, number] {
  const first = byteAt(block, start)
  if (first < 128) return [first, start + 1]
  const second = byteAt(block, start + 1)
  if (first < 255) return [((first - 128) << 8) + second, start + 2]
  return [second + (byteAt(block, start + 2) << 8) + 0x7f00, start + 3]
}

function readTable(
  block: Uint8Array,
  at: number,
  mode: number,
  kind: CodeKind,
  before: FseTable | undefined,
): readonly [FseTable, number] {
  if (mode === USUAL) return [kind.usual, at]
  if (mode === DESCRIBED) return readFseTable(block, at, kind.accuracyBitsMax, kind.symbolMax)
  if (mode === ONE_SYMBOL) {
    const symbol = byteAt(block, at)
    if (symbol > kind.symbolMax) throw new ZstdDamage()
    return [repeatedSymbol(symbol), at + 1]
  }
  if (before === undefined) throw new ZstdDamage()
  return [before, at]
}

function decoded({ bases, bits: widths }: CodeKind, symbol: number, bits: BackwardBits): number {
  return (bases[symbol] as number) + bits.read(widths[symbol] as number)
}

function byteAt(bytes: Uint8Array, at: number): number {
  const byte = bytes[at]
  if (byte === undefined) throw new ZstdDamage()
  return byte
}

/** The first `bytes` bytes as one little-endian number. */
function numberAt(block: Uint8Array, bytes: number): number {
  let value = 0
  for (let i = bytes - 1; i >= 0; i--) value = value * 256 + byteAt(block, i)
  return value
}

function piece(bytes: Uint8Array, start: number, end: number): Uint8Array {
  if (start > end || end > bytes.length) throw new ZstdDamage()
  return bytes.subarray(start, end)
}

function checkBlockBytes(bytes: number): void {
  if (bytes > ZSTD_BLOCK_BYTES_MAX) throw new ZstdDamage()
}
