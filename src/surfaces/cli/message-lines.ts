/**
 * Stored messages as JSON lines, in the fields and order of `data/golden/README.md`: what a program compares with what
 * a real RocketMQ reads from the same folder.
 */
import { createHash } from 'node:crypto'
import type { MessageStore, QueueRange, StoredMessage } from '../../store/message-store.ts'

/** A queue: its first and one past its last queueOffset. */
export function queueLine({ topic, queueId, minQueueOffset, maxQueueOffset }: QueueRange): object {
  return { t: 'queue', topic, queueId, cqType: 'SimpleCQ', min: minQueueOffset, max: maxQueueOffset }
}

/** Where a message was read. */
export type Place = { readonly topic: string; readonly queueId: number; readonly queueOffset: number }

/** A message, with all that its record holds. */
export function messageLine(place: Place, message: StoredMessage, withBody: boolean): object {
  const { body, properties } = message
  return {
    t: 'msg',
    topic: place.topic,
    queueId: place.queueId,
    queueOffset: place.queueOffset,
    msgTopic: message.topic,
    msgQueueId: message.queueId,
    msgQueueOffset: message.queueOffset,
    commitLogOffset: message.physicalOffset,
    storeSize: message.sizeBytes,
    magic: (message.magic >>> 0).toString(16),
    sysFlag: message.sysFlag,
    flag: message.flag,
    bodyCRC: message.bodyCrc,
    tagsCode: message.tagsCode,
    reconsumeTimes: message.reconsumeTimes,
    preparedTransactionOffset: message.preparedTransactionOffset,
    bornTimestamp: message.bornTimestamp,
    bornHost: message.bornHost,
    storeTimestamp: message.storeTimestamp,
    storeHost: message.storeHost,
    offsetMsgId: message.offsetMessageId,
    properties: Object.fromEntries(Object.entries(properties).sort(([a], [b]) => (a < b ? -1 : 1))),
    propertiesString: message.propertiesText,
    bodyLen: body.length,
    ...(withBody ? { body: body.toString('base64') } : {}),
    bodySha1: sha1(body),
    rawSha1: sha1(message.record),
  }
}

/** A message where its own record says it is. */
export function ownPlace({ topic, queueId, queueOffset }: StoredMessage): Place {
  return { topic, queueId, queueOffset }
}

function sha1(bytes: Uint8Array): string {
  return createHash('sha1').update(bytes).digest('hex')
}

const BATCH_MESSAGES = 128

/** Every readable message of a queue from `from` on, with where it was read. */
export async function* messagesOf(
  store: MessageStore,
  { topic, queueId, minQueueOffset, maxQueueOffset }: QueueRange,
  from: number = minQueueOffset,
): AsyncGenerator<readonly [Place, StoredMessage]> {
  // A light queue (LMQ) points at records of other queues: only one by one is it known where each was read.
  const maxMessages = topic.startsWith('%LMQ%') ? 1 : BATCH_MESSAGES
  let queueOffset = Math.max(from, minQueueOffset)
  while (queueOffset < maxQueueOffset) {
    const { messages, nextQueueOffset } = await store.read({ topic, queueId, queueOffset, maxMessages })
    for (const message of messages) {
      const readAt = message.topic === topic && message.queueId === queueId ? message.queueOffset : nextQueueOffset - 1
      yield [{ topic, queueId, queueOffset: readAt }, message]
    }
    if (nextQueueOffset <= queueOffset) return
    queueOffset = nextQueueOffset
  }
}
