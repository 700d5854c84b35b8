/** zstd's finite state entropy tables: one symbol a state, and how to get from it to the next state. RFC 8878, section 4.1. */
import type { BackwardBits } from './zstd-bits.ts'
import { ForwardBits, highestBit, ZstdDamage } from './zstd-bits.ts'

/** A decoding table; all arrays have one element a state. */
export type FseTable = {
  readonly accuracyBits: number
  readonly symbols: Uint8Array
  /** The next state is `bases` plus so many bits. */
  readonly bits: Uint8Array
  readonly bases: Uint16Array
}

/** Smallest accuracy a description can say. */
const ACCURACY_BITS_MIN = 5

/** Reads a table's description from `start`. @returns the table, and where the description ends */
export function readFseTable(
  bytes: Uint8Array,
  start: number,
  accuracyBitsMax: number,
  symbolMax: number,
): readonly [FseTable, number] {
  const bits = new ForwardBits(bytes, start)
  const accuracyBits = bits.read(4) + ACCURACY_BITS_MIN
  if (accuracyBits > accuracyBitsMax) throw new ZstdDamage()
  const counts: number[] = []
  let left = 1 << accuracyBits
  while (left > 0) {
    if (counts.length > symbolMax) throw new ZstdDamage()
    const count = readCount(bits, left)
    counts.push(count)
    left -= Math.abs(count)
    if (count === 0) addZeros(bits, counts, symbolMax)
  }
  if (left < 0) throw new ZstdDamage()
  return [fseTable(counts, accuracyBits), bits.nextByte]
}

/** One number from -1 to `left`, whose smaller values take a bit less than the others. */
function readCount(bits: ForwardBits, left: number): number {
  const width = highestBit(left + 1) + 1
  let value = bits.read(width)
  const lowMask = (1 << (width - 1)) - 1
  const shorter = (1 << width) - 1 - (left + 1)
  if ((value & lowMask) < shorter) {
    bits.unread(1)
    value &= lowMask
  } else if (value > lowMask) {
    value -= shorter
  }
  return value - 1
}

/** After a count of 0 stands how many more there are, in pieces of up to 3. */
function addZeros(bits: ForwardBits, counts: number[], symbolMax: number): void {
  for (let more = 3; more === 3; ) {
    more = bits.read(2)
    for (let i = 0; i < more; i++) counts.push(0)
    if (counts.length > symbolMax + 1) throw new ZstdDamage()
  }
}

/** The table for symbols that come so often; -1 is "less than once". */
export function fseTable(counts: readonly number[], accuracyBits: number): FseTable {
  const size = 1 << accuracyBits
  const symbols = new Uint8Array(size)
  const next = new Uint16Array(counts.length)
  let high = size
  for (const [symbol, count] of counts.entries()) {
    if (count === -1) symbols[--high] = symbol
    next[symbol] = Math.abs(count)
  }
  const step = (size >> 1) + (size >> 3) + 3
  let at = 0
  for (const [symbol, count] of counts.entries()) {
    for (let i = 0; i < count; i++) {
      symbols[at] = symbol
      // The step and the size have no common divisor, so every state is met once: the loop ends.
      do at = (at + step) & (size - 1)
      while (at >= high)
    }
  }
  if (at !== 0) throw new ZstdDamage()
  const bits = new Uint8Array(size)
  const bases = new Uint16Array(size)
  for (let state = 0; state < size; state++) {
    const symbol = symbols[state] as number
    const turn = next[symbol] as number
    next[symbol] = turn + 1
    bits[state] = accuracyBits - highestBit(turn)
    bases[state] = (turn << (bits[state] as number)) - size
  }
  return { accuracyBits, symbols, bits, bases }
}

/** A table of one symbol. */
export function repeatedSymbol(symbol: number): FseTable {
  return { accuracyBits: 0, symbols: Uint8Array.of(symbol), bits: new Uint8Array(1), bases: new Uint16Array(1) }
}

/** One state that walks through a table. */
export class FseState {
  readonly #table: FseTable
  #state: number

  constructor(table: FseTable, bits: BackwardBits) {
    this.#table = table
    this.#state = bits.read(table.accuracyBits)
  }

  get symbol(): number {
    return this.#table.symbols[this.#state] as number
  }

  step(bits: BackwardBits): void {
    const { bases, bits: widths } = this.#table
    this.#state = (bases[this.#state] as number) + bits.read(widths[this.#state] as number)
  }
}
