/**
 * Encodes the properties of one message after another into one scratch buffer, each string once: the hot half of the record
 * encoder. Strings are walked in JavaScript: a call into Node's own UTF-8 writer costs more than 30 characters here.
 */
import { PocketMQError } from '../base/errors.ts'
import {
  isStorable,
  NAME_END,
  NAME_END_BYTE,
  PROPERTY_CRC32,
  PROPERTY_PMQ_UNIT,
  unstorableProperty,
  VALUE_END_BYTE,
} from './properties.ts'
import { PROPERTIES_BYTES_MAX } from './record-fields.ts'

/** A valid string before the last one ends within the limit, and UTF-8 takes at most 3 bytes a UTF-16 unit. */
const SCRATCH_BYTES = 4 * PROPERTIES_BYTES_MAX + 1024
/** Names are few; a caller who makes up new ones for ever must not fill the memory. */
const CACHED_NAMES_MAX = 4096

const NO_BYTES = new Uint8Array(0)
const NO_PROPERTIES: Readonly<Record<string, string>> = {}

/** One message's properties, encoded. Valid until the next `write`. */
export class PropertiesWriter {
  readonly scratch: Buffer = Buffer.alloc(SCRATCH_BYTES)
  /** A view of the same memory. */
  readonly view: DataView = new DataView(this.scratch.buffer, this.scratch.byteOffset, SCRATCH_BYTES)
  /** Encoded names with their separator; empty for names that only the store may write. */
  readonly #nameBytes = new Map<string, Uint8Array>()
  /** The names of the message before, by place: the next one mostly has the same, and then no map is asked. */
  readonly #lastNames: string[] = []
  readonly #lastNameBytes: Uint8Array[] = []

  /**
   * Encodes `properties`, and `unit` after them, from `start` of `scratch`.
   * @returns where they end
   * @throws INVALID_ARGUMENT, MESSAGE_TOO_LARGE where they take more than `bytesMax`
   */
  write(
    properties: Readonly<Record<string, string>> | undefined,
    unit: string,
    start: number,
    bytesMax: number,
  ): number {
    const given = properties ?? NO_PROPERTIES
    const names = Object.keys(given)
    const end = start + bytesMax
    let at = start
    for (let i = 0; i < names.length; i++) {
      const name = names[i] as string
      const bytes = this.#lastNames[i] === name ? (this.#lastNameBytes[i] as Uint8Array) : this.#nameAt(i, name)
      if (bytes.length === 0) continue
      const value = given[name] as string
      if (typeof value !== 'string' || value.length === 0) throw unstorableProperty(name, value)
      if (value.length > PROPERTIES_BYTES_MAX) throw this.#tooLarge(given, unit, bytesMax)
      at = this.#put(bytes, value, at)
      if (at < 0) throw unstorableProperty(name, value)
      if (at > end) throw this.#tooLarge(given, unit, bytesMax)
    }
    if (unit !== '') {
      at = this.#put(UNIT_NAME, unit, at)
      if (at > end) throw this.#tooLarge(given, unit, bytesMax)
    }
    return at
  }

  /** Writes one property; -1 where the value holds a separator or half a surrogate pair. */
  #put(name: Uint8Array, value: string, start: number): number {
    const { scratch } = this
    let at = start
    for (let i = 0; i < name.length; i++) scratch[at++] = name[i] as number
    const length = value.length
    let i = 0
    for (; i < length; i++) {
      const unit = value.charCodeAt(i)
      // U+0001 and U+0002 would end the name or the value.
      if (unit >= 0x80 || unit === NAME_END_BYTE || unit === VALUE_END_BYTE) break
      scratch[at++] = unit
    }
    if (i < length) at = this.#putSlowly(value, i, at)
    if (at < 0) return -1
    scratch[at++] = VALUE_END_BYTE
    return at
  }

  /** UTF-8 of `value` from its unit `from` on; -1 where it cannot be stored. */
  #putSlowly(value: string, from: number, start: number): number {
    const { scratch } = this
    let at = start
    for (let i = from; i < value.length; i++) {
      const unit = value.charCodeAt(i)
      if (unit < 0x80) {
        if (unit === NAME_END_BYTE || unit === VALUE_END_BYTE) return -1
        scratch[at++] = unit
      } else if (unit < 0x800) {
        scratch[at++] = 0xc0 | (unit >> 6)
        scratch[at++] = 0x80 | (unit & 0x3f)
      } else if (unit < 0xd800 || unit > 0xdfff) {
        scratch[at++] = 0xe0 | (unit >> 12)
        scratch[at++] = 0x80 | ((unit >> 6) & 0x3f)
        scratch[at++] = 0x80 | (unit & 0x3f)
      } else {
        const low = i + 1 < value.length ? value.charCodeAt(i + 1) : 0
        if (unit > 0xdbff || low < 0xdc00 || low > 0xdfff) return -1
        const point = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00)
        scratch[at++] = 0xf0 | (point >> 18)
        scratch[at++] = 0x80 | ((point >> 12) & 0x3f)
        scratch[at++] = 0x80 | ((point >> 6) & 0x3f)
        scratch[at++] = 0x80 | (point & 0x3f)
        i++
      }
    }
    return at
  }

  #nameAt(i: number, name: string): Uint8Array {
    let bytes = this.#nameBytes.get(name)
    if (bytes === undefined) {
      bytes = encodedName(name)
      if (this.#nameBytes.size >= CACHED_NAMES_MAX) this.#nameBytes.clear()
      this.#nameBytes.set(name, bytes)
    }
    this.#lastNames[i] = name
    this.#lastNameBytes[i] = bytes
    return bytes
  }

  #tooLarge(properties: Readonly<Record<string, string>>, unit: string, bytesMax: number): PocketMQError {
    let actual = unit === '' ? 0 : UNIT_NAME.length + unit.length + 1
    for (const [name, value] of Object.entries(properties)) {
      if (encodedName(name).length > 0) actual += encodedName(name).length + Buffer.byteLength(value) + 1
    }
    return new PocketMQError('MESSAGE_TOO_LARGE', `The properties take ${actual} bytes, more than ${bytesMax}`, {
      hint: 'Put large values into the body: the format has 16 bits for the length of all properties.',
      details: { field: 'properties', limit: bytesMax, actual },
    })
  }
}

/** A name and its separator in UTF-8; no bytes where only the store may write that property. */
function encodedName(name: string): Uint8Array {
  if (name === PROPERTY_CRC32 || name === PROPERTY_PMQ_UNIT) return NO_BYTES
  if (name.length > PROPERTIES_BYTES_MAX) {
    throw new PocketMQError('MESSAGE_TOO_LARGE', `A property's name of ${name.length} characters is too long`, {
      hint: 'Give properties short names.',
      details: { field: 'properties', limit: PROPERTIES_BYTES_MAX, actual: name.length },
    })
  }
  if (!isStorable(name)) throw unstorableProperty(name, '')
  return Buffer.from(name + NAME_END)
}

const UNIT_NAME: Uint8Array = Buffer.from(PROPERTY_PMQ_UNIT + NAME_END)
