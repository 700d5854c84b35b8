/** Cuts a long list of messages into batches that `sendBatch` takes. */
import { BATCH_BYTES_MAX } from './limits.ts'
import type { Message } from './outgoing-message.ts'
import { bodyOf, propertiesOf } from './outgoing-message.ts'
import { sizeOf } from './producing-core.ts'

/** As long as a message id: what a batch is measured with before the ids are made. */
const SOME_ID = '0'.repeat(32)

/**
 * The messages in their order, in lists that are one batch each: of one topic and one message group, within `bytesMax`.
 * @throws INVALID_ARGUMENT, MESSAGE_TOO_LARGE for a message that no batch can take
 */
export function splitBatch(messages: Iterable<Message>, bytesMax: number = BATCH_BYTES_MAX): Message[][] {
  const batches: Message[][] = []
  let bytes = 0
  let before: Message | undefined
  for (const message of messages) {
    const size = sizeOf({ body: bodyOf(message, true), properties: propertiesOf(message, SOME_ID) })
    const isOfAnother = before?.topic !== message.topic || before.messageGroup !== message.messageGroup
    if (isOfAnother || bytes + size > bytesMax) {
      batches.push([])
      bytes = 0
    }
    ;(batches.at(-1) as Message[]).push(message)
    bytes += size
    before = message
  }
  return batches
}
