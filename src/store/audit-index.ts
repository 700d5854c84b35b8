/**
 * Audits index files as they lie on disk, in step with a walk over the log: index entries are in the order of the log, so each
 * record's keys are held against the next entries, chains and slots against a table made anew, headers against both.
 */
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
  readIndexHeader,
} from '../codec/index-layout.ts'
import type { FileSystem, StoreFile } from '../files/file-system.ts'
import type { Findings } from './findings.ts'

/** What the audit of the index is given. */
export type IndexAuditParts = {
  readonly fileSystem: FileSystem
  readonly dir: string
  readonly sizes: IndexSizes
  /** Whether all files must be of these sizes: those of a broker's folder may not be known. */
  readonly isSizeKnown: boolean
  readonly logMinOffset: number
  /** Keys of records before this place are on disk; later ones may be only on their way. */
  readonly writtenTo: number
  /** The folder was closed. If not, header, slots and chains of the newest file may be on their way; recovery makes them anew. */
  readonly isClean: boolean
  readonly findings: Findings
}

/** A record and the hashes of its keys. */
export type IndexedRecord = {
  readonly physicalOffset: number
  readonly storeTimestamp: number
  readonly keyHashes: readonly number[]
  /** Hashes another writer may have put as well: RocketMQ 5.5 indexes tags too. */
  readonly optionalHashes: readonly number[]
  /** Another writer appended it. */
  readonly isForeign: boolean
  /** So he did, or its topic was deleted since. */
  readonly mayBeLeftOut: boolean
}

const ENTRIES_A_READ = 16_384

/** One index file under audit. */
type Current = {
  readonly name: string
  readonly file: StoreFile
  readonly header: IndexHeader
  /** Number of the newest entry by slot, made from the entries gone through. */
  readonly table: Int32Array
  usedSlots: number
  last: IndexEntry | undefined
}

/** The index under audit. */
export class IndexAudit {
  readonly #parts: IndexAuditParts
  /** Files not begun yet, oldest first. */
  readonly #names: string[]
  #current: Current | undefined
  #bytes: Buffer = Buffer.alloc(0)
  #view: DataView = viewOf(this.#bytes)
  /** Number of the first entry in #bytes. */
  #bytesFrom = 0
  /** Number of the next entry to go through; an entry to come back to is not passed. */
  #next = INDEX_FIRST_ENTRY
  /** An entry has been met: records older than the index are not missed in it. */
  #hasBegun = false
  /** Every file has been gone through. */
  #isAtEnd = false
  /** Hashes of the record at #leftOf that no entry has had yet: its entries may go on in the next file. */
  #left: number[] = []
  #leftOf = -1

  private constructor(parts: IndexAuditParts, names: string[]) {
    this.#parts = parts
    this.#names = names
  }

  /** Lists the files and checks their lengths. */
  static async open(parts: IndexAuditParts): Promise<IndexAudit> {
    const names: string[] = []
    const fileBytes = indexFileBytes(parts.sizes)
    for (const { name, isFolder } of await parts.fileSystem.list(`${parts.dir}/index`)) {
      if (isFolder || !/^\d{17}$/.test(name)) continue
      const stat = await parts.fileSystem.stat(`${parts.dir}/index/${name}`)
      if (stat === undefined) continue
      if (stat.sizeBytes === fileBytes) names.push(name)
      else if (parts.isSizeKnown && parts.isClean)
        parts.findings.add(`index/${name}`, undefined, `${fileBytes} bytes`, `${stat.sizeBytes} bytes`)
    }
    return new IndexAudit(parts, names.sort())
  }

  /** Holds the record's keys against the next entries. False where entries have to be fetched first; then again. */
  check(record: IndexedRecord): boolean {
    if (this.#leftOf !== record.physicalOffset) {
      this.#leftOf = record.physicalOffset
      this.#left = [...record.keyHashes]
    }
    while (!this.#isAtEnd) {
      const current = this.#current
      if (current === undefined) return false
      if (this.#next >= current.header.nextEntry) {
        if (this.#names.length > 0) return false
        break
      }
      if (!this.#isEntryAtHand()) return false
      const entry = this.#entry()
      if (entry !== undefined && entry.physicalOffset > record.physicalOffset) break
      this.#goThrough(current, entry, record)
    }
    this.#reportMissing(record)
    return true
  }

  /** Reads what `check` needs next. */
  async fetch(): Promise<void> {
    const current = this.#current
    if (current === undefined) await this.#beginFile()
    else if (this.#next < current.header.nextEntry) await this.#readEntries(current)
    else await this.#finishFile(current)
  }

  /** After the last record: the entries that are left, and the slots. */
  async finish(): Promise<void> {
    while (!this.#isAtEnd) {
      const current = this.#current
      if (current === undefined || this.#next >= current.header.nextEntry || !this.#isEntryAtHand()) await this.fetch()
      else this.#goThrough(current, this.#entry(), undefined)
    }
  }

  async close(): Promise<void> {
    await this.#current?.file.close()
    this.#current = undefined
  }

  async #beginFile(): Promise<void> {
    const { fileSystem, dir, sizes, findings } = this.#parts
    const name = this.#names.shift()
    if (name === undefined) {
      this.#isAtEnd = true
      return
    }
    const file = await fileSystem.open(`${dir}/index/${name}`, 'read', 0)
    const head = Buffer.alloc(INDEX_HEADER_BYTES)
    await file.read(head, 0)
    const header = readIndexHeader(viewOf(head), 0, sizes)
    if (header === undefined) {
      findings.add(`index/${name}`, 0, 'the header of an index file', head.toString('hex'))
      await file.close()
      return
    }
    const unused = Buffer.alloc(INDEX_ENTRY_BYTES)
    await file.read(unused, indexEntryPosition(sizes.slots, 0))
    if (unused.some(byte => byte !== 0)) {
      findings.add(
        `index/${name}`,
        indexEntryPosition(sizes.slots, 0),
        'zeros: entry 0 is not used',
        unused.toString('hex'),
      )
    }
    this.#current = { name, file, header, table: new Int32Array(sizes.slots), usedSlots: 0, last: undefined }
    this.#next = INDEX_FIRST_ENTRY
    this.#bytes = Buffer.alloc(0)
    this.#bytesFrom = INDEX_FIRST_ENTRY
  }

  async #readEntries({ file, header }: Current): Promise<void> {
    const count = Math.min(ENTRIES_A_READ, header.nextEntry - this.#next)
    this.#bytes = Buffer.alloc(count * INDEX_ENTRY_BYTES)
    this.#view = viewOf(this.#bytes)
    this.#bytesFrom = this.#next
    await file.read(this.#bytes, indexEntryPosition(this.#parts.sizes.slots, this.#next))
  }

  /** Everything in the file has been gone through: slots and header against what was seen. */
  async #finishFile(current: Current): Promise<void> {
    const { name, file, header, table, usedSlots, last } = current
    const { findings, sizes } = this.#parts
    const path = `index/${name}`
    if (!this.#isSettled()) {
      await file.close()
      this.#current = undefined
      return
    }
    if (header.usedSlots !== usedSlots) findings.add(path, 32, `${usedSlots} used slots`, `${header.usedSlots}`)
    if (last !== undefined && header.endPhysicalOffset !== last.physicalOffset) {
      findings.add(path, 24, `endPhysicalOffset ${last.physicalOffset}`, `${header.endPhysicalOffset}`)
    }
    for (let slot = 0; slot < sizes.slots; slot += ENTRIES_A_READ) {
      const bytes = Buffer.alloc(Math.min(ENTRIES_A_READ, sizes.slots - slot) * INDEX_SLOT_BYTES)
      await file.read(bytes, indexSlotPosition(slot))
      for (let i = 0; i * INDEX_SLOT_BYTES < bytes.length; i++) {
        const found = bytes.readInt32BE(i * INDEX_SLOT_BYTES)
        const wanted = table[slot + i] as number
        if (found !== wanted) findings.add(path, indexSlotPosition(slot + i), `entry ${wanted}`, `entry ${found}`)
      }
    }
    await file.close()
    this.#current = undefined
  }

  /** The next entry, which belongs to `record`, to one before it, or to none. */
  #goThrough(current: Current, entry: IndexEntry | undefined, record: IndexedRecord | undefined): void {
    const { findings } = this.#parts
    if (entry === undefined) {
      if (this.#isSettled()) findings.add(this.#path(), this.#position(), 'an index entry', 'no entry can be this')
      this.#next++
      return
    }
    this.#pass(current, entry)
    if (entry.physicalOffset !== record?.physicalOffset) this.#reportLone(entry)
    else if (takeOut(this.#left, entry.keyHash)) this.#checkTimes(current, entry, record)
    else if (!record.optionalHashes.includes(entry.keyHash)) {
      findings.add(
        this.#path(),
        this.#position(-1),
        `a key of the record at ${entry.physicalOffset}`,
        `hash ${entry.keyHash}`,
      )
    }
  }

  #reportMissing({ physicalOffset, mayBeLeftOut }: IndexedRecord): void {
    const { findings, writtenTo } = this.#parts
    const count = this.#left.length
    if (count === 0 || !this.#hasBegun || mayBeLeftOut || physicalOffset >= writtenTo) return
    findings.add(this.#path(), undefined, `${count} more keys of the record at ${physicalOffset}`, 'none')
  }

  /** Whether nobody may be changing the file, or have been cut short while he did. */
  #isSettled(): boolean {
    return this.#parts.isClean || this.#names.length > 0
  }

  #isEntryAtHand(): boolean {
    return this.#next < this.#bytesFrom + this.#bytes.length / INDEX_ENTRY_BYTES
  }

  /** Takes the next entry into the table. */
  #pass(current: Current, entry: IndexEntry): void {
    const { findings, sizes } = this.#parts
    const slot = entry.keyHash % sizes.slots
    const before = current.table[slot] as number
    if (entry.previousEntry !== before && this.#isSettled()) {
      findings.add(this.#path(), this.#position(), `previous entry ${before}`, `${entry.previousEntry}`)
    }
    if (before === 0) current.usedSlots++
    const isFirst = this.#next === INDEX_FIRST_ENTRY && this.#isSettled()
    if (isFirst && current.header.beginPhysicalOffset !== entry.physicalOffset) {
      findings.add(
        this.#path(),
        16,
        `beginPhysicalOffset ${entry.physicalOffset}`,
        `${current.header.beginPhysicalOffset}`,
      )
    }
    current.table[slot] = this.#next
    current.last = entry
    this.#next++
    this.#hasBegun = true
  }

  /** An entry whose place holds no record, or a record that the walk could not read. */
  #reportLone(entry: IndexEntry): void {
    const { findings, logMinOffset, writtenTo } = this.#parts
    // A power cut may keep the header that counts entries and only some of their bytes. One that is damaged is missed by its record.
    if (!this.#isSettled()) return
    if (entry.physicalOffset < logMinOffset || entry.physicalOffset >= writtenTo) return
    findings.add(this.#path(), this.#position(-1), `a record at ${entry.physicalOffset}`, 'none that can be read')
  }

  #checkTimes({ header }: Current, entry: IndexEntry, { storeTimestamp, isForeign }: IndexedRecord): void {
    const { findings } = this.#parts
    const number = this.#next - 1
    if (!this.#isSettled()) return
    const seconds = indexSeconds(header.beginTimestamp, storeTimestamp)
    // RocketMQ counts the first entry of a file from the end of the file before it.
    const isCounted = number > INDEX_FIRST_ENTRY || !isForeign
    if (isCounted && entry.secondsSince !== seconds) {
      findings.add(this.#path(), this.#position(-1), `${seconds} s since the file's begin`, `${entry.secondsSince} s`)
    }
    if (number === INDEX_FIRST_ENTRY && header.beginTimestamp !== storeTimestamp) {
      findings.add(this.#path(), 0, `beginTimestamp ${storeTimestamp}`, `${header.beginTimestamp}`)
    }
    if (number === header.nextEntry - 1 && header.endTimestamp !== storeTimestamp) {
      findings.add(this.#path(), 8, `endTimestamp ${storeTimestamp}`, `${header.endTimestamp}`)
    }
  }

  #entry(): IndexEntry | undefined {
    return readIndexEntry(this.#view, (this.#next - this.#bytesFrom) * INDEX_ENTRY_BYTES, this.#next)
  }

  #path(): string {
    return `index/${this.#current?.name ?? ''}`
  }

  #position(back = 0): number {
    return indexEntryPosition(this.#parts.sizes.slots, this.#next + back)
  }
}

/** Takes one of `hash` out of the list; false where it is not in it. */
function takeOut(list: number[], hash: number): boolean {
  const i = list.indexOf(hash)
  if (i >= 0) list.splice(i, 1)
  return i >= 0
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}
