/**
 * The engine alone, without messaging: a RocketMQ 5 store in a folder. It only wires its parts.
 * RocketMQ: DefaultMessageStore.
 */
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { StoredMessage } from '../codec/record-view.ts'
import type { FileSystem } from '../files/file-system.ts'
import type { SmallFiles } from './small-files.ts'
import type {
  DispatchRequest,
  Durability,
  GetRequest,
  GetResult,
  PutRecord,
  PutResult,
  QueueRange,
  RecoveryReport,
} from './store-types.ts'

export { StoredMessage } from '../codec/record-view.ts'
export type { AppendFile, SmallFiles } from './small-files.ts'
export type * from './store-types.ts'

/** Options of {@link MessageStore.open}; defaults and bounds are in `store/settings.ts`. */
export type StoreOptions = {
  readonly durability?: Durability
  readonly flushIntervalMs?: number
  readonly unflushedBytesMax?: number
  readonly undispatchedBytesMax?: number
  readonly io?: 'auto' | 'mmap' | 'file'
  readonly lock?: 'exclusive' | 'none'
  readonly lockWaitMs?: number
  readonly advertise?: { readonly host: string; readonly port: number }
  readonly mode?: number
  readonly commitLogSegmentBytes?: number
  readonly consumeQueueSegmentEntries?: number
  readonly indexSlots?: number
  readonly indexEntries?: number
  readonly recordCrc?: boolean
  readonly retention?: {
    readonly hours?: number
    readonly bytes?: number | undefined
    readonly freeBytesMin?: number
    readonly keepUnconsumed?: boolean
    readonly absentGroupHours?: number
  }
  readonly allowNetworkFs?: boolean
  readonly logger?: Logger
  readonly clock?: Clock
  readonly fileSystem?: FileSystem
}

/** Skeleton of the public surface; replaced by the wired class. */
export declare class MessageStore {
  static open(dir: string, options?: StoreOptions): Promise<MessageStore>
  /** Reads any folder, running, crashed or foreign, and changes no byte. */
  static openReadOnly(dir: string, options?: StoreOptions): Promise<MessageStore>

  readonly dir: string
  readonly recovery: RecoveryReport
  readonly isReadOnly: boolean
  readonly clock: Clock
  readonly logger: Logger
  readonly smallFiles: SmallFiles
  readonly durability: Durability

  /** Synchronous; the record is `appended` on return. @throws BACKPRESSURE, DISK_FULL, MESSAGE_TOO_LARGE, INVALID_ARGUMENT, STORE_CLOSED, STORE_FAILED, READ_ONLY */
  put(record: PutRecord): PutResult
  /** Several records as one append unit: all or nothing, contiguous, in one segment; each carries PMQ_UNIT. */
  putAll(records: readonly PutRecord[]): PutResult[]
  /** Resolves when `put` of so many bytes would be admitted again (bounds of decision 21). */
  admitted(bytes: number, signal?: AbortSignal): Promise<void>

  /** Resolve when everything below `physicalOffset` is in the page cache / on the device / readable by consumers. */
  written(physicalOffset: number, signal?: AbortSignal): Promise<void>
  flushed(physicalOffset: number, signal?: AbortSignal): Promise<void>
  dispatched(physicalOffset: number, signal?: AbortSignal): Promise<void>
  /** Resolves at the level: written for memory and interval, flushed for disk. */
  reached(durability: Durability, physicalOffset: number, signal?: AbortSignal): Promise<void>
  get watermarks(): {
    readonly min: number
    readonly appended: number
    readonly written: number
    readonly flushed: number
    readonly dispatched: number
    readonly checkpointed: number
  }

  /** What is hot; status `cold` when the device would have to be asked. Never past `dispatched`. */
  get(request: GetRequest): GetResult
  /** The same, cold too, off the event loop. */
  read(request: GetRequest): Promise<GetResult>
  readAt(physicalOffset: number): Promise<StoredMessage | undefined>

  queues(): readonly QueueRange[]
  queueRange(topic: string, queueId: number): QueueRange | undefined
  /** Exact: first message at or after `timestampMs` (`lower`), or last at or before it (`upper`). Clamped to [min, max]. */
  offsetByTimestamp(topic: string, queueId: number, timestampMs: number, boundary?: 'lower' | 'upper'): Promise<number>
  /** How many of the queue's messages end at or below `physicalOffset`: the queueOffset after the last of them. */
  queueOffsetUpTo(topic: string, queueId: number, physicalOffset: number): Promise<number>
  queryByKey(
    topic: string,
    key: string,
    options?: { readonly from?: number; readonly to?: number; readonly max?: number },
  ): Promise<StoredMessage[]>
  /** By UNIQ_KEY (with its topic) or by offset message id. */
  queryById(id: string, topic?: string): Promise<StoredMessage | undefined>

  /** Called for each record as it becomes readable, in log order. One listener; it must not throw and must not block. */
  onDispatch(listener: (request: DispatchRequest) => void): void
  /** Background failures and findings: name and plain details. */
  onEvent(listener: (name: string, details: Readonly<Record<string, unknown>>) => void): void
  /** Retention asks this before it drops a segment: the lowest physicalOffset somebody still needs. */
  keepFrom(lowest: () => number | Promise<number>): void
  /** Every readable record from `physicalOffset` on, in log order, up to what is dispatched when it is asked for. */
  scan(physicalOffset: number, signal?: AbortSignal): AsyncGenerator<StoredMessage>

  /** Leaves a tombstone: queues go, and neither dispatch nor rebuild brings them back; a topic of that name goes on counting. */
  deleteTopic(topic: string): Promise<void>
  /** A consistent copy of a live folder: sealed segments by hard link, the tail copied up to flushed. */
  snapshot(dir: string, options?: { readonly signal?: AbortSignal }): Promise<void>
  stats(): Readonly<Record<string, number | string>>

  /** Runs before the log closes, in order of registration: what the layers above must persist at a clean close. */
  onClose(step: () => Promise<void>): void
  /** Idempotent: flushes, dispatches everything, checkpoints, removes `abort` last, frees the lock. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}
