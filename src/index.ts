/** The public names, and nothing else. The one barrel. */
export type { ErrorCode } from './base/errors.ts'
export { ERROR_CODES, PocketMQError } from './base/errors.ts'
export type { Health, OffsetTarget, QueryOptions, TopicRoute } from './messaging/admin.ts'
export { Admin } from './messaging/admin.ts'
export type { AssignmentFunction } from './messaging/assignment.ts'
export type { AssignmentOption } from './messaging/assignment-settings.ts'
export type {
  BatchHandler,
  BatchResult,
  ConsumerCloseOptions,
  GroupConsumerOptions,
  HandlerResult,
  ListenerContext,
  MessageHandler,
  MessageListener,
  PullConsumerOptions,
  PushConsumerOptions,
  RetryBackoff,
  SimpleConsumerOptions,
  Subscriptions,
  TailOptions,
} from './messaging/consumer-options.ts'
export { ConsumeResult } from './messaging/consumer-options.ts'
export type { GroupProgress, GroupView, MemberView, QueueProgress, ResetOffsetResult } from './messaging/core-types.ts'
export type { DeadLetterFilter, RedriveOptions, RedriveResult } from './messaging/dead-letters.ts'
export type { DedupeContext, DedupeHandler, DedupeOptions, DedupeStore } from './messaging/dedupe.ts'
export { dedupe } from './messaging/dedupe.ts'
export type { DedupeTableOptions } from './messaging/dedupe-table.ts'
export { dedupeTable } from './messaging/dedupe-table.ts'
export type { DedupeTopicOptions } from './messaging/dedupe-topic.ts'
export { DedupeTopic, dedupeTopic } from './messaging/dedupe-topic.ts'
export type { EventListener, EventName, MessagingEvents } from './messaging/events.ts'
export { MessageView } from './messaging/message-view.ts'
export type { OutboxDatabase, OutboxOptions } from './messaging/outbox.ts'
export { Outbox, outbox } from './messaging/outbox.ts'
export type { Message } from './messaging/outgoing-message.ts'
export type { SendOptions } from './messaging/outgoing-request.ts'
export type { CloseOptions, PocketMQOptions } from './messaging/pocket-mq.ts'
export { PocketMQ } from './messaging/pocket-mq.ts'
export type { RecallReceipt, SendReceipt } from './messaging/producer.ts'
export { Producer } from './messaging/producer.ts'
export type { ProducerOptions } from './messaging/producer-options.ts'
export { PullConsumer } from './messaging/pull-consumer.ts'
export type { PurgeResult } from './messaging/purged.ts'
export { PushConsumer } from './messaging/push-consumer.ts'
export type { GroupQueueChoice, QueueChoice } from './messaging/queue-choice.ts'
export type { QueueSelector } from './messaging/settings.ts'
export { SimpleConsumer } from './messaging/simple-consumer.ts'
export { splitBatch } from './messaging/split-batch.ts'
export type { SubscriptionExpression } from './messaging/subscription-expression.ts'
export type { CreateTopicOptions, TopicConfig, TopicType, UpdateTopicOptions } from './messaging/topics.ts'
export type { TransactionChecker, TransactionDecision } from './messaging/transaction.ts'
export { Transaction } from './messaging/transaction.ts'
export type { Durability, RecoveryReport } from './store/message-store.ts'
