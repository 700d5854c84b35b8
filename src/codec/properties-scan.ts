/** The few properties that an engine asks of every record, found in one pass over their bytes, without decoding the rest. */
import { NAME_END_BYTE, VALUE_END_BYTE } from './properties.ts'

/** Values as they stand; undefined where absent or empty. */
export type ScannedProperties = {
  readonly tags: string | undefined
  readonly keys: string | undefined
  readonly uniqueKey: string | undefined
  readonly delay: string | undefined
}

const TAGS: Uint8Array = Buffer.from('TAGS')
const KEYS: Uint8Array = Buffer.from('KEYS')
const UNIQ_KEY: Uint8Array = Buffer.from('UNIQ_KEY')
const DELAY: Uint8Array = Buffer.from('DELAY')

/** What lies from `start` up to `end`. FORMAT section 3: empty values do not count, the later of two with one name holds. */
export function scanProperties(bytes: Buffer, start: number, end: number): ScannedProperties {
  let tags: string | undefined
  let keys: string | undefined
  let uniqueKey: string | undefined
  let delay: string | undefined
  let at = start
  while (at < end) {
    let nameEnd = at
    while (nameEnd < end && bytes[nameEnd] !== NAME_END_BYTE && bytes[nameEnd] !== VALUE_END_BYTE) nameEnd++
    let valueEnd = nameEnd
    while (valueEnd < end && bytes[valueEnd] !== VALUE_END_BYTE) valueEnd++
    const valueStart = nameEnd + 1
    if (valueStart < valueEnd) {
      if (isName(bytes, at, nameEnd, TAGS)) tags = bytes.toString('utf8', valueStart, valueEnd)
      else if (isName(bytes, at, nameEnd, KEYS)) keys = bytes.toString('utf8', valueStart, valueEnd)
      else if (isName(bytes, at, nameEnd, UNIQ_KEY)) uniqueKey = bytes.toString('utf8', valueStart, valueEnd)
      else if (isName(bytes, at, nameEnd, DELAY)) delay = bytes.toString('utf8', valueStart, valueEnd)
    }
    at = valueEnd + 1
  }
  return { tags, keys, uniqueKey, delay }
}

function isName(bytes: Buffer, start: number, end: number, name: Uint8Array): boolean {
  if (end - start !== name.length) return false
  for (let i = 0; i < name.length; i++) if (bytes[start + i] !== name[i]) return false
  return true
}
