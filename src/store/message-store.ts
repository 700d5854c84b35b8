/**
 * The engine alone, without messaging: a RocketMQ 5 store in a folder. It only wires its parts.
 * RocketMQ: DefaultMessageStore.
 */
import { resolve } from 'node:path'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import { StoredMessage } from '../codec/record-view.ts'
import type { FileSystem } from '../files/file-system.ts'
import { assertWatermarks } from './invariants.ts'
import { scanLog } from './log-scan.ts'
import { findById } from './message-look-up.ts'
import { openForReading, openForWriting } from './open-store.ts'
import { queueBytes } from './queue-bytes.ts'
import type { RepairReport } from './repair.ts'
import { repairStore } from './repair.ts'
import { resolveStoreSettings } from './settings.ts'
import type { SmallFiles } from './small-files.ts'
import { snapshotStore } from './snapshot.ts'
import type { StoreParts, WriterParts } from './store-parts.ts'
import type {
  DispatchRequest,
  Durability,
  GetRequest,
  GetResult,
  PutKind,
  PutRecord,
  PutResult,
  QueueRange,
  RecoveryReport,
  TimestampBoundary,
  Watermarks,
} from './store-types.ts'
import type { VerifyOptions, VerifyReport } from './verify.ts'
import { verifyStore } from './verify.ts'

export type { RepairReport } from './repair.ts'
export type { AppendFile, SmallFiles } from './small-files.ts'
export type * from './store-types.ts'
export { StoredMessage }

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

/** A message store: append, read by queue, find by key. */
export class MessageStore {
  readonly #parts: StoreParts
  #closing: Promise<void> | undefined

  private constructor(parts: StoreParts) {
    this.#parts = parts
  }

  /**
   * Creates or opens a store, takes its lock and recovers. When it resolves, everything a former owner acknowledged is
   * readable and the folder carries `abort` until `close`.
   * @throws INVALID_ARGUMENT, STORE_LOCKED, LOCK_UNAVAILABLE, UNSUPPORTED_FORMAT, UNSUPPORTED_FILE_SYSTEM, READ_ONLY, DISK_FULL, IO, CORRUPT
   */
  static async open(dir: string, options: StoreOptions = {}): Promise<MessageStore> {
    return new MessageStore(await openForWriting(dir, resolveStoreSettings(options)))
  }

  /** Reads any folder: running, crashed, or a broker's. Takes no lock and changes no byte. */
  static async openReadOnly(dir: string, options: StoreOptions = {}): Promise<MessageStore> {
    return new MessageStore(await openForReading(dir, resolveStoreSettings(options)))
  }

  /**
   * Repairs a folder that nobody uses: recovers it, closes the holes in its log with placeholders, makes damaged derived files
   * anew. Originals are set aside under `pocketmq/set-aside`, never deleted. Errors as `open`.
   */
  static async repair(dir: string, options: StoreOptions = {}, how: VerifyOptions = {}): Promise<RepairReport> {
    return await repairStore(resolve(dir), resolveStoreSettings(options), how)
  }

  get dir(): string {
    return this.#parts.dir
  }

  get recovery(): RecoveryReport {
    return this.#parts.recovery
  }

  /** Whether `config/consumerOffset.json` and `checkpoint` were, at open, as we last wrote them. FORMAT section 27. */
  get opened(): { readonly isOffsetsJsonOurs: boolean; readonly isCheckpointOurs: boolean } {
    return this.#parts.opened
  }

  get isReadOnly(): boolean {
    return this.#parts.status.isReadOnly
  }

  get clock(): Clock {
    return this.#parts.settings.clock
  }

  get logger(): Logger {
    return this.#parts.settings.logger
  }

  get durability(): Durability {
    return this.#parts.settings.durability
  }

  /** Retention as it was set, for the layers that know which groups are absent. */
  get retention(): { readonly keepUnconsumed: boolean; readonly absentGroupHours: number } {
    return this.#parts.settings.retention
  }

  get smallFiles(): SmallFiles {
    return this.#parts.smallFiles
  }

  // ---- appending -------------------------------------------------------------------------------------------------

  /**
   * Appends one record, synchronously: on return it is `appended`, encoded perhaps only in our own buffer.
   * A `'successor'` carries on a record that is in the log, and is taken too where `retention.bytes` are used up.
   * @throws BACKPRESSURE, DISK_FULL, MESSAGE_TOO_LARGE, INVALID_ARGUMENT, STORE_CLOSED, STORE_FAILED, READ_ONLY, IO
   */
  put(record: PutRecord, kind: PutKind = 'new'): PutResult {
    return this.#writer().append.put(record, kind)
  }

  /** Appends several records as one append unit: all or nothing, contiguous, in one segment. Errors as `put`. */
  putAll(records: readonly PutRecord[], kind: PutKind = 'new'): PutResult[] {
    return this.#writer().append.putAll(records, kind)
  }

  /** Resolves when so many bytes would be admitted again; rejects where waiting does not help. */
  async admitted(bytes: number, signal?: AbortSignal, kind: PutKind = 'new'): Promise<void> {
    await this.#writer().admission.admitted(bytes, signal, kind)
  }

  /**
   * Resolves when everything below `physicalOffset` is in the page cache: it survives the process.
   * Ask in the turn of the `put`: a failed write takes places in the log back, and a later record may get the same ones.
   */
  written(physicalOffset: number, signal?: AbortSignal): Promise<void> {
    return this.#parts.log.written.reached(physicalOffset, signal)
  }

  /** Resolves when everything below `physicalOffset` is on the device: it survives a power cut. Ask in the turn of the `put`. */
  flushed(physicalOffset: number, signal?: AbortSignal): Promise<void> {
    const reached = this.#parts.log.flushed.reached(physicalOffset, signal)
    this.#parts.writer?.flusher.wake()
    return reached
  }

  /** Resolves when everything below `physicalOffset` is readable by consumers. */
  dispatched(physicalOffset: number, signal?: AbortSignal): Promise<void> {
    return this.#parts.dispatched.reached(physicalOffset, signal)
  }

  /** Resolves at a level: `written` for memory and interval, `flushed` for disk. */
  reached(durability: Durability, physicalOffset: number, signal?: AbortSignal): Promise<void> {
    return durability === 'disk' ? this.flushed(physicalOffset, signal) : this.written(physicalOffset, signal)
  }

  /** The same, resolving with `value`: for the hot path of sends, which has one promise a message. */
  reachedWith<T>(durability: Durability, physicalOffset: number, value: T): Promise<T> {
    const { log, writer } = this.#parts
    if (durability !== 'disk') return log.written.reachedWith(physicalOffset, value)
    const reached = log.flushed.reachedWith(physicalOffset, value)
    writer?.flusher.wake()
    return reached
  }

  /** min <= flushed <= written <= appended; min <= dispatched <= written; checkpointed <= min(flushed, dispatched). */
  get watermarks(): Watermarks {
    const { log, dispatched, checkpointed } = this.#parts
    const watermarks = {
      min: log.minOffset,
      appended: log.appended,
      written: log.written.value,
      flushed: log.flushed.value,
      dispatched: dispatched.value,
      checkpointed: checkpointed(),
    }
    assertWatermarks(watermarks)
    return watermarks
  }

  // ---- reading ---------------------------------------------------------------------------------------------------

  /** Messages of one queue from what is hot; status `cold` where the device would have to be asked. */
  get(request: GetRequest): GetResult {
    this.#parts.status.checkReadable()
    return this.#parts.reader.get(request)
  }

  /** A copy of the record that `onDispatch` told of here, while its bytes are in memory; else undefined. */
  hot(physicalOffset: number, sizeBytes: number): StoredMessage | undefined {
    const bytes = this.#parts.log.hot(physicalOffset, sizeBytes)
    return bytes === undefined ? undefined : new StoredMessage(Buffer.from(bytes))
  }

  /** The same, cold too, off the event loop. */
  async read(request: GetRequest): Promise<GetResult> {
    this.#parts.status.checkReadable()
    await this.#parts.refresh?.()
    return await this.#parts.reader.read(request)
  }

  /** The record that starts at `physicalOffset`, or undefined where none does. */
  async readAt(physicalOffset: number): Promise<StoredMessage | undefined> {
    this.#parts.status.checkReadable()
    return await this.#parts.reader.readAt(physicalOffset)
  }

  /** Every queue there is, in (topic, queueId) order. */
  queues(): readonly QueueRange[] {
    const ranges = [...this.#parts.queues.all()].map(rangeOf)
    return ranges.sort((a, b) => compareText(a.topic, b.topic) || a.queueId - b.queueId)
  }

  /** Undefined where the queue has never had a message. */
  queueRange(topic: string, queueId: number): QueueRange | undefined {
    const queue = this.#parts.queues.queue(topic, queueId)
    return queue === undefined ? undefined : rangeOf(queue)
  }

  /**
   * The first message at or after `timestampMs` (`lower`, the default) or the last at or before it (`upper`), as a
   * queueOffset within [min, max]. Exact, where RocketMQ's answer may be off by one.
   */
  async offsetByTimestamp(
    topic: string,
    queueId: number,
    timestampMs: number,
    boundary: TimestampBoundary = 'lower',
  ): Promise<number> {
    this.#parts.status.checkReadable()
    return await this.#parts.reader.offsetByTimestamp(topic, queueId, timestampMs, boundary)
  }

  /** The queueOffset after the queue's last message that ends at or below `physicalOffset`. */
  async queueOffsetUpTo(topic: string, queueId: number, physicalOffset: number): Promise<number> {
    return await this.#parts.reader.queueOffsetUpTo(topic, queueId, physicalOffset)
  }

  /** Bytes of the queue's messages in [from, to): what a lag weighs. */
  async queueBytes(topic: string, queueId: number, from: number, to: number): Promise<number> {
    const queue = this.#parts.queues.queue(topic, queueId)
    return queue === undefined ? 0 : await queueBytes(queue, from, to)
  }

  /** Messages with this key (one of KEYS, or UNIQ_KEY), newest first, compared exactly. */
  async queryByKey(
    topic: string,
    key: string,
    options: { readonly from?: number; readonly to?: number; readonly max?: number } = {},
  ): Promise<StoredMessage[]> {
    this.#parts.status.checkReadable()
    await this.#parts.refresh?.()
    return await this.#parts.reader.queryByKey(topic, key, options)
  }

  /** By offset message id, or by UNIQ_KEY (in one topic, or in all of them). */
  async queryById(id: string, topic?: string): Promise<StoredMessage | undefined> {
    const topics = topic === undefined ? new Set(this.queues().map(range => range.topic)) : [topic]
    return await findById(id, topics, this)
  }

  /** Every readable record from `physicalOffset` on, in log order, up to what is dispatched when it starts. */
  scan(physicalOffset: number, signal?: AbortSignal): AsyncGenerator<StoredMessage> {
    return scanLog(this.#parts, physicalOffset, signal)
  }

  // ---- wiring for the layers above ---------------------------------------------------------------------------------

  /** Called for each record as it becomes readable, in log order. One listener; it must not throw, block or keep the request. */
  onDispatch(listener: (request: DispatchRequest) => void): void {
    this.#parts.hooks.onDispatch = listener
  }

  /** Findings and failures of the background: a name and plain details. One listener; without it they are logged. */
  onEvent(listener: (name: string, details: Readonly<Record<string, unknown>>) => void): void {
    this.#parts.hooks.onEvent = listener
  }

  /** Retention asks this before it drops a segment: the lowest physicalOffset somebody still needs. */
  keepFrom(lowest: () => number | Promise<number>): void {
    this.#parts.hooks.keepFrom = lowest
  }

  /** Runs before the log closes, in order of registration: what the layers above persist at a clean close. */
  onClose(step: () => Promise<void>): void {
    this.#parts.hooks.closeSteps.push(step)
  }

  // ---- administration ----------------------------------------------------------------------------------------------

  /** Leaves a tombstone: the topic's queues go, and neither dispatch nor rebuild brings them back. On the device when it resolves. */
  async deleteTopic(topic: string): Promise<void> {
    await this.#writer().tombstones.bury(topic)
  }

  /** Records of this topic below the answer were deleted with it; undefined where it never was. */
  tombstone(topic: string): number | undefined {
    return this.#parts.tombstones.physicalOffsetOf(topic)
  }

  /** Writes `config/consumerOffset.json` and remembers its hash, so that its next opener knows whose it is. */
  async saveConsumerOffsets(bytes: Uint8Array): Promise<void> {
    await this.#writer().offsetsJson.save(bytes)
  }

  /** What a broker left is in files of ours, on the device: from now on they hold. */
  async tookOver(): Promise<void> {
    await this.#writer().checkpointer.tookOver()
  }

  /** Puts everything appended on the device, with its queue and index entries. */
  async flush(): Promise<void> {
    const writer = this.#writer()
    writer.append.writeOut()
    await writer.flusher.flushNow()
    await this.#parts.dispatched.reached(this.#parts.log.written.value)
    await writer.checkpointer.run()
  }

  /** Drops segments that are due now. Answers how many. */
  async applyRetention(): Promise<number> {
    return await this.#writer().retention.run()
  }

  /** A consistent copy of a live folder: sealed segments by hard link, the tail copied up to flushed. */
  async snapshot(dir: string, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    await this.flush()
    await snapshotStore(this.#parts, dir, options)
  }

  /** Audits every byte, read-only. */
  async verify(options: VerifyOptions = {}): Promise<VerifyReport> {
    return await verifyStore(this.#parts, options)
  }

  /** Counts and sizes, as plain values. */
  stats(): Readonly<Record<string, number | string>> {
    const { log, queues, index, fileSystem } = this.#parts
    return {
      io: fileSystem.kind,
      ...this.watermarks,
      segments: log.segments().length,
      segmentBytes: log.segmentBytes,
      queues: [...queues.all()].length,
      consumeQueueEntries: queues.entriesPerFile,
      indexSlots: index.sizes.slots,
      indexEntries: index.sizes.entries,
    }
  }

  /** Idempotent. When it resolves the folder is clean: flushed, dispatched, checkpointed, `abort` removed last, lock freed. */
  async close(): Promise<void> {
    this.#closing ??= this.#parts.close()
    await this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #writer(): WriterParts {
    this.#parts.status.checkWritable()
    return this.#parts.writer as WriterParts
  }
}

function rangeOf(queue: QueueRange): QueueRange {
  const { topic, queueId, minQueueOffset, maxQueueOffset } = queue
  return { topic, queueId, minQueueOffset, maxQueueOffset }
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
