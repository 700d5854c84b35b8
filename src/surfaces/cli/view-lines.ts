/** Messages as users see them, as JSON: the fields of API section 3. */
import type { MessageView } from '../../messaging/message-view.ts'
import { bodyText } from './body-text.ts'

/** A message with its body as text, or in base64 where that is no UTF-8. */
export function viewLine(message: MessageView): object {
  const { text, encoding } = bodyText(message.body)
  return {
    topic: message.topic,
    queueId: message.queueId,
    queueOffset: message.queueOffset,
    physicalOffset: message.physicalOffset,
    messageId: message.messageId,
    offsetMessageId: message.offsetMessageId,
    tag: message.tag,
    keys: message.keys,
    messageGroup: message.messageGroup,
    properties: message.properties,
    bornTimestamp: new Date(message.bornTimestamp).getTime(),
    storeTimestamp: new Date(message.storeTimestamp).getTime(),
    deliveryAttempt: message.deliveryAttempt,
    body: text,
    ...(encoding === 'utf8' ? {} : { bodyEncoding: encoding }),
  }
}
