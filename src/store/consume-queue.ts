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
import type { StoreFile } from '../files/file-system.ts'
import { segmentName } from '../files/segment-names.ts'
import { EntryBuffer } from './entry-buffer.ts'
import type { OpenFiles } from './open-files.ts'

/** What all queues of a folder share. */
export type QueueContext = {
  readonly folder: string
  readonly entriesPerFile: number
  readonly files: OpenFiles
  readonly isReadOnly: boolean
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

/** Shared by all queues: an idle one is to be small. */
const NONE: readonly number[] = []

/** Scratch for looking at one entry. */
const entryBytes = Buffer.alloc(CONSUME_QUEUE_ENTRY_BYTES)
const entryView = new DataView(entryBytes.buffer, entryBytes.byteOffset, CONSUME_QUEUE_ENTRY_BYTES)

/** One queue's entries. */
export class ConsumeQueue {
  readonly topic: string
  readonly queueId: number
  /** Whether the queue is in the set of those that `flush` has to look at. */
  isDirty = false
  /** A file was made, or removed, since the folder was last flushed. */
  hasNewNames = false
  hasFolder: boolean
  readonly #context: QueueContext
  /** First slots of the files, ascending. */
  #files: readonly number[]
  /** First slot of the file whose length was checked last. */
  #whole = -1
  /** First slots of files written to and not flushed since. */
  #unflushed: readonly number[] = NONE
  /** First slots of files of zeros behind the last entry: a broker would read them as one entry more. */
  #emptyFiles: readonly number[] = NONE
  #buffer: EntryBuffer | undefined
  /** First slot that may hold an entry. */
  #first = 0
  #min = 0
  /** The log's begin that #min was found for. */
  #minFor = -1
  /** -1: not looked up yet. */
  #max = -1
  #lastPhysicalEnd = -1

  /** @param files first slots of the existing files, ascending */
  constructor(context: QueueContext, topic: string, queueId: number, files: readonly number[], hasFolder: boolean) {
    this.#context = context
    this.topic = topic
    this.queueId = queueId
    this.#files = files
    this.hasFolder = hasFolder
    if (files.length === 0) this.#max = 0
  }

  /** `<dir>/consumequeue/<topic>/<queueId>` */
  get folder(): string {
    return `${this.#context.folder}/${this.topic}/${this.queueId}`
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
    return bytes.subarray(0, this.#readSync(bytes, from))
  }

  /** The same, off the event loop where the entries are not in memory. */
  async readEntries(from: number, count: number): Promise<Buffer> {
    const hot = this.entries(from, count)
    if (hot !== undefined) return Buffer.from(hot)
    const start = this.#fileOf(from)
    const bytes = Buffer.allocUnsafe(this.#readableCount(from, count) * CONSUME_QUEUE_ENTRY_BYTES)
    if (!this.#files.includes(start)) return bytes.subarray(0, 0)
    const position = (from - start) * CONSUME_QUEUE_ENTRY_BYTES
    const read = await this.#context.files.use(this.#path(start), this.#readMode(), file => file.read(bytes, position))
    return bytes.subarray(0, zeroFilled(bytes, read))
  }

  /** First slot of the file after the one that holds `queueOffset`. */
  nextFileStart(queueOffset: number): number {
    return this.#fileOf(queueOffset) + this.#context.entriesPerFile
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
      const first = this.#fileOf(start)
      const file = this.#fileForWriting(first)
      file.writeSync(bytes, (start + unwritten - first) * CONSUME_QUEUE_ENTRY_BYTES)
      this.#noteUnflushed(first)
      buffer.markWritten(piece, count)
      this.#context.unwrittenEntries -= count - unwritten
    }
    buffer.dropWritten()
  }

  /** Puts what was written on the device, and removes files that hold no entry. */
  async flush(removeFile: (path: string) => Promise<void>): Promise<void> {
    const unflushed = this.#unflushed
    this.#unflushed = NONE
    for (const start of unflushed) {
      if (this.#files.includes(start)) await this.#context.files.use(this.#path(start), 'write', file => file.flush())
    }
    const emptyFiles = this.#emptyFiles
    this.#emptyFiles = NONE
    for (const start of emptyFiles) {
      this.#forgetFile(start)
      await removeFile(this.#path(start))
      this.hasNewNames = true
    }
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
  async cutAt(physicalOffset: number, removeFile: (path: string) => Promise<void>): Promise<number> {
    const max = this.maxQueueOffset
    // A slot that was never written is where the queue ended when the power failed, whatever stands behind it.
    let cut = this.#firstSlot(this.#first, slot => this.#isAtOrBeyond(slot, physicalOffset) || this.#isUnwritten(slot))
    // What is left may be nothing but slots that say that nothing is there.
    if (cut > this.#first && this.slotAt(0) >= cut) cut = this.#first
    this.#forgetBuffered(cut)
    if (!this.#context.isReadOnly) await this.#cutFiles(cut, removeFile)
    if (cut === this.#first) this.#empty()
    else this.#max = cut
    this.#minFor = -1
    this.#lastPhysicalEnd = this.#findLastPhysicalEnd()
    return max - cut
  }

  /** Removes files that hold only entries of records below the log's begin; never the last one. Answers how many. */
  async removeDeadFiles(removeFile: (path: string) => Promise<void>): Promise<number> {
    let removed = 0
    while (this.#files.length > 1 && !this.#context.isReadOnly) {
      const start = this.#files[0] as number
      const end = start + this.#context.entriesPerFile
      if (end > this.maxQueueOffset || this.#isAtOrBeyond(end - 1, this.#context.logMinOffset)) break
      this.#forgetFile(start)
      this.#first = Math.max(this.#first, end)
      this.#minFor = -1
      this.hasNewNames = true
      await removeFile(this.#path(start))
      removed++
    }
    return removed
  }

  /** Paths of the files, for whoever removes the queue. */
  filePaths(): string[] {
    return this.#files.map(start => this.#path(start))
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
    const hasEntries = max > this.#first && this.slotAt(0) < max
    if (!hasEntries || queueOffset < this.#first) {
      this.#startAt(queueOffset)
      if (!hasEntries) this.#max = queueOffset
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
    this.#first = this.#fileOf(queueOffset)
    this.#minFor = -1
    for (let slot = this.#first; slot < queueOffset; slot++) this.#putAt(slot, 0, PRE_BLANK_SIZE_BYTES, 0)
  }

  /** Slots right before this one that were never written: a power cut took what said that nothing is there. A cut would end the queue at them. */
  #blankBefore(slot: number, physicalOffset: number): void {
    let from = slot
    while (from > this.#first && this.#isUnwritten(from - 1)) from--
    if (from === slot) return
    this.#minFor = -1
    const place = from === this.#first ? 0 : physicalOffset
    for (let blank = from; blank < slot; blank++) this.#putAt(blank, place, PRE_BLANK_SIZE_BYTES, 0)
  }

  #fileOf(slot: number): number {
    return slot - (slot % this.#context.entriesPerFile)
  }

  #path(start: number): string {
    return `${this.folder}/${segmentName(start * CONSUME_QUEUE_ENTRY_BYTES)}`
  }

  #readMode(): 'read' | 'write' {
    return this.#context.isReadOnly ? 'read' : 'write'
  }

  /** Slots from `from` on that one read may take: to the end of the file, of the queue, or to what is in memory. */
  #readableCount(from: number, count: number): number {
    const held = this.#buffer?.nextHeld(from) ?? Number.POSITIVE_INFINITY
    const end = Math.min(from + count, this.nextFileStart(from), this.maxQueueOffset, held)
    return Math.max(0, end - from)
  }

  /** Bytes of `target` that are entries of the file: all, or none where the file is missing. */
  #readSync(target: Uint8Array, from: number): number {
    const start = this.#fileOf(from)
    if (!this.#files.includes(start) || target.length === 0) return 0
    const file = this.#context.files.now(this.#path(start), this.#readMode())
    return zeroFilled(target, file.readSync(target, (from - start) * CONSUME_QUEUE_ENTRY_BYTES))
  }

  /** Puts the entry of `slot` into the scratch buffer; zeros where there is none. */
  #look(slot: number): void {
    const hot = this.entries(slot, 1)
    if (hot !== undefined) hot.copy(entryBytes)
    else if (this.#readSync(entryBytes, slot) === 0) entryBytes.fill(0)
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

  #isUnwritten(slot: number): boolean {
    this.#look(slot)
    return entrySizeBytes(entryView, 0) <= 0
  }

  #lookUpEnd(): void {
    const { entriesPerFile } = this.#context
    this.#first = this.#files[0] ?? 0
    this.#max = this.#first
    for (let i = this.#files.length - 1; i >= 0; i--) {
      const start = this.#files[i] as number
      const count = this.#countEntries(start)
      if (count > 0) {
        this.#max = start + Math.min(count, entriesPerFile)
        break
      }
      this.#emptyFiles = [...this.#emptyFiles, start]
    }
    if (this.#emptyFiles.length > 0 && !this.#context.isReadOnly) this.#context.markDirty(this)
    this.#lastPhysicalEnd = this.#findLastPhysicalEnd()
  }

  /** Entries at the start of a file, by binary search for the first zero one. */
  #countEntries(start: number): number {
    let low = 0
    let high = this.#context.entriesPerFile
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#readSync(entryBytes, start + middle) > 0 && entrySizeBytes(entryView, 0) > 0) low = middle + 1
      else high = middle
    }
    return low
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
    this.#min =
      from >= max || this.#isAtOrBeyond(from, logMinOffset) ? Math.min(from, max) : this.slotAt(logMinOffset, from)
    this.#minFor = logMinOffset
  }

  #fileForWriting(start: number): StoreFile {
    const { files, entriesPerFile } = this.#context
    const path = this.#path(start)
    this.#emptyFiles = this.#emptyFiles.filter(other => other !== start)
    if (this.#whole === start) return files.now(path, 'write')
    const isNew = !this.#files.includes(start)
    const file = files.now(path, isNew ? 'create' : 'write')
    const fileBytes = entriesPerFile * CONSUME_QUEUE_ENTRY_BYTES
    // A broker reads only files of full length; the rest stays a hole on disk.
    if (file.sizeBytesSync() < fileBytes) file.setLengthSync(fileBytes)
    this.#whole = start
    if (!isNew) return file
    this.#files = [...this.#files, start].sort((a, b) => a - b)
    this.hasNewNames = true
    return file
  }

  #forgetFile(start: number): void {
    this.#files = this.#files.filter(other => other !== start)
    this.#unflushed = this.#unflushed.filter(other => other !== start)
    if (this.#whole === start) this.#whole = -1
  }

  #noteUnflushed(start: number): void {
    if (!this.#unflushed.includes(start)) this.#unflushed = [...this.#unflushed, start]
    if (!this.isDirty) this.#context.markDirty(this)
  }

  #forgetBuffered(cut: number): void {
    if (this.#buffer === undefined) return
    const before = this.#buffer.unwrittenCount
    this.#buffer.cut(cut)
    this.#context.unwrittenEntries -= before - this.#buffer.unwrittenCount
  }

  /** No file keeps anything from slot `cut` on, not even what stands behind the queue's end. */
  async #cutFiles(cut: number, removeFile: (path: string) => Promise<void>): Promise<void> {
    for (const start of this.#files.filter(start => start >= cut).reverse()) {
      this.#forgetFile(start)
      await removeFile(this.#path(start))
    }
    this.#emptyFiles = NONE
    if (this.hasFolder) {
      this.hasNewNames = true
      if (!this.isDirty) this.#context.markDirty(this)
    }
    const last = this.#files.at(-1)
    if (last === undefined || cut >= last + this.#context.entriesPerFile) return
    const file = this.#context.files.now(this.#path(last), 'write')
    // Shorter and long again: zeros without writing them. Queue files are never mapped.
    file.setLengthSync((cut - last) * CONSUME_QUEUE_ENTRY_BYTES)
    file.setLengthSync(this.#context.entriesPerFile * CONSUME_QUEUE_ENTRY_BYTES)
    this.#noteUnflushed(last)
  }

  #empty(): void {
    this.#files = NONE
    this.#first = 0
    this.#max = 0
    this.#lastPhysicalEnd = -1
  }
}

/** A file that ends early reads as zeros, as a sparse one does. */
function zeroFilled(bytes: Uint8Array, read: number): number {
  if (read < bytes.length) bytes.fill(0, read)
  return bytes.length
}
