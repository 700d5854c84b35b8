/** Options of consumers, as users give them; defaults and bounds are in `consumer-settings.ts`. */
import type { AssignmentOptions } from './assignment-settings.ts'
import type { MessageView } from './message-view.ts'
import type { SubscriptionExpression } from './subscription-expression.ts'

/** Expressions by topic: an object, or a Map as `rocketmq-client-nodejs` has it. */
export type Subscriptions =
  | Readonly<Record<string, SubscriptionExpression>>
  | ReadonlyMap<string, SubscriptionExpression>

/** What a listener is given beside the message. */
export type ListenerContext = {
  /** Aborts when the handler has run too long, or its consumer closes without waiting longer. */
  readonly signal: AbortSignal
}

/**
 * How a handler ends without throwing. `'retry'`, `{ retryAfter: ms }` and ConsumeResult.FAILURE: again later; `'dlq'`: a dead
 * letter now; anything else, nothing included, acknowledges. Results of `rocketmq-client-nodejs` mean what they mean there.
 * With `autoCommit: false`: nothing leaves it uncommitted, `'commit'` acknowledges it and what came before it in its queue,
 * `'rollback'` lets all that come again.
 */
export type HandlerResult = unknown

/**
 * How a batch handler ends without throwing: with one result for all its messages; with `{ ackIndex: i }`, the last one that is
 * acknowledged (-1: none), those behind it come again later; or with a list that has a result for each.
 */
export type BatchResult = unknown

/** What a listener may return, by the names `rocketmq-client-nodejs` has. */
export const ConsumeResult: {
  readonly SUCCESS: { readonly name: 'SUCCESS' }
  readonly FAILURE: { readonly name: 'FAILURE' }
} = {
  SUCCESS: { name: 'SUCCESS' },
  FAILURE: { name: 'FAILURE' },
}

/** Handles one message: returning acknowledges it, throwing lets it come again later. */
export type MessageHandler = (message: MessageView, context: ListenerContext) => HandlerResult

/** Handles several messages at once: returning acknowledges all of them, throwing lets all of them come again later. */
export type BatchHandler = (messages: readonly MessageView[], context: ListenerContext) => BatchResult

/** A function, or an object with one. */
export type MessageListener = MessageHandler | { readonly consume: MessageHandler }

/** Waits between attempts: milliseconds for each (the last one repeats), or exponential. Default: RocketMQ's table. */
export type RetryBackoff =
  | 'levels'
  | readonly number[]
  | { readonly initialMs: number; readonly maxMs?: number; readonly multiplier?: number }

/** What push and simple consumers have in common. */
export type GroupConsumerOptions = AssignmentOptions & {
  readonly consumerGroup: string
  readonly subscriptions: Subscriptions
  /**
   * Retries of a message that fails, as RocketMQ's maxReconsumeTimes counts: 16, the default, are up to 17 deliveries, over 4 h 46 min by
   * its table of waits; the 17th failure makes it a dead letter. 0: the first failure does.
   */
  readonly maxAttempts?: number
  readonly retryBackoff?: RetryBackoff | undefined
  readonly startFrom?: 'first' | 'last' | Date | number
  readonly onSubscriptionMismatch?: 'reject' | 'replace' | 'wait' | 'isolate'
  /** `independent`: members of the group may subscribe to different topics. */
  readonly topicSets?: 'same' | 'independent'
  readonly instanceName?: string | undefined
  /** Ends the wait for others to leave (`onSubscriptionMismatch: 'wait'`). */
  readonly signal?: AbortSignal | undefined
}

/** Options of `mq.pushConsumer`. */
export type PushConsumerOptions = GroupConsumerOptions & PushOptions & (OneByOne | InBatches)

type OneByOne = {
  readonly messageListener: MessageListener
  readonly batchListener?: undefined
  readonly batchSize?: 1
}

type InBatches = {
  /** Instead of `messageListener`. */
  readonly batchListener: BatchHandler
  /** How many messages it gets at most. It gets what there is, and waits for no more. */
  readonly batchSize?: number
  readonly messageListener?: undefined
}

type PushOptions = {
  readonly mode?: 'clustering' | 'broadcasting'
  /**
   * With broadcasting: a message whose handler fails comes again to this instance, by `retryBackoff`, up to `maxAttempts` times. The wait
   * is in memory: after a restart it comes at once. Without it such a message is dropped.
   */
  readonly retryLocal?: boolean
  readonly orderly?: boolean | 'group'
  readonly concurrency?: number
  readonly consumeTimeout?: number
  /** With `orderly: true`. False: a message is done when its handler, or that of a later one of its queue, returns `'commit'`. */
  readonly autoCommit?: boolean
  readonly onExhausted?: 'dlq' | 'block' | undefined
}

/** Options of `mq.simpleConsumer`. */
export type SimpleConsumerOptions = GroupConsumerOptions & {
  /** How long `receive` waits when there is nothing, in milliseconds. */
  readonly awaitDuration?: number
  /** What was received stays this consumer's while it is there: its time starts anew by itself, for three hours in all. */
  readonly autoRenew?: boolean
  readonly orderly?: boolean
  readonly onExhausted?: 'dlq' | 'block' | undefined
}

/** Options of `mq.pullConsumer`. */
export type PullConsumerOptions = AssignmentOptions & {
  readonly consumerGroup: string
  readonly startFrom?: 'first' | 'last' | Date | number
  readonly instanceName?: string | undefined
  /** Commit by itself what earlier polls returned, once the next one has been asked for. Default: only when told. */
  readonly autoCommit?: boolean
  /** How often, in milliseconds. Given alone, it turns `autoCommit` on. */
  readonly autoCommitMs?: number
  /** The group shares out the queues of these topics; without it `assign` says which queues. Also by `subscribe`. */
  readonly subscriptions?: Subscriptions
  readonly onSubscriptionMismatch?: 'reject' | 'replace' | 'wait' | 'isolate'
  readonly topicSets?: 'same' | 'independent'
  /** Ends the wait for others to leave (`onSubscriptionMismatch: 'wait'`). */
  readonly signal?: AbortSignal | undefined
}

/** Options of `mq.tail`. */
export type TailOptions = {
  readonly from?: 'first' | 'last' | Date | number
  readonly expression?: SubscriptionExpression
  /** One queue alone. */
  readonly queueId?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** How a consumer closes. */
export type ConsumerCloseOptions = {
  /** How long running handlers may go on; then they are aborted and their messages go to others. */
  readonly drainMs?: number
  /** Ends that wait early. */
  readonly signal?: AbortSignal | undefined
}
