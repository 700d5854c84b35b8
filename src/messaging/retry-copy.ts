/**
 * The copies that take a failed message's place: in the group's retry topic, or among its dead letters. Pure.
 * RocketMQ: SendMessageProcessor.consumerSendMsgBack.   FORMAT section 18.
 */
import {
  PROPERTY_CRC32,
  PROPERTY_DELAY,
  PROPERTY_DLQ_ORIGIN_MESSAGE_ID,
  PROPERTY_DLQ_ORIGIN_TOPIC,
  PROPERTY_ORIGIN_MESSAGE_ID,
  PROPERTY_PMQ_SETTLES,
  PROPERTY_PMQ_UNIT,
  PROPERTY_REAL_QUEUE_ID,
  PROPERTY_REAL_TOPIC,
  PROPERTY_RECONSUME_TIME,
  PROPERTY_RETRY_TOPIC,
  PROPERTY_WAIT,
} from '../codec/properties.ts'
import { TRANSACTION_MASK } from '../codec/record-layout.ts'
import { DELAY_LEVELS_MS } from '../codec/tags-code.ts'
import type { PutRecord, StoredMessage } from '../store/message-store.ts'
import type { RetryPolicy } from './core-types.ts'
import { delayedByLevel, delayedUntil } from './delayed-record.ts'
import { deadLetterTopicOf, originTopicOf, retryTopicOf } from './retry-topics.ts'
import type { Settlement } from './settlement.ts'
import { formatSettles } from './settlement.ts'

/** Level of the wait after the first failure: 10 s. RocketMQ: 3 + reconsumeTimes. */
const FIRST_RETRY_LEVEL = 3
/** Level of the wait after a handler ran too long. */
export const TIMEOUT_RETRY_MS: number = DELAY_LEVELS_MS[FIRST_RETRY_LEVEL - 1] as number

/** Properties of the record that a copy does not take over: they speak of the record it was. */
const OF_THE_RECORD_ALONE: readonly string[] = [
  PROPERTY_CRC32,
  PROPERTY_PMQ_UNIT,
  PROPERTY_PMQ_SETTLES,
  PROPERTY_DELAY,
  PROPERTY_REAL_TOPIC,
  PROPERTY_REAL_QUEUE_ID,
]

/** How long a message waits after a failure, by the policy. `failures` counts from 1. */
export function retryWaitMs(policy: RetryPolicy, failures: number): number {
  if (policy.kind === 'levels') return levelMs(FIRST_RETRY_LEVEL + failures - 1)
  if (policy.kind === 'table') return policy.waitsMs[Math.min(failures, policy.waitsMs.length) - 1] ?? 0
  return Math.min(policy.maxMs, policy.initialMs * policy.multiplier ** (failures - 1))
}

/**
 * The copy that will be delivered after `waitMs`. It settles the message it repeats.
 * A wait that is one of RocketMQ's levels goes through the schedule topic, another through the timer topic, none straight to the retry topic.
 */
export function retryCopy(message: StoredMessage, settles: Settlement, waitMs: number, nowMs: number): PutRecord {
  const reconsumeTimes = message.reconsumeTimes + 1
  const record = copyOf(message, retryTopicOf(settles.group), {
    [PROPERTY_RETRY_TOPIC]: originTopicOf(settles.group, message),
    [PROPERTY_ORIGIN_MESSAGE_ID]: message.property(PROPERTY_ORIGIN_MESSAGE_ID) ?? message.offsetMessageId,
    [PROPERTY_RECONSUME_TIME]: String(reconsumeTimes),
    [PROPERTY_WAIT]: 'false',
    [PROPERTY_PMQ_SETTLES]: formatSettles(settles),
  })
  if (waitMs <= 0) return record
  // A growing wait need not be whole; RocketMQ's times are.
  const deliverMs = Math.ceil(nowMs + waitMs)
  const level = DELAY_LEVELS_MS.indexOf(waitMs) + 1
  return level > 0 ? delayedByLevel(record, level) : delayedUntil(record, deliverMs)
}

/** The copy among the group's dead letters. */
export function deadLetterCopy(message: StoredMessage, settles: Settlement): PutRecord {
  return copyOf(message, deadLetterTopicOf(settles.group), {
    [PROPERTY_DLQ_ORIGIN_TOPIC]: originTopicOf(settles.group, message),
    [PROPERTY_DLQ_ORIGIN_MESSAGE_ID]: message.property(PROPERTY_ORIGIN_MESSAGE_ID) ?? message.offsetMessageId,
    [PROPERTY_WAIT]: 'false',
    [PROPERTY_PMQ_SETTLES]: formatSettles(settles),
  })
}

function copyOf(message: StoredMessage, topic: string, more: Readonly<Record<string, string>>): PutRecord {
  const properties = message.properties
  for (const name of OF_THE_RECORD_ALONE) delete properties[name]
  for (const name of Object.keys(properties)) if (name.startsWith('TIMER_')) delete properties[name]
  return {
    topic,
    queueId: 0,
    body: message.body,
    flag: message.flag,
    sysFlag: message.sysFlag & ~TRANSACTION_MASK,
    bornTimestamp: message.bornTimestamp,
    bornHost: message.bornHost,
    reconsumeTimes: message.reconsumeTimes + 1,
    properties: { ...properties, ...more },
  }
}

function levelMs(level: number): number {
  return DELAY_LEVELS_MS[Math.min(level, DELAY_LEVELS_MS.length) - 1] as number
}
