/**
 * What the dispatcher asks of every record's properties, found in one pass over their bytes and without making a string:
 * where UNIQ_KEY, KEYS and TAGS have their values, and whether the rarer ones it knows are there at all.
 */
import { NAME_END_BYTE, VALUE_END_BYTE } from './properties.ts'

/** First four bytes of the names looked for, as one number. */
const UNIQ = 0x554e4951
const KEYS = 0x4b455953
const TAGS = 0x54414753
const DELA = 0x44454c41
const INNE = 0x494e4e45

const UNIQ_KEY_BYTES = 8
const KEYS_BYTES = 4
const TAGS_BYTES = 4
const DELAY_BYTES = 5
const INNER_PREFIX_BYTES = 6

/** Where the values lie; an end of 0 says that there is none. Reused for record after record. */
export class DispatchScan {
  uniqueKeyStart = 0
  uniqueKeyEnd = 0
  keysStart = 0
  keysEnd = 0
  tagsStart = 0
  tagsEnd = 0
  /** There may be a DELAY property. */
  hasDelay = false
  /** There may be properties of light or batch queues: INNER_MULTI_DISPATCH, INNER_NUM and the like. */
  hasInner = false

  /** Looks at the properties from `start` up to `end`. FORMAT section 3: empty values do not count, the later of two with one name holds. */
  scan(bytes: Uint8Array, start: number, end: number): void {
    this.uniqueKeyEnd = 0
    this.keysEnd = 0
    this.tagsEnd = 0
    this.hasDelay = false
    this.hasInner = false
    let at = start
    while (at < end) {
      let nameEnd = at
      while (nameEnd < end && bytes[nameEnd] !== NAME_END_BYTE && bytes[nameEnd] !== VALUE_END_BYTE) nameEnd++
      let valueEnd = nameEnd
      while (valueEnd < end && bytes[valueEnd] !== VALUE_END_BYTE) valueEnd++
      if (nameEnd - at >= KEYS_BYTES && nameEnd + 1 < valueEnd) this.#note(bytes, at, nameEnd, valueEnd)
      at = valueEnd + 1
    }
  }

  #note(bytes: Uint8Array, nameStart: number, nameEnd: number, valueEnd: number): void {
    const nameBytes = nameEnd - nameStart
    const leading =
      ((bytes[nameStart] as number) << 24) |
      ((bytes[nameStart + 1] as number) << 16) |
      ((bytes[nameStart + 2] as number) << 8) |
      (bytes[nameStart + 3] as number)
    if (leading === UNIQ && nameBytes === UNIQ_KEY_BYTES && isUniqKeyTail(bytes, nameStart)) {
      this.uniqueKeyStart = nameEnd + 1
      this.uniqueKeyEnd = valueEnd
    } else if (leading === KEYS && nameBytes === KEYS_BYTES) {
      this.keysStart = nameEnd + 1
      this.keysEnd = valueEnd
    } else if (leading === TAGS && nameBytes === TAGS_BYTES) {
      this.tagsStart = nameEnd + 1
      this.tagsEnd = valueEnd
    } else if (leading === DELA && nameBytes === DELAY_BYTES) {
      this.hasDelay = true
    } else if (leading === INNE && nameBytes > INNER_PREFIX_BYTES) {
      this.hasInner = true
    }
  }
}

/** `_KEY` after `UNIQ`. */
function isUniqKeyTail(bytes: Uint8Array, nameStart: number): boolean {
  return (
    bytes[nameStart + 4] === 0x5f &&
    bytes[nameStart + 5] === 0x4b &&
    bytes[nameStart + 6] === 0x45 &&
    bytes[nameStart + 7] === 0x59
  )
}

/** Goes on with a Java hash over UTF-8 text, as if its UTF-16 units followed what `hash` was computed of. */
export function javaHashOfUtf8(hash: number, bytes: Uint8Array, start: number, end: number): number {
  let result = hash
  for (let i = start; i < end; i++) {
    const byte = bytes[i] as number
    if (byte >= 0x80) return javaHashOfText(result, bytes, i, end)
    result = (Math.imul(result, 31) + byte) | 0
  }
  return result
}

function javaHashOfText(hash: number, bytes: Uint8Array, start: number, end: number): number {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString()
  let result = hash
  for (let i = 0; i < text.length; i++) result = (Math.imul(result, 31) + text.charCodeAt(i)) | 0
  return result
}
