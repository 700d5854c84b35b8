/** The plain values that go into and come out of a MessageStore. */
import type { RecordFields } from '../codec/record-fields.ts'
import type { StoredMessage } from '../codec/record-view.ts'

/** How far a message has to get before its promise resolves. */
export type Durability = 'memory' | 'interval' | 'disk'

/** A message to append. */
export type PutRecord = RecordFields

/**
 * Whether a record is new, or carries on one that is in the log: its retry, its delivery after a delay, its commit. A successor is
 * taken too while retention holds new records back, for without it what it comes from would be needed for ever.
 */
export type PutKind = 'new' | 'successor'

/** Where a record went. */
export type PutResult = {
  readonly physicalOffset: number
  readonly queueOffset: number
  readonly sizeBytes: number
  readonly storeTimestamp: number
}

/** What to read. */
export type GetRequest = {
  readonly topic: string
  readonly queueId: number
  readonly queueOffset: number
  /** At most this many messages; at least 1. */
  readonly maxMessages: number
  /** At most this many bytes, but always at least one message. */
  readonly maxBytes?: number
  /** Tag hashes (Java String.hashCode) that may match; undefined lets every message through. An entry whose tagsCode is no tag hash matches. */
  readonly tagsCodes?: ReadonlySet<number>
}

/** RocketMQ's GetMessageStatus, in our spelling. FORMAT section 14. */
export type GetStatus =
  | 'found'
  | 'no-matched-message'
  | 'message-was-removing'
  | 'offset-found-null'
  | 'offset-overflow-badly'
  | 'offset-overflow-one'
  | 'offset-too-small'
  | 'no-matched-logic-queue'
  | 'no-message-in-queue'
  /** Ours: `get` would have to go to the device; ask `read`. */
  | 'cold'

/** What was read; `nextQueueOffset` is where to go on whatever the status. */
export type GetResult = {
  readonly status: GetStatus
  readonly messages: readonly StoredMessage[]
  readonly nextQueueOffset: number
  readonly minQueueOffset: number
  readonly maxQueueOffset: number
}

/** One queue as the store knows it. `maxQueueOffset` is one past the last message. */
export type QueueRange = {
  readonly topic: string
  readonly queueId: number
  readonly minQueueOffset: number
  readonly maxQueueOffset: number
}

/** A record the dispatcher has just made readable. RocketMQ: DispatchRequest. */
export type DispatchRequest = {
  readonly topic: string
  readonly queueId: number
  readonly queueOffset: number
  readonly physicalOffset: number
  readonly sizeBytes: number
  readonly tagsCode: number
  readonly storeTimestamp: number
  readonly sysFlag: number
  /** Raw properties text, for those who look for one of theirs in it. */
  readonly properties: string
}

/** A range of the log that does not decode. */
export type DamagedRange = {
  readonly physicalOffset: number
  readonly endPhysicalOffset: number
  /** What was wrong with the first record of the range. */
  readonly reason: string
}

/** What recovery did at open: `mq.recovery`. */
export type RecoveryReport = {
  /** The folder was closed cleanly, by us or by a broker. */
  readonly clean: boolean
  readonly scannedBytes: number
  /** Bytes of a torn tail that were cut (a copy is under `pocketmq/set-aside`). */
  readonly truncatedBytes: number
  /** Messages whose queue entries had to be written again. */
  readonly redispatched: number
  /** Consumer offsets that pointed past their queue's recovered end. */
  readonly clampedOffsets: number
  readonly durationMs: number
  /** Damage before the tail: reported and skipped. */
  readonly damaged: readonly DamagedRange[]
  /** Sentences about what was found and mended, for people. */
  readonly notes: readonly string[]
}

/** Which end of a run of equal timestamps is meant. */
export type TimestampBoundary = 'lower' | 'upper'

/** How far everything has come, in bytes of the log. */
export type Watermarks = {
  readonly min: number
  readonly appended: number
  readonly written: number
  readonly flushed: number
  readonly dispatched: number
  readonly checkpointed: number
}
