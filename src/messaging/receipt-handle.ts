/**
 * Receipt handles in RocketMQ's grammar (message property POP_CK): complete by themselves, nothing needed to read one.
 *
 *   startOffset popTimeMs invisibleMs reviveQueueId topicType brokerName queueId queueOffset [more]
 *
 * `topicType` is 0 for an ordinary topic, 1 for the group's retry topic. Fields beyond the eighth are tolerated: RocketMQ's
 * proxy adds some.   RocketMQ: ExtraInfoUtil, PopMessageRequestHeader.
 */
import { PocketMQError } from '../base/errors.ts'

/** `reviveQueueId` of messages handed out in order: RocketMQ keeps no checkpoint for them. */
export const REVIVE_QUEUE_ORDERED = 999

/** A receipt handle, taken apart. */
export type Receipt = {
  /** Queue offset of the first message that was handed out with this one. */
  readonly startOffset: number
  /** Epoch milliseconds when it was handed out; unique per message among its deliveries. */
  readonly popTimeMs: number
  readonly invisibleMs: number
  readonly reviveQueueId: number
  readonly isRetry: boolean
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

/** @throws INVALID_RECEIPT_HANDLE for anything that is none */
export function parseReceipt(handle: string): Receipt {
  const fields = typeof handle === 'string' && handle.length <= 1024 ? handle.split(' ') : []
  const brokerName = fields[5] ?? ''
  const [startOffset, popTimeMs, invisibleMs, reviveQueueId, topicType] = fields.slice(0, 5).map(wholeNumber)
  const [queueId, queueOffset] = fields.slice(6, 8).map(wholeNumber)
  if (fields.length < 8 || brokerName === '' || [startOffset, popTimeMs, invisibleMs].includes(-1))
    throw invalid(handle)
  if ([reviveQueueId, topicType, queueId, queueOffset].includes(-1)) throw invalid(handle)
  return {
    startOffset: startOffset as number,
    popTimeMs: popTimeMs as number,
    invisibleMs: invisibleMs as number,
    reviveQueueId: reviveQueueId as number,
    isRetry: topicType !== 0,
    brokerName,
    queueId: queueId as number,
    queueOffset: queueOffset as number,
  }
}

function receiptStem(receipt: Receipt): string {
  const { startOffset, popTimeMs, invisibleMs, reviveQueueId, isRetry, brokerName, queueId } = receipt
  return `${startOffset} ${popTimeMs} ${invisibleMs} ${reviveQueueId} ${isRetry ? 1 : 0} ${brokerName} ${queueId}`
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

function wholeNumber(text: string): number {
  if (!/^\d{1,16}$/.test(text)) return -1
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : -1
}

function invalid(handle: unknown): PocketMQError {
  const shown = typeof handle === 'string' ? JSON.stringify(handle.slice(0, 200)) : typeof handle
  return new PocketMQError('INVALID_RECEIPT_HANDLE', `not a receipt handle: ${shown}`, {
    hint: 'Pass the message, or the receiptHandle of the message as it was received or last changed.',
    details: { given: shown },
  })
}
