/**
 * Encodes the properties of one message after another into one scratch buffer, each string once: the hot half of the record
 * encoder. Strings are walked in JavaScript, because a call into Node's own writers costs as much as 30 characters here;
 * what the message before had too, its names and often some values, is copied a word at a time.
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
import { TOPIC_FIELD_BYTES_MAX } from './topic-bytes.ts'

/** Everything before the last property is within the limit, that one's UTF-8 takes at most 3 bytes a unit, and words overshoot. */
const SCRATCH_BYTES = TOPIC_FIELD_BYTES_MAX + 5 * PROPERTIES_BYTES_MAX + 1024
/** Names are few; a caller who makes up new ones for ever must not fill the memory. */
const CACHED_NAMES_MAX = 4096
/** Properties of one message whose values are compared with those of the message before. */
const SLOTS_MAX = 32
/** Longer values are not kept for comparison: a UNIQ_KEY is never the same. */
const KEPT_VALUE_CHARS_MAX = 24

/** Bytes as words, the last one filled up with zeros: copying one may write up to 3 bytes more. */
type Words = { readonly words: Int32Array; readonly bytes: number }

const NO_WORDS: Words = { words: new Int32Array(0), bytes: 0 }
/** V8 folds this call away in a for-in loop; `Object.hasOwn` costs 15 ns a name there. */
const isOwn = Object.prototype.hasOwnProperty

/** What the message before had at one place. */
class Slot {
  name: string | undefined
  nameWords: Words = NO_WORDS
  /** The value of the message before. */
  value: string | undefined
  /** A value that came twice, and the whole property with it. */
  keptValue: string | undefined
  keptWords: Words = NO_WORDS
}

/** One message's properties, encoded. Valid until the next `write`. */
export class PropertiesWriter {
  readonly scratch: Buffer = Buffer.alloc(SCRATCH_BYTES)
  /** A view of the same memory. */
  readonly view: DataView = new DataView(this.scratch.buffer, this.scratch.byteOffset, SCRATCH_BYTES)
  /** Encoded names with their separator; no bytes for names that only the store may write. */
  readonly #names = new Map<string, Words>()
  readonly #slots: readonly Slot[] = Array.from({ length: SLOTS_MAX }, () => new Slot())
  /** For the properties beyond. */
  readonly #lastSlot = new Slot()

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
    const end = start + bytesMax
    let at = start
    let i = 0
    // Keys and values of a for-in loop come from V8's enum cache; Object.keys and a look-up take twice as long.
    for (const name in properties) {
      if (!isOwn.call(properties, name)) continue
      const value = properties[name]
      const slot = i < SLOTS_MAX ? (this.#slots[i++] as Slot) : this.#lastSlot
      if (slot.name !== name) this.#useName(slot, name)
      if (slot.keptValue === value && value !== undefined) at = this.#put(slot.keptWords, at)
      else at = this.#putProperty(slot, name, value, at)
      if (at > end) throw this.#tooLarge(properties, unit, bytesMax)
    }
    if (unit === '') return at
    at = this.#putText(unit, this.#put(UNIT_NAME, at))
    this.scratch[at++] = VALUE_END_BYTE
    if (at > end) throw this.#tooLarge(properties ?? {}, unit, bytesMax)
    return at
  }

  /** One property, and what the next message may find in its slot. @returns where it ends */
  #putProperty(slot: Slot, name: string, value: unknown, start: number): number {
    if (slot.nameWords.bytes === 0) return start
    if (typeof value !== 'string' || value.length === 0) throw unstorableProperty(name, value)
    // More than the scratch buffer takes; `write` tells the caller.
    if (value.length > PROPERTIES_BYTES_MAX) return Number.POSITIVE_INFINITY
    let at = this.#putText(value, this.#put(slot.nameWords, start))
    if (at < 0) throw unstorableProperty(name, value)
    this.scratch[at++] = VALUE_END_BYTE
    if (value.length <= KEPT_VALUE_CHARS_MAX) {
      if (slot.value === value) {
        slot.keptValue = value
        slot.keptWords = wordsOf(this.view, start, at)
      }
      slot.value = value
    }
    return at
  }

  #put({ words, bytes }: Words, at: number): number {
    const { view } = this
    for (let i = 0; i < words.length; i++) view.setInt32(at + 4 * i, words[i] as number)
    return at + bytes
  }

  /** A value as UTF-8; -1 where it holds a separator or half a surrogate pair. */
  #putText(text: string, at: number): number {
    const { scratch } = this
    const { length } = text
    let found = 0
    for (let i = 0; i < length; i++) {
      const unit = text.charCodeAt(i)
      // One test after the loop in place of three inside: below 3 it is negative, above ASCII it has a higher bit.
      found |= unit - 3
      scratch[at + i] = unit
    }
    return (found & ~0x7f) === 0 ? at + length : this.#putUtf8(text, at)
  }

  #putUtf8(text: string, start: number): number {
    const { scratch } = this
    let at = start
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i)
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
        const low = i + 1 < text.length ? text.charCodeAt(i + 1) : 0
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

  #useName(slot: Slot, name: string): void {
    let words = this.#names.get(name)
    if (words === undefined) {
      words = encodedName(name)
      if (this.#names.size >= CACHED_NAMES_MAX) this.#names.clear()
      this.#names.set(name, words)
    }
    slot.name = name
    slot.nameWords = words
    slot.value = undefined
    slot.keptValue = undefined
  }

  #tooLarge(properties: Readonly<Record<string, string>>, unit: string, bytesMax: number): PocketMQError {
    let actual = unit === '' ? 0 : UNIT_NAME.bytes + unit.length + 1
    for (const [name, value] of Object.entries(properties)) {
      const { bytes } = encodedName(name)
      if (bytes > 0) actual += bytes + Buffer.byteLength(String(value)) + 1
    }
    return new PocketMQError('MESSAGE_TOO_LARGE', `The properties take ${actual} bytes, more than ${bytesMax}`, {
      hint: 'Put large values into the body: the format has 16 bits for the length of all properties.',
      details: { field: 'properties', limit: bytesMax, actual },
    })
  }
}

/** A name and its separator in UTF-8; no bytes where only the store may write that property. */
function encodedName(name: string): Words {
  if (name === PROPERTY_CRC32 || name === PROPERTY_PMQ_UNIT) return NO_WORDS
  if (name.length > PROPERTIES_BYTES_MAX) {
    throw new PocketMQError('MESSAGE_TOO_LARGE', `A property's name of ${name.length} characters is too long`, {
      hint: 'Give properties short names.',
      details: { field: 'properties', limit: PROPERTIES_BYTES_MAX, actual: name.length },
    })
  }
  if (!isStorable(name)) throw unstorableProperty(name, '')
  return wordsOfText(name + NAME_END)
}

function wordsOfText(text: string): Words {
  const bytes = Buffer.from(text)
  const padded = Buffer.concat([bytes, Buffer.alloc(4)])
  return wordsOf(new DataView(padded.buffer, padded.byteOffset, padded.length), 0, bytes.length)
}

/** The bytes from `start` up to `end`; the view has at least 3 more. */
function wordsOf(view: DataView, start: number, end: number): Words {
  const words = Int32Array.from({ length: Math.ceil((end - start) / 4) }, (_, i) => view.getInt32(start + 4 * i))
  return { words, bytes: end - start }
}

const UNIT_NAME = wordsOfText(PROPERTY_PMQ_UNIT + NAME_END)
