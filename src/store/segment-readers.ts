/** Read handles on segment files: opened when first read, at most so many at a time, closed when nobody reads. */
import { PocketMQError } from '../base/errors.ts'
import type { FileSystem, StoreFile } from '../files/file-system.ts'

/** Descriptors kept for reading; the least recently used goes first. */
const OPEN_FILES_MAX = 64

type Reader = { readonly file: StoreFile; pending: number; isForgotten: boolean }

/** A small cache of open read handles by path. */
export class SegmentReaders {
  readonly #fileSystem: FileSystem
  readonly #max: number
  /** Least recently used first: a Map keeps its order of insertion. */
  readonly #readers = new Map<string, Reader>()

  constructor(fileSystem: FileSystem, max: number = OPEN_FILES_MAX) {
    this.#fileSystem = fileSystem
    this.#max = max
  }

  async read(path: string, target: Uint8Array, position: number): Promise<number> {
    const reader = this.#reader(path)
    reader.pending++
    try {
      return await reader.file.read(target, position)
    } finally {
      reader.pending--
      if (reader.isForgotten && reader.pending === 0) await reader.file.close()
    }
  }

  readSync(path: string, target: Uint8Array, position: number): number {
    return this.#reader(path).file.readSync(target, position)
  }

  /** The file is going away: its handle is closed as soon as nobody reads it. */
  async forget(path: string): Promise<void> {
    const reader = this.#readers.get(path)
    if (reader === undefined) return
    this.#readers.delete(path)
    await this.#retire(reader)
  }

  async close(): Promise<void> {
    for (const path of [...this.#readers.keys()]) await this.forget(path)
  }

  #reader(path: string): Reader {
    const known = this.#readers.get(path)
    if (known !== undefined) {
      this.#readers.delete(path)
      this.#readers.set(path, known)
      return known
    }
    const reader = { file: this.#fileSystem.openSync(path, 'read', 0), pending: 0, isForgotten: false }
    this.#readers.set(path, reader)
    if (this.#readers.size > this.#max) this.#evict()
    return reader
  }

  #evict(): void {
    for (const [path, reader] of this.#readers) {
      if (reader.pending > 0) continue
      this.#readers.delete(path)
      this.#retire(reader).catch(error => {
        // A read handle that does not close is a leak, not a loss; it must still be seen.
        throw new PocketMQError('IO', `cannot close ${path}`, { cause: error })
      })
      return
    }
  }

  async #retire(reader: Reader): Promise<void> {
    reader.isForgotten = true
    if (reader.pending === 0) await reader.file.close()
  }
}
