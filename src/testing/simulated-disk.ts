/**
 * A disk in memory that can lose power, fill up and fail. Pass it as `fileSystem` and open a store on it.
 *
 * It keeps no promise a real one does not: only `flush` and `flushFolder` make things durable, and a power cut keeps any
 * part of the rest (sectors of 512 bytes, lengths, new names, renames, removals), chosen by a seed. It uses no clock, no
 * thread and no real file, so the same calls with the same seeds give the same bytes.
 */
import { dirname, join, resolve } from 'node:path'
import type { Clock } from '../base/clock.ts'
import { PocketMQError } from '../base/errors.ts'
import { nextTurn } from '../base/turns.ts'
import { BufferedSegment, extendSegmentSync } from '../files/buffered-segment.ts'
import { DurableFolders } from '../files/durable-folders.ts'
import type {
  DeviceStat,
  FileStat,
  FileSystem,
  FolderEntry,
  MappedFile,
  OpenMode,
  SegmentOptions,
  StoreFile,
  StoreLock,
} from '../files/file-system.ts'
import { ioError } from '../files/io-error.ts'
import type { DiskOperation, Fault, FaultRule, InjectedFault } from './fault-rules.ts'
import { errnoError, FaultRules } from './fault-rules.ts'
import { ManualClock } from './manual-clock.ts'
import { PAGE_BYTES } from './paged-bytes.ts'
import type { SeededRandom } from './seeded-random.ts'
import { seededRandom } from './seeded-random.ts'
import type { DiskServices } from './simulated-file.ts'
import { SimulatedFile } from './simulated-file.ts'
import { FileNode, FolderNode } from './simulated-nodes.ts'
import { failed, SimulatedTree } from './simulated-tree.ts'

/** How a simulated disk is made. All optional. */
export type SimulatedDiskOptions = {
  /** Of what the device does by itself. Default 0. */
  readonly seed?: number
  /** How often a write makes the device write some unflushed sectors of that file back by itself. Default 1/32; 0 for never. */
  readonly writeBackChance?: number
  /** Size of the device. Default 1 TiB, of which only what is written takes memory. */
  readonly capacityBytes?: number
  /** For modification times and for waiting on a lock. Default: a clock that stands still. */
  readonly clock?: Clock
  readonly isNetwork?: boolean
  readonly isOverlay?: boolean
}

/** One call that changed something. Flushes are told twice: before and after they take effect; the rest after. */
export type DiskEvent = {
  readonly operation: DiskOperation
  readonly path: string
  readonly phase: 'before' | 'after'
  /** Flushes of files and folders so far, this one included. */
  readonly flushes: number
}

const CHANGES: ReadonlySet<DiskOperation> = new Set(['write', 'truncate', 'create-folder', 'rename', 'link', 'remove'])

/** A FileSystem with a live and a durable image. */
export class SimulatedDisk implements FileSystem {
  readonly kind = 'simulated'
  readonly canRollSync = true
  /** Every call that changes something fails with EROFS while this is set. */
  isReadOnly = false
  readonly #options: SimulatedDiskOptions
  readonly #clock: Clock
  readonly #tree: SimulatedTree
  readonly #faults: FaultRules = new FaultRules()
  readonly #random: SeededRandom
  readonly #listeners = new Set<(event: DiskEvent) => void>()
  readonly #locked = new Set<string>()
  readonly #folders = new DurableFolders()
  readonly #services: DiskServices
  #flushes = 0
  #openFiles = 0
  #capacityPages: number
  #usedPages = 0

  /** @param tree for the images that this class makes of itself; a disk of yours begins empty */
  constructor(options: SimulatedDiskOptions = {}, tree?: SimulatedTree) {
    this.#options = options
    this.#clock = options.clock ?? new ManualClock()
    this.#tree = tree ?? new SimulatedTree(new FolderNode(this.#clock.nowMs()))
    this.#random = seededRandom(options.seed ?? 0)
    this.#capacityPages = Math.floor((options.capacityBytes ?? 2 ** 40) / PAGE_BYTES)
    for (const node of new Set(this.#tree.files().map(([, file]) => file))) this.#usedPages += node.live.pageCount
    this.#services = {
      begin: (operation, path) => this.#begin(operation, path),
      end: (operation, path) => this.#tell(operation, path, 'after'),
      nowMs: () => this.#clock.nowMs(),
      freePages: () => this.#capacityPages - this.#usedPages,
      tookPages: count => {
        this.#usedPages += count
      },
      writeBack: node => {
        if (this.#random.chance(options.writeBackChance ?? 1 / 32)) node.writeBack(this.#random)
      },
      flushFile: (node, path) => this.#flushFile(node, path),
      closed: () => {
        this.#openFiles--
      },
    }
  }

  // ---- power, processes, faults ----------------------------------------------------------------------------------

  /**
   * The disk as it may be found after the power failed now: everything flushed, and of the rest what `seed` chooses.
   * This disk goes on undisturbed; the new one has no faults, no locks and nothing unflushed.
   */
  powerCut(seed: number): SimulatedDisk {
    return this.#successor(this.#tree.cut(seededRandom(seed)), seed)
  }

  /**
   * The disk as the next process finds it after this one was killed now (SIGKILL): everything written is there, and what
   * was not flushed still is not. This disk goes on undisturbed; the new one has no faults and no locks.
   */
  kill(): SimulatedDisk {
    return this.#successor(this.#tree.copy(), (this.#options.seed ?? 0) + 1)
  }

  /** Equal for disks whose durable images (names, lengths, bytes) are equal; times do not count. */
  digest(): string {
    return this.#tree.digest()
  }

  /** Makes calls fail. The rule stays in force until it has hit `times` calls or is removed. */
  inject(rule: FaultRule): InjectedFault {
    return this.#faults.add(rule)
  }

  /** Removes every fault. */
  clearFaults(): void {
    this.#faults.clear()
  }

  /** Flips one bit of a file where it is stored, in the live and in the durable image. */
  flipBit(path: string, position: number, bit: number): void {
    this.#tree.file(path, 'write').flipBit(position, bit)
  }

  /** How many flushes of files and folders were called so far. */
  get flushes(): number {
    return this.#flushes
  }

  /** How many files are open now: none, once everything that was opened is closed. */
  get openFiles(): number {
    return this.#openFiles
  }

  /** Tells `listener` of every change and flush, synchronously: the place to cut the power at. Answers how to stop. */
  watch(listener: (event: DiskEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** The same for flushes alone. */
  onFlush(listener: (event: DiskEvent) => void): () => void {
    return this.watch(event => {
      if (event.operation === 'flush' || event.operation === 'flush-folder') listener(event)
    })
  }

  /** Room left. Setting it makes the device larger or smaller; 0 makes it full. */
  get freeBytes(): number {
    return Math.max(0, this.#capacityPages - this.#usedPages) * PAGE_BYTES
  }

  set freeBytes(bytes: number) {
    this.#capacityPages = this.#usedPages + Math.floor(bytes / PAGE_BYTES)
  }

  /** Paths of all files, live, sorted. */
  paths(): string[] {
    return this.#tree.files().map(([path]) => path)
  }

  /** A file's whole content, live. For small files, or a part of a large one. */
  contentOf(path: string, from = 0, to: number = this.#tree.file(path, 'read').length): Buffer {
    const bytes = Buffer.alloc(to - from)
    this.#tree.file(path, 'read').live.read(bytes, from)
    return bytes
  }

  /** Puts a file there as if it had always been: durable, with the folders it needs. */
  place(path: string, content: Uint8Array): void {
    const nowMs = this.#clock.nowMs()
    let folder = this.#tree.root
    for (const name of resolve(dirname(resolve(path)))
      .split('/')
      .filter(part => part !== '')) {
      const known = folder.live.get(name)
      const next = known instanceof FolderNode ? known : new FolderNode(nowMs)
      folder.live.set(name, next)
      folder.durable.set(name, next)
      folder = next
    }
    const { name } = this.#tree.place(path, 'open')
    const node = new FileNode(nowMs)
    node.links = 1
    node.write(content, 0, nowMs)
    node.endFlush(node.beginFlush())
    this.#usedPages += node.live.pageCount
    folder.live.set(name, node)
    folder.durable.set(name, node)
  }

  // ---- FileSystem ------------------------------------------------------------------------------------------------

  async ensureFolder(path: string, _mode: number): Promise<void> {
    await this.#folders.ensure(path, {
      stat: async folder => {
        const node = this.#tree.find(folder)
        return node && { isFolder: node instanceof FolderNode }
      },
      makeFolder: async folder => this.#makeFolder(folder),
      flushFolder: folder => this.flushFolder(folder),
    })
  }

  async makeFolder(path: string, _mode: number): Promise<void> {
    this.#makeFolder(path)
  }

  async list(path: string): Promise<readonly FolderEntry[]> {
    this.#begin('list', path)
    if (this.#tree.find(path) === undefined) return []
    const entries = [...this.#tree.folder(path, 'list').live]
    return entries.map(([name, node]) => ({ name, isFolder: node instanceof FolderNode }))
  }

  async stat(path: string): Promise<FileStat | undefined> {
    this.#begin('stat', path)
    const node = this.#tree.find(path)
    if (node === undefined) return undefined
    if (node instanceof FolderNode) return { sizeBytes: 0, modifiedMs: node.modifiedMs, isFolder: true }
    return { sizeBytes: node.length, modifiedMs: node.modifiedMs, isFolder: false }
  }

  async open(path: string, how: OpenMode, mode: number): Promise<StoreFile> {
    return this.openSync(path, how, mode)
  }

  openSync(path: string, how: OpenMode, _mode: number): SimulatedFile {
    this.#begin('open', path)
    if (how !== 'read' && this.isReadOnly) throw failed('EROFS', 'open', path)
    if (how === 'create' && this.#tree.find(path) === undefined) this.#createFile(path)
    const file = new SimulatedFile(path, how, this.#tree.file(path, 'open'), this.#services)
    this.#openFiles++
    return file
  }

  async openSegment(path: string, options: SegmentOptions): Promise<MappedFile> {
    return this.openSegmentSync(path, options)
  }

  openSegmentSync(path: string, options: SegmentOptions): MappedFile {
    const file = this.openSync(path, 'create', options.mode)
    try {
      extendSegmentSync(file, options.lengthBytes)
    } catch (error) {
      file.closeSync()
      throw error
    }
    return new BufferedSegment(file, options)
  }

  async rename(from: string, to: string): Promise<void> {
    this.#begin('rename', from)
    const replaced = this.#tree.find(to)
    const isSame = replaced !== undefined && replaced === this.#tree.find(from)
    this.#tree.rename(from, to, this.#clock.nowMs())
    this.#folders.forget(from)
    if (replaced instanceof FileNode && !isSame) this.#unlinked(replaced)
    this.#tell('rename', to, 'after')
  }

  async link(from: string, to: string): Promise<void> {
    this.#begin('link', from)
    const node = this.#tree.file(from, 'link')
    const { folder, name } = this.#tree.place(to, 'link')
    if (folder.live.has(name)) throw failed('EEXIST', 'link', to)
    this.#tree.change(folder, [[name, node]], this.#clock.nowMs())
    node.links++
    this.#tell('link', to, 'after')
  }

  async remove(path: string): Promise<void> {
    this.#begin('remove', path)
    if (this.#tree.find(path) === undefined) return
    const node = this.#tree.file(path, 'remove')
    const { folder, name } = this.#tree.place(path, 'remove')
    this.#tree.change(folder, [[name, undefined]], this.#clock.nowMs())
    this.#unlinked(node)
    this.#tell('remove', path, 'after')
  }

  async removeFolder(path: string): Promise<void> {
    this.#begin('remove', path)
    if (this.#tree.find(path) === undefined) return
    if (this.#tree.folder(path, 'remove').live.size > 0) throw failed('ENOTEMPTY', 'remove', path)
    const { folder, name } = this.#tree.place(path, 'remove')
    this.#folders.forget(path)
    this.#tree.change(folder, [[name, undefined]], this.#clock.nowMs())
    this.#tell('remove', path, 'after')
  }

  async setModified(path: string, modifiedMs: number): Promise<void> {
    if (this.isReadOnly) throw failed('EROFS', 'stat', path)
    const node = this.#tree.find(path)
    if (node === undefined) throw failed('ENOENT', 'stat', path)
    node.modifiedMs = modifiedMs
  }

  async flushFolder(path: string): Promise<void> {
    this.#flushes++
    this.#tell('flush-folder', path, 'before')
    const folder = this.#tree.folder(path, 'flush-folder')
    const changes = this.#tree.pending.of(folder)
    await nextTurn()
    const fault = this.#begin('flush-folder', path)
    if (fault !== undefined && 'isLost' in fault) return
    this.#tree.pending.makeDurable(changes)
    this.#tell('flush-folder', path, 'after')
  }

  async device(_path: string): Promise<DeviceStat> {
    return {
      freeBytes: this.freeBytes,
      totalBytes: this.#capacityPages * PAGE_BYTES,
      isNetwork: this.#options.isNetwork ?? false,
      isOverlay: this.#options.isOverlay ?? false,
    }
  }

  async lock(folder: string, waitMs: number, mode: number): Promise<StoreLock> {
    const path = join(resolve(folder), 'lock')
    const file = await this.open(path, 'create', mode)
    try {
      if (this.#locked.has(path) && waitMs > 0) await this.#clock.sleep(waitMs)
      if (this.#locked.has(path)) throw await this.#lockedError(path, folder)
      if ((await file.sizeBytes()) === 0) await file.write(Buffer.from('lock', 'ascii'), 0)
      this.#locked.add(path)
    } finally {
      await file.close()
    }
    return {
      release: async () => {
        this.#locked.delete(path)
      },
    }
  }

  async lockHolder(folder: string): Promise<string | undefined> {
    return this.#locked.has(join(resolve(folder), 'lock')) ? `this process (${process.pid})` : undefined
  }

  // ---- inside ----------------------------------------------------------------------------------------------------

  async #lockedError(path: string, folder: string): Promise<PocketMQError> {
    return new PocketMQError('STORE_LOCKED', `The store is in use by this process (${process.pid}): ${path}`, {
      hint: 'Close the other owner, or take the disk that kill() or powerCut() answers.',
      details: { path, holder: await this.lockHolder(folder) },
    })
  }

  #makeFolder(path: string): void {
    this.#begin('create-folder', path)
    const { folder, name } = this.#tree.place(path, 'create-folder')
    if (folder.live.get(name) instanceof FolderNode) return
    this.#tree.change(folder, [[name, new FolderNode(this.#clock.nowMs())]], this.#clock.nowMs())
    this.#tell('create-folder', path, 'after')
  }

  #createFile(path: string): void {
    const { folder, name } = this.#tree.place(path, 'open')
    const node = new FileNode(this.#clock.nowMs())
    node.links = 1
    this.#tree.change(folder, [[name, node]], this.#clock.nowMs())
    this.#tell('open', path, 'after')
  }

  #unlinked(node: FileNode): void {
    node.links--
    if (node.links === 0) this.#usedPages -= node.live.pageCount
  }

  async #flushFile(node: FileNode, path: string): Promise<void> {
    this.#flushes++
    this.#tell('flush', path, 'before')
    const underWay = node.beginFlush()
    await nextTurn()
    let fault: Fault | undefined
    try {
      fault = this.#begin('flush', path)
    } catch (thrown) {
      node.loseFlush(underWay)
      throw thrown
    }
    if (fault !== undefined && 'isLost' in fault) return node.loseFlush(underWay)
    node.endFlush(underWay)
    this.#tell('flush', path, 'after')
  }

  /** Throws the fault that strikes this call, except those that the call has to play itself. */
  #begin(operation: DiskOperation, path: string): Fault | undefined {
    if (this.isReadOnly && CHANGES.has(operation)) throw failed('EROFS', operation, path)
    const fault = this.#faults.strike(operation, path)
    if (fault === undefined || !('errno' in fault) || operation === 'write') return fault
    throw ioError(errnoError(fault.errno, operation, path), operation, path)
  }

  #tell(operation: DiskOperation, path: string, phase: 'before' | 'after'): void {
    if (this.#listeners.size === 0) return
    const event: DiskEvent = { operation, path, phase, flushes: this.#flushes }
    for (const listener of this.#listeners) listener(event)
  }

  #successor(tree: SimulatedTree, seed: number): SimulatedDisk {
    const capacityBytes = this.#capacityPages * PAGE_BYTES
    return new SimulatedDisk({ ...this.#options, seed, capacityBytes }, tree)
  }
}
