/**
 * From a user's message to the record that is appended: checks, properties, body. Runs for every message that is sent,
 * so it makes one properties object and no other.   RocketMQ: Message, MessageConst.
 */
import { PROPERTY_KEYS, PROPERTY_SHARDING_KEY, PROPERTY_TAGS, PROPERTY_UNIQ_KEY } from '../codec/properties.ts'
import {
  checkBodySize,
  checkKey,
  checkMessageGroup,
  checkTag,
  checkUserPropertiesSize,
  checkUserProperty,
  invalid,
  PROPERTY_PMQ_DEDUPE,
} from './limits.ts'

/** A message to send. Field names are those of `rocketmq-client-nodejs`. */
export type Message = {
  readonly topic: string
  /** Text is stored as UTF-8. */
  readonly body: Uint8Array | string
  readonly tag?: string | undefined
  readonly keys?: readonly string[] | string | undefined
  readonly properties?: Readonly<Record<string, string>> | ReadonlyMap<string, string> | undefined
  /** FIFO: messages of one group are delivered in the order they were sent. */
  readonly messageGroup?: string | undefined
  /** Milliseconds from now until it is delivered. */
  readonly delay?: number | undefined
  /** When it is delivered: a date or epoch milliseconds. */
  readonly deliveryTimestamp?: Date | number | undefined
  /** RocketMQ 4's delay level, 1 (1 s) to 18 (2 h). */
  readonly delayLevel?: number | undefined
  /** A second message with this key, within the store's window, is not stored: its sender gets the first one's receipt. */
  readonly dedupeKey?: string | undefined
  /** 32 bits of the sender's own. */
  readonly flag?: number | undefined
}

/** When a message is to be delivered. */
export type Delay =
  | { readonly kind: 'level'; readonly level: number }
  | { readonly kind: 'time'; readonly deliverMs: number }

const FIELDS = 'topic, body, tag, keys, properties, messageGroup, delay, deliveryTimestamp, delayLevel, dedupeKey, flag'
const NO_BODY = new Uint8Array(0)

/** Refuses a field that no message has: it would be lost without a word. Runs for every message. @throws INVALID_ARGUMENT */
export function checkFields(message: Message): void {
  for (const name in message) {
    switch (name) {
      case 'topic':
      case 'body':
      case 'tag':
      case 'keys':
      case 'properties':
      case 'messageGroup':
      case 'delay':
      case 'deliveryTimestamp':
      case 'delayLevel':
      case 'dedupeKey':
      case 'flag':
      // A message that was received may be sent on as it is.
      case 'deliveryAttempt':
        break
      default:
        if (message[name as keyof Message] !== undefined) throw unknownField(name)
    }
  }
}

function unknownField(name: string): Error {
  const meant: Readonly<Record<string, string>> = { tags: 'tag', key: 'keys', shardingKey: 'messageGroup' }
  const hint = `Fields: ${FIELDS}.${meant[name] === undefined ? '' : ` Did you mean ${meant[name]}?`} Own values go into properties.`
  return invalid(name, `a message has no field '${name}'`, hint, FIELDS, name)
}

/** The body's bytes; a string's in UTF-8. @throws INVALID_ARGUMENT, MESSAGE_TOO_LARGE */
export function bodyOf(message: Message, allowEmptyBody: boolean): Uint8Array {
  const { body } = message
  const bytes = body instanceof Uint8Array ? body : textBody(body)
  checkBodySize(bytes.length, allowEmptyBody)
  return bytes
}

function textBody(body: unknown): Uint8Array {
  if (typeof body === 'string') return Buffer.from(body)
  if (body === undefined || body === null) return NO_BODY
  const hint = 'Pass a Buffer, a Uint8Array or text: JSON.stringify(value) makes text of anything else.'
  throw invalid('body', 'the body must be bytes or text', hint, 'Uint8Array or string', kindOfValue(body))
}

/** All properties of the record, in a new object. @throws INVALID_ARGUMENT, MESSAGE_TOO_LARGE */
export function propertiesOf(message: Message, uniqueKey: string): Record<string, string> {
  const { tag, keys, messageGroup, properties: own, dedupeKey } = message
  const properties: Record<string, string> = { [PROPERTY_UNIQ_KEY]: uniqueKey }
  let bytes = 0
  if (tag !== undefined) {
    checkTag(tag)
    properties[PROPERTY_TAGS] = tag
    bytes = byteLengthMax(tag)
  }
  if (keys !== undefined && keys !== null && keys.length !== 0) {
    const text = keysText(keys)
    properties[PROPERTY_KEYS] = text
    bytes += byteLengthMax(text)
  }
  if (messageGroup !== undefined) {
    checkMessageGroup(messageGroup)
    properties[PROPERTY_SHARDING_KEY] = messageGroup
  }
  if (own !== undefined) bytes += addOwn(properties, own)
  if (bytes > 0) checkSize(properties, message, bytes)
  if (dedupeKey !== undefined) {
    checkUserProperty('dedupeKey', dedupeKey)
    properties[PROPERTY_PMQ_DEDUPE] = dedupeKey
  }
  return properties
}

function keysText(keys: readonly string[] | string): string {
  if (typeof keys === 'string') {
    checkKey(keys)
    return keys
  }
  if (!Array.isArray(keys)) checkKey(keys)
  for (const key of keys) checkKey(key)
  return keys.length === 1 ? (keys[0] as string) : keys.join(' ')
}

/** Copies a user's own properties; answers how many bytes they take at most. */
function addOwn(properties: Record<string, string>, own: NonNullable<Message['properties']>): number {
  let bytes = 0
  if (own instanceof Map) {
    for (const [name, value] of own as ReadonlyMap<string, string>) bytes += addProperty(properties, name, value)
    return bytes
  }
  if (typeof own !== 'object' || own === null || Array.isArray(own)) {
    throw invalid(
      'properties',
      'properties must be an object or a Map',
      'Pass { name: text }.',
      'object',
      kindOfValue(own),
    )
  }
  const values = own as Readonly<Record<string, string>>
  for (const name of Object.keys(values)) {
    const value = values[name] as string | undefined
    if (value !== undefined) bytes += addProperty(properties, name, value)
  }
  return bytes
}

function addProperty(properties: Record<string, string>, name: string, value: string): number {
  checkUserProperty(name, value)
  properties[name] = value
  return byteLengthMax(name) + byteLengthMax(value)
}

/** UTF-8 takes at most three bytes for each UTF-16 unit; counting exactly is for those who are near the limit. */
function byteLengthMax(text: string): number {
  return text.length * 3
}

function checkSize(properties: Readonly<Record<string, string>>, message: Message, bytesMax: number): void {
  const own = message.properties
  const count = own instanceof Map ? own.size : own === undefined ? 0 : Object.keys(own).length
  if (bytesMax <= 16_384 && count <= 128) return
  let bytes = 0
  for (const [name, value] of Object.entries(properties)) {
    if (name === PROPERTY_UNIQ_KEY || name === PROPERTY_SHARDING_KEY) continue
    bytes += Buffer.byteLength(value) + (name === PROPERTY_TAGS || name === PROPERTY_KEYS ? 0 : Buffer.byteLength(name))
  }
  checkUserPropertiesSize(count, bytes)
}

/** When the message is to be delivered; undefined: now. @throws INVALID_ARGUMENT */
export function delayOf(message: Message, nowMs: number, delayMsMax: number): Delay | undefined {
  const { delay, deliveryTimestamp, delayLevel } = message
  if (delay === undefined && deliveryTimestamp === undefined && delayLevel === undefined) return undefined
  const given = [delay, deliveryTimestamp, delayLevel].filter(value => value !== undefined)
  if (given.length > 1) {
    const hint = 'Choose delay, deliveryTimestamp or delayLevel.'
    throw invalid('delay', 'more than one delay is given', hint, 1, given.length)
  }
  if (delayLevel !== undefined) return levelOf(delayLevel)
  const deliverMs = delay === undefined ? timeOf(deliveryTimestamp) : nowMs + delayMs(delay)
  if (deliverMs - nowMs > delayMsMax) {
    const hint = 'Deliver it earlier, or open the store with a larger delayMsMax.'
    throw invalid(
      'delay',
      `a delay of ${deliverMs - nowMs} ms is more than ${delayMsMax}`,
      hint,
      delayMsMax,
      deliverMs - nowMs,
    )
  }
  return { kind: 'time', deliverMs }
}

function levelOf(level: unknown): Delay | undefined {
  if (typeof level !== 'number' || !Number.isInteger(level) || level < 0) {
    const hint = 'Use 1 (1 s) to 18 (2 h), or delay in milliseconds.'
    throw invalid('delayLevel', `delayLevel ${String(level)} is no level`, hint, 18, String(level))
  }
  return level === 0 ? undefined : { kind: 'level', level }
}

function delayMs(delay: unknown): number {
  if (typeof delay === 'number' && Number.isFinite(delay) && delay >= 0) return Math.ceil(delay)
  throw invalid('delay', `delay ${String(delay)} is no time`, 'Pass milliseconds, 0 or more.', 0, String(delay))
}

function timeOf(time: unknown): number {
  const ms = time instanceof Date ? time.getTime() : time
  if (typeof ms === 'number' && Number.isFinite(ms)) return Math.ceil(ms)
  throw invalid(
    'deliveryTimestamp',
    'deliveryTimestamp is no valid date',
    'Pass a Date or epoch milliseconds.',
    'Date',
    String(time),
  )
}

function kindOfValue(value: unknown): string {
  if (Array.isArray(value)) return 'array'
  return value === null ? 'null' : typeof value
}
