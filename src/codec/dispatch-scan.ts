/**
 * What the dispatcher asks of every record's properties, found in one pass over their bytes and without making a string:
 * the hashes of UNIQ_KEY, KEYS and TAGS, and whether the rarer properties it knows are there at all.
 */
import { assert } from '../base/assert.ts'
import { javaHashCode } from './java-hash.ts'
import { NAME_END_BYTE, VALUE_END_BYTE } from './properties.ts'

/** Own names, because a loop over bytes that reads an imported constant takes half as long again. */
const NAME_END = 1
const VALUE_END = 2
assert(NAME_END === NAME_END_BYTE, 'properties are separated as properties.ts says')
assert(VALUE_END === VALUE_END_BYTE, 'properties are separated as properties.ts says')

/** First letters of the names looked for. */
const U = 0x55
const K = 0x4b
const T = 0x54
const D = 0x44
const I = 0x49

/** From the first letter of a name to its value. */
const UNIQ_KEY_VALUE = 9
const KEYS_VALUE = 5
const TAGS_VALUE = 5

const SPACE = 0x20
/** Bytes from here on are part of a character of several bytes. */
const NON_ASCII = 0x80

/** The hashes of one record's keys and tags. Reused for record after record. */
export class DispatchScan {
  hasUniqueKey = false
  /** Java hash of what the seed stands for, followed by the value; of an index key, before its sign is dropped. */
  uniqueKeyHash = 0
  /** How many of `keyHashes` are of this record: one for each element of KEYS. */
  keyCount = 0
  readonly keyHashes: number[] = []
  /** Java hash of the TAGS value; 0 where there is none. */
  tagsHash = 0
  /** There may be a DELAY property. */
  hasDelay = false
  /** There may be properties of light or batch queues: INNER_MULTI_DISPATCH, INNER_NUM and the like. */
  hasInner = false

  /**
   * Looks at the properties from `start` up to `end`. FORMAT section 3: empty values do not count, the later of two with one name
   * holds.
   * @param seed Java hash of what index keys start with: the topic and `#`
   */
  scan(bytes: Uint8Array, start: number, end: number, seed: number): void {
    this.hasUniqueKey = false
    this.keyCount = 0
    this.tagsHash = 0
    this.hasDelay = false
    this.hasInner = false
    let at = start
    while (at < end) {
      const first = bytes[at] as number
      let valueStart = 0
      if (first === U && isUniqKey(bytes, at, end)) valueStart = at + UNIQ_KEY_VALUE
      else if (first === T && isTags(bytes, at, end)) valueStart = at + TAGS_VALUE
      else if (first === K && isKeys(bytes, at, end)) {
        at = this.#hashKeys(bytes, at + KEYS_VALUE, end, seed) + 1
        continue
      } else if (first === D) this.hasDelay ||= isDelay(bytes, at)
      else if (first === I) this.hasInner ||= isInner(bytes, at)
      const initial = first === U ? seed : 0
      let hash = initial
      let seen = 0
      // Hashed whether it is wanted or not: a second loop for the rest would make this one slower.
      at = valueStart > 0 ? valueStart : at
      for (; at < end; at++) {
        const byte = bytes[at] as number
        if (byte === VALUE_END) break
        seen |= byte
        hash = (Math.imul(hash, 31) + byte) | 0
      }
      if (valueStart > 0 && at > valueStart) {
        if (seen >= NON_ASCII) hash = hashOfText(initial, bytes, valueStart, at)
        if (first === U) {
          this.hasUniqueKey = true
          this.uniqueKeyHash = hash
        } else this.tagsHash = hash
      }
      at++
    }
  }

  /** Elements are separated by spaces. Answers where the value ends. */
  #hashKeys(bytes: Uint8Array, start: number, end: number, seed: number): number {
    let count = 0
    let keyStart = start
    let hash = seed
    let seen = 0
    let at = start
    for (; at <= end; at++) {
      const byte = at < end ? (bytes[at] as number) : VALUE_END
      if (byte !== SPACE && byte !== VALUE_END) {
        seen |= byte
        hash = (Math.imul(hash, 31) + byte) | 0
        continue
      }
      if (at > keyStart) this.keyHashes[count++] = seen < NON_ASCII ? hash : hashOfText(seed, bytes, keyStart, at)
      if (byte === VALUE_END) break
      keyStart = at + 1
      hash = seed
      seen = 0
    }
    if (at > start) this.keyCount = count
    return at
  }
}

/** The seed for keys of a topic. */
export function indexKeySeed(topic: string): number {
  return javaHashCode(`${topic}#`)
}

// Names are compared byte by byte: a loop, or a number made of the bytes, takes several times as long.

function isUniqKey(bytes: Uint8Array, at: number, end: number): boolean {
  return (
    at + UNIQ_KEY_VALUE < end &&
    bytes[at + 8] === NAME_END &&
    bytes[at + 1] === 0x4e &&
    bytes[at + 2] === I &&
    bytes[at + 3] === 0x51 &&
    bytes[at + 4] === 0x5f &&
    bytes[at + 5] === K &&
    bytes[at + 6] === 0x45 &&
    bytes[at + 7] === 0x59
  )
}

function isKeys(bytes: Uint8Array, at: number, end: number): boolean {
  return (
    at + KEYS_VALUE < end &&
    bytes[at + 4] === NAME_END &&
    bytes[at + 1] === 0x45 &&
    bytes[at + 2] === 0x59 &&
    bytes[at + 3] === 0x53
  )
}

function isTags(bytes: Uint8Array, at: number, end: number): boolean {
  return (
    at + TAGS_VALUE < end &&
    bytes[at + 4] === NAME_END &&
    bytes[at + 1] === 0x41 &&
    bytes[at + 2] === 0x47 &&
    bytes[at + 3] === 0x53
  )
}

function isDelay(bytes: Uint8Array, at: number): boolean {
  return bytes[at + 1] === 0x45 && bytes[at + 4] === 0x59 && bytes[at + 5] === NAME_END
}

function isInner(bytes: Uint8Array, at: number): boolean {
  return bytes[at + 1] === 0x4e && bytes[at + 4] === 0x52 && bytes[at + 5] === 0x5f
}

/** Goes on with a Java hash over UTF-8 text: its units are UTF-16. */
function hashOfText(seed: number, bytes: Uint8Array, start: number, end: number): number {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString()
  let hash = seed
  for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0
  return hash
}
