/**
 * The real disk, through node:fs. `file`: segments through a buffer in memory. `mmap`: the segment that is appended to is mapped.
 * The two differ in openSegment alone.
 */
import fs from 'node:fs'
import { dirname } from 'node:path'
import fsExtra from 'fs-extra'
import { BufferedSegment, extendSegment, extendSegmentSync } from './buffered-segment.ts'
import { deviceKind } from './device-kind.ts'
import { DurableFolders } from './durable-folders.ts'
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
} from './file-system.ts'
import { errnoOf, ioError } from './io-error.ts'
import { openMappedSegment, openMappedSegmentSync } from './mmap.ts'
import { NodeFile, settled } from './node-file.ts'
import { lockFolder, lockHolderOf } from './store-lock.ts'

/** Errnos of link(2) where the device has no hard links, or none to this file. */
const NO_LINK: ReadonlySet<string | undefined> = new Set([
  'EPERM',
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOSYS',
  'EXDEV',
  'EMLINK',
])

/**
 * The real file system with segments of the given kind. `mmap` needs an optional package: `loadMmap` of mmap.ts says early
 * whether it is there, openSegment says it late.
 */
export function nodeFileSystem(kind: 'file' | 'mmap'): FileSystem {
  return new NodeFileSystem(kind)
}

class NodeFileSystem implements FileSystem {
  readonly kind: 'file' | 'mmap'
  readonly canRollSync: boolean
  readonly #folders = new DurableFolders()

  constructor(kind: 'file' | 'mmap') {
    this.kind = kind
    this.canRollSync = kind === 'file'
  }

  async ensureFolder(path: string, mode: number): Promise<void> {
    await this.#folders.ensure(path, {
      stat: folder => this.stat(folder),
      makeFolder: folder => makeFolder(folder, mode),
      flushFolder: folder => this.flushFolder(folder),
    })
  }

  async makeFolder(path: string, mode: number): Promise<void> {
    await makeFolder(path, mode)
  }

  async list(path: string): Promise<readonly FolderEntry[]> {
    try {
      const entries = await fs.promises.readdir(path, { withFileTypes: true })
      return entries.map(entry => ({ name: entry.name, isFolder: entry.isDirectory() }))
    } catch (thrown) {
      if (errnoOf(thrown) === 'ENOENT') return []
      throw ioError(thrown, 'list', path)
    }
  }

  async stat(path: string): Promise<FileStat | undefined> {
    try {
      const stat = await fs.promises.stat(path)
      return { sizeBytes: stat.size, modifiedMs: stat.mtimeMs, isFolder: stat.isDirectory() }
    } catch (thrown) {
      if (errnoOf(thrown) === 'ENOENT') return undefined
      throw ioError(thrown, 'stat', path)
    }
  }

  async open(path: string, how: OpenMode, mode: number): Promise<StoreFile> {
    return await NodeFile.open(path, how, mode)
  }

  openSync(path: string, how: OpenMode, mode: number): StoreFile {
    return NodeFile.openSync(path, how, mode)
  }

  async openSegment(path: string, options: SegmentOptions): Promise<MappedFile> {
    if (this.kind === 'mmap') return await openMappedSegment(path, options)
    const file = await NodeFile.open(path, 'create', options.mode)
    try {
      await extendSegment(file, options.lengthBytes)
      return new BufferedSegment(file, options)
    } catch (thrown) {
      await file.close()
      throw thrown
    }
  }

  openSegmentSync(path: string, options: SegmentOptions): MappedFile {
    if (this.kind === 'mmap') return openMappedSegmentSync(path, options)
    const file = NodeFile.openSync(path, 'create', options.mode)
    try {
      extendSegmentSync(file, options.lengthBytes)
      return new BufferedSegment(file, options)
    } catch (thrown) {
      file.closeSync()
      throw thrown
    }
  }

  async rename(from: string, to: string): Promise<void> {
    await typed('rename', from, () => fsExtra.rename(from, to))
    this.#folders.forget(from)
  }

  async link(from: string, to: string): Promise<void> {
    try {
      await fs.promises.link(from, to)
    } catch (thrown) {
      if (!NO_LINK.has(errnoOf(thrown))) throw ioError(thrown, 'link', from)
      await copyDurably(from, to)
    }
  }

  async remove(path: string): Promise<void> {
    try {
      await fs.promises.unlink(path)
    } catch (thrown) {
      if (errnoOf(thrown) !== 'ENOENT') throw ioError(thrown, 'remove', path)
    }
  }

  async removeFolder(path: string): Promise<void> {
    try {
      await fs.promises.rmdir(path)
      this.#folders.forget(path)
    } catch (thrown) {
      if (errnoOf(thrown) !== 'ENOENT') throw ioError(thrown, 'remove', path)
    }
  }

  async setModified(path: string, modifiedMs: number): Promise<void> {
    const seconds = modifiedMs / 1000
    await typed('touch', path, () => fs.promises.utimes(path, seconds, seconds))
  }

  async flushFolder(path: string): Promise<void> {
    // Windows cannot flush a folder, and its file systems journal names by themselves.
    if (process.platform === 'win32') return
    const folder = await NodeFile.open(path, 'read', 0)
    try {
      await typed('flush', path, () => settled(done => fs.fsync(folder.fd, done)))
    } finally {
      await folder.close()
    }
  }

  async device(path: string): Promise<DeviceStat> {
    let place = path
    while ((await this.stat(place)) === undefined && dirname(place) !== place) place = dirname(place)
    const stat = await typed('stat', place, () => fs.promises.statfs(place))
    return {
      freeBytes: stat.bavail * stat.bsize,
      totalBytes: stat.blocks * stat.bsize,
      ...deviceKind(stat.type, process.platform),
    }
  }

  async lock(folder: string, waitMs: number, mode: number): Promise<StoreLock> {
    return await lockFolder(folder, waitMs, mode)
  }

  async lockHolder(folder: string): Promise<string | undefined> {
    return await lockHolderOf(folder)
  }
}

/** One by one, because Node's recursive mkdir reports ENOENT where the device is read-only. */
async function makeFolder(path: string, mode: number): Promise<void> {
  try {
    await fsExtra.mkdir(path, { mode })
  } catch (thrown) {
    // Somebody else may have been quicker.
    if (errnoOf(thrown) !== 'EEXIST' || !(await fs.promises.stat(path)).isDirectory())
      throw ioError(thrown, 'create', path)
  }
}

/** Where there are no hard links: a copy, on the device when it resolves, that fails like link where `to` exists. */
async function copyDurably(from: string, to: string): Promise<void> {
  await typed('copy', from, () => fs.promises.copyFile(from, to, fs.constants.COPYFILE_EXCL))
  const copy = await NodeFile.open(to, 'write', 0)
  try {
    await copy.flush()
  } finally {
    await copy.close()
  }
}

async function typed<T>(operation: string, path: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (thrown) {
    throw ioError(thrown, operation, path)
  }
}
