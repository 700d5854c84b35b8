/**
 * The topics of a group's failed messages, and the topic such a message was sent to first. RocketMQ has three forms of the retry topic:
 * one of the group, which ours writes, and two that its pop consumers keep for each topic; a group reads all.   RocketMQ: KeyBuilder.
 */
import { PROPERTY_RETRY_TOPIC } from '../codec/properties.ts'
import type { StoredMessage } from '../store/message-store.ts'
import { DEAD_LETTER_TOPIC_PREFIX, RETRY_TOPIC_PREFIX } from './limits.ts'

/** Where a message lies: in its own topic, in `%RETRY%group`, `%RETRY%group+topic` or `%RETRY%group_topic`. */
export type TopicForm = 0 | 1 | 2 | 3

/** What stands between group and topic, by form. */
const MARKS = ['', '', '+', '_'] as const

/** The topic of a group's retries. */
export function retryTopicOf(group: string): string {
  return RETRY_TOPIC_PREFIX + inTopic(group)
}

/** The topic of a group's dead letters. */
export function deadLetterTopicOf(group: string): string {
  return DEAD_LETTER_TOPIC_PREFIX + inTopic(group)
}

/** The retry topics that a broker's pop consumers of a group have for a topic. */
export function popRetryTopics(group: string, topic: string): string[] {
  return [queueTopicOf(group, topic, 3), queueTopicOf(group, topic, 2)]
}

/** The form of a topic that a group reads. */
export function formOf(group: string, queueTopic: string): TopicForm {
  if (!queueTopic.startsWith(RETRY_TOPIC_PREFIX)) return 0
  const plain = retryTopicOf(group)
  if (queueTopic === plain) return 1
  const mark = queueTopic.startsWith(plain) ? queueTopic.charAt(plain.length) : ''
  return mark === '+' ? 2 : mark === '_' ? 3 : 0
}

/** The topic that a message lies in, by the one it was sent to first. */
export function queueTopicOf(group: string, topic: string, form: TopicForm): string {
  if (form === 0) return topic
  return form === 1 ? retryTopicOf(group) : `${retryTopicOf(group)}${MARKS[form]}${topic}`
}

/** The topic whose retries alone this topic has; undefined for any other topic. */
export function topicOfPopRetries(group: string, queueTopic: string): string | undefined {
  return formOf(group, queueTopic) >= 2 ? queueTopic.slice(retryTopicOf(group).length + 1) : undefined
}

/** The topic a group's message was sent to first. */
export function originTopicOf(group: string, message: StoredMessage): string {
  return topicOfPopRetries(group, message.topic) ?? message.property(PROPERTY_RETRY_TOPIC) ?? message.topic
}

/** A group that was isolated has a `~` in its name (membership.ts), which no topic may have. */
function inTopic(group: string): string {
  return group.replace('~', '%')
}
