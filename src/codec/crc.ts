/**
 * CRC-32 (zip polynomial), always unsigned. The only importer of crc-32.
 * Measured on Node 20, 100 bytes: crc-32 73 ns, zlib 156 ns; 1 KiB: 606 against 358. The loop over a range of a long-lived view
 * takes 0.8 of crc-32's time, and saves the 50 ns of a subarray.
 */
import zlib from 'node:zlib'
import CRC32 from 'crc-32'

/** From here on the call into zlib pays. */
const NATIVE_BYTES_MIN = 256
const NATIVE_RANGE_BYTES_MIN = 512

type NativeCrc = (bytes: Uint8Array, seed?: number) => number

/** zlib.crc32 came with Node 20.15; its types with those of Node 22. */
const native: NativeCrc | undefined = (zlib as unknown as { crc32?: NativeCrc }).crc32

/** CRC-32 of `bytes`; `seed` is the CRC of what comes before them. */
export function crc32(bytes: Uint8Array, seed = 0): number {
  if (native !== undefined && bytes.length >= NATIVE_BYTES_MIN) return native(bytes, seed)
  return CRC32.buf(bytes, seed | 0) >>> 0
}

/** T[k * 256 + b]: the CRC of byte b followed by k zero bytes, so that 8 bytes take 8 look-ups that do not wait for one another. */
const TABLES = eightTables()

function eightTables(): Int32Array {
  const tables = new Int32Array(8 * 256)
  const first = (CRC32 as unknown as { table: ArrayLike<number> }).table
  for (let i = 0; i < 256; i++) tables[i] = first[i] as number
  for (let i = 256; i < tables.length; i++) {
    const shorter = tables[i - 256] as number
    tables[i] = (shorter >>> 8) ^ (tables[shorter & 255] as number)
  }
  return tables
}

/** CRC-32 of the bytes from `start` up to `end` of a view; `seed` is the CRC of what comes before them. */
export function crc32OfRange(view: DataView, start: number, end: number, seed = 0): number {
  if (native !== undefined && end - start >= NATIVE_RANGE_BYTES_MIN) {
    return native(new Uint8Array(view.buffer, view.byteOffset + start, end - start), seed)
  }
  const t = TABLES
  let crc = ~seed
  let at = start
  for (; at + 8 <= end; at += 8) {
    const a = crc ^ view.getInt32(at, true)
    const b = view.getInt32(at + 4, true)
    crc =
      (t[1792 | (a & 255)] as number) ^
      (t[1536 | ((a >>> 8) & 255)] as number) ^
      (t[1280 | ((a >>> 16) & 255)] as number) ^
      (t[1024 | (a >>> 24)] as number) ^
      (t[768 | (b & 255)] as number) ^
      (t[512 | ((b >>> 8) & 255)] as number) ^
      (t[256 | ((b >>> 16) & 255)] as number) ^
      (t[b >>> 24] as number)
  }
  if (at + 4 <= end) {
    const a = crc ^ view.getInt32(at, true)
    crc =
      (t[768 | (a & 255)] as number) ^
      (t[512 | ((a >>> 8) & 255)] as number) ^
      (t[256 | ((a >>> 16) & 255)] as number) ^
      (t[a >>> 24] as number)
    at += 4
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ (t[(crc ^ view.getUint8(at)) & 255] as number)
  return ~crc >>> 0
}

/** The reversed polynomial; bit 31 of a number stands for x^0, bit 0 for x^31. */
const POLYNOMIAL = 0xedb88320

/** The product of two polynomials over GF(2), modulo the CRC's. */
function multiply(a: number, b: number): number {
  let product = 0
  let shifted = b
  for (let bits = a | 0; bits !== 0; bits <<= 1) {
    if (bits < 0) product ^= shifted
    shifted = (shifted & 1) !== 0 ? (shifted >>> 1) ^ POLYNOMIAL : shifted >>> 1
  }
  return product
}

/** SQUARES[k] is x^(8 * 2^k). */
const SQUARES = squares()

function squares(): Int32Array {
  const powers = new Int32Array(48)
  let power = 1 << 23
  for (let k = 0; k < powers.length; k++) {
    powers[k] = power
    power = multiply(power, power)
  }
  return powers
}

/** x^(8 * bytes): what a CRC is multiplied with when so many bytes follow. */
function powerOf(bytes: number): number {
  let power = 1 << 31
  for (let rest = bytes, k = 0; rest > 0; rest = Math.floor(rest / 2), k++) {
    if (rest % 2 === 1) power = multiply(SQUARES[k] as number, power)
  }
  return power
}

/** Tables by length, direct-mapped: bodies of one size are common. */
const CACHED_TABLES = 256
const tableLengths = new Float64Array(CACHED_TABLES).fill(-1)
/** For each of a CRC's eight nibbles 16 products, which is one cache line. */
const TABLE_WORDS = 8 * 16
const nibbleTables = new Int32Array(CACHED_TABLES * TABLE_WORDS)

/** Where the products of every nibble with x^(8 * bytes) are. Building them takes 0.3 us, using them 8 look-ups. */
function tableOf(bytes: number): number {
  const slot = bytes % CACHED_TABLES
  const start = slot * TABLE_WORDS
  if (tableLengths[slot] === bytes) return start
  let product = powerOf(bytes)
  // Bit 31 stands for x^0: from the highest nibble down, each bit is one x more.
  for (let nibble = 7; nibble >= 0; nibble--) {
    const at = start + nibble * 16
    for (let bit = 8; bit > 0; bit >>= 1) {
      nibbleTables[at + bit] = product
      product = (product & 1) !== 0 ? (product >>> 1) ^ POLYNOMIAL : product >>> 1
    }
    for (let value = 3; value < 16; value++) {
      const lowest = value & -value
      if (lowest !== value)
        nibbleTables[at + value] =
          (nibbleTables[at + lowest] as number) ^ (nibbleTables[at + (value ^ lowest)] as number)
    }
  }
  tableLengths[slot] = bytes
  return start
}

/** The CRC of A followed by B, from the CRC of each and the length of B. */
export function crc32Combine(crcA: number, crcB: number, lengthB: number): number {
  const t = nibbleTables
  const at = tableOf(lengthB)
  const product =
    (t[at | (crcA & 15)] as number) ^
    (t[at | 16 | ((crcA >>> 4) & 15)] as number) ^
    (t[at | 32 | ((crcA >>> 8) & 15)] as number) ^
    (t[at | 48 | ((crcA >>> 12) & 15)] as number) ^
    (t[at | 64 | ((crcA >>> 16) & 15)] as number) ^
    (t[at | 80 | ((crcA >>> 20) & 15)] as number) ^
    (t[at | 96 | ((crcA >>> 24) & 15)] as number) ^
    (t[at | 112 | (crcA >>> 28)] as number)
  return (product ^ crcB) >>> 0
}
