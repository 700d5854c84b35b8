/**
 * Several messages in one body: what a client's batch send carries, and what an inner batch keeps in one record. Big-endian.
 * RocketMQ: MessageDecoder.encodeMessages, MessageBatch. Each message is this head, then body, properties' length (i16), properties.
 *
 * | offset | bytes | field      | meaning                                 |
 * | -----: | ----: | ---------- | --------------------------------------- |
 * |      0 |     4 | totalSize  | of this message, this field included    |
 * |      4 |     4 | magic      | 0                                       |
 * |      8 |     4 | bodyCrc    | 0                                       |
 * |     12 |     4 | flag       | opaque, the user's                      |
 * |     16 |     4 | bodyLength | bytes of the body that follows          |
 */
import { PocketMQError } from '../base/errors.ts'
import { writeI64 } from './bytes.ts'
import { crc32 } from './crc.ts'
import { layoutBytes, offsetsOf } from './layout.ts'
import { encodeProperties, PROPERTY_INNER_BASE, PROPERTY_INNER_NUM } from './properties.ts'
import { PROPERTIES_BYTES_MAX } from './record-fields.ts'
import {
  BODY_CRC_OFFSET,
  BODY_LENGTH_OFFSET_IPV4,
  BODY_OFFSET_IPV4,
  FLAG_OFFSET,
  INNER_BATCH_FLAG,
  MAGIC_V2,
  NEED_UNWRAP_FLAG,
  PROPERTIES_LENGTH_BYTES,
  QUEUE_OFFSET_OFFSET,
  SYS_FLAG_OFFSET,
  TOTAL_SIZE_OFFSET,
} from './record-layout.ts'
import { StoredMessage } from './record-view.ts'

export const BATCH_ELEMENT_LAYOUT = [
  { offset: 0, bytes: 4, field: 'totalSize' },
  { offset: 4, bytes: 4, field: 'magic' },
  { offset: 8, bytes: 4, field: 'bodyCrc' },
  { offset: 12, bytes: 4, field: 'flag' },
  { offset: 16, bytes: 4, field: 'bodyLength' },
] as const

const AT = offsetsOf(BATCH_ELEMENT_LAYOUT)
const HEAD_BYTES = layoutBytes(BATCH_ELEMENT_LAYOUT)

/** One message of a batch; both buffers are views of the batch's body. */
export type BatchElement = {
  readonly flag: number
  readonly body: Buffer
  /** As stored: UTF-8 for `decodeProperties`. */
  readonly properties: Buffer
}

/** A message to put into a batch. */
export type BatchMessage = {
  readonly flag?: number
  readonly body: Uint8Array
  readonly properties?: Readonly<Record<string, string>>
}

/** The body of a batch. @throws INVALID_ARGUMENT, MESSAGE_TOO_LARGE for properties that cannot be stored */
export function encodeBatchBody(messages: readonly BatchMessage[]): Buffer {
  const pieces: Uint8Array[] = []
  for (const { flag = 0, body, properties = {} } of messages) {
    const text = Buffer.from(encodeProperties(properties))
    if (text.length > PROPERTIES_BYTES_MAX) {
      throw new PocketMQError('MESSAGE_TOO_LARGE', `The properties take ${text.length} bytes`, {
        hint: 'Put large values into the body.',
        details: { field: 'properties', limit: PROPERTIES_BYTES_MAX, actual: text.length },
      })
    }
    const head = Buffer.alloc(HEAD_BYTES)
    head.writeInt32BE(HEAD_BYTES + body.length + PROPERTIES_LENGTH_BYTES + text.length, AT.totalSize)
    head.writeInt32BE(flag, AT.flag)
    head.writeInt32BE(body.length, AT.bodyLength)
    const length = Buffer.alloc(PROPERTIES_LENGTH_BYTES)
    length.writeInt16BE(text.length)
    pieces.push(head, body, length, text)
  }
  return Buffer.concat(pieces)
}

/** The messages of a batch body, in order. @throws CORRUPT where the lengths do not add up */
export function decodeBatchBody(batch: Buffer): BatchElement[] {
  const elements: BatchElement[] = []
  let at = 0
  while (at < batch.length) {
    if (at + HEAD_BYTES + PROPERTIES_LENGTH_BYTES > batch.length) throw brokenBatch(at, 'ends within a message')
    const totalSize = batch.readInt32BE(at + AT.totalSize)
    const bodyStart = at + HEAD_BYTES
    const bodyEnd = bodyStart + batch.readInt32BE(at + AT.bodyLength)
    if (bodyEnd < bodyStart || bodyEnd + PROPERTIES_LENGTH_BYTES > batch.length)
      throw brokenBatch(at, 'has a body too long')
    const propertiesStart = bodyEnd + PROPERTIES_LENGTH_BYTES
    const end = propertiesStart + batch.readInt16BE(bodyEnd)
    if (end < propertiesStart || end > batch.length) throw brokenBatch(at, 'has properties too long')
    if (end - at !== totalSize) throw brokenBatch(at, 'has a totalSize that is not the sum of its lengths')
    elements.push({
      flag: batch.readInt32BE(at + AT.flag),
      body: batch.subarray(bodyStart, bodyEnd),
      properties: batch.subarray(propertiesStart, end),
    })
    at = end
  }
  return elements
}

function brokenBatch(at: number, what: string): PocketMQError {
  return new PocketMQError('CORRUPT', `The message at byte ${at} of a batch ${what}`, {
    hint: 'Read the record as stored: its body is no batch of messages, or is damaged.',
    details: { position: at, expected: 'messages one after another', found: what },
  })
}

/** Whether a record holds several messages. */
export function isInnerBatch(message: StoredMessage): boolean {
  return (message.sysFlag & (INNER_BATCH_FLAG | NEED_UNWRAP_FLAG)) !== 0
}

/**
 * The messages of an inner batch, each as if it were stored alone at the batch's place: queueOffset counts on from the batch's
 * base, the other fields are the batch's. A message that is no batch is its only one.
 * @throws CORRUPT where the batch does not hold the messages that it says
 */
export function unwrapInnerBatch(message: StoredMessage): StoredMessage[] {
  if (!isInnerBatch(message)) return [message]
  const elements = decodeBatchBody(message.body)
  const base = Number(message.property(PROPERTY_INNER_BASE) ?? message.queueOffset)
  const count = Number(message.property(PROPERTY_INNER_NUM) ?? elements.length)
  if (count !== elements.length || !Number.isSafeInteger(base) || base < 0) {
    throw new PocketMQError('CORRUPT', `A batch of ${count} messages from ${base} holds ${elements.length}`, {
      hint: 'Look at it with `pocketmq dump`: the record is intact, but not what RocketMQ writes.',
      details: { physicalOffset: message.physicalOffset, expected: count, found: elements.length },
    })
  }
  return elements.map((element, i) => elementRecord(message, element, base + i))
}

/** A record of its own for one message of a batch: the batch's head and topic, the element's body and properties. */
function elementRecord(batch: StoredMessage, element: BatchElement, queueOffset: number): StoredMessage {
  const { record, body } = batch
  const bodyStart = body.byteOffset - record.byteOffset
  const topicStart = bodyStart + body.length
  const topicBytes = Buffer.byteLength(batch.topic) + (batch.magic === MAGIC_V2 ? 2 : 1)
  const head = Buffer.from(record.subarray(0, bodyStart))
  const propertiesLength = Buffer.alloc(PROPERTIES_LENGTH_BYTES)
  propertiesLength.writeInt16BE(element.properties.length)
  const topic = record.subarray(topicStart, topicStart + topicBytes)
  const whole = Buffer.concat([head, element.body, topic, propertiesLength, element.properties])
  const view = new DataView(whole.buffer, whole.byteOffset, whole.length)
  view.setInt32(TOTAL_SIZE_OFFSET, whole.length)
  view.setInt32(BODY_CRC_OFFSET, crc32(element.body) & 0x7fffffff)
  view.setInt32(FLAG_OFFSET, element.flag)
  writeI64(view, QUEUE_OFFSET_OFFSET, queueOffset)
  view.setInt32(SYS_FLAG_OFFSET, batch.sysFlag & ~(INNER_BATCH_FLAG | NEED_UNWRAP_FLAG))
  // The body's length stands right before the body, wherever the hosts have moved it.
  view.setInt32(bodyStart - (BODY_OFFSET_IPV4 - BODY_LENGTH_OFFSET_IPV4), element.body.length)
  return new StoredMessage(whole)
}
