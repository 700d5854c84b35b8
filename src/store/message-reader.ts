/**
 * Reads messages through queues, by place and by key.   RocketMQ: DefaultMessageStore.getMessage, QueryMessage.
 *
 * `get` never waits for the device; `read` does, off the event loop. Both copy what they return: one buffer a call.
 * An entry counts only when the record it points to agrees; where it does not, `read` looks for the record in the log.
 */
import { CONSUME_QUEUE_ENTRY_BYTES } from '../codec/consume-queue-entry.ts'
import type { RecordChecks } from '../codec/record-cursor.ts'
import { RecordCursor } from '../codec/record-cursor.ts'
import { FILLER_BYTES, RECORD_BYTES_MIN } from '../codec/record-layout.ts'
import { StoredMessage } from '../codec/record-view.ts'
import type { PlanLimits } from './batch-plan.ts'
import { BatchPlan, EXAMINED_ENTRIES_MIN } from './batch-plan.ts'
import type { ConsumeQueue } from './consume-queue.ts'
import type { ConsumeQueues } from './consume-queues.ts'
import { EntryMender } from './entry-mender.ts'
import type { KeyQuery } from './key-search.ts'
import { searchByKey } from './key-search.ts'
import type { ReadableLog } from './log-reads.ts'
import { LogReads } from './log-reads.ts'
import type { MessageIndex } from './message-index.ts'
import type { ProvenRecords } from './proven-records.ts'
import type { ExpectedQueue } from './record-check.ts'
import { isRecordOf } from './record-check.ts'
import type { Taken } from './run-ahead.ts'
import { RunAhead } from './run-ahead.ts'
import type { GetRequest, GetResult, GetStatus } from './store-types.ts'
import { searchByTime } from './time-search.ts'

/** What a reader is wired to. */
export type MessageReaderParts = {
  readonly log: ReadableLog
  readonly queues: ConsumeQueues
  readonly index: MessageIndex | undefined
  /** Nothing at or beyond is shown. */
  readonly dispatched: () => number
  /** What a record has to prove that this process did not append a moment ago. */
  readonly checks: (physicalOffset: number) => RecordChecks
  /** From here on the page cache holds what this process encoded itself: its checksums need no second look. Default: nowhere. */
  readonly trustedFrom?: () => number
  /** Records that need no second look either. Default: every read checks. */
  readonly proven?: ProvenRecords | undefined
  /** Whether the record is of a topic that was deleted after it was appended. */
  readonly isDropped?: (topic: string, physicalOffset: number) => boolean
  readonly onEvent?: (name: string, details: Readonly<Record<string, unknown>>) => void
}

/** Bytes of one read whose caller sets no bound. */
const READ_BYTES_MAX = 8 * 1024 * 1024
/** Slots from the end of a queue that are looked up on the event loop: written lately, so likely in the page cache. */
const RECENT_ENTRIES = 65_536
/** Bytes read at first where only a record's place is known. */
const FIRST_READ_BYTES = 4096
/** Entries read at a time for whoever goes through a queue. */
const ENTRIES_AHEAD = 8192
/** Queues whose entries, read off the event loop, are kept for the next read. */
const KEPT_QUEUES_MAX = 64
/** Entries that one read may look for in the log. */
const MENDS_MAX = 256
const LIGHT_QUEUE_PREFIX = '%LMQ%'

/** The first `count` records of a plan, one behind the other. */
type Batch = Taken & { readonly count: number }

type KeptEntries = { readonly from: number; readonly bytes: Buffer }

/** Reading a store. */
export class MessageReader {
  readonly #parts: MessageReaderParts
  readonly #reads: LogReads
  readonly #runs: RunAhead
  readonly #mender: EntryMender
  readonly #plan = new BatchPlan()
  readonly #cursor = new RecordCursor()
  /** Least recently used first. */
  readonly #kept = new Map<ConsumeQueue, KeptEntries>()
  /** What the records of the queue read last have to be. */
  #expectedOf: ConsumeQueue | undefined
  #expected: ExpectedQueue = { topicBytes: new Uint8Array(0), queueId: 0, isLight: false }

  constructor(parts: MessageReaderParts) {
    const { log, queues, dispatched, checks, onEvent = () => undefined } = parts
    this.#parts = parts
    this.#reads = new LogReads(log)
    this.#runs = new RunAhead(log)
    this.#mender = new EntryMender({
      log,
      queues,
      dispatched,
      checks,
      onEvent,
      readRecord: slot => this.#isReadable(slot),
    })
  }

  /** Messages that can be had without waiting; status `cold` where the first one cannot. */
  get(request: GetRequest): GetResult {
    const queue = this.#parts.queues.queue(request.topic, request.queueId)
    if (queue === undefined) return nothing('no-matched-logic-queue', 0, undefined)
    const outside = statusOutside(queue, request.queueOffset)
    if (outside !== undefined) return outside
    const entries = this.#entriesNow(queue, request)
    if (entries === undefined) return nothing('cold', request.queueOffset, queue)
    if (entries.length === 0) return missingFile(queue, request.queueOffset)
    const plan = this.#plan
    plan.make(entries, request.queueOffset, this.#limits(queue, request))
    if (plan.count === 0) return this.#nothingPlanned(plan, queue, request.queueOffset)
    const batch = this.#batchNow(plan)
    const messages = batch === undefined ? [] : this.#messages(plan, batch, queue)
    if (messages.length === 0) return nothing('cold', request.queueOffset, queue)
    return this.#found(plan, messages, queue)
  }

  /** The same, waiting for the device where it has to. */
  async read(request: GetRequest): Promise<GetResult> {
    for (let mends = 0; ; mends++) {
      const result = this.get(request)
      if (result.status !== 'cold') return result
      const queue = this.#parts.queues.queue(request.topic, request.queueId)
      if (queue === undefined) continue
      const entries = await this.#readEntries(queue, request)
      if (entries.length === 0) return missingFile(queue, request.queueOffset)
      const plan = new BatchPlan()
      plan.make(entries, request.queueOffset, this.#limits(queue, request))
      const messages = this.#messages(plan, await this.#batch(plan), queue)
      if (messages.length > 0) return this.#found(plan, messages, queue)
      if (plan.count === 0 && plan.badSlot !== request.queueOffset) {
        return this.#nothingPlanned(plan, queue, request.queueOffset)
      }
      // Retention may have taken the record while it was read.
      if (plan.count > 0 && (plan.physicalOffsets[0] as number) < this.#parts.log.minOffset) continue
      const bad = plan.count === 0 ? plan.badSlot : (plan.slots[0] as number)
      if (mends >= MENDS_MAX) return nothing('message-was-removing', bad + 1, queue)
      this.#kept.delete(queue)
      await this.#mender.mend(queue, bad)
    }
  }

  /** The message that starts at this place of the log, or undefined where none does. */
  async readAt(physicalOffset: number): Promise<StoredMessage | undefined> {
    const record = await this.#readRecord(physicalOffset)
    if (record === undefined) return undefined
    const { topic } = record
    return this.#parts.isDropped?.(topic, physicalOffset) ? undefined : record
  }

  /**
   * The first queueOffset whose message was stored at or after `timestampMs`, else the end (`lower`); or the last one stored at
   * or before it, else the begin (`upper`). 0 for a queue that is not there.
   */
  async offsetByTimestamp(
    topic: string,
    queueId: number,
    timestampMs: number,
    boundary: 'lower' | 'upper' = 'lower',
  ): Promise<number> {
    const queue = this.#parts.queues.queue(topic, queueId)
    if (queue === undefined) return 0
    return await searchByTime(queue, this.#reads, timestampMs, boundary)
  }

  /** The queueOffset after the last message that ends at or below `physicalOffset`; not below the queue's begin. */
  queueOffsetUpTo(topic: string, queueId: number, physicalOffset: number): number {
    const queue = this.#parts.queues.queue(topic, queueId)
    if (queue === undefined) return 0
    const { minQueueOffset, maxQueueOffset, lastPhysicalEnd } = queue
    if (lastPhysicalEnd <= physicalOffset) return maxQueueOffset
    const slot = queue.slotAt(physicalOffset, minQueueOffset)
    const isCut = slot > minQueueOffset && queue.physicalEndOf(slot - 1) > physicalOffset
    return isCut ? slot - 1 : slot
  }

  /** Messages with this UNIQ_KEY or one of these KEYS, newest first. */
  async queryByKey(topic: string, key: string, query: KeyQuery = {}): Promise<StoredMessage[]> {
    const { log, index, dispatched, checks, onEvent = () => undefined } = this.#parts
    const readAt = (physicalOffset: number): Promise<StoredMessage | undefined> => this.readAt(physicalOffset)
    return await searchByKey({ log, index, dispatched, checks, onEvent, readAt }, topic, key, query)
  }

  // ---- entries -----------------------------------------------------------------------------------------------------------

  #wantedEntries({ maxMessages, tagsCodes }: GetRequest): number {
    return tagsCodes === undefined ? maxMessages : Math.max(EXAMINED_ENTRIES_MIN, maxMessages)
  }

  #entriesNow(queue: ConsumeQueue, request: GetRequest): Buffer | undefined {
    const { queueOffset } = request
    const count = this.#wantedEntries(request)
    const hot = queue.entries(queueOffset, count)
    if (hot !== undefined) return hot
    const kept = this.#kept.get(queue)
    if (kept !== undefined && queueOffset >= kept.from) {
      const at = (queueOffset - kept.from) * CONSUME_QUEUE_ENTRY_BYTES
      if (at < kept.bytes.length) return kept.bytes.subarray(at, at + count * CONSUME_QUEUE_ENTRY_BYTES)
    }
    if (queueOffset < queue.maxQueueOffset - RECENT_ENTRIES) return undefined
    return queue.entriesSync(queueOffset, count)
  }

  async #readEntries(queue: ConsumeQueue, request: GetRequest): Promise<Buffer> {
    const { queueOffset } = request
    const now = this.#entriesNow(queue, request)
    if (now !== undefined) return Buffer.from(now)
    const kept = this.#kept.get(queue)
    const isInOrder = kept !== undefined && kept.from + kept.bytes.length / CONSUME_QUEUE_ENTRY_BYTES === queueOffset
    const count = Math.max(isInOrder ? ENTRIES_AHEAD : EXAMINED_ENTRIES_MIN, request.maxMessages)
    const bytes = await queue.readEntries(queueOffset, count)
    this.#kept.delete(queue)
    this.#kept.set(queue, { from: queueOffset, bytes })
    if (this.#kept.size > KEPT_QUEUES_MAX) {
      for (const oldest of this.#kept.keys()) {
        this.#kept.delete(oldest)
        break
      }
    }
    return bytes
  }

  #limits(queue: ConsumeQueue, { maxMessages, maxBytes = READ_BYTES_MAX, tagsCodes }: GetRequest): PlanLimits {
    return {
      maxMessages,
      maxBytes,
      tagsCodes,
      minOffset: this.#parts.log.minOffset,
      endOffset: this.#parts.log.written.value,
      lost: this.#mender.lostOf(queue),
    }
  }

  #nothingPlanned(plan: BatchPlan, queue: ConsumeQueue, from: number): GetResult {
    if (plan.badSlot >= 0 && plan.next <= from) return nothing('cold', from, queue)
    return nothing(plan.status, plan.next, queue)
  }

  // ---- records -----------------------------------------------------------------------------------------------------------

  /** The plan's records where they can be had without waiting: bytes that are the caller's alone. */
  #batchNow(plan: BatchPlan): Batch | undefined {
    const first = plan.physicalOffsets[0] as number
    const isRun = isOneRun(plan)
    const taken = isRun ? this.#runs.takeNow(first, plan.bytes) : undefined
    if (taken !== undefined) return { ...taken, count: plan.count }
    if (!this.#reads.isNear(first)) return undefined
    const bytes = Buffer.allocUnsafe(plan.bytes)
    const copied = this.#copyNow(plan, bytes)
    if (isRun) this.#noteCopied(plan, copied)
    return { bytes, start: 0, count: copied }
  }

  async #batch(plan: BatchPlan): Promise<Batch> {
    const { count } = plan
    if (count === 0) return { bytes: Buffer.alloc(0), start: 0, count }
    const isRun = isOneRun(plan)
    const first = plan.physicalOffsets[0] as number
    const taken = isRun ? await this.#runs.take(first, plan.bytes) : undefined
    if (taken !== undefined) return { ...taken, count }
    const bytes = Buffer.allocUnsafe(plan.bytes)
    const copied = await this.#copy(plan, bytes)
    if (isRun) this.#noteCopied(plan, copied)
    return { bytes, start: 0, count: copied }
  }

  /** Whoever goes on where so many records of a run ended reads in order. */
  #noteCopied(plan: BatchPlan, count: number): void {
    if (count > 0) this.#runs.noteEnd((plan.physicalOffsets[0] as number) + runBytes(plan, 0, count))
  }

  /** Copies the plan's records one behind the other; answers how many could be had. */
  #copyNow(plan: BatchPlan, target: Buffer): number {
    const { count, physicalOffsets, sizes } = plan
    let at = 0
    for (let i = 0; i < count; ) {
      const end = runEnd(plan, i)
      const bytes = runBytes(plan, i, end)
      if (this.#reads.copyNow(target, at, physicalOffsets[i] as number, bytes)) {
        at += bytes
        i = end
        continue
      }
      if (end === i + 1) return i
      // The run may lie in several buffers.
      for (; i < end; i++) {
        if (!this.#reads.copyNow(target, at, physicalOffsets[i] as number, sizes[i] as number)) return i
        at += sizes[i] as number
      }
    }
    return count
  }

  async #copy(plan: BatchPlan, target: Buffer): Promise<number> {
    const { count, physicalOffsets } = plan
    if (count === 0) return 0
    const last = count - 1
    const span = (physicalOffsets[last] as number) - (physicalOffsets[0] as number)
    const isSparse = LogReads.isSparse(span, count)
    let at = 0
    for (let i = 0; i < count; ) {
      const end = runEnd(plan, i)
      const bytes = runBytes(plan, i, end)
      const from = physicalOffsets[i] as number
      const reads = this.#reads
      const has = isSparse ? await reads.copyAlone(target, at, from, bytes) : await reads.copy(target, at, from, bytes)
      if (!has) return i
      at += bytes
      i = end
    }
    return count
  }

  /** The records of a batch as messages, up to the first that its entry does not fit. */
  #messages(plan: BatchPlan, { bytes, start: from, count }: Batch, queue: ConsumeQueue): StoredMessage[] {
    const { checks, trustedFrom, proven } = this.#parts
    proven?.tick()
    const trusted = trustedFrom?.() ?? Number.POSITIVE_INFINITY
    const expected = this.#expectedIn(queue)
    const messages: StoredMessage[] = []
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    let start = from
    for (let i = 0; i < count; i++) {
      const sizeBytes = plan.sizes[i] as number
      const physicalOffset = plan.physicalOffsets[i] as number
      if (!isRecordOf(bytes, start, sizeBytes, expected, physicalOffset, plan.slots[i] as number)) break
      if (physicalOffset < trusted && proven?.has(physicalOffset) !== true) {
        // A bit may have flipped on the device since: a damaged record is looked for like one that is missing, never shown.
        const end = start + sizeBytes
        if (this.#cursor.read(bytes, view, start, end, physicalOffset, checks(physicalOffset)) !== 'record') break
        proven?.add(physicalOffset)
      }
      messages.push(new StoredMessage(bytes, start, sizeBytes, plan.tagsCodes[i] as number))
      start += sizeBytes
    }
    return messages
  }

  #found(plan: BatchPlan, messages: readonly StoredMessage[], queue: ConsumeQueue): GetResult {
    const isWhole = messages.length === plan.count
    const nextQueueOffset = isWhole ? plan.next : (plan.slots[messages.length] as number)
    const { minQueueOffset, maxQueueOffset } = queue
    return { status: 'found', messages, nextQueueOffset, minQueueOffset, maxQueueOffset }
  }

  #expectedIn(queue: ConsumeQueue): ExpectedQueue {
    if (queue !== this.#expectedOf) {
      const { topic, queueId } = queue
      this.#expectedOf = queue
      this.#expected = { topicBytes: Buffer.from(topic), queueId, isLight: topic.startsWith(LIGHT_QUEUE_PREFIX) }
    }
    return this.#expected
  }

  /** Whether the record of an entry agrees with it. */
  async #isReadable({ queue, slot }: { readonly queue: ConsumeQueue; readonly slot: number }): Promise<boolean> {
    const plan = new BatchPlan()
    const limits = this.#limits(queue, {
      topic: queue.topic,
      queueId: queue.queueId,
      queueOffset: slot,
      maxMessages: 1,
    })
    plan.make(await queue.readEntries(slot, 1), slot, limits)
    return this.#messages(plan, await this.#batch(plan), queue).length === 1
  }

  async #readRecord(physicalOffset: number): Promise<StoredMessage | undefined> {
    const { log, dispatched, checks } = this.#parts
    if (!Number.isSafeInteger(physicalOffset) || physicalOffset < log.minOffset) return undefined
    const end = Math.min(log.segmentEnd(physicalOffset), dispatched())
    const cursor = new RecordCursor(log.segmentBytes)
    let wanted = Math.min(FIRST_READ_BYTES, end - physicalOffset)
    while (wanted >= Math.max(FILLER_BYTES, RECORD_BYTES_MIN) && physicalOffset + wanted <= end) {
      const bytes = Buffer.allocUnsafe(wanted)
      if (!(await this.#reads.copyAlone(bytes, 0, physicalOffset, wanted))) return undefined
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
      const outcome = cursor.read(bytes, view, 0, wanted, physicalOffset, checks(physicalOffset))
      if (outcome === 'record') return new StoredMessage(Buffer.from(bytes.subarray(0, cursor.sizeBytes)))
      if (outcome !== 'short' || cursor.needBytes <= wanted) return undefined
      wanted = cursor.needBytes
    }
    return undefined
  }
}

/** Whether all records of a plan lie one behind the other. */
function isOneRun(plan: BatchPlan): boolean {
  return runBytes(plan, 0, plan.count) === plan.bytes
}

/** One past the last record that lies right behind the one before it, from record `i` on. */
function runEnd({ count, physicalOffsets, sizes }: BatchPlan, i: number): number {
  let end = i + 1
  while (end < count && physicalOffsets[end] === (physicalOffsets[end - 1] as number) + (sizes[end - 1] as number))
    end++
  return end
}

function runBytes({ physicalOffsets, sizes }: BatchPlan, from: number, end: number): number {
  return (physicalOffsets[end - 1] as number) + (sizes[end - 1] as number) - (physicalOffsets[from] as number)
}

/** What RocketMQ answers where the offset is none of the queue's. */
function statusOutside(queue: ConsumeQueue, queueOffset: number): GetResult | undefined {
  const { minQueueOffset, maxQueueOffset } = queue
  if (maxQueueOffset === 0) return nothing('no-message-in-queue', 0, queue)
  if (queueOffset < minQueueOffset) return nothing('offset-too-small', minQueueOffset, queue)
  if (queueOffset === maxQueueOffset) return nothing('offset-overflow-one', queueOffset, queue)
  if (queueOffset > maxQueueOffset) return nothing('offset-overflow-badly', maxQueueOffset, queue)
  return undefined
}

/** The file that should hold the entry is not there: go on behind it. */
function missingFile(queue: ConsumeQueue, queueOffset: number): GetResult {
  return nothing('offset-found-null', Math.min(queue.nextFileStart(queueOffset), queue.maxQueueOffset), queue)
}

function nothing(status: GetStatus, nextQueueOffset: number, queue: ConsumeQueue | undefined): GetResult {
  const { minQueueOffset = 0, maxQueueOffset = 0 } = queue ?? {}
  return { status, messages: [], nextQueueOffset, minQueueOffset, maxQueueOffset }
}
