/**
 * A record's properties: `name` U+0001 `value` U+0002 for each, UTF-8 on disk.   RocketMQ: MessageDecoder, MessageConst.
 * Reading is lenient as RocketMQ is: an entry without a name or without a value is dropped, of two with one name the later holds.
 */
import { PocketMQError } from '../base/errors.ts'

/** Between a name and its value. */
export const NAME_END = '\u0001'
/** After each value. */
export const VALUE_END = '\u0002'
export const NAME_END_BYTE = 1
export const VALUE_END_BYTE = 2

export const PROPERTY_KEYS = 'KEYS'
export const PROPERTY_TAGS = 'TAGS'
export const PROPERTY_UNIQ_KEY = 'UNIQ_KEY'
export const PROPERTY_WAIT = 'WAIT'
export const PROPERTY_DELAY = 'DELAY'
export const PROPERTY_CLUSTER = 'CLUSTER'
export const PROPERTY_MSG_REGION = 'MSG_REGION'
export const PROPERTY_TRACE_ON = 'TRACE_ON'
export const PROPERTY_MSG_TYPE = 'MSG_TYPE'
export const PROPERTY_SHARDING_KEY = '__SHARDINGKEY'

export const PROPERTY_REAL_TOPIC = 'REAL_TOPIC'
export const PROPERTY_REAL_QUEUE_ID = 'REAL_QID'
export const PROPERTY_TRANSACTION_MESSAGE = 'TRAN_MSG'
export const PROPERTY_PRODUCER_GROUP = 'PGROUP'
export const PROPERTY_TRANSACTION_ID = '__transactionId__'
export const PROPERTY_TRANSACTION_PREPARED_QUEUE_OFFSET = 'TRAN_PREPARED_QUEUE_OFFSET'
export const PROPERTY_CHECK_IMMUNITY_SECONDS = 'CHECK_IMMUNITY_TIME_IN_SECONDS'
export const PROPERTY_TRANSACTION_CHECK_TIMES = 'TRANSACTION_CHECK_TIMES'

export const PROPERTY_RETRY_TOPIC = 'RETRY_TOPIC'
export const PROPERTY_ORIGIN_MESSAGE_ID = 'ORIGIN_MESSAGE_ID'
export const PROPERTY_RECONSUME_TIME = 'RECONSUME_TIME'
export const PROPERTY_MAX_RECONSUME_TIMES = 'MAX_RECONSUME_TIMES'
export const PROPERTY_DLQ_ORIGIN_TOPIC = 'DLQ_ORIGIN_TOPIC'
export const PROPERTY_DLQ_ORIGIN_MESSAGE_ID = 'DLQ_ORIGIN_MESSAGE_ID'

export const PROPERTY_TIMER_DELAY_SEC = 'TIMER_DELAY_SEC'
export const PROPERTY_TIMER_DELAY_MS = 'TIMER_DELAY_MS'
export const PROPERTY_TIMER_DELIVER_MS = 'TIMER_DELIVER_MS'
export const PROPERTY_TIMER_OUT_MS = 'TIMER_OUT_MS'
export const PROPERTY_TIMER_ENQUEUE_MS = 'TIMER_ENQUEUE_MS'
export const PROPERTY_TIMER_DEQUEUE_MS = 'TIMER_DEQUEUE_MS'
export const PROPERTY_TIMER_ROLL_TIMES = 'TIMER_ROLL_TIMES'
export const PROPERTY_TIMER_DEL_UNIQKEY = 'TIMER_DEL_UNIQKEY'

export const PROPERTY_POP_CK = 'POP_CK'
export const PROPERTY_FIRST_POP_TIME = '1ST_POP_TIME'
export const PROPERTY_POP_CK_OFFSET = 'POP_CK_OFFSET'

export const PROPERTY_INNER_NUM = 'INNER_NUM'
export const PROPERTY_INNER_BASE = 'INNER_BASE'
export const PROPERTY_INNER_MULTI_DISPATCH = 'INNER_MULTI_DISPATCH'
export const PROPERTY_INNER_MULTI_QUEUE_OFFSET = 'INNER_MULTI_QUEUE_OFFSET'

/** The whole-record CRC; only the record encoder writes it. */
export const PROPERTY_CRC32 = '__CRC32#'
/** Place in an append unit, `<index>/<count>`; only the record encoder writes it. */
export const PROPERTY_PMQ_UNIT = 'PMQ_UNIT'
/** What a retry or dead-letter copy settles: `<group>@<topic>@<queueId>@<queueOffset>`. */
export const PROPERTY_PMQ_SETTLES = 'PMQ_SETTLES'
/** Marks a record that stands in for a lost one; never delivered. */
export const PROPERTY_PMQ_LOST = 'PMQ_LOST'

/** Properties as text, in the order of the object's keys. @throws INVALID_ARGUMENT where one would not read back as given */
export function encodeProperties(properties: Readonly<Record<string, string>>): string {
  let text = ''
  for (const name of Object.keys(properties)) {
    const value = properties[name] as string
    if (!isStorable(name) || !isStorable(value)) throw unstorableProperty(name, value)
    text += name + NAME_END + value + VALUE_END
  }
  return text
}

/** Whether a name or value reads back from disk as it is: a well-formed string, not empty, without the two separators. */
export function isStorable(text: unknown): text is string {
  if (typeof text !== 'string' || text.length === 0) return false
  return !text.includes(NAME_END) && !text.includes(VALUE_END) && !/\p{Surrogate}/u.test(text)
}

/** Which of a property's two strings cannot be stored, and why. */
export function unstorableProperty(name: string, value: unknown): PocketMQError {
  const bad = isStorable(name) ? value : name
  const what = isStorable(name) ? 'value' : 'name'
  let why = 'holds U+0001 or U+0002, which separate properties on disk'
  if (typeof bad !== 'string') why = 'is not a string'
  else if (bad.length === 0) why = 'is empty, and RocketMQ drops such a property when it reads it'
  else if (/\p{Surrogate}/u.test(bad)) why = 'holds half a surrogate pair, which UTF-8 cannot express'
  return new PocketMQError('INVALID_ARGUMENT', `The ${what} of property ${JSON.stringify(name)} ${why}`, {
    hint: 'Give properties as non-empty strings without control characters; put other data into the body.',
    details: { field: 'properties', property: name },
  })
}

/** Names by their place in the text before: the next text mostly has the same, and a name once made need not be made again. */
const lastNames: (string | undefined)[] = new Array<string | undefined>(32).fill(undefined)

/** Calls `visit` for each property that counts, in order. */
function eachProperty(text: string, visit: (name: string, value: string) => void): void {
  let start = 0
  let nameEnd = -1
  for (let i = 0; start < text.length; i++) {
    let end = text.indexOf(VALUE_END, start)
    if (end < 0) end = text.length
    let name = lastNames[i]
    if (name !== undefined && text.charCodeAt(start + name.length) === NAME_END_BYTE && text.startsWith(name, start)) {
      nameEnd = start + name.length
      if (nameEnd < end - 1) visit(name, text.slice(nameEnd + 1, end))
    } else {
      if (nameEnd < start) nameEnd = text.indexOf(NAME_END, start)
      if (nameEnd < 0) return
      if (nameEnd > start && nameEnd < end - 1) {
        name = text.slice(start, nameEnd)
        if (i < lastNames.length) lastNames[i] = name
        visit(name, text.slice(nameEnd + 1, end))
      }
    }
    start = end + 1
  }
}

/** Properties as an object of its own. FORMAT section 3. */
export function decodeProperties(text: string): Record<string, string> {
  const properties: Record<string, string> = {}
  eachProperty(text, (name, value) => {
    // Assignment to this one name would change the object's prototype, not its properties.
    if (name !== '__proto__') properties[name] = value
    else Object.defineProperty(properties, name, { value, enumerable: true, configurable: true, writable: true })
  })
  return properties
}

/** Properties as a map. FORMAT section 3. */
export function parseProperties(text: string): Map<string, string> {
  const properties = new Map<string, string>()
  eachProperty(text, (name, value) => properties.set(name, value))
  return properties
}

/** The value of one property, without decoding the others; undefined where it is absent or empty. */
export function propertyValue(text: string, name: string): string | undefined {
  let value: string | undefined
  let at = text.indexOf(name)
  while (at >= 0) {
    let end = at + name.length
    const startsProperty = at === 0 || text.charCodeAt(at - 1) === VALUE_END_BYTE
    if (startsProperty && text.charCodeAt(end) === NAME_END_BYTE) {
      const valueStart = end + 1
      end = text.indexOf(VALUE_END, valueStart)
      if (end < 0) end = text.length
      // Of two with one name the later holds, and empty values do not count.
      if (end > valueStart) value = text.slice(valueStart, end)
    }
    at = text.indexOf(name, end)
  }
  return value
}
