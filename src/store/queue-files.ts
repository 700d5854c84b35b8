/**
 * The files of one consume queue: entry k at byte k * 20 of their sequence, each file at full length and sparse.
 * A file is made when its first entry is written; none is left without an entry.
 */
import { CONSUME_QUEUE_ENTRY_BYTES, entrySizeBytes } from '../codec/consume-queue-entry.ts'
import type { StoreFile } from '../files/file-system.ts'
import { segmentName } from '../files/segment-names.ts'
import type { OpenFiles } from './open-files.ts'
import { UnflushedNames } from './unflushed-names.ts'

/** What all queues of a folder share. */
export type QueueFilesContext = {
  /** `<dir>/consumequeue` */
  readonly folder: string
  readonly entriesPerFile: number
  readonly files: OpenFiles
  readonly isReadOnly: boolean
}

/** Removes a file, which may be open. */
export type RemoveFile = (path: string) => Promise<void>

/** Shared by all queues: an idle one is to be small. */
const NONE: readonly number[] = []

/** Entries looked at together where a file's end is searched: one page. */
const PAGE_ENTRIES = 204
const page: Buffer = Buffer.alloc(PAGE_ENTRIES * CONSUME_QUEUE_ENTRY_BYTES)
const pageView: DataView = new DataView(page.buffer, page.byteOffset, page.length)

/** The files of one queue. Files are known by their first slot. */
export class QueueFiles {
  readonly topic: string
  readonly queueId: number
  hasFolder: boolean
  /** Of files in the folder. */
  readonly names: UnflushedNames = new UnflushedNames()
  readonly #context: QueueFilesContext
  /** Ascending. */
  #starts: readonly number[]
  /** The file whose length was checked last. */
  #whole = -1
  /** Files written to and not flushed since. */
  #unflushed: readonly number[] = NONE
  /** Files of zeros behind the last entry: a broker would read them as one entry more. */
  #empty: readonly number[] = NONE

  /** @param starts first slots of the existing files, ascending */
  constructor(
    context: QueueFilesContext,
    topic: string,
    queueId: number,
    starts: readonly number[],
    hasFolder: boolean,
  ) {
    this.#context = context
    this.topic = topic
    this.queueId = queueId
    this.#starts = starts
    this.hasFolder = hasFolder
  }

  /** `<dir>/consumequeue/<topic>/<queueId>` */
  get folder(): string {
    return `${this.#context.folder}/${this.topic}/${this.queueId}`
  }

  get count(): number {
    return this.#starts.length
  }

  /** First slot of the first file, 0 where there is none. */
  get firstSlot(): number {
    return this.#starts[0] ?? 0
  }

  get hasEmptyFiles(): boolean {
    return this.#empty.length > 0
  }

  paths(): string[] {
    return this.#starts.map(start => this.#path(start))
  }

  /** First slot of the file that holds `slot`, or would. */
  startOf(slot: number): number {
    return slot - (slot % this.#context.entriesPerFile)
  }

  // ---- reading ---------------------------------------------------------------------------------------------------------

  /** Fills `target` with entries from slot `from` on, all in one file; answers 0 where that file is missing. */
  readSync(target: Uint8Array, from: number): number {
    const start = this.startOf(from)
    if (target.length === 0 || !this.#starts.includes(start)) return 0
    const file = this.#context.files.now(this.#path(start), this.#readMode())
    return zeroFilled(target, file.readSync(target, (from - start) * CONSUME_QUEUE_ENTRY_BYTES))
  }

  /** The same, off the event loop. */
  async read(target: Uint8Array, from: number): Promise<number> {
    const start = this.startOf(from)
    if (target.length === 0 || !this.#starts.includes(start)) return 0
    const position = (from - start) * CONSUME_QUEUE_ENTRY_BYTES
    const { files } = this.#context
    const read = await files.use(this.#path(start), this.#readMode(), file => file.read(target, position))
    return zeroFilled(target, read)
  }

  /** One past the last slot that was written. Files of zeros behind it are noted, and removed by the next `flush`. */
  findEnd(): number {
    for (let i = this.#starts.length - 1; i >= 0; i--) {
      const start = this.#starts[i] as number
      const count = this.#countEntries(start)
      if (count > 0) return start + count
      this.#empty = [...this.#empty, start]
    }
    return this.firstSlot
  }

  // ---- writing ---------------------------------------------------------------------------------------------------------

  /** Puts entries from slot `slot` on, all in one file, into the page cache. The folder exists. */
  write(entries: Uint8Array, slot: number): void {
    const start = this.startOf(slot)
    this.#forWriting(start).writeSync(entries, (slot - start) * CONSUME_QUEUE_ENTRY_BYTES)
    this.#noteUnflushed(start)
  }

  /** Puts what was written on the device, and removes files that hold no entry. */
  async flush(removeFile: RemoveFile): Promise<void> {
    for (const start of [...this.#unflushed]) {
      this.#unflushed = this.#unflushed.filter(other => other !== start)
      if (this.#starts.includes(start)) await this.#flushFile(start)
    }
    const empty = this.#empty
    this.#empty = NONE
    for (const start of empty) await this.#remove(start, removeFile)
  }

  /** No file keeps anything from slot `cut` on, not even what stands behind the queue's end. */
  async cut(cut: number, removeFile: RemoveFile): Promise<void> {
    for (const start of this.#starts.filter(start => start >= cut).reverse()) await this.#remove(start, removeFile)
    this.#empty = NONE
    // Whoever was killed may not have flushed the names that he made.
    if (this.hasFolder) this.names.note()
    const last = this.#starts.at(-1)
    const { files, entriesPerFile } = this.#context
    if (last === undefined || cut >= last + entriesPerFile) return
    const file = files.now(this.#path(last), 'write')
    // Shorter and long again: zeros without writing them. Queue files are never mapped.
    file.setLengthSync((cut - last) * CONSUME_QUEUE_ENTRY_BYTES)
    file.setLengthSync(entriesPerFile * CONSUME_QUEUE_ENTRY_BYTES)
    this.#noteUnflushed(last)
  }

  /** Removes the first file. */
  async removeFirst(removeFile: RemoveFile): Promise<void> {
    await this.#remove(this.firstSlot, removeFile)
  }

  /** What is in the files need not be on the device, whoever wrote it. */
  noteAllUnflushed(): void {
    this.#unflushed = this.#starts
  }

  /** Forgets the files without removing them. */
  forget(): void {
    this.#starts = NONE
    this.#unflushed = NONE
    this.#empty = NONE
    this.#whole = -1
  }

  // ---- inside ----------------------------------------------------------------------------------------------------------

  #path(start: number): string {
    return `${this.folder}/${segmentName(start * CONSUME_QUEUE_ENTRY_BYTES)}`
  }

  #readMode(): 'read' | 'write' {
    return this.#context.isReadOnly ? 'read' : 'write'
  }

  #forWriting(start: number): StoreFile {
    const { files, entriesPerFile } = this.#context
    const path = this.#path(start)
    if (this.#whole === start) return files.now(path, 'write')
    if (this.#empty.includes(start)) this.#empty = this.#empty.filter(other => other !== start)
    const isNew = !this.#starts.includes(start)
    const file = files.now(path, isNew ? 'create' : 'write')
    const fileBytes = entriesPerFile * CONSUME_QUEUE_ENTRY_BYTES
    // A broker reads only files of full length; the rest stays a hole on disk.
    if (file.sizeBytesSync() < fileBytes) file.setLengthSync(fileBytes)
    this.#whole = start
    if (!isNew) return file
    this.#starts = [...this.#starts, start].sort((a, b) => a - b)
    this.names.note()
    return file
  }

  async #remove(start: number, removeFile: RemoveFile): Promise<void> {
    this.#starts = this.#starts.filter(other => other !== start)
    this.#unflushed = this.#unflushed.filter(other => other !== start)
    if (this.#whole === start) this.#whole = -1
    this.names.note()
    await removeFile(this.#path(start))
  }

  /** Where there was no descriptor to flush by, the next flush has to. */
  async #flushFile(start: number): Promise<void> {
    try {
      await this.#context.files.use(this.#path(start), 'write', file => file.flush())
    } catch (error) {
      this.#noteUnflushed(start)
      throw error
    }
  }

  #noteUnflushed(start: number): void {
    if (!this.#unflushed.includes(start)) this.#unflushed = [...this.#unflushed, start]
  }

  /** Entries at the start of a file: binary search for the page where they end, most often the first one. */
  #countEntries(start: number): number {
    const { entriesPerFile } = this.#context
    let low = 0
    let high = Math.ceil(entriesPerFile / PAGE_ENTRIES)
    let middle = 0
    while (low < high) {
      const from = middle * PAGE_ENTRIES
      const wanted = Math.min(PAGE_ENTRIES, entriesPerFile - from)
      const count = this.#entriesInPage(start + from, wanted)
      if (count === wanted) low = middle + 1
      else if (count > 0) return from + count
      else high = middle
      middle = low + Math.floor((high - low) / 2)
    }
    return Math.min(low * PAGE_ENTRIES, entriesPerFile)
  }

  /** How many of so many slots from `from` on there are up to the last that was written: a hole before it is not the end. */
  #entriesInPage(from: number, count: number): number {
    this.readSync(page.subarray(0, count * CONSUME_QUEUE_ENTRY_BYTES), from)
    let last = count
    while (last > 0 && entrySizeBytes(pageView, (last - 1) * CONSUME_QUEUE_ENTRY_BYTES) <= 0) last--
    return last
  }
}

/** A file that ends early reads as zeros, as a sparse one does. */
function zeroFilled(bytes: Uint8Array, read: number): number {
  if (read < bytes.length) bytes.fill(0, read)
  return bytes.length
}
