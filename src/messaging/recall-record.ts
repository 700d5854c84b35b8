/** The record that takes a delayed message back. A broker finds it in the slot of the message it names, and delivers neither. */
import {
  PROPERTY_REAL_QUEUE_ID,
  PROPERTY_REAL_TOPIC,
  PROPERTY_TIMER_DEL_UNIQKEY,
  PROPERTY_TIMER_DELIVER_MS,
  PROPERTY_TIMER_OUT_MS,
  PROPERTY_UNIQ_KEY,
} from '../codec/properties.ts'
import type { PutRecord, StoredMessage } from '../store/message-store.ts'
import { timerSlotMs } from './delayed-record.ts'
import { TIMER_TOPIC } from './topics.ts'

/** Tag and body, as RocketMQ's brokers write them. */
const RECALL_TAG = '_RECALL_TAG_'
const RECALL_BODY: Uint8Array = Buffer.from('0')

/** The record for a waiting message. */
export function recallRecord(message: StoredMessage, deliverAtMs: number): PutRecord {
  const uniqueKey = message.uniqueKey ?? ''
  return {
    topic: TIMER_TOPIC,
    queueId: 0,
    body: RECALL_BODY,
    properties: {
      TAGS: RECALL_TAG,
      [PROPERTY_UNIQ_KEY]: uniqueKey,
      [PROPERTY_TIMER_DEL_UNIQKEY]: uniqueKey,
      [PROPERTY_TIMER_DELIVER_MS]: String(deliverAtMs),
      [PROPERTY_TIMER_OUT_MS]: String(timerSlotMs(deliverAtMs)),
      [PROPERTY_REAL_TOPIC]: message.property(PROPERTY_REAL_TOPIC) ?? '',
      [PROPERTY_REAL_QUEUE_ID]: message.property(PROPERTY_REAL_QUEUE_ID) ?? '0',
    },
  }
}
