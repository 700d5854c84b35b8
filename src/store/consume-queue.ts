/**
 * The entries of one queue: entry k is at slot k.   RocketMQ: ConsumeQueue.
 *
 * Derived data: entries are put into memory and reach the files in runs; recovery writes again what a crash took.
 * Invariants: first <= min <= max; every slot in [first, max) is in memory or in a file; no file without an entry.
 * The end of an existing queue is looked up when it is first asked for, so that opening 10,000 queues stays cheap.
 */
import { assert } from '../base/assert.ts'
import {
  CONSUME_QUEUE_ENTRY_BYTES,
  entryPhysicalOffset,
  entrySizeBytes,
  isConsumeQueueEntry,
  isPreBlankEntry,
  PRE_BLANK_SIZE_BYTES,
} from '../codec/consume-queue-entry.ts'
import { EntryBuffer } from './entry-buffer.ts'
import type { QueueFilesContext, RemoveFile } from './queue-files.ts'
import { QueueFiles } from './queue-files.ts'

/** What all queues of a folder share. */
export type QueueContext = QueueFilesContext & {
  /** First byte of the log: entries that point below it are dead. */
  logMinOffset: number
  /** Entries in memory that are not in the files, over all queues. */
  unwrittenEntries: number
  /** The queue has something that is not on the device. */
  readonly markDirty: (queue: ConsumeQueue) => void
  readonly onEvent: (name: string, details: Readonly<Record<string, unknown>>) => void
}

/** Slots that may lie between a queue's end and the next record's; more is no hole but nonsense. 24 MB of entries. */
const GAP_ENTRIES_MAX = 1_200_000
/** Pre-blank slots looked at, from the end, for the last true entry. */
const BLANKS_LOOKED_AT = 64

/** Scratch for looking at one entry. */
const entryBytes = Buffer.alloc(CONSUME_QUEUE_ENTRY_BYTES)
const entryView = new DataView(entryBytes.buffer, entryBytes.byteOffset, CONSUME_QUEUE_ENTRY_BYTES)

/** One queue's entries. */
export class ConsumeQueue {
  readonly files: QueueFiles
  /** Whether the queue is in the set of those that `flush` has to look at. */
  isDirty = false
  readonly #context: QueueContext
  #buffer: EntryBuffer | undefined
  /** First slot that may hold an entry. */
  #first = 0
  #min = 0
  /** The log's begin that #min was found for. */
  #minFor = -1
  /** -1: not looked up yet. */
  #max = -1
  #lastPhysicalEnd = -1
  /** There is an entry that points somewhere: looked for once, true until something is cut. */
  #hasEntries = false

  constructor(context: QueueContext, files: QueueFiles) {
    this.#context = context
    this.files = files
    if (files.count === 0) this.#max = 0
  }

  get topic(): string {
    return this.files.topic
  }

  get queueId(): number {
    return this.files.queueId
  }

  /** Finds the end of a queue whose files were there before; once. */
  lookUp(): void {
    if (this.#max < 0) this.#lookUpEnd()
  }

  /** One past the last slot. */
  get maxQueueOffset(): number {
    if (this.#max < 0) this.#lookUpEnd()
    return this.#max
  }

  /** The first slot that points into the log; `maxQueueOffset` where none does. */
  get minQueueOffset(): number {
    if (this.#minFor !== this.#context.logMinOffset) this.#correctMin()
    return this.#min
  }

  /** End of the record that the last entry points to; -1 without entries. */
  get lastPhysicalEnd(): number {
    if (this.#max < 0) this.#lookUpEnd()
    return this.#lastPhysicalEnd
  }

  /** Entries in memory that are not in the files. */
  get unwrittenEntries(): number {
    return this.#buffer?.unwrittenCount ?? 0
  }

  /**
   * Puts the entry of a record at its slot; in memory on return. A slot that has an entry gets this one.
   * Slots between the end and this one are made to say that nothing is there. False for a slot that cannot be: too far behind the end.
   */
  put(queueOffset: number, physicalOffset: number, sizeBytes: number, tagsCode: number): boolean {
    if (queueOffset !== this.#max && !this.#makeWayFor(queueOffset, physicalOffset)) return false
    this.#putAt(queueOffset, physicalOffset, sizeBytes, tagsCode)
    if (queueOffset === this.#max) {
      this.#max = queueOffset + 1
      this.#lastPhysicalEnd = physicalOffset + sizeBytes
    }
    return true
  }

  /**
   * Entries from slot `from` on that are in memory: at least one, at most `count`; undefined where slot `from` is not.
   * A view, valid until the next `put`.
   */
  entries(from: number, count: number): Buffer | undefined {
    const piece = this.#buffer?.holding(from)
    if (piece === undefined) return undefined
    const index = from - piece.start
    const end = Math.min(piece.count, index + count)
    return piece.bytes.subarray(index * CONSUME_QUEUE_ENTRY_BYTES, end * CONSUME_QUEUE_ENTRY_BYTES)
  }

  /** Entries from slot `from` on, from memory or the page cache: at most `count` and to the end of a file; empty where a file is missing. */
  entriesSync(from: number, count: number): Buffer {
    const hot = this.entries(from, count)
    if (hot !== undefined) return hot
    const bytes = Buffer.allocUnsafe(this.#readableCount(from, count) * CONSUME_QUEUE_ENTRY_BYTES)
    return bytes.subarray(0, this.files.readSync(bytes, from))
  }

  /** The same, off the event loop where the entries are not in memory. */
  async readEntries(from: number, count: number): Promise<Buffer> {
    const hot = this.entries(from, count)
    if (hot !== undefined) return Buffer.from(hot)
    const bytes = Buffer.allocUnsafe(this.#readableCount(from, count) * CONSUME_QUEUE_ENTRY_BYTES)
    return bytes.subarray(0, await this.files.read(bytes, from))
  }

  /** First slot of the file after the one that holds `queueOffset`. */
  nextFileStart(queueOffset: number): number {
    return this.files.startOf(queueOffset) + this.#context.entriesPerFile
  }

  /**
   * The first slot in [from, max) whose entry is at or beyond `physicalOffset`, by binary search; max where none is.
   * Pre-blank slots count as being in front of everything.
   */
  slotAt(physicalOffset: number, from: number = this.#first): number {
    return this.#firstSlot(from, slot => this.#isAtOrBeyond(slot, physicalOffset))
  }

  /** End of the record that the entry of `slot` points to; -1 where the slot has none. */
  physicalEndOf(slot: number): number {
    this.#look(slot)
    if (!isConsumeQueueEntry(entryView, 0)) return -1
    return entryPhysicalOffset(entryView, 0) + entrySizeBytes(entryView, 0)
  }

  // ---- for ConsumeQueues ---------------------------------------------------------------------------------------------

  /** Puts what is only in memory into the page cache. The folder exists. */
  writeOut(): void {
    const buffer = this.#buffer
    if (buffer === undefined || this.#context.isReadOnly) return
    buffer.noteWriting()
    for (const piece of buffer.unwritten()) {
      const { start, unwritten, count } = piece
      const bytes = piece.bytes.subarray(unwritten * CONSUME_QUEUE_ENTRY_BYTES, count * CONSUME_QUEUE_ENTRY_BYTES)
      this.files.write(bytes, start + unwritten)
      buffer.markWritten(piece, count)
      this.#context.unwrittenEntries -= count - unwritten
    }
    buffer.dropWritten()
  }

  /** Gives back the memory of a queue to which nothing was put of late. */
  releaseMemory(): void {
    if (this.#buffer === undefined || this.#context.isReadOnly || this.#buffer.unwrittenCount > 0) return
    this.#buffer = undefined
  }

  /**
   * Removes the entries of records at or beyond `physicalOffset`, and whatever stands behind them in the files.
   * In the page cache when it resolves. Answers how many entries went.
   */
  async cutAt(physicalOffset: number, removeFile: RemoveFile): Promise<number> {
    const max = this.maxQueueOffset
    // A slot that was never written is where the queue ended when the power failed, whatever stands behind it.
    let cut = this.#firstSlot(this.#first, slot => this.#isAtOrBeyond(slot, physicalOffset) || this.#isUnwritten(slot))
    // What is left may be nothing but slots that say that nothing is there.
    if (cut > this.#first && this.slotAt(0) >= cut) cut = this.#first
    this.#forgetBuffered(cut)
    if (!this.#context.isReadOnly) await this.files.cut(cut, removeFile)
    if (this.files.names.hasAny && !this.isDirty) this.#context.markDirty(this)
    if (cut === this.#first) this.#empty()
    else this.#max = cut
    this.#minFor = -1
    this.#hasEntries = false
    this.#lastPhysicalEnd = this.#findLastPhysicalEnd()
    return max - cut
  }

  /** Removes files that hold only entries of records below the log's begin; never the last one. Answers how many. */
  async removeDeadFiles(removeFile: RemoveFile): Promise<number> {
    let removed = 0
    for (; this.files.count > 1 && !this.#context.isReadOnly; removed++) {
      const end = this.nextFileStart(this.files.firstSlot)
      if (end > this.maxQueueOffset || this.#isAtOrBeyond(end - 1, this.#context.logMinOffset)) break
      this.#first = Math.max(this.#first, end)
      this.#minFor = -1
      this.#hasEntries = false
      await this.files.removeFirst(removeFile)
    }
    return removed
  }

  /** Forgets everything: the queue is going away. */
  discard(): void {
    this.#forgetBuffered(0)
    this.#empty()
  }

  // ---- inside ----------------------------------------------------------------------------------------------------------

  #putAt(slot: number, physicalOffset: number, sizeBytes: number, tagsCode: number): void {
    this.#buffer ??= new EntryBuffer(this.#context.entriesPerFile)
    this.#context.unwrittenEntries += this.#buffer.put(slot, physicalOffset, sizeBytes, tagsCode)
    if (!this.isDirty) this.#context.markDirty(this)
  }

  /** Prepares for an entry that is not the next one. False where it cannot be put. */
  #makeWayFor(queueOffset: number, physicalOffset: number): boolean {
    assert(Number.isSafeInteger(queueOffset) && queueOffset >= 0, 'a queueOffset is a whole number')
    const max = this.maxQueueOffset
    if (queueOffset === max) return true
    this.#hasEntries ||= max > this.#first && this.slotAt(0) < max
    if (!this.#hasEntries || queueOffset < this.#first) {
      this.#startAt(queueOffset)
      if (!this.#hasEntries) this.#max = queueOffset
      return true
    }
    if (queueOffset < max) {
      this.#blankBefore(queueOffset, physicalOffset)
      return true
    }
    const missing = queueOffset - max
    const details = { topic: this.topic, queueId: this.queueId, queueOffset: max, count: missing }
    if (missing > GAP_ENTRIES_MAX) {
      this.#context.onEvent('queue-entry-refused', { ...details, physicalOffset })
      return false
    }
    this.#context.onEvent('queue-gap', details)
    // The next record's own place keeps the slots in the order of the log, which every search relies on.
    for (let slot = max; slot < queueOffset; slot++) this.#putAt(slot, physicalOffset, PRE_BLANK_SIZE_BYTES, 0)
    this.#max = queueOffset
    return true
  }

  /** A queue that does not start at a file's start is filled up to its first entry as RocketMQ does: FORMAT section 6. */
  #startAt(queueOffset: number): void {
    this.#first = this.files.startOf(queueOffset)
    this.#minFor = -1
    for (let slot = this.#first; slot < queueOffset; slot++) this.#putAt(slot, 0, PRE_BLANK_SIZE_BYTES, 0)
  }

  /** Slots right before this one that were never written: a power cut took what said that nothing is there. A cut would end the queue at them. */
  #blankBefore(slot: number, physicalOffset: number): void {
    let from = slot
    while (from > this.#first && this.#isUnwritten(from - 1)) from--
    // The slot that ended the search may say so already: whoever was killed may have written it, and those before it, and not flushed.
    if (from > this.#first && !isConsumeQueueEntry(entryView, 0)) this.files.noteAllUnflushed()
    if (from === slot) return
    this.#minFor = -1
    const place = from === this.#first ? 0 : physicalOffset
    for (let blank = from; blank < slot; blank++) this.#putAt(blank, place, PRE_BLANK_SIZE_BYTES, 0)
  }

  /** Slots from `from` on that one read may take: to the end of the file, of the queue, or to what is in memory. */
  #readableCount(from: number, count: number): number {
    const held = this.#buffer?.nextHeld(from) ?? Number.POSITIVE_INFINITY
    const end = Math.min(from + count, this.nextFileStart(from), this.maxQueueOffset, held)
    return Math.max(0, end - from)
  }

  /** Puts the entry of `slot` into the scratch buffer; zeros where there is none. */
  #look(slot: number): void {
    const hot = this.entries(slot, 1)
    if (hot !== undefined) hot.copy(entryBytes)
    else if (this.files.readSync(entryBytes, slot) === 0) entryBytes.fill(0)
  }

  /** The first slot from `from` on of which `isBehind` is true, given that it is of every later one. */
  #firstSlot(from: number, isBehind: (slot: number) => boolean): number {
    let low = from
    let high = this.maxQueueOffset
    while (low < high) {
      const middle = low + Math.floor((high - low) / 2)
      if (isBehind(middle)) high = middle
      else low = middle + 1
    }
    return low
  }

  #isAtOrBeyond(slot: number, physicalOffset: number): boolean {
    this.#look(slot)
    return !isPreBlankEntry(entryView, 0) && entryPhysicalOffset(entryView, 0) >= physicalOffset
  }

  /** Whether the entry points into the log, or nowhere that there can be: it is mended where it is read. */
  #isLive(slot: number, logMinOffset: number): boolean {
    return this.#isAtOrBeyond(slot, logMinOffset) || entryPhysicalOffset(entryView, 0) < 0
  }

  #isUnwritten(slot: number): boolean {
    this.#look(slot)
    return entrySizeBytes(entryView, 0) <= 0
  }

  #lookUpEnd(): void {
    this.#first = this.files.firstSlot
    this.#max = this.files.findEnd()
    if (this.files.hasEmptyFiles && !this.#context.isReadOnly) this.#context.markDirty(this)
    this.#lastPhysicalEnd = this.#findLastPhysicalEnd()
  }

  #findLastPhysicalEnd(): number {
    for (let slot = this.#max - 1, left = BLANKS_LOOKED_AT; slot >= this.#first && left > 0; slot--, left--) {
      const end = this.physicalEndOf(slot)
      if (end >= 0) return end
    }
    return -1
  }

  #correctMin(): void {
    const { logMinOffset } = this.#context
    const max = this.maxQueueOffset
    // A queue's begin moves only forward, unless entries were put in front of it.
    const from = this.#minFor < 0 ? this.#first : Math.max(this.#first, this.#min)
    this.#min = from >= max || this.#isLive(from, logMinOffset) ? Math.min(from, max) : this.slotAt(logMinOffset, from)
    this.#minFor = logMinOffset
  }

  #forgetBuffered(cut: number): void {
    if (this.#buffer === undefined) return
    const before = this.#buffer.unwrittenCount
    this.#buffer.cut(cut)
    this.#context.unwrittenEntries -= before - this.#buffer.unwrittenCount
  }

  #empty(): void {
    this.files.forget()
    this.#first = 0
    this.#max = 0
    this.#hasEntries = false
    this.#lastPhysicalEnd = -1
  }
}
