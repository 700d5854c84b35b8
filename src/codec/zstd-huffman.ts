/** zstd's Huffman trees for literals: their description, and streams coded by them. RFC 8878, section 4.2. */
import { BackwardBits, highestBit, ZstdDamage } from './zstd-bits.ts'
import { FseState, readFseTable } from './zstd-fse.ts'

/** A decoding table: the next `codeBits` bits are a place in it, and `bits` of them are the symbol's. */
export type HuffmanTable = { readonly codeBits: number; readonly symbols: Uint8Array; readonly bits: Uint8Array }

const CODE_BITS_MAX = 11
/** The last symbol's weight is not stored. */
const WEIGHTS_MAX = 255
const WEIGHT_ACCURACY_BITS_MAX = 6
/** From here on the first byte counts weights of four bits; below it is how many bytes of coded weights follow. */
const DIRECT_WEIGHTS_FROM = 128

/** Reads a tree's description from `start`. @returns the table, and where the description ends */
export function readHuffmanTable(bytes: Uint8Array, start: number): readonly [HuffmanTable, number] {
  const first = bytes[start]
  if (first === undefined) throw new ZstdDamage()
  const isDirect = first >= DIRECT_WEIGHTS_FROM
  const count = first - DIRECT_WEIGHTS_FROM + 1
  const end = start + 1 + (isDirect ? (count + 1) >> 1 : first)
  if (end > bytes.length) throw new ZstdDamage()
  const description = bytes.subarray(start + 1, end)
  return [huffmanTable(isDirect ? directWeights(description, count) : codedWeights(description)), end]
}

function directWeights(bytes: Uint8Array, count: number): number[] {
  return Array.from({ length: count }, (_, i) => {
    const byte = bytes[i >> 1] as number
    return i % 2 === 0 ? byte >> 4 : byte & 15
  })
}

/** Two states take turns until the bits are used up. */
function codedWeights(bytes: Uint8Array): number[] {
  const [table, end] = readFseTable(bytes, 0, WEIGHT_ACCURACY_BITS_MAX, CODE_BITS_MAX + 1)
  const bits = new BackwardBits(bytes.subarray(end))
  let turn = new FseState(table, bits)
  let other = new FseState(table, bits)
  const weights: number[] = []
  while (bits.left >= 0) {
    weights.push(turn.symbol)
    // A table of one state takes no bits and would go on for ever.
    if (weights.length > WEIGHTS_MAX) throw new ZstdDamage()
    turn.step(bits)
    ;[turn, other] = [other, turn]
  }
  weights.push(turn.symbol)
  return weights
}

function huffmanTable(stored: readonly number[]): HuffmanTable {
  let sum = 0
  for (const weight of stored) {
    if (weight > CODE_BITS_MAX) throw new ZstdDamage()
    sum += weight === 0 ? 0 : 1 << (weight - 1)
  }
  if (sum === 0 || stored.length > WEIGHTS_MAX) throw new ZstdDamage()
  const codeBits = highestBit(sum) + 1
  const left = (1 << codeBits) - sum
  if (codeBits > CODE_BITS_MAX || (left & (left - 1)) !== 0) throw new ZstdDamage()
  const weights = [...stored, highestBit(left) + 1]
  const symbols = new Uint8Array(1 << codeBits)
  const bits = new Uint8Array(1 << codeBits)
  let at = 0
  // The lightest symbols have the longest codes and come first, among equals in their own order.
  for (let weight = 1; weight <= codeBits; weight++) {
    for (const [symbol, its] of weights.entries()) {
      if (its !== weight) continue
      const places = 1 << (weight - 1)
      symbols.fill(symbol, at, at + places)
      bits.fill(codeBits + 1 - weight, at, at + places)
      at += places
    }
  }
  return { codeBits, symbols, bits }
}

/** Decodes one stream into `target`, which it has to fill exactly. */
export function readHuffmanStream(table: HuffmanTable, stream: Uint8Array, target: Uint8Array): void {
  const { codeBits, symbols, bits: widths } = table
  const bits = new BackwardBits(stream)
  const mask = (1 << codeBits) - 1
  let code = bits.read(codeBits)
  for (let i = 0; i < target.length; i++) {
    const width = widths[code] as number
    target[i] = symbols[code] as number
    code = ((code << width) & mask) | bits.read(width)
  }
  if (bits.left !== -codeBits) throw new ZstdDamage()
}
