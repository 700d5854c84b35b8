/** How zstd stores bits: little-endian, read forwards in table descriptions and backwards, from the last bit, in streams. RFC 8878. */

/** The input is no zstd: thrown and caught within the decoder. */
export class ZstdDamage extends Error {
  override readonly name: string = 'ZstdDamage'
}

/** The position of the highest bit that is set; -1 for 0. */
export function highestBit(value: number): number {
  return 31 - Math.clz32(value)
}

/** `count` bits, at most 16, whose lowest stands at bit `at`; bits before the first byte and behind the last are 0. */
function bitsAt(bytes: Uint8Array, at: number, count: number): number {
  const first = at >> 3
  const word = (bytes[first] ?? 0) | ((bytes[first + 1] ?? 0) << 8) | ((bytes[first + 2] ?? 0) << 16)
  return (word >>> (at & 7)) & ((1 << count) - 1)
}

/** Reads bits from the first on. */
export class ForwardBits {
  readonly #bytes: Uint8Array
  #at: number

  constructor(bytes: Uint8Array, start: number) {
    this.#bytes = bytes
    this.#at = 8 * start
  }

  /** At most 16 bits. @throws ZstdDamage behind the end */
  read(count: number): number {
    const bits = bitsAt(this.#bytes, this.#at, count)
    this.#at += count
    if (this.#at > 8 * this.#bytes.length) throw new ZstdDamage()
    return bits
  }

  /** Gives back the last `count` bits. */
  unread(count: number): void {
    this.#at -= count
  }

  /** The first byte of which no bit was read. */
  get nextByte(): number {
    return (this.#at + 7) >> 3
  }
}

/** Reads bits from the last on; the highest bit set in the last byte marks the end. */
export class BackwardBits {
  readonly #bytes: Uint8Array
  /** Bits that are left; negative once more were read than there are, which then count as 0. */
  left: number

  constructor(bytes: Uint8Array) {
    const last = bytes.at(-1) ?? 0
    if (last === 0) throw new ZstdDamage()
    this.#bytes = bytes
    this.left = 8 * (bytes.length - 1) + highestBit(last)
  }

  /** At most 31 bits. */
  read(count: number): number {
    if (count > 16) {
      const high = this.read(count - 16)
      return high * 0x1_0000 + this.read(16)
    }
    this.left -= count
    return bitsAt(this.#bytes, this.left, count)
  }
}
