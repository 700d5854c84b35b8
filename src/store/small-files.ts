/**
 * Small files for the layers above: config JSON in RocketMQ's places, and our own under `pocketmq/`.
 * Whole files are replaced atomically; append files are read whole at open and replaced when they grow too long.
 */
import { createHash } from 'node:crypto'
import { dirname, join } from 'node:path'
import { PocketMQError } from '../base/errors.ts'
import type { SparseBytes } from '../files/atomic-file.ts'
import { readWhole, replaceFile } from '../files/atomic-file.ts'
import type { FileSystem, StoreFile } from '../files/file-system.ts'

/** An append-only file. `append` is in the page cache when it returns; nothing is durable before `flush`. */
export type AppendFile = {
  readonly sizeBytes: number
  /** The whole content as it is now. */
  readAll(): Promise<Buffer>
  append(bytes: Uint8Array): void
  flush(): Promise<void>
  /** Replaces the whole content atomically and durably. */
  replace(bytes: Uint8Array): Promise<void>
  close(): Promise<void>
}

/** Where small files lie and whether they may be changed. */
export type SmallFilesOptions = {
  readonly fileSystem: FileSystem
  readonly dir: string
  /** Of new folders; files get the same without x. */
  readonly mode: number
  readonly isReadOnly: boolean
  /** A file that `accept` refused, or that could not be read: what falls back says so. */
  readonly onRefused: (path: string, error: unknown) => void
}

/** Small files by name, relative to the store's folder: `config/topics.json`. */
export class SmallFiles {
  readonly #options: SmallFilesOptions
  /** Saves of one name follow one another: two at once would race for `.bak` and the name. */
  readonly #saving = new Map<string, Promise<void>>()

  constructor(options: SmallFilesOptions) {
    this.#options = options
  }

  /** The file, else its `.bak`, whichever `accept` takes first (it throws to refuse); undefined where neither does. */
  async load<T>(name: string, accept: (bytes: Buffer, isBackup: boolean) => T): Promise<T | undefined> {
    for (const path of [this.#path(name), `${this.#path(name)}.bak`]) {
      try {
        const bytes = await readWhole(this.#options.fileSystem, path)
        if (bytes !== undefined) return accept(bytes, path.endsWith('.bak'))
      } catch (error) {
        this.#options.onRefused(path, error)
      }
    }
    return undefined
  }

  /** SHA-256 of the file's bytes, in hexadecimal; undefined where there is none. */
  async hashOf(name: string): Promise<string | undefined> {
    const bytes = await readWhole(this.#options.fileSystem, this.#path(name))
    return bytes === undefined ? undefined : createHash('sha256').update(bytes).digest('hex')
  }

  /** The same of the content that a power cut would leave: a process that was killed may have left a newer name in memory alone. */
  async hashOnDevice(name: string): Promise<string | undefined> {
    await this.#ensureFolder(this.#path(name))
    await this.#options.fileSystem.flushFolder(dirname(this.#path(name)))
    return await this.hashOf(name)
  }

  /** On the device, with its folder, when it resolves. The version before is kept as `.bak` unless told otherwise. */
  async save(
    name: string,
    bytes: Uint8Array | SparseBytes,
    options: { readonly keepBackup?: boolean } = {},
  ): Promise<void> {
    this.#checkWritable()
    const before = this.#saving.get(name) ?? Promise.resolve()
    const saved = before.catch(() => undefined).then(() => this.#replace(name, bytes, options.keepBackup ?? true))
    this.#saving.set(name, saved)
    try {
      await saved
    } finally {
      if (this.#saving.get(name) === saved) this.#saving.delete(name)
    }
  }

  /** A file to append to and to read whole; created with its folder where missing. Read-only: must exist. */
  async openAppendFile(name: string): Promise<AppendFile> {
    const { fileSystem, isReadOnly } = this.#options
    const path = this.#path(name)
    if (!isReadOnly) await this.#ensureFolder(path)
    const file = await fileSystem.open(path, isReadOnly ? 'read' : 'create', this.#fileMode)
    if (!isReadOnly) await fileSystem.flushFolder(dirname(path))
    return new OpenAppendFile(file, await file.sizeBytes(), bytes => this.#swap(name, path, bytes))
  }

  /** As `save`, for a file that is mostly zeros: only `pieces` take room. `sizeBytes` is the whole file's length. */
  async saveSparse(
    name: string,
    sizeBytes: number,
    pieces: SparseBytes['pieces'],
    options: { readonly keepBackup?: boolean } = {},
  ): Promise<void> {
    await this.save(name, { sizeBytes, pieces }, options)
  }

  async remove(name: string): Promise<void> {
    this.#checkWritable()
    await this.#options.fileSystem.remove(this.#path(name))
    await this.#options.fileSystem.flushFolder(dirname(this.#path(name)))
  }

  /** Names in a folder, files only. */
  async list(folder: string): Promise<readonly string[]> {
    const entries = await this.#options.fileSystem.list(this.#path(folder))
    return entries.filter(entry => !entry.isFolder).map(entry => entry.name)
  }

  async #replace(name: string, bytes: Uint8Array | SparseBytes, keepBackup: boolean): Promise<void> {
    const { fileSystem, dir } = this.#options
    const path = this.#path(name)
    await this.#ensureFolder(path)
    const temporaryFolder = join(dir, 'pocketmq')
    await fileSystem.ensureFolder(temporaryFolder, this.#options.mode)
    await replaceFile(fileSystem, { path, bytes, temporaryFolder, mode: this.#fileMode, keepBackup })
  }

  async #swap(name: string, path: string, bytes: Uint8Array): Promise<StoreFile> {
    await this.save(name, bytes, { keepBackup: false })
    return await this.#options.fileSystem.open(path, 'write', this.#fileMode)
  }

  async #ensureFolder(path: string): Promise<void> {
    await this.#options.fileSystem.ensureFolder(dirname(path), this.#options.mode)
  }

  #checkWritable(): void {
    if (!this.#options.isReadOnly) return
    throw new PocketMQError('READ_ONLY', 'the store is open for reading only', { hint: 'Open it with `open`.' })
  }

  get #fileMode(): number {
    return this.#options.mode & 0o666
  }

  #path(name: string): string {
    return join(this.#options.dir, name)
  }
}

class OpenAppendFile implements AppendFile {
  #file: StoreFile
  #sizeBytes: number
  readonly #swap: (bytes: Uint8Array) => Promise<StoreFile>

  constructor(file: StoreFile, sizeBytes: number, swap: (bytes: Uint8Array) => Promise<StoreFile>) {
    this.#file = file
    this.#sizeBytes = sizeBytes
    this.#swap = swap
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  async readAll(): Promise<Buffer> {
    const bytes = Buffer.alloc(this.#sizeBytes)
    return bytes.subarray(0, await this.#file.read(bytes, 0))
  }

  append(bytes: Uint8Array): void {
    this.#file.writeSync(bytes, this.#sizeBytes)
    this.#sizeBytes += bytes.length
  }

  flush(): Promise<void> {
    return this.#file.flush()
  }

  async replace(bytes: Uint8Array): Promise<void> {
    const former = this.#file
    this.#file = await this.#swap(bytes)
    this.#sizeBytes = bytes.length
    await former.close()
  }

  close(): Promise<void> {
    return this.#file.close()
  }
}
