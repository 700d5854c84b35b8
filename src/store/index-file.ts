/**
 * One index file: slots that lead to chains of entries, newest first.   RocketMQ: IndexFile.
 *
 * What is put is in memory until `writeOut`: entries in a tail, slots in a copy of the slot table that is read when the
 * first entry is put. On disk the header counts only what stands behind it, so it is written last; after a crash slots
 * may still lead beyond it, which is what `cutAt` mends.
 */
import { assert } from '../base/assert.ts'
import { i32At } from '../codec/bytes.ts'
import type { IndexEntry, IndexHeader, IndexSizes } from '../codec/index-layout.ts'
import {
  INDEX_ENTRY_BYTES,
  INDEX_FIRST_ENTRY,
  INDEX_HEADER_BYTES,
  INDEX_SLOT_BYTES,
  indexEntryPosition,
  indexFileBytes,
  indexSeconds,
  indexSlotPosition,
  readIndexEntry,
  writeIndexEntry,
  writeIndexHeader,
} from '../codec/index-layout.ts'
import type { StoreFile } from '../files/file-system.ts'
import type { OpenFiles } from './open-files.ts'

/** What all index files of a folder share. */
export type IndexContext = {
  readonly sizes: IndexSizes
  readonly files: OpenFiles
  readonly isReadOnly: boolean
  /** Gives the event loop its turn when it is due. */
  readonly pause: () => Promise<void>
}

/** Entries of one piece of the tail: 80 KiB. Powers of two, because shifting is quicker than dividing. */
const PIECE_SHIFT = 12
const PIECE_ENTRIES: number = 1 << PIECE_SHIFT
/** Slots are written by pages of so many bytes, and neighbours together up to so many. */
const PAGE_SHIFT = 12
const PAGE_BYTES: number = 1 << PAGE_SHIFT
const RUN_BYTES_MAX = 256 * 1024
/** Bytes read at a time when all entries are gone through. */
const SCAN_ENTRIES = 52_000

/** Bytes and the view that reads and writes them: they go together. */
type Viewed = { readonly bytes: Buffer; readonly view: DataView }

/** One file of the key index. */
export class IndexFile {
  readonly path: string
  /** Counts what was put, written or not. */
  readonly header: IndexHeader
  /** On disk, at full length. */
  isCreated: boolean
  /** Something was written since the last flush. */
  isUnflushed = false
  readonly #context: IndexContext
  #slots: Viewed | undefined
  /** One byte for each page of slots: whether it differs from the file. */
  #dirtyPages: Uint8Array = new Uint8Array(0)
  #isHeaderDirty = false
  /** Entries from #tailStart on, in pieces of PIECE_ENTRIES; those from #unwritten on are not in the file. */
  #pieces: Viewed[] = []
  #tailStart: number
  #unwritten: number

  /** @param header what the file on disk says, or for a new file what it starts with */
  constructor(context: IndexContext, path: string, header: IndexHeader, isCreated: boolean) {
    this.#context = context
    this.path = path
    this.header = header
    this.isCreated = isCreated
    this.#tailStart = header.nextEntry
    this.#unwritten = header.nextEntry
  }

  get isFull(): boolean {
    return this.header.nextEntry >= this.#context.sizes.entries
  }

  get isEmpty(): boolean {
    return this.header.nextEntry === INDEX_FIRST_ENTRY
  }

  /** Entries that are not in the file. */
  get unwrittenEntries(): number {
    return this.header.nextEntry - this.#unwritten
  }

  get isDirty(): boolean {
    return this.#isHeaderDirty || this.unwrittenEntries > 0
  }

  /** Adds one entry; the file is not full. */
  put(keyHash: number, physicalOffset: number, storeTimestamp: number): void {
    const slots = (this.#slots ?? this.#loadSlots()).view
    const header = this.header
    const number = header.nextEntry
    const slotAt = (keyHash % this.#context.sizes.slots) * INDEX_SLOT_BYTES
    let previous = slots.getInt32(slotAt)
    if (previous < 0 || previous > number) previous = 0
    if (number === INDEX_FIRST_ENTRY) {
      header.beginPhysicalOffset = physicalOffset
      header.beginTimestamp = storeTimestamp
    }
    const index = number - this.#tailStart
    const piece = this.#pieces[index >>> PIECE_SHIFT] ?? this.#addPiece()
    const at = (index & (PIECE_ENTRIES - 1)) * INDEX_ENTRY_BYTES
    const seconds = indexSeconds(header.beginTimestamp, storeTimestamp)
    writeIndexEntry(piece.view, at, keyHash, physicalOffset, seconds, previous)
    slots.setInt32(slotAt, number)
    this.#dirtyPages[slotAt >>> PAGE_SHIFT] = 1
    if (previous === 0) header.usedSlots++
    header.nextEntry = number + 1
    header.endPhysicalOffset = physicalOffset
    header.endTimestamp = storeTimestamp
    this.#isHeaderDirty = true
  }

  // ---- reading ---------------------------------------------------------------------------------------------------------

  /** The number of the newest entry of the chain that `keyHash` belongs to, 0 for none. */
  async newestOf(keyHash: number): Promise<number> {
    const slot = keyHash % this.#context.sizes.slots
    if (this.#slots !== undefined) return this.#slots.view.getInt32(slot * INDEX_SLOT_BYTES)
    if (!this.isCreated) return 0
    const bytes = Buffer.alloc(INDEX_SLOT_BYTES)
    await this.#read(bytes, indexSlotPosition(slot))
    return i32At(bytes, 0)
  }

  /** An entry that is in memory; undefined where it is in the file, or where it cannot be one. */
  hotEntry(number: number): IndexEntry | undefined {
    const index = number - this.#tailStart
    const piece = index < 0 ? undefined : this.#pieces[index >>> PIECE_SHIFT]
    if (piece === undefined || number >= this.header.nextEntry) return undefined
    return readIndexEntry(piece.view, (index & (PIECE_ENTRIES - 1)) * INDEX_ENTRY_BYTES, number)
  }

  /** Bytes of entries `first` and after, as many as `target` takes; zeros where the file has none. */
  async readEntries(target: Buffer, first: number): Promise<void> {
    if (this.isCreated) await this.#read(target, indexEntryPosition(this.#context.sizes.slots, first))
    else target.fill(0)
  }

  // ---- writing ---------------------------------------------------------------------------------------------------------

  /** Puts entries into the page cache; slots and header too where `whole`. The folder exists. */
  async writeOut(whole: boolean): Promise<void> {
    const header = { ...this.header }
    await this.#writeEntries(header.nextEntry)
    if (!whole || !this.#isHeaderDirty) return
    this.#isHeaderDirty = false
    try {
      await this.#writeSlots()
      const bytes = Buffer.alloc(INDEX_HEADER_BYTES)
      writeIndexHeader(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, header)
      this.#file().writeSync(bytes, 0)
    } catch (error) {
      this.#isHeaderDirty = true
      throw error
    }
    this.isUnflushed = true
  }

  async flush(): Promise<void> {
    if (!this.isUnflushed) return
    this.isUnflushed = false
    try {
      await this.#context.files.use(this.path, 'write', file => file.flush())
    } catch (error) {
      this.isUnflushed = true
      throw error
    }
  }

  /** Gives back the slot table of a file to which nothing more will be put, or nothing for a while. */
  releaseMemory(): void {
    if (this.isDirty || this.#context.isReadOnly) return
    this.#slots = undefined
    this.#dirtyPages = new Uint8Array(0)
    this.#pieces = []
    this.#tailStart = this.header.nextEntry
  }

  /**
   * Forgets the entries of records at or beyond `physicalOffset`, and those that did not reach the disk whole, and makes the
   * slots anew from the entries that are left. For the time after a crash, when what was written in which order is not known.
   */
  async cutAt(physicalOffset: number): Promise<void> {
    const { slots } = this.#context.sizes
    const table = viewed(Buffer.alloc(slots * INDEX_SLOT_BYTES))
    const { view } = table
    const end = this.header.nextEntry
    let last: IndexEntry | undefined
    let number = INDEX_FIRST_ENTRY
    let usedSlots = 0
    scan: while (number < end) {
      const bytes = Buffer.alloc(Math.min(SCAN_ENTRIES, end - number) * INDEX_ENTRY_BYTES)
      await this.readEntries(bytes, number)
      const entries = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
      for (let at = 0; at < bytes.length; at += INDEX_ENTRY_BYTES) {
        const entry = readIndexEntry(entries, at, number)
        if (entry === undefined || !followsInLog(entry, last, physicalOffset)) break scan
        const slotAt = (entry.keyHash % slots) * INDEX_SLOT_BYTES
        if (view.getInt32(slotAt) === 0) usedSlots++
        view.setInt32(slotAt, number)
        last = entry
        number++
      }
    }
    this.#dirtyPages = await this.#pagesThatDiffer(table.bytes)
    this.#slots = table
    this.#resetTo(number, last, usedSlots)
  }

  // ---- inside ----------------------------------------------------------------------------------------------------------

  #resetTo(nextEntry: number, last: IndexEntry | undefined, usedSlots: number): void {
    const { header } = this
    this.#pieces = []
    this.#tailStart = nextEntry
    this.#unwritten = nextEntry
    this.#isHeaderDirty = true
    header.nextEntry = nextEntry
    header.usedSlots = usedSlots
    if (last === undefined) {
      header.endTimestamp = header.beginTimestamp
      header.endPhysicalOffset = header.beginPhysicalOffset
      return
    }
    header.endPhysicalOffset = last.physicalOffset
    // Entries know whole seconds only: rather too late than too early, or a query by time would pass the file over.
    header.endTimestamp = Math.min(header.endTimestamp, header.beginTimestamp + last.secondsSince * 1000 + 999)
  }

  #loadSlots(): Viewed {
    const bytes = this.#context.sizes.slots * INDEX_SLOT_BYTES
    const slots = viewed(Buffer.alloc(bytes))
    if (this.isCreated) {
      const file = this.#context.files.now(this.path, this.#context.isReadOnly ? 'read' : 'write')
      file.readSync(slots.bytes, INDEX_HEADER_BYTES)
    }
    this.#slots = slots
    this.#dirtyPages = new Uint8Array(Math.ceil(bytes / PAGE_BYTES))
    return slots
  }

  /** For each page of a slot table 1 where the file has other bytes. Most often few do: what is the same need not be written and flushed. */
  async #pagesThatDiffer(table: Buffer): Promise<Uint8Array> {
    const pages = new Uint8Array(Math.ceil(table.length / PAGE_BYTES)).fill(1)
    const found = Buffer.allocUnsafe(Math.min(RUN_BYTES_MAX, table.length))
    for (let at = 0; this.isCreated && at < table.length; at += found.length) {
      const bytes = found.subarray(0, Math.min(found.length, table.length - at))
      await this.#read(bytes, INDEX_HEADER_BYTES + at)
      for (let from = 0; from < bytes.length; from += PAGE_BYTES) {
        const to = Math.min(from + PAGE_BYTES, bytes.length)
        if (bytes.compare(table, at + from, at + to, from, to) === 0) pages[(at + from) >>> PAGE_SHIFT] = 0
      }
      await this.#context.pause()
    }
    return pages
  }

  #addPiece(): Viewed {
    const piece = viewed(Buffer.allocUnsafeSlow(PIECE_ENTRIES * INDEX_ENTRY_BYTES))
    this.#pieces.push(piece)
    return piece
  }

  async #read(target: Buffer, position: number): Promise<void> {
    const how = this.#context.isReadOnly ? 'read' : 'write'
    const read = await this.#context.files.use(this.path, how, file => file.read(target, position))
    if (read < target.length) target.fill(0, read)
  }

  #file(): StoreFile {
    if (this.isCreated) return this.#context.files.now(this.path, 'write')
    const file = this.#context.files.now(this.path, 'create')
    file.setLengthSync(indexFileBytes(this.#context.sizes))
    this.isCreated = true
    return file
  }

  async #writeEntries(end: number): Promise<void> {
    const { slots } = this.#context.sizes
    while (this.#unwritten < end) {
      const index = this.#unwritten - this.#tailStart
      const piece = this.#pieces[index >>> PIECE_SHIFT]
      assert(piece !== undefined, 'an entry that is not written is in memory')
      const from = index & (PIECE_ENTRIES - 1)
      const count = Math.min(PIECE_ENTRIES - from, end - this.#unwritten)
      const bytes = piece.bytes.subarray(from * INDEX_ENTRY_BYTES, (from + count) * INDEX_ENTRY_BYTES)
      this.#file().writeSync(bytes, indexEntryPosition(slots, this.#unwritten))
      this.#unwritten += count
      this.isUnflushed = true
      await this.#context.pause()
    }
    const done = (this.#unwritten - this.#tailStart) >>> PIECE_SHIFT
    if (done === 0) return
    this.#pieces.splice(0, done)
    this.#tailStart += done * PIECE_ENTRIES
  }

  async #writeSlots(): Promise<void> {
    const slots = this.#slots?.bytes
    if (slots === undefined) return
    const dirty = this.#dirtyPages
    for (let page = dirty.indexOf(1); page >= 0; page = dirty.indexOf(1, page)) {
      let end = page
      while (end < dirty.length && dirty[end] === 1 && (end - page) * PAGE_BYTES < RUN_BYTES_MAX) dirty[end++] = 0
      try {
        this.#file().writeSync(
          slots.subarray(page * PAGE_BYTES, end * PAGE_BYTES),
          INDEX_HEADER_BYTES + page * PAGE_BYTES,
        )
      } catch (error) {
        dirty.fill(1, page, end)
        throw error
      }
      page = end
      await this.#context.pause()
    }
  }
}

function viewed(bytes: Buffer): Viewed {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length) }
}

/** Entries are put in the order of the log; what breaks it, or is nothing but zeros, never reached the disk. */
function followsInLog(entry: IndexEntry, before: IndexEntry | undefined, cut: number): boolean {
  if (entry.physicalOffset >= cut) return false
  if (before === undefined) return true
  return entry.physicalOffset >= before.physicalOffset && (entry.physicalOffset > 0 || entry.keyHash > 0)
}
