/**
 * Names and sizes a caller may use, checked before a byte is written: SEMANTICS section 1.
 * Every refusal carries `details` { field, limit, actual } and a hint. The checks that run for every message allocate nothing.
 */
import { PocketMQError } from '../base/errors.ts'
import {
  PROPERTY_CHECK_IMMUNITY_SECONDS,
  PROPERTY_CLUSTER,
  PROPERTY_CRC32,
  PROPERTY_DELAY,
  PROPERTY_DLQ_ORIGIN_MESSAGE_ID,
  PROPERTY_DLQ_ORIGIN_TOPIC,
  PROPERTY_FIRST_POP_TIME,
  PROPERTY_INNER_BASE,
  PROPERTY_INNER_MULTI_DISPATCH,
  PROPERTY_INNER_MULTI_QUEUE_OFFSET,
  PROPERTY_INNER_NUM,
  PROPERTY_KEYS,
  PROPERTY_MAX_RECONSUME_TIMES,
  PROPERTY_MSG_REGION,
  PROPERTY_MSG_TYPE,
  PROPERTY_ORIGIN_MESSAGE_ID,
  PROPERTY_POP_CK,
  PROPERTY_POP_CK_OFFSET,
  PROPERTY_PRODUCER_GROUP,
  PROPERTY_REAL_QUEUE_ID,
  PROPERTY_REAL_TOPIC,
  PROPERTY_RECONSUME_TIME,
  PROPERTY_RETRY_TOPIC,
  PROPERTY_SHARDING_KEY,
  PROPERTY_TAGS,
  PROPERTY_TIMER_DEL_UNIQKEY,
  PROPERTY_TIMER_DELAY_MS,
  PROPERTY_TIMER_DELAY_SEC,
  PROPERTY_TIMER_DELIVER_MS,
  PROPERTY_TIMER_DEQUEUE_MS,
  PROPERTY_TIMER_ENQUEUE_MS,
  PROPERTY_TIMER_OUT_MS,
  PROPERTY_TIMER_ROLL_TIMES,
  PROPERTY_TRACE_ON,
  PROPERTY_TRANSACTION_CHECK_TIMES,
  PROPERTY_TRANSACTION_ID,
  PROPERTY_TRANSACTION_MESSAGE,
  PROPERTY_TRANSACTION_PREPARED_QUEUE_OFFSET,
  PROPERTY_UNIQ_KEY,
  PROPERTY_WAIT,
} from '../codec/properties.ts'
import { BODY_BYTES_MAX } from '../codec/record-fields.ts'

/** Longest topic a user may name. Retry and dead-letter topics, made of a group's name, may have 255. */
export const TOPIC_CHARS_MAX = 127
/** Leaves room for `%RETRY%` and `_topic`. */
export const GROUP_CHARS_MAX = 120
/** A user's own properties, counted with tag and keys. RocketMQ 5: proxy defaults. */
export const USER_PROPERTIES_MAX = 128
export const USER_PROPERTIES_BYTES_MAX: number = 16 * 1024
/** In UTF-8. RocketMQ 5: less than 64. */
export const MESSAGE_GROUP_BYTES_MAX = 63
/** A batch, bodies and properties together. RocketMQ: maxMessageSize. */
export const BATCH_BYTES_MAX: number = BODY_BYTES_MAX

export const RETRY_TOPIC_PREFIX = '%RETRY%'
export const DEAD_LETTER_TOPIC_PREFIX = '%DLQ%'

/** The dedupe window finds its keys again by this property. To a broker it is a user's. */
export const PROPERTY_PMQ_DEDUPE = 'PMQ_DEDUPE'

/** Names of ours and RocketMQ's in the properties; a user's may not be among them. RocketMQ: MessageConst.STRING_HASH_SET. */
const RESERVED_PROPERTIES: ReadonlySet<string> = new Set([
  ...[
    PROPERTY_KEYS,
    PROPERTY_TAGS,
    PROPERTY_UNIQ_KEY,
    PROPERTY_WAIT,
    PROPERTY_DELAY,
    PROPERTY_CLUSTER,
    PROPERTY_MSG_REGION,
  ],
  ...[PROPERTY_TRACE_ON, PROPERTY_MSG_TYPE, PROPERTY_SHARDING_KEY, PROPERTY_REAL_TOPIC, PROPERTY_REAL_QUEUE_ID],
  ...[PROPERTY_TRANSACTION_MESSAGE, PROPERTY_PRODUCER_GROUP, PROPERTY_TRANSACTION_ID, PROPERTY_TRANSACTION_CHECK_TIMES],
  ...[PROPERTY_TRANSACTION_PREPARED_QUEUE_OFFSET, PROPERTY_CHECK_IMMUNITY_SECONDS, PROPERTY_RETRY_TOPIC],
  ...[PROPERTY_ORIGIN_MESSAGE_ID, PROPERTY_RECONSUME_TIME, PROPERTY_MAX_RECONSUME_TIMES, PROPERTY_DLQ_ORIGIN_TOPIC],
  ...[PROPERTY_DLQ_ORIGIN_MESSAGE_ID, PROPERTY_TIMER_DELAY_SEC, PROPERTY_TIMER_DELAY_MS, PROPERTY_TIMER_DELIVER_MS],
  ...[PROPERTY_TIMER_OUT_MS, PROPERTY_TIMER_ENQUEUE_MS, PROPERTY_TIMER_DEQUEUE_MS, PROPERTY_TIMER_ROLL_TIMES],
  ...[PROPERTY_TIMER_DEL_UNIQKEY, PROPERTY_POP_CK, PROPERTY_FIRST_POP_TIME, PROPERTY_POP_CK_OFFSET, PROPERTY_INNER_NUM],
  ...[PROPERTY_INNER_BASE, PROPERTY_INNER_MULTI_DISPATCH, PROPERTY_INNER_MULTI_QUEUE_OFFSET, PROPERTY_CRC32],
  ...['MIN_OFFSET', 'MAX_OFFSET', 'BUYER_ID', 'TRANSFER_FLAG', 'CORRECTION_FLAG', 'MQ2_FLAG', 'EXTEND_UNIQ_INFO'],
  ...[
    'CONSUME_START_TIME',
    'INSTANCE_ID',
    'CORRELATION_ID',
    'REPLY_TO_CLIENT',
    'TTL',
    'ARRIVE_TIME',
    'PUSH_REPLY_TIME',
  ],
  ...['DUP_INFO', 'BORN_TIMESTAMP', '__BORNHOST', 'INSTANCE_ID', '__proto__'],
])

/** Prefix of properties that are ours. */
const OWN_PREFIX = 'PMQ_'

/** What the policy `isolate` puts behind a group's name (membership.ts): nobody can name his own like that. */
const ISOLATED_PATTERN = /~[0-9a-f]{8}$/
const NAME_PATTERN = /^[%|a-zA-Z0-9_-]+$/
/** RocketMQ: TopicValidator.SYSTEM_TOPIC_SET. */
const SYSTEM_TOPICS: ReadonlySet<string> = new Set([
  ...['TBW102', 'SCHEDULE_TOPIC_XXXX', 'BenchmarkTest', 'SELF_TEST_TOPIC', 'OFFSET_MOVED_EVENT', 'PMQ_LOST'],
  ...['TRANS_CHECK_MAX_TIME_TOPIC', 'CHECKPOINT_TOPIC', 'DefaultCluster', 'DefaultCluster_REPLY_TOPIC'],
])
const SYSTEM_PREFIXES = ['RMQ_SYS_', 'rmq_sys_'] as const

/** Whether a topic belongs to the engine: users neither create it nor send to it. */
export function isSystemTopic(topic: string): boolean {
  return SYSTEM_TOPICS.has(topic) || SYSTEM_PREFIXES.some(prefix => topic.startsWith(prefix))
}

/** Whether a topic is a group's retry or dead-letter topic. */
export function isGroupTopic(topic: string): boolean {
  return topic.startsWith(RETRY_TOPIC_PREFIX) || topic.startsWith(DEAD_LETTER_TOPIC_PREFIX)
}

/** Whether a group is the engine's own. */
export function isSystemGroup(group: string): boolean {
  return group.startsWith('CID_RMQ_SYS_') || group.startsWith('CID_PMQ_')
}

/** Checks a topic's name, as far as its letters go. @throws INVALID_ARGUMENT */
export function checkTopicName(topic: unknown, field = 'topic'): asserts topic is string {
  const isOfGroup = typeof topic === 'string' && isGroupTopic(topic)
  // RocketMQ's newer pop retry topics are `%RETRY%group+topic`.
  checkName(isOfGroup ? topic.replace('+', '_') : topic, field, isOfGroup ? 255 : TOPIC_CHARS_MAX)
}

/** Checks a topic that a user creates or sends to. @throws INVALID_ARGUMENT */
export function checkUserTopic(topic: unknown, field = 'topic'): asserts topic is string {
  checkTopicName(topic, field)
  if (!isSystemTopic(topic)) return
  throw invalid(field, `${topic} is a topic of the system`, 'Choose another name.', 'a topic of your own', topic)
}

/** Checks a producer's or consumer's group. @throws INVALID_ARGUMENT */
export function checkGroupName(group: unknown, field = 'group'): asserts group is string {
  checkName(group, field, GROUP_CHARS_MAX)
}

/** Checks the name of a group that may have been isolated from another. @throws INVALID_ARGUMENT */
export function checkAnyGroupName(group: unknown, field = 'group'): asserts group is string {
  checkGroupName(typeof group === 'string' ? group.replace(ISOLATED_PATTERN, '') : group, field)
}

function checkName(name: unknown, field: string, limit: number): void {
  if (typeof name !== 'string')
    throw invalid(field, `${field} must be a string`, `Pass the ${field}'s name.`, limit, typeof name)
  if (name.length === 0 || name.length > limit) {
    const hint = `Use 1 to ${limit} characters.`
    throw invalid(field, `${field} has ${name.length} characters, not 1 to ${limit}`, hint, limit, name.length)
  }
  if (!NAME_PATTERN.test(name)) {
    const hint = 'Use letters, digits, _ and - only (and %, | as RocketMQ allows).'
    throw invalid(
      field,
      `${field} ${JSON.stringify(name)} has a character that is not allowed`,
      hint,
      NAME_PATTERN.source,
      name,
    )
  }
}

/** Checks a tag: one, not blank, without `|` and control characters. @throws INVALID_ARGUMENT */
export function checkTag(tag: unknown): asserts tag is string {
  if (typeof tag !== 'string')
    throw invalid('tag', 'a tag must be a string', 'Pass one tag as text.', 'string', typeof tag)
  if (tag.length === 0 || isBlank(tag))
    throw invalid('tag', 'a tag must not be blank', 'Leave the tag out instead.', 1, 0)
  for (let i = 0; i < tag.length; i++) {
    const unit = tag.charCodeAt(i)
    if (unit !== 0x7c && !isControl(unit)) continue
    const hint = 'Use a tag without | and control characters; | separates tags in subscriptions.'
    throw invalid(
      'tag',
      `tag ${JSON.stringify(tag)} has a character that is not allowed`,
      hint,
      'no | and no control character',
      tag,
    )
  }
}

/** Checks one key: not blank, without spaces, which separate keys on disk. @throws INVALID_ARGUMENT */
export function checkKey(key: unknown): asserts key is string {
  if (typeof key !== 'string')
    throw invalid('keys', 'a key must be a string', 'Pass keys as an array of text.', 'string', typeof key)
  if (key.length === 0) throw invalid('keys', 'a key must not be blank', 'Leave the key out instead.', 1, 0)
  for (let i = 0; i < key.length; i++) {
    const unit = key.charCodeAt(i)
    if (!isSpace(unit) && !isControl(unit)) continue
    const hint = 'Replace spaces in keys: keys are separated by one space on disk.'
    throw invalid(
      'keys',
      `key ${JSON.stringify(key)} has a space or a control character`,
      hint,
      'no space and no control character',
      key,
    )
  }
}

/** Checks a FIFO message group. @throws INVALID_ARGUMENT */
export function checkMessageGroup(group: unknown): asserts group is string {
  const field = 'messageGroup'
  if (typeof group !== 'string')
    throw invalid(field, 'messageGroup must be a string', 'Pass text, like a customer id.', 'string', typeof group)
  if (isBlank(group))
    throw invalid(field, 'messageGroup must not be blank', 'Leave it out for messages without an order.', 1, 0)
  checkNoControl(field, group)
  // No UTF-16 unit takes more than three bytes.
  if (group.length * 3 <= MESSAGE_GROUP_BYTES_MAX) return
  const bytes = Buffer.byteLength(group)
  if (bytes <= MESSAGE_GROUP_BYTES_MAX) return
  const hint = 'Use a short id, or a hash of the long one.'
  throw invalid(
    field,
    `messageGroup takes ${bytes} bytes, more than ${MESSAGE_GROUP_BYTES_MAX}`,
    hint,
    MESSAGE_GROUP_BYTES_MAX,
    bytes,
  )
}

/** Whether a property is the engine's or RocketMQ's: users neither set it nor see it among theirs. */
export function isReservedProperty(name: string): boolean {
  return RESERVED_PROPERTIES.has(name) || name.startsWith(OWN_PREFIX)
}

/** Checks one property of a user's. @throws INVALID_ARGUMENT */
export function checkUserProperty(name: string, value: unknown): asserts value is string {
  const field = 'properties'
  if (name.length === 0) throw invalid(field, 'a property must have a name', 'Leave it out.', 1, 0)
  if (RESERVED_PROPERTIES.has(name) || name.startsWith(OWN_PREFIX)) {
    throw invalid(
      field,
      `property ${name} is reserved`,
      'Choose another name, or use the message field meant for it.',
      'not reserved',
      name,
    )
  }
  if (typeof value !== 'string') {
    throw invalid(
      field,
      `property ${name} must be a string`,
      'Convert it: properties are text.',
      'string',
      typeof value,
    )
  }
  if (value.length === 0)
    throw invalid(field, `property ${name} is empty`, 'Leave it out: RocketMQ drops empty properties.', 1, 0)
  checkNoControl(field, name)
  checkNoControl(field, value)
}

/** Checks how many properties a user has and what they take, tag and keys counted. @throws INVALID_ARGUMENT, MESSAGE_TOO_LARGE */
export function checkUserPropertiesSize(count: number, bytes: number): void {
  const hint = 'Put the data into the body; properties are for filtering.'
  if (count > USER_PROPERTIES_MAX) {
    throw invalid(
      'properties',
      `${count} properties, more than ${USER_PROPERTIES_MAX}`,
      hint,
      USER_PROPERTIES_MAX,
      count,
    )
  }
  if (bytes > USER_PROPERTIES_BYTES_MAX) throw tooLarge('properties', USER_PROPERTIES_BYTES_MAX, bytes, hint)
}

/** Checks a body's size. @throws INVALID_ARGUMENT for an empty one, MESSAGE_TOO_LARGE */
export function checkBodySize(bytes: number, allowEmptyBody: boolean): void {
  if (bytes > BODY_BYTES_MAX)
    throw tooLarge('body', BODY_BYTES_MAX, bytes, 'Store the data elsewhere and send where it is.')
  if (bytes > 0 || allowEmptyBody) return
  throw invalid('body', 'the body is empty', 'Send something, or set allowEmptyBody on the producer.', 1, 0)
}

/** MESSAGE_TOO_LARGE for `field`. */
export function tooLarge(field: string, limit: number, actual: number, hint: string): PocketMQError {
  return new PocketMQError('MESSAGE_TOO_LARGE', `${field} takes ${actual} bytes, more than ${limit}`, {
    hint,
    details: { field, limit, actual },
  })
}

/** INVALID_ARGUMENT for `field`. */
export function invalid(field: string, problem: string, hint: string, limit: unknown, actual: unknown): PocketMQError {
  return new PocketMQError('INVALID_ARGUMENT', problem, { hint, details: { field, limit, actual } })
}

function checkNoControl(field: string, text: string): void {
  for (let i = 0; i < text.length; i++) {
    if (!isControl(text.charCodeAt(i))) continue
    const hint = 'Remove control characters, or put the text into the body.'
    throw invalid(
      field,
      `${field} has a control character in ${JSON.stringify(text)}`,
      hint,
      'no control character',
      text,
    )
  }
}

function isControl(unit: number): boolean {
  return unit < 0x20 || (unit >= 0x7f && unit < 0xa0)
}

function isSpace(unit: number): boolean {
  return unit === 0x20 || unit === 0xa0 || unit === 0x3000 || unit === 0x2028 || unit === 0x2029
}

function isBlank(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    if (!isSpace(text.charCodeAt(i))) return false
  }
  return true
}
