/** Where decompressors put what they unpack: it grows with the content, never beyond a bound, whatever the input claims. */

/** Thrown by {@link BoundedOutput}: the content is larger than allowed. */
export class OutputTooLarge extends Error {
  override readonly name: string = 'OutputTooLarge'
}

/** Up to here a loop is quicker than a call that copies. */
const LOOP_BYTES_MAX = 48

/** Bytes unpacked so far; later ones may repeat earlier ones. Every method that adds throws {@link OutputTooLarge}. */
export class BoundedOutput {
  #bytes: Buffer
  #length = 0
  readonly #bytesMax: number

  /** @param bytesExpected room to begin with */
  constructor(bytesExpected: number, bytesMax: number) {
    this.#bytes = Buffer.alloc(Math.min(bytesExpected, bytesMax))
    this.#bytesMax = bytesMax
  }

  get length(): number {
    return this.#length
  }

  /** All of it; a view of memory of its own. */
  content(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  /** Adds the bytes of `from` from `start` up to `end`. */
  add(from: Uint8Array, start: number, end: number): void {
    this.#reserve(end - start)
    const bytes = this.#bytes
    let at = this.#length
    this.#length += end - start
    if (end - start > LOOP_BYTES_MAX) bytes.set(from.subarray(start, end), at)
    else for (let i = start; i < end; i++) bytes[at++] = from[i] as number
  }

  /** Adds one byte, `count` times. */
  fill(byte: number, count: number): void {
    this.#reserve(count)
    this.#bytes.fill(byte, this.#length, this.#length + count)
    this.#length += count
  }

  /** Adds what lies `distance` back, and may run into what it adds. @returns false where there is nothing that far back */
  repeat(distance: number, count: number): boolean {
    if (distance <= 0 || distance > this.#length) return false
    this.#reserve(count)
    const bytes = this.#bytes
    let at = this.#length
    this.#length += count
    if (count > LOOP_BYTES_MAX && distance >= count) bytes.copyWithin(at, at - distance, at - distance + count)
    else for (const end = at + count; at < end; at++) bytes[at] = bytes[at - distance] as number
    return true
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes
    if (needed > this.#bytesMax) throw new OutputTooLarge()
    if (needed <= this.#bytes.length) return
    const grown = Buffer.alloc(Math.min(this.#bytesMax, Math.max(needed, 2 * this.#bytes.length)))
    grown.set(this.content())
    this.#bytes = grown
  }
}
