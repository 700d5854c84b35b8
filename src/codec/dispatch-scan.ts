/**
 * What the dispatcher asks of every record's properties, found in one pass over their bytes and without making a string:
 * the hashes of UNIQ_KEY, KEYS and TAGS, and whether the rarer properties it knows are there at all.
 */
import { javaHashCode } from './java-hash.ts'
import { NAME_END_BYTE, VALUE_END_BYTE } from './properties.ts'

/** First four bytes of the names looked for, as one number. */
const UNIQ = 0x554e4951
const UNDERSCORE_KEY = 0x5f4b4559
const KEYS = 0x4b455953
const TAGS = 0x54414753
const DELA = 0x44454c41
const INNE = 0x494e4e45

const UNIQ_KEY_BYTES = 8
const KEYS_BYTES = 4
const TAGS_BYTES = 4
const DELAY_BYTES = 5
const INNER_PREFIX_BYTES = 6

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
  /** Where the value that was hashed last ends. */
  #valueEnd = 0

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
      let nameEnd = at
      while (nameEnd < end && bytes[nameEnd] !== NAME_END_BYTE && bytes[nameEnd] !== VALUE_END_BYTE) nameEnd++
      const nameBytes = nameEnd - at
      let valueEnd = nameEnd + 1
      if (nameEnd < end && bytes[nameEnd] === NAME_END_BYTE && valueEnd < end && bytes[valueEnd] !== VALUE_END_BYTE) {
        const isNoted = nameBytes >= KEYS_BYTES && this.#note(bytes, at, nameBytes, end, seed)
        if (isNoted) valueEnd = this.#valueEnd
        else while (valueEnd < end && bytes[valueEnd] !== VALUE_END_BYTE) valueEnd++
        valueEnd++
      } else if (nameEnd < end && bytes[nameEnd] === NAME_END_BYTE) valueEnd++
      at = valueEnd
    }
  }

  /** Takes what it knows; answers whether it has gone over the value, which is not empty. */
  #note(bytes: Uint8Array, nameStart: number, nameBytes: number, end: number, seed: number): boolean {
    const leading = fourBytes(bytes, nameStart)
    const valueStart = nameStart + nameBytes + 1
    if (leading === UNIQ && nameBytes === UNIQ_KEY_BYTES && fourBytes(bytes, nameStart + 4) === UNDERSCORE_KEY) {
      this.hasUniqueKey = true
      this.uniqueKeyHash = this.#hash(bytes, valueStart, end, seed)
      return true
    }
    if (leading === KEYS && nameBytes === KEYS_BYTES) {
      this.#hashKeys(bytes, valueStart, end, seed)
      return true
    }
    if (leading === TAGS && nameBytes === TAGS_BYTES) {
      this.tagsHash = this.#hash(bytes, valueStart, end, 0)
      return true
    }
    if (leading === DELA && nameBytes === DELAY_BYTES) this.hasDelay = true
    if (leading === INNE && nameBytes > INNER_PREFIX_BYTES) this.hasInner = true
    return false
  }

  #hash(bytes: Uint8Array, start: number, end: number, seed: number): number {
    let hash = seed
    let seen = 0
    let at = start
    for (; at < end; at++) {
      const byte = bytes[at] as number
      if (byte === VALUE_END_BYTE) break
      seen |= byte
      hash = (Math.imul(hash, 31) + byte) | 0
    }
    this.#valueEnd = at
    return seen < NON_ASCII ? hash : hashOfText(seed, bytes, start, at)
  }

  /** Elements are separated by spaces. */
  #hashKeys(bytes: Uint8Array, start: number, end: number, seed: number): void {
    this.keyCount = 0
    let keyStart = start
    let hash = seed
    let seen = 0
    let at = start
    for (; at <= end; at++) {
      const byte = at < end ? (bytes[at] as number) : VALUE_END_BYTE
      if (byte !== SPACE && byte !== VALUE_END_BYTE) {
        seen |= byte
        hash = (Math.imul(hash, 31) + byte) | 0
        continue
      }
      if (at > keyStart)
        this.keyHashes[this.keyCount++] = seen < NON_ASCII ? hash : hashOfText(seed, bytes, keyStart, at)
      if (byte === VALUE_END_BYTE) break
      keyStart = at + 1
      hash = seed
      seen = 0
    }
    this.#valueEnd = at
  }
}

/** The seed for keys of a topic. */
export function indexKeySeed(topic: string): number {
  return javaHashCode(`${topic}#`)
}

function fourBytes(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) << 24) |
    ((bytes[at + 1] as number) << 16) |
    ((bytes[at + 2] as number) << 8) |
    (bytes[at + 3] as number)
  )
}

/** Goes on with a Java hash over UTF-8 text: its units are UTF-16. */
function hashOfText(seed: number, bytes: Uint8Array, start: number, end: number): number {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString()
  let hash = seed
  for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0
  return hash
}
