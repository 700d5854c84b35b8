/**
 * SEAM: the disk. Everything the engine does to a folder goes through these interfaces.
 * Implementations: `node-file-system.ts` (`file`), `mmap.ts` (`mmap`), and `testing/simulated-disk.ts` (power cuts and faults).
 *
 * Every failure is a PocketMQError: DISK_FULL (ENOSPC, EDQUOT), READ_ONLY (EROFS), IO (anything else; errno in `cause`),
 * with `details.path` and `details.operation`. A missing file is an outcome where that is said, else IO with ENOENT.
 */

/** One entry of a folder. */
export type FolderEntry = { readonly name: string; readonly isFolder: boolean }

/** What `stat` tells. */
export type FileStat = { readonly sizeBytes: number; readonly modifiedMs: number; readonly isFolder: boolean }

/** Room on a device, and what kind of file system it is. */
export type DeviceStat = {
  readonly freeBytes: number
  readonly totalBytes: number
  /** A file system that other machines may write, or whose flush means little: NFS, SMB, 9p, network FUSE. */
  readonly isNetwork: boolean
  /** A container's own layer, which dies with the container. */
  readonly isOverlay: boolean
}

/**
 * How a file is opened. `read`: must exist. `write`: must exist, read and write.
 * `create`: read and write, created empty where it does not exist (the folder is not flushed by this).
 */
export type OpenMode = 'read' | 'write' | 'create'

/** A file read and written by position. */
export interface StoreFile {
  readonly path: string
  sizeBytes(): Promise<number>
  sizeBytesSync(): number
  /** Fills `target` from `position` as far as the file goes; answers how many bytes that was. Off the event loop. */
  read(target: Uint8Array, position: number): Promise<number>
  /** The same, on the event loop: for bytes that are likely in the page cache. */
  readSync(target: Uint8Array, position: number): number
  /** Writes all of `bytes`, off the event loop. They are in the page cache when it resolves. On failure as `writeSync`. */
  write(bytes: Uint8Array, position: number): Promise<void>
  /** The same, on the event loop. On failure `details.writtenBytes` says how many bytes went through. */
  writeSync(bytes: Uint8Array, position: number): void
  /** Cuts or extends (with zeros, sparse) to `bytes`. Never shrink a file somebody may have mapped. */
  setLength(bytes: number): Promise<void>
  setLengthSync(bytes: number): void
  /** Everything written before the call is on the device when it resolves. RocketMQ: MappedFile.flush. */
  flush(): Promise<void>
  /** Idempotent. */
  close(): Promise<void>
  /** The same on the event loop, for a file on which nothing is under way: closing thousands in a thread each costs more than the work on them. */
  closeSync(): void
}

/**
 * One commit-log segment that is appended to: bytes are encoded straight into its tail.   RocketMQ: MappedFile.
 *
 * Positions: 0 <= written <= appended <= lengthBytes.
 * Life of a record: `at = reserve(n)`; encode n bytes at `tailBytes[at]` (through `tailView` for numbers); `append(n)`;
 * later `writeOut()`; later `flush()`. Between `reserve` and `append` nothing else of the segment may be called.
 */
export interface MappedFile {
  readonly path: string
  /** Full length; the file has it from the start. */
  readonly lengthBytes: number
  /** Position after the last appended byte. */
  readonly appended: number
  /** Position up to which bytes are in the page cache: they survive the process. */
  readonly written: number
  /** The buffer `reserve` points into. May change at every `reserve`. */
  readonly tailBytes: Buffer
  /** A view of the same memory as `tailBytes`, same indexes. */
  readonly tailView: DataView
  /**
   * Room for `bytes` contiguous bytes at `appended`: the index in `tailBytes` to encode at, or -1 where the segment is not
   * prepared that far yet (only `mmap`; wait for `prepared`). May write out what is pending when the buffer is full,
   * and throws what that write met, with nothing moved.
   * @param bytes at most lengthBytes - appended
   */
  reserve(bytes: number): number
  /** The first `bytes` of the reserved room are now part of the segment. */
  append(bytes: number): void
  /** Forgets what was appended beyond `position`, which is at or after `written`. */
  rewind(position: number): void
  /**
   * Puts everything appended into the page cache with one write (`mmap`: nothing to do).
   * When it throws (DISK_FULL, IO), `written` has not moved and the bytes at `written` do not read as a record.
   */
  writeOut(): void
  /** Resolves when `reserve` can give room for `bytes`; rejects with DISK_FULL or IO where that cannot be. */
  prepared(bytes: number): Promise<void>
  /** Everything written at the time of the call is on the device when it resolves. A failure is final: see ARCHITECTURE decision 6. */
  flush(): Promise<void>
  /**
   * A view of `bytes` bytes at `position` when they are in memory (the tail buffers, or the mapping), else undefined.
   * Valid until the next `reserve`: copy what is kept.
   */
  hot(position: number, bytes: number): Buffer | undefined
  /** Idempotent; does not write out or flush. */
  close(): Promise<void>
}

/** How a segment is opened for appending. */
export type SegmentOptions = {
  readonly lengthBytes: number
  /** Where appending goes on: `appended` and `written` start here. */
  readonly position: number
  /** Permissions of a file that has to be created. */
  readonly mode: number
  /**
   * Whether each write will be flushed by itself: one of them then also puts zeros behind what is appended, and the flushes of those
   * that follow have no new blocks to note. `mmap` puts zeros ahead in any case. Default: false.
   */
  readonly zeroesAhead?: boolean
}

/** The lock on a folder: an OFD write lock on byte 0 of `<dir>/lock`, the byte Java's FileChannel.tryLock(0, 1) takes. */
export interface StoreLock {
  /** Frees the lock. Idempotent. */
  release(): Promise<void>
}

/** A disk. */
export interface FileSystem {
  /** Shown in statistics and benchmarks: `file`, `mmap`, `simulated`. */
  readonly kind: string
  /** Whether `openSegmentSync` may run while `openSegment` of the same path is under way. `mmap`: no, it writes zeros ahead. */
  readonly canRollSync: boolean
  /**
   * Creates the folder and its missing parents. Their names are on the device when it resolves, also that of a folder that
   * was there already. Fine if it exists.
   */
  ensureFolder(path: string, mode: number): Promise<void>
  /**
   * Creates one folder in one that is there, and flushes nothing: its name is durable once the folder above is flushed. For
   * thousands of folders of files that can be made again; `ensureFolder` waits for the device once for each.
   */
  makeFolder(path: string, mode: number): Promise<void>
  /** Entries in no particular order; empty where the folder does not exist. */
  list(path: string): Promise<readonly FolderEntry[]>
  /** Undefined where nothing has that path. */
  stat(path: string): Promise<FileStat | undefined>
  open(path: string, how: OpenMode, mode: number): Promise<StoreFile>
  /** The same on the event loop: only for rolling to a segment that was not ready in time. */
  openSync(path: string, how: OpenMode, mode: number): StoreFile
  /** Opens or creates a segment at full length (sparse). The folder is not flushed by this. */
  openSegment(path: string, options: SegmentOptions): Promise<MappedFile>
  /** The same on the event loop: only for rolling to a segment that was not ready in time. */
  openSegmentSync(path: string, options: SegmentOptions): MappedFile
  /** Atomic replacement. The folder is not flushed by this. */
  rename(from: string, to: string): Promise<void>
  /** A second name for a file; copies where the device has no hard links. */
  link(from: string, to: string): Promise<void>
  /** Removes a file. Fine if it is gone already. */
  remove(path: string): Promise<void>
  /** Removes an empty folder. Fine if it is gone already. */
  removeFolder(path: string): Promise<void>
  /** Keeps a file's modification time where RocketMQ counts retention by it. */
  setModified(path: string, modifiedMs: number): Promise<void>
  /** Creations, renames and removals in this folder are on the device when it resolves. */
  flushFolder(path: string): Promise<void>
  /** Of the device that holds `path`, or its nearest existing parent. */
  device(path: string): Promise<DeviceStat>
  /**
   * Takes the lock on `<folder>/lock`, waiting up to `waitMs`. Creates that file (4 bytes `lock`) where it is missing.
   * @throws STORE_LOCKED (held; `details.holder` where that can be known), LOCK_UNAVAILABLE (no such locks here)
   */
  lock(folder: string, waitMs: number, mode: number): Promise<StoreLock>
  /** Whether another process holds that lock, where that can be known without taking it (Linux: /proc/locks). */
  lockHolder(folder: string): Promise<string | undefined>
}
