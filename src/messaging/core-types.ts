/**
 * What goes into and comes out of the one messaging service. Plain values only: everything here survives a structured
 * clone (a test holds it), so that a network protocol can be one more adapter beside the in-process classes.
 * Across this line go no functions, class instances or streams; an AbortSignal is a separate argument of the local call.
 */
import type { Durability } from '../store/message-store.ts'

/** Who asks. Every operation takes one. */
export type ClientContext = {
  /** Unique per client object (SEMANTICS 8.5). Membership, leases and events are addressed by it. */
  readonly clientId: string
  /** What the client hangs on: when it goes, every client on it goes. In process: the PocketMQ object. */
  readonly connectionId?: string
  readonly language?: string
  readonly version?: string
  readonly principal?: string
  /** Epoch milliseconds after which nobody waits for the answer. */
  readonly deadlineMs?: number
}

/** A topic's queue. */
export type QueueAddress = { readonly topic: string; readonly queueId: number }

/** A stored record: its bytes, and where they lie. `record` is the caller's own copy. */
export type RawMessage = {
  readonly record: Uint8Array
  readonly queueOffset: number
  readonly physicalOffset: number
  readonly sizeBytes: number
}

// ---------------------------------------------------------------------------------------------- producing

/** One message to append. What is given is stored as given: UNIQ_KEY, bornTimestamp, a compressed body with its sysFlag. */
export type AppendRequest = {
  readonly topic: string
  /** -1: the core chooses. Otherwise checked against the topic's write queues. */
  readonly queueId: number
  readonly body: Uint8Array
  readonly flag?: number
  readonly sysFlag?: number
  /** All properties, reserved ones included, in their order on disk. */
  readonly properties: Readonly<Record<string, string>>
  readonly bornTimestamp?: number
  readonly bornHost?: string
  readonly producerGroup?: string
  readonly reconsumeTimes?: number
  readonly durability?: Durability
}

/** Several messages as one step: one topic, one queue, contiguous, all or nothing. */
export type AppendBatchRequest = { readonly messages: readonly AppendRequest[] }

/** Where a message went. */
export type AppendResult = {
  readonly topic: string
  readonly queueId: number
  readonly queueOffset: number
  readonly physicalOffset: number
  readonly sizeBytes: number
  readonly storeTimestamp: number
  /** UNIQ_KEY. */
  readonly messageId: string
  readonly offsetMessageId: string
  readonly transactionId?: string
  readonly recallHandle?: string
  /** The dedupe window had it already; nothing was appended and these are the first one's values. */
  readonly duplicate?: boolean
}

/** Where a half message went: everything its later decision needs. */
export type HalfResult = AppendResult & {
  readonly transactionId: string
  readonly halfQueueOffset: number
  readonly halfPhysicalOffset: number
}

export type TransactionResolution = 'commit' | 'rollback' | 'unknown'

/** The decision about a half message, by any client of its producer group. */
export type EndTransactionRequest = {
  readonly producerGroup: string
  readonly transactionId: string
  readonly halfQueueOffset?: number
  readonly halfPhysicalOffset?: number
  readonly resolution: TransactionResolution
  readonly fromCheck: boolean
}

export type EndTransactionResult = {
  readonly status: 'ok' | 'not-found' | 'illegal' | 'settled'
  /** What it was settled as, by whoever came first. */
  readonly settledAs?: 'commit' | 'rollback'
  readonly appended?: AppendResult
}

export type RecallRequest = {
  readonly topic: string
  readonly recallHandle: string
  /** Default: the store's. */
  readonly durability?: Durability
}
export type RecallResult = {
  readonly status: 'recalled' | 'too-late' | 'not-found' | 'illegal'
  readonly messageId?: string
}

// ---------------------------------------------------------------------------------------------- events to clients

/** What the core tells a client; the client asks for them with `nextEvents`. Newest state wins, repeats are harmless. */
export type ClientEvent =
  | { readonly kind: 'ids-changed'; readonly group: string }
  /** Another subscription has become the group's, or its offsets were reset: join again. */
  | { readonly kind: 'fenced'; readonly group: string; readonly reason: string }
  /**
   * These queues are another member's from now on: end what is being worked on within `drainMs`, give back the rest. What is in hand
   * after that is taken away, and its receipts end nothing.
   */
  | {
      readonly kind: 'revoked'
      readonly group: string
      readonly epoch: number
      readonly drainMs: number
      readonly queues: readonly QueueAddress[]
    }
  | {
      readonly kind: 'reset-offset'
      readonly group: string
      readonly queues: readonly ResetQueue[]
    }
  | {
      readonly kind: 'check-transaction'
      readonly producerGroup: string
      readonly transactionId: string
      readonly messageId: string
      readonly halfQueueOffset: number
      readonly halfPhysicalOffset: number
      readonly message: RawMessage
    }

// ---------------------------------------------------------------------------------------------- consuming: membership

/** One line of a subscription. `expression` is what the caller wrote; the core makes it canonical. */
export type SubscriptionEntry = {
  readonly topic: string
  readonly type: 'TAG' | 'SQL92'
  readonly expression: string
}

/** Where a group starts in a queue that has no offset of its: the oldest, the end, or a time (epoch milliseconds). */
export type StartFrom = 'first' | 'last' | number

/** How queues are shared out where they have owners. Members of a group use the same. `manual`: the queues this member takes. */
export type Assignment =
  | { readonly kind: 'averaged' | 'circle' | 'consistent-hash' }
  | { readonly kind: 'manual'; readonly queues: readonly QueueAddress[] }
  /** A function that the core knows by this name (assignment-functions.ts). */
  | { readonly kind: 'custom'; readonly name: string }

/** Waits between attempts: RocketMQ's delay levels, a table of milliseconds (its last one repeats), or exponential. */
export type RetryPolicy =
  | { readonly kind: 'levels' }
  | { readonly kind: 'table'; readonly waitsMs: readonly number[] }
  | { readonly kind: 'exponential'; readonly initialMs: number; readonly maxMs: number; readonly multiplier: number }

/** What a consumer says when it joins its group. RocketMQ: ConsumerData. */
export type ConsumerRegistration = {
  readonly group: string
  readonly kind: 'push' | 'simple' | 'pull'
  readonly model: 'clustering' | 'broadcasting'
  /** `none`: messages are shared out one by one. `queue`, `group`: one at a time per queue, per message group. */
  readonly order: 'none' | 'queue' | 'group'
  readonly subscriptions: readonly SubscriptionEntry[]
  readonly startFrom: StartFrom
  /** How many messages this member works on at once: the weight of its share. */
  readonly concurrency: number
  /** How often a message that failed is tried again; the failure after that makes it a dead letter. 0: the first one does. */
  readonly maxReconsumeTimes: number
  readonly retry: RetryPolicy
  readonly onExhausted: 'dlq' | 'block'
  /** Broadcasting: what fails is tried again by the same instance, in memory; else it is dropped at once. */
  readonly retriesLocally?: boolean
  readonly onSubscriptionMismatch: 'reject' | 'replace' | 'wait' | 'isolate'
  readonly topicSets: 'same' | 'independent'
  /** Who gets which queue, under ordered delivery of whole queues and for pull consumers that subscribe. */
  readonly assignment: Assignment
  /** How long it may go on with what it has of a queue that becomes another member's. */
  readonly drainMs: number
  /** The id was chosen by the user: a second live holder is refused, and broadcasting resumes by it. */
  readonly isNamed: boolean
}

export type JoinResult = {
  /** The group it is a member of: another one than asked for under the policy `isolate`. */
  readonly group: string
  /** Version of the group's subscription record. */
  readonly subscriptionVersion: number
}

// ---------------------------------------------------------------------------------------------- consuming: receive and settle

/** Asks for messages, whatever topic and queue of the group's subscription they are in. */
export type ReceiveRequest = {
  readonly group: string
  readonly maxMessages: number
  /** They are this client's for so long. */
  readonly invisibleMs: number
  /** How long to wait when there is nothing: 0 looks once, at what is cold as well; Infinity waits until aborted. */
  readonly waitMs: number
  /** They stay this client's while it is there: each `invisibleMs` starts anew, for so long in all. At most three hours. */
  readonly autoRenewMs?: number
  /** Ordered hand-out: the same id gets the same messages again, by the same receipts, as long as they are this client's. */
  readonly attemptId?: string
}

/** One message handed out: `sizeBytes` bytes of `bytes` from `start` on, which messages read together share. */
export type ReceivedMessage = {
  readonly bytes: Uint8Array
  readonly start: number
  readonly sizeBytes: number
  readonly queueOffset: number
  readonly physicalOffset: number
  /** 1 the first time. */
  readonly deliveryAttempt: number
}

/** Messages of one queue that were handed out together. */
export type ReceivedBatch = {
  /** The queue they lie in: for retries a queue of the group's retry topic. */
  readonly queueTopic: string
  readonly queueId: number
  readonly messages: readonly ReceivedMessage[]
  /** RocketMQ's POP_CK of the first message: `receiptOf(receipt, queueOffset)` makes each one's own. */
  readonly receipt: string
  /** Epoch milliseconds until which they are this client's. */
  readonly visibleAtMs: number
}

export type ReceiveResult = {
  /** `none`: the wait is over. `fenced`: no member of the group (any more). */
  readonly status: 'found' | 'none' | 'fenced'
  readonly batches: readonly ReceivedBatch[]
}

/** How a handed-out message ended. `retry` without a wait takes the group's policy. */
export type Outcome =
  | { readonly kind: 'ack' }
  | { readonly kind: 'retry'; readonly afterMs?: number; readonly reason?: string }
  | { readonly kind: 'dlq'; readonly reason?: string }
  /** Given back: it goes out again, at once or (in order only) after a wait, and counts no attempt. */
  | { readonly kind: 'release'; readonly afterMs?: number }
  /** In order per queue: worked on and not done. It stays this client's, and the queue goes on to the next one. */
  | { readonly kind: 'hold' }

/** Ends messages of one batch by their queue offsets. RocketMQ: BatchAck. */
export type SettleEntry = {
  readonly queueTopic: string
  readonly receipt: string
  readonly queueOffsets: readonly number[]
  readonly outcome: Outcome
}

export type SettleRequest = { readonly group: string; readonly entries: readonly SettleEntry[] }

/** One per queue offset, in the order asked. `expired`: its invisible time was over, it belongs to somebody else. */
export type SettleStatus = 'ok' | 'invalid-handle' | 'expired'
export type SettleResult = { readonly statuses: readonly (readonly SettleStatus[])[] }

export type ChangeInvisibleRequest = {
  readonly group: string
  readonly queueTopic: string
  readonly receipt: string
  /** From now on. 0 makes it visible at once. */
  readonly invisibleMs: number
  /** Its consumer is not working on it: it leaves room for others in that one's hands. */
  readonly isGivenBack?: boolean
}

export type ChangeInvisibleResult = {
  readonly status: SettleStatus
  /** Takes the place of the old one, which is dead. Empty unless the status is `ok`. */
  readonly receipt: string
  readonly visibleAtMs: number
}

// ---------------------------------------------------------------------------------------------- consuming: by position

export type PullRequest = QueueAddress & {
  readonly queueOffset: number
  readonly maxMessages: number
  readonly maxBytes?: number
  readonly waitMs: number
  /** Absent: everything. */
  readonly filter?: { readonly type: 'TAG' | 'SQL92'; readonly expression: string }
  readonly group?: string
  /** The epoch in which it got the queue ({@link AssignmentView}); where it is not its to read any more, the answer is `stale`. */
  readonly epoch?: number
}

export type PullStatus = 'found' | 'no-new' | 'no-match' | 'offset-too-small' | 'offset-too-big' | 'no-queue' | 'stale'

export type PullResult = {
  readonly status: PullStatus
  readonly messages: readonly RawMessage[]
  readonly nextQueueOffset: number
  readonly minQueueOffset: number
  readonly maxQueueOffset: number
}

/** Is there something to pull? `newQueuesOf`: a queue of these topics that nobody knew counts too. */
export type HasMessageRequest = {
  readonly queues: readonly (QueueAddress & { readonly queueOffset: number })[]
  readonly newQueuesOf?: string | readonly string[]
  readonly waitMs: number
}

export type CommitRequest = {
  readonly group: string
  readonly queues: readonly (QueueAddress & {
    readonly queueOffset: number
    /** The consumer has sought: the offset may go back. Otherwise it only grows. */
    readonly isSought?: boolean
    /** The epoch in which it got the queue ({@link AssignmentView}); where it is another member's by now, nothing is committed. */
    readonly epoch?: number
  })[]
}

/** One per queue, in the order asked. `stale`: the queue is another member's by now. */
export type CommitResult = { readonly statuses: readonly ('ok' | 'stale')[] }

/** Which queues are a member's. `epoch` grows with each change of the group's assignment; a queue's is the one it was got in. */
export type AssignmentView = {
  readonly epoch: number
  readonly queues: readonly (QueueAddress & { readonly epoch: number })[]
}

export type OffsetQuery = QueueAddress & { readonly group: string }
export type TimestampQuery = QueueAddress & { readonly timestampMs: number; readonly boundary?: 'lower' | 'upper' }

/** Moves a group's offsets, with a new epoch: acks of what was handed out before are refused. */
export type ResetOffsetRequest = {
  readonly group: string
  readonly topic: string
  readonly queueId?: number
  readonly to:
    | { readonly kind: 'first' }
    | { readonly kind: 'last' }
    | { readonly kind: 'offset'; readonly value: number }
    | { readonly kind: 'timestamp'; readonly value: number }
}

/** Where a group is from now on. */
export type ResetQueue = QueueAddress & { readonly queueOffset: number }

/** All queues of a topic, or one. */
export type PurgeRequest = { readonly topic: string; readonly queueId?: number | undefined }

export type ResetOffsetResult = {
  readonly queues: readonly (QueueAddress & { readonly from: number; readonly to: number })[]
}

// ---------------------------------------------------------------------------------------------- what is known about groups

/** A group in one queue. */
export type QueueProgress = QueueAddress & {
  readonly minQueueOffset: number
  readonly maxQueueOffset: number
  /** Everything below is done. -1: the group has no offset here yet. */
  readonly committed: number
  /** One past the last message that was handed out. */
  readonly pulled: number
  readonly inFlight: number
  /** Done, above `committed`. */
  readonly ackedAbove: number
  readonly lagMessages: number
  readonly lagBytes: number
  /** Store time of the oldest message not done; absent where there is none. */
  readonly oldestStoreTimestamp?: number
  /** Client id of the member that owns the queue, under ordered delivery. */
  readonly owner?: string
}

export type GroupProgress = {
  readonly group: string
  readonly queues: readonly QueueProgress[]
  readonly lagMessages: number
  readonly lagBytes: number
}

/** A live member of a group. */
export type MemberView = {
  readonly clientId: string
  readonly kind: ConsumerRegistration['kind']
  readonly model: ConsumerRegistration['model']
  readonly order: ConsumerRegistration['order']
  readonly subscriptions: readonly SubscriptionEntry[]
  readonly concurrency: number
  readonly inFlight: number
  readonly joinedMs: number
}

/** A group's durable record and what is alive of it. */
export type GroupView = {
  readonly group: string
  readonly subscriptionVersion: number
  readonly subscriptions: readonly SubscriptionEntry[]
  readonly setBy: string
  readonly setAtMs: number
  readonly members: readonly MemberView[]
}
