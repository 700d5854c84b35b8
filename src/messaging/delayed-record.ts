/**
 * How a message is parked and brought back: pure rewriting of records, as RocketMQ's brokers do it. FORMAT sections 15 to 17.
 * RocketMQ: ScheduleMessageService, HookUtils.handleScheduleMessage, TransactionalMessageBridge.
 */
import {
  PROPERTY_DELAY,
  PROPERTY_PMQ_SETTLES,
  PROPERTY_REAL_QUEUE_ID,
  PROPERTY_REAL_TOPIC,
  PROPERTY_TIMER_DELIVER_MS,
  PROPERTY_TIMER_OUT_MS,
  PROPERTY_TRANSACTION_CHECK_TIMES,
  PROPERTY_TRANSACTION_ID,
  PROPERTY_UNIQ_KEY,
  PROPERTY_WAIT,
} from '../codec/properties.ts'
import { TRANSACTION_COMMIT, TRANSACTION_MASK } from '../codec/record-layout.ts'
import { DELAY_LEVELS_MS } from '../codec/tags-code.ts'
import { TIMER_PRECISION_MS } from '../codec/timer-wheel.ts'
import type { PutRecord, StoredMessage } from '../store/message-store.ts'
import type { Settlement } from './settlement.ts'
import { formatSettles } from './settlement.ts'
import { GIVE_UP_TOPIC, HALF_TOPIC, OP_TOPIC, SCHEDULE_TOPIC, TIMER_TOPIC } from './topics.ts'

/** Levels 1 to 18; a higher one means the highest. */
export const DELAY_LEVEL_MAX: number = DELAY_LEVELS_MS.length

/** TAGS of an op message that removes half messages. RocketMQ: TransactionalMessageUtil.REMOVE_TAG. */
const OP_REMOVE_TAG = 'd'

/** The record parked in the schedule topic, to come back after the level's delay. */
export function delayedByLevel(record: PutRecord, level: number): PutRecord {
  const effective = Math.min(level, DELAY_LEVEL_MAX)
  return {
    ...record,
    topic: SCHEDULE_TOPIC,
    queueId: effective - 1,
    properties: { ...withoutTimer(record.properties), [PROPERTY_DELAY]: String(effective), ...realQueue(record) },
  }
}

/** The record parked in the timer topic, to come back at `deliverMs`. */
export function delayedUntil(record: PutRecord, deliverMs: number): PutRecord {
  return {
    ...record,
    topic: TIMER_TOPIC,
    queueId: 0,
    properties: {
      ...record.properties,
      [PROPERTY_TIMER_DELIVER_MS]: String(deliverMs),
      [PROPERTY_TIMER_OUT_MS]: String(timerSlotMs(deliverMs)),
      ...realQueue(record),
    },
  }
}

/** RocketMQ's slot for a delivery time: down to a whole second, and one less where it is one already. */
export function timerSlotMs(deliverMs: number): number {
  const floor = Math.floor(deliverMs / TIMER_PRECISION_MS) * TIMER_PRECISION_MS
  return floor === deliverMs ? floor - TIMER_PRECISION_MS : floor
}

/** The half message: the record where no consumer sees it. */
export function halfOf(record: PutRecord): PutRecord {
  const properties = record.properties ?? {}
  return {
    ...record,
    topic: HALF_TOPIC,
    queueId: 0,
    sysFlag: (record.sysFlag ?? 0) & ~TRANSACTION_MASK,
    properties: { ...properties, [PROPERTY_TRANSACTION_ID]: properties[PROPERTY_UNIQ_KEY] ?? '', ...realQueue(record) },
  }
}

/** Another copy of a half message, with one more question asked about it. */
export function halfAgain(half: StoredMessage, checkTimes: number): PutRecord {
  const properties = { ...half.properties, [PROPERTY_TRANSACTION_CHECK_TIMES]: String(checkTimes) }
  return { ...copyOf(half), topic: HALF_TOPIC, queueId: 0, properties }
}

/** The committed message: what consumers see of a half message. */
export function commitOf(half: StoredMessage): PutRecord {
  const { [PROPERTY_REAL_TOPIC]: topic = '', [PROPERTY_REAL_QUEUE_ID]: queueId = '0', ...properties } = half.properties
  return {
    ...copyOf(half),
    topic,
    queueId: Number(queueId),
    sysFlag: (half.sysFlag & ~TRANSACTION_MASK) | TRANSACTION_COMMIT,
    preparedTransactionOffset: half.physicalOffset,
    properties: { ...properties, [PROPERTY_WAIT]: 'false' },
  }
}

/** The half message that nobody would decide about, put aside. */
export function givenUp(half: StoredMessage): PutRecord {
  return { ...copyOf(half), topic: GIVE_UP_TOPIC, queueId: 0, properties: half.properties }
}

/** The op message: half messages at these queueOffsets are decided. */
export function opOf(halfQueueOffsets: readonly number[]): PutRecord {
  const body = halfQueueOffsets.map(queueOffset => `${queueOffset},`).join('')
  return { topic: OP_TOPIC, queueId: 0, body: Buffer.from(body, 'latin1'), properties: { TAGS: OP_REMOVE_TAG } }
}

/** The half queueOffsets an op message names. */
export function opQueueOffsets(body: Uint8Array): number[] {
  const parts = Buffer.from(body.buffer, body.byteOffset, body.length).toString('latin1').split(',')
  return parts.filter(part => /^\d{1,16}$/.test(part)).map(Number)
}

/** A parked message, delivered: to its real queue, saying what it settles. */
export function deliveredOf(
  parked: StoredMessage,
  settles: Settlement | undefined,
  more: Readonly<Record<string, string>> = {},
): PutRecord {
  const { [PROPERTY_PMQ_SETTLES]: _settledByTheParkedOne, ...properties } = parked.properties
  return {
    ...copyOf(parked),
    topic: properties[PROPERTY_REAL_TOPIC] ?? '',
    queueId: Number(properties[PROPERTY_REAL_QUEUE_ID] ?? '0'),
    properties: {
      ...properties,
      ...more,
      [PROPERTY_WAIT]: 'false',
      ...(settles === undefined ? {} : { [PROPERTY_PMQ_SETTLES]: formatSettles(settles) }),
    },
  }
}

/** What every copy of a stored message keeps. */
function copyOf(message: StoredMessage): PutRecord {
  return {
    topic: message.topic,
    queueId: message.queueId,
    body: message.body,
    flag: message.flag,
    sysFlag: message.sysFlag & ~TRANSACTION_MASK,
    bornTimestamp: message.bornTimestamp,
    bornHost: message.bornHost,
    reconsumeTimes: message.reconsumeTimes,
  }
}

function realQueue({ topic, queueId }: PutRecord): Readonly<Record<string, string>> {
  return { [PROPERTY_REAL_TOPIC]: topic, [PROPERTY_REAL_QUEUE_ID]: String(queueId) }
}

/** A message with a level has no timer: RocketMQ clears those properties. */
function withoutTimer(properties: Readonly<Record<string, string>> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(properties).filter(([name]) => !name.startsWith('TIMER_')))
}
