/**
 * The key index of a folder: `index/<local time>`, newest file last.   RocketMQ: IndexService.
 * It answers with places in the log where a key may be; whoever asks compares keys, for the index keeps only hashes.
 */
import type { Clock } from '../base/clock.ts'
import { nextTurn, TurnBudget } from '../base/turns.ts'
import { DispatchScan, indexKeySeed } from '../codec/dispatch-scan.ts'
import type { IndexHeader, IndexSizes } from '../codec/index-layout.ts'
import {
  INDEX_FIRST_ENTRY,
  INDEX_HEADER_BYTES,
  indexFileBytes,
  indexKeyHash,
  readIndexHeader,
} from '../codec/index-layout.ts'
import { TRANSACTION_MASK, TRANSACTION_ROLLBACK } from '../codec/record-layout.ts'
import type { FileSystem } from '../files/file-system.ts'
import { chainCandidates } from './index-chain.ts'
import type { IndexContext } from './index-file.ts'
import { IndexFile } from './index-file.ts'
import { indexFileName, nextIndexFileName } from './index-names.ts'
import { OpenFiles } from './open-files.ts'
import type { DispatchRequest } from './store-types.ts'
import { UnflushedNames } from './unflushed-names.ts'

/** Where the index lies and how its files are made. */
export type MessageIndexOptions = {
  readonly fileSystem: FileSystem
  /** The store's folder. */
  readonly dir: string
  /** Of existing files, else the settings. */
  readonly slots: number
  readonly entries: number
  readonly clock: Clock
  /** Permissions of new folders; files get the same without x. */
  readonly mode: number
  /** What is put stays in memory, and nothing on disk changes. */
  readonly readOnly?: boolean
  readonly onEvent?: (name: string, details: Readonly<Record<string, unknown>>) => void
}

/** Which records to look for. */
export type IndexQuery = {
  /** Epoch milliseconds, both included. */
  readonly fromMs: number
  readonly toMs: number
  /** Bounds the answer. */
  readonly max: number
}

type UnusableFile = {
  readonly path: string
  /** `other sizes`: its length is another. `broken`: it has no length yet, or a header that makes no sense. */
  readonly reason: 'other sizes' | 'broken'
}

const OPEN_FILES_MAX = 16
/** Entries in memory that are worth a write, 4 MB, and beyond which nobody puts more before they are written, 40 MB. */
const UNWRITTEN_ENTRIES_LOW = 200_000
const UNWRITTEN_ENTRIES_HIGH = 2_000_000
const TURN_MS = 2
/** Topics whose seed is remembered. */
const SEEDS_MAX = 65_536

/** The key index. */
export class MessageIndex {
  readonly #fileSystem: FileSystem
  readonly #dir: string
  readonly #folder: string
  readonly #mode: number
  readonly #clock: Clock
  readonly #context: IndexContext
  readonly #onEvent: (name: string, details: Readonly<Record<string, unknown>>) => void
  /** Oldest first; entries are put into the last. */
  #files: IndexFile[] = []
  #active: IndexFile | undefined
  #indexedUpTo = 0
  #flushedTimestamp = 0
  /** Files that cannot be read with the sizes given, or at all. */
  #unusable: UnusableFile[] = []
  #hasFolder = false
  readonly #names = new UnflushedNames()
  #tail: Promise<unknown> = Promise.resolve()
  readonly #scan = new DispatchScan()
  readonly #seeds = new Map<string, number>()
  #lastTopic = ''
  #lastSeed: number = indexKeySeed('')

  private constructor(options: MessageIndexOptions) {
    const { fileSystem, mode, clock, slots, entries, readOnly = false } = options
    const budget = new TurnBudget(clock, TURN_MS)
    this.#fileSystem = fileSystem
    this.#dir = options.dir
    this.#folder = `${options.dir}/index`
    this.#mode = mode
    this.#clock = clock
    this.#onEvent = options.onEvent ?? (() => undefined)
    this.#context = {
      sizes: { slots, entries },
      files: new OpenFiles(fileSystem, mode & 0o666, OPEN_FILES_MAX),
      isReadOnly: readOnly,
      pause: async () => {
        if (budget.isSpent()) await nextTurn()
      },
    }
  }

  /** Reads the headers of the files that are there. Changes nothing on disk. */
  static async open(options: MessageIndexOptions): Promise<MessageIndex> {
    const index = new MessageIndex(options)
    try {
      await index.#load()
    } catch (error) {
      await index.close()
      throw error
    }
    return index
  }

  /** Every record that starts below is in the index as far as it has keys. */
  get indexedUpTo(): number {
    return this.#indexedUpTo
  }

  /** storeTimestamp of the last record in a full file that is on the device. RocketMQ: indexMsgTimestamp. */
  get flushedTimestamp(): number {
    return this.#flushedTimestamp
  }

  /** Whether files were left out because their length or header cannot be read with the sizes given: old keys are not found. */
  get hasUnusableFiles(): boolean {
    return this.#unusable.length > 0
  }

  get fileCount(): number {
    return this.#files.length
  }

  /** One past the last record that has a key in the files. */
  get filesEnd(): number {
    return this.#lastIndexed()
  }

  get sizes(): IndexSizes {
    return this.#context.sizes
  }

  /** So many entries wait in memory that writing them is worth while. */
  get wantsWriting(): boolean {
    return !this.#context.isReadOnly && this.#unwrittenEntries() >= UNWRITTEN_ENTRIES_LOW
  }

  /** So many entries wait in memory that whoever puts more should let `writeOut` run first. */
  get isFull(): boolean {
    return !this.#context.isReadOnly && this.#unwrittenEntries() >= UNWRITTEN_ENTRIES_HIGH
  }

  /** Puts the keys of a record: UNIQ_KEY, then each of KEYS. A record that is in the index already is left out. */
  put(request: DispatchRequest): void {
    const bytes = Buffer.from(request.properties)
    this.#scan.scan(bytes, 0, bytes.length, this.seedOf(request.topic))
    this.putScanned(request, this.#scan)
  }

  /** What a record's properties are scanned with for `putScanned`. */
  seedOf(topic: string): number {
    return topic === this.#lastTopic ? this.#lastSeed : this.#findSeed(topic)
  }

  /** Puts the keys of a record whose properties were scanned where they lie, with this topic's seed. */
  putScanned(record: Pick<DispatchRequest, 'physicalOffset' | 'storeTimestamp' | 'sysFlag'>, scan: DispatchScan): void {
    const { physicalOffset, storeTimestamp } = record
    if (physicalOffset < this.#indexedUpTo) return
    this.#indexedUpTo = physicalOffset + 1
    if ((record.sysFlag & TRANSACTION_MASK) === TRANSACTION_ROLLBACK) return
    if (scan.hasUniqueKey) this.#putHash(scan.uniqueKeyHash, physicalOffset, storeTimestamp)
    for (let i = 0; i < scan.keyCount; i++) this.#putHash(scan.keyHashes[i] as number, physicalOffset, storeTimestamp)
  }

  /** Places where records with this key may start, newest first, each once; entries know whole seconds only. */
  async *candidates(topic: string, key: string, fromMs: number, toMs: number): AsyncGenerator<number> {
    const keyHash = indexKeyHash(topic, key)
    let last = -1
    for (const file of [...this.#files].reverse()) {
      const { beginTimestamp, endTimestamp } = file.header
      if (file.isEmpty || beginTimestamp > toMs || endTimestamp < fromMs) continue
      for await (const physicalOffset of this.#placesIn(file, keyHash, fromMs, toMs)) {
        // A record whose keys are all the same is in the chain as often, at the border of two files in both.
        if (physicalOffset !== last) yield physicalOffset
        last = physicalOffset
      }
    }
  }

  /** The first `max` of `candidates`. */
  async query(topic: string, key: string, { fromMs, toMs, max }: IndexQuery): Promise<number[]> {
    const found: number[] = []
    if (max <= 0) return found
    for await (const physicalOffset of this.candidates(topic, key, fromMs, toMs)) {
      found.push(physicalOffset)
      if (found.length >= max) break
    }
    return found
  }

  /** Puts entries into the page cache, to free memory. */
  writeOut(): Promise<void> {
    return this.#exclusively(() => this.#writeOut(false))
  }

  /** Every key put before the call is on the device when it resolves. */
  flush(): Promise<void> {
    return this.#exclusively(async () => {
      await this.#writeOut(true)
      for (const file of this.#files) {
        await file.flush()
        if (!file.isFull || file.isDirty) continue
        this.#flushedTimestamp = Math.max(this.#flushedTimestamp, file.header.endTimestamp)
        if (file !== this.#active) file.releaseMemory()
      }
      await this.#flushNames()
    })
  }

  /**
   * Forgets records at or beyond `physicalOffset`, and mends what a crash left of the newest file. For recovery; durable
   * after the next `flush`.
   */
  dropFrom(physicalOffset: number): Promise<void> {
    return this.#exclusively(async () => {
      for (let last = this.#files.at(-1); last !== undefined; last = this.#files.at(-1)) {
        if (!last.isEmpty && last.header.beginPhysicalOffset < physicalOffset) {
          if (!last.isFull || last.header.endPhysicalOffset >= physicalOffset) await last.cutAt(physicalOffset)
          if (!last.isEmpty) break
        }
        this.#files.pop()
        // One that was never written out has no name, and perhaps no folder to flush.
        if (last.isCreated) await this.#removeFile(last.path)
      }
      await this.#removeUnfinished()
      // Whoever was killed may not have flushed the names that he made.
      if (this.#hasFolder && !this.#context.isReadOnly) this.#names.note()
      if (this.#names.hasAny) await this.#fileSystem.flushFolder(this.#dir)
      await this.#flushNames()
      this.#active = this.#files.at(-1)
      this.#indexedUpTo = Math.min(physicalOffset, this.#lastIndexed())
    })
  }

  /** Removes files whose records are all below the log's begin; never the last. RocketMQ: IndexService.deleteExpiredFile. */
  removeFilesBelow(logMinOffset: number): Promise<void> {
    return this.#exclusively(async () => {
      for (let oldest = this.#files[0]; oldest !== undefined && this.#files.length > 1; oldest = this.#files[0]) {
        if (oldest.header.endPhysicalOffset >= logMinOffset) break
        this.#files.shift()
        if (oldest.isCreated) await this.#removeFile(oldest.path)
      }
      await this.#flushNames()
    })
  }

  /** Closes files. What was not flushed stays unwritten: recovery would index it again. */
  async close(): Promise<void> {
    await this.#tail
    await this.#context.files.close()
  }

  /** One file's candidates; none where retention takes the file meanwhile, for its records are gone. */
  async *#placesIn(file: IndexFile, keyHash: number, fromMs: number, toMs: number): AsyncGenerator<number> {
    try {
      yield* chainCandidates(file, keyHash, fromMs, toMs)
    } catch (error) {
      if (this.#files.includes(file)) throw error
    }
  }

  // ---- inside ----------------------------------------------------------------------------------------------------------

  async #load(): Promise<void> {
    const entries = await this.#fileSystem.list(this.#folder)
    this.#hasFolder = entries.length > 0
    const names = entries.flatMap(entry => (!entry.isFolder && /^\d{17}$/.test(entry.name) ? entry.name : [])).sort()
    const paths = names.map(name => `${this.#folder}/${name}`)
    const headers = await Promise.all(paths.map(path => this.#readHeader(path)))
    for (const [i, header] of headers.entries()) {
      const path = paths[i] as string
      if (typeof header !== 'string') this.#files.push(new IndexFile(this.#context, path, header, true))
      else {
        this.#unusable.push({ path, reason: header })
        this.#onEvent('index-file-unusable', { path, reason: header })
      }
    }
    this.#active = this.#files.at(-1)
    this.#indexedUpTo = this.#lastIndexed()
    for (const file of this.#files) {
      if (file.isFull) this.#flushedTimestamp = Math.max(this.#flushedTimestamp, file.header.endTimestamp)
    }
  }

  #unwrittenEntries(): number {
    let unwritten = 0
    for (let i = this.#files.length - 1; i >= 0 && (this.#files[i] as IndexFile).isDirty; i--) {
      unwritten += (this.#files[i] as IndexFile).unwrittenEntries
    }
    return unwritten
  }

  /** What the file says of itself, or why that cannot be read. */
  async #readHeader(path: string): Promise<IndexHeader | UnusableFile['reason']> {
    const bytes = Buffer.alloc(INDEX_HEADER_BYTES)
    const how = this.#context.isReadOnly ? 'read' : 'write'
    return await this.#context.files.use(path, how, async file => {
      const fileBytes = await file.sizeBytes()
      if (fileBytes !== 0 && fileBytes !== indexFileBytes(this.#context.sizes)) return 'other sizes'
      await file.read(bytes, 0)
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
      return (fileBytes === 0 ? undefined : readIndexHeader(view, 0, this.#context.sizes)) ?? 'broken'
    })
  }

  #lastIndexed(): number {
    for (let i = this.#files.length - 1; i >= 0; i--) {
      const file = this.#files[i] as IndexFile
      if (!file.isEmpty) return file.header.endPhysicalOffset + 1
    }
    return 0
  }

  #findSeed(topic: string): number {
    let seed = this.#seeds.get(topic)
    if (seed === undefined) {
      seed = indexKeySeed(topic)
      if (this.#seeds.size >= SEEDS_MAX) this.#seeds.clear()
      this.#seeds.set(topic, seed)
    }
    this.#lastTopic = topic
    this.#lastSeed = seed
    return seed
  }

  #putHash(hash: number, physicalOffset: number, storeTimestamp: number): void {
    const active = this.#active
    const file = active === undefined || active.isFull ? this.#addFile() : active
    // RocketMQ: |hash|, and 0 for the one number whose absolute value does not fit.
    file.put(hash < 0 ? -hash & 0x7fffffff : hash, physicalOffset, storeTimestamp)
  }

  #addFile(): IndexFile {
    const before = this.#active
    const name = nextIndexFileName(indexFileName(this.#clock.nowMs()), before?.path.slice(-17))
    const header = {
      beginTimestamp: before?.header.endTimestamp ?? 0,
      endTimestamp: before?.header.endTimestamp ?? 0,
      beginPhysicalOffset: before?.header.endPhysicalOffset ?? 0,
      endPhysicalOffset: before?.header.endPhysicalOffset ?? 0,
      usedSlots: 0,
      nextEntry: INDEX_FIRST_ENTRY,
    }
    const file = new IndexFile(this.#context, `${this.#folder}/${name}`, header, false)
    this.#files.push(file)
    this.#active = file
    return file
  }

  async #writeOut(whole: boolean): Promise<void> {
    if (this.#context.isReadOnly) return
    for (const file of [...this.#files]) {
      if (!file.isDirty) continue
      if (!this.#hasFolder) {
        await this.#fileSystem.ensureFolder(this.#folder, this.#mode)
        this.#hasFolder = true
      }
      if (!file.isCreated) this.#names.note()
      await file.writeOut(whole || file !== this.#active)
    }
  }

  /** The newest file that the power failed on before any of it was on the device. Its records are indexed again. */
  async #removeUnfinished(): Promise<void> {
    const newest = this.#files.at(-1)?.path ?? ''
    const unfinished = this.#unusable.filter(({ path, reason }) => reason === 'broken' && path > newest)
    for (const { path } of unfinished) await this.#removeFile(path)
    this.#unusable = this.#unusable.filter(file => !unfinished.includes(file))
  }

  async #removeFile(path: string): Promise<void> {
    if (this.#context.isReadOnly) return
    await this.#context.files.forget(path)
    await this.#fileSystem.remove(path)
    this.#names.note()
  }

  async #flushNames(): Promise<void> {
    await this.#names.flush(this.#fileSystem, this.#folder)
  }

  /** One change of files at a time; a failure is its caller's and does not stop the next. */
  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(work, work)
    this.#tail = result.catch(() => undefined)
    return result
  }
}
