/**
 * Receipt handles in RocketMQ's grammar (message property POP_CK): complete by themselves, nothing needed to read one.
 *
 *   startOffset popTimeMs invisibleMs reviveQueueId topicType brokerName queueId queueOffset [more]
 *
 * `topicType` is 0 for an ordinary topic, 1 for the group's retry topic, 2 and 3 for those of a broker's pop consumers. Fields beyond
 * the eighth are tolerated: RocketMQ's proxy adds some.   RocketMQ: ExtraInfoUtil, PopMessageRequestHeader.
 */
import { PocketMQError } from '../base/errors.ts'
import type { TopicForm } from './retry-topics.ts'

/** `reviveQueueId` of messages handed out in order: RocketMQ keeps no checkpoint for them. */
export const REVIVE_QUEUE_ORDERED = 999

/** Longer ones are nobody's. */
const HANDLE_CHARS_MAX = 1024
const DIGITS_MAX = 16
const DIGIT_ZERO = 48

/** A receipt handle, taken apart. */
export type Receipt = {
  /** Queue offset of the first message that was handed out with this one. */
  readonly startOffset: number
  /** Epoch milliseconds when it was handed out; unique per message among its deliveries. */
  readonly popTimeMs: number
  readonly invisibleMs: number
  readonly reviveQueueId: number
  readonly topicType: TopicForm
  readonly brokerName: string
  readonly queueId: number
  readonly queueOffset: number
}

/** The handle of a receipt. */
export function formatReceipt(receipt: Receipt): string {
  return `${receiptStem(receipt)} ${receipt.queueOffset}`
}

/** The handle of another message of the same batch: only the last field differs. */
export function receiptOf(batchReceipt: string, queueOffset: number): string {
  return `${batchReceipt.slice(0, stemLength(batchReceipt))} ${queueOffset}`
}

/** Fields before the broker's name, and after it, that are numbers. */
const NUMBERS_BEFORE_NAME = 5
const FIELDS = 8
/** Where the topic's type is among the numbers. */
const TOPIC_TYPE = 4

/** @throws INVALID_RECEIPT_HANDLE for anything that is none */
export function parseReceipt(handle: string): Receipt {
  if (typeof handle !== 'string' || handle.length > HANDLE_CHARS_MAX) throw invalid(handle)
  const numbers: number[] = []
  let brokerName = ''
  let at = 0
  for (let field = 0; field < FIELDS; field++) {
    const space = handle.indexOf(' ', at)
    const end = space < 0 ? handle.length : space
    if (field === NUMBERS_BEFORE_NAME) brokerName = handle.slice(at, end)
    else numbers.push(wholeNumber(handle, at, end))
    // Only the last of the eight may end the text.
    if (space < 0 && field < FIELDS - 1) throw invalid(handle)
    at = end + 1
  }
  if (brokerName === '' || numbers.includes(-1) || !isForm(numbers[TOPIC_TYPE])) throw invalid(handle)
  const [startOffset, popTimeMs, invisibleMs, reviveQueueId, topicType, queueId, queueOffset] = numbers as Numbers
  return {
    startOffset,
    popTimeMs,
    invisibleMs,
    reviveQueueId,
    topicType,
    brokerName,
    queueId,
    queueOffset,
  }
}

type Numbers = [number, number, number, number, TopicForm, number, number]

function receiptStem(receipt: Receipt): string {
  const { startOffset, popTimeMs, invisibleMs, reviveQueueId, topicType, brokerName, queueId } = receipt
  return `${startOffset} ${popTimeMs} ${invisibleMs} ${reviveQueueId} ${topicType} ${brokerName} ${queueId}`
}

/** Length of the first seven fields. */
function stemLength(handle: string): number {
  let at = -1
  for (let field = 0; field < 7; field++) {
    at = handle.indexOf(' ', at + 1)
    if (at < 0) throw invalid(handle)
  }
  return at
}

function isForm(topicType: number | undefined): topicType is TopicForm {
  return topicType !== undefined && topicType <= 3
}

/** Decimal digits from `start` up to `end`; -1 where they are no safe whole number. */
function wholeNumber(text: string, start: number, end: number): number {
  if (end === start || end - start > DIGITS_MAX) return -1
  let value = 0
  for (let i = start; i < end; i++) {
    const digit = text.charCodeAt(i) - DIGIT_ZERO
    if (digit < 0 || digit > 9) return -1
    value = value * 10 + digit
  }
  return value <= Number.MAX_SAFE_INTEGER ? value : -1
}

function invalid(handle: unknown): PocketMQError {
  const shown = typeof handle === 'string' ? JSON.stringify(handle.slice(0, 200)) : typeof handle
  return new PocketMQError('INVALID_RECEIPT_HANDLE', `not a receipt handle: ${shown}`, {
    hint: 'Pass the message, or the receiptHandle of the message as it was received or last changed.',
    details: { given: shown },
  })
}
