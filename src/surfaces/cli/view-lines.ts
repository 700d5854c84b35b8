/** Messages as users see them, as JSON: the fields of API section 3. */
import type { MessageView } from '../../messaging/message-view.ts'
import { bodyText } from './body-text.ts'

/** A message with its body as text, or in base64 (and saying so) where that is no UTF-8. */
export function viewLine(message: MessageView): object {
  const { text, encoding } = bodyText(message.body)
  return { ...message.toJSON(), body: text, ...(encoding === 'utf8' ? {} : { bodyEncoding: encoding }) }
}
