/** A topic as a record has it: its length, one byte in version 1 and two in version 2, then its bytes. */
import { PocketMQError } from '../base/errors.ts'
import { TOPIC_BYTES_MAX } from './record-fields.ts'
import { TOPIC_V1_CHARS_MAX } from './record-layout.ts'

/** The longest topic and its length field. */
export const TOPIC_FIELD_BYTES_MAX: number = 2 + TOPIC_BYTES_MAX

/** What a broker accepts, and the `+` that it puts into retry topics of its own. A topic is also a folder's name. */
const TOPIC = /^[%|a-zA-Z0-9_+-]+$/

/** Length field and bytes of `topic`: version 2 where it is longer than 127. @throws INVALID_ARGUMENT */
export function encodedTopic(topic: string): Uint8Array {
  if (typeof topic !== 'string' || !TOPIC.test(topic) || topic.length > TOPIC_BYTES_MAX) throw badTopic(topic)
  const lengthBytes = topic.length > TOPIC_V1_CHARS_MAX ? 2 : 1
  const bytes = Buffer.alloc(lengthBytes + topic.length)
  bytes.writeUIntBE(topic.length, 0, lengthBytes)
  bytes.write(topic, lengthBytes, 'latin1')
  return bytes
}

function badTopic(topic: unknown): PocketMQError {
  const hint = `A topic has 1 to ${TOPIC_BYTES_MAX} of the characters % | a-z A-Z 0-9 _ + -.`
  if (typeof topic !== 'string') {
    return new PocketMQError('INVALID_ARGUMENT', `topic must be a string, not ${typeof topic}`, {
      hint,
      details: { field: 'topic', given: typeof topic },
    })
  }
  const isTooLong = topic.length > TOPIC_BYTES_MAX
  const message = isTooLong
    ? `A topic of ${topic.length} characters is too long`
    : `${JSON.stringify(topic)} is no topic name`
  return new PocketMQError('INVALID_ARGUMENT', message, {
    hint,
    details: isTooLong
      ? { field: 'topic', limit: TOPIC_BYTES_MAX, actual: topic.length }
      : { field: 'topic', given: topic },
  })
}

/**
 * Whether a topic found in a record can be used: it names a folder, so nothing that leads elsewhere.
 * Readers accept more than writers, because brokers' own topics are not all of the one alphabet.
 */
export function isUsableTopic(topic: string): boolean {
  return topic !== '' && topic !== '.' && topic !== '..' && !/[\p{Cc}/\\\ufffd]/u.test(topic)
}
