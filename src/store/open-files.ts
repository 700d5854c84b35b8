/** Open files by path for reading and writing: at most so many at a time, so that 10,000 queues need few descriptors. */
import { asError } from '../base/errors.ts'
import type { FileSystem, OpenMode, StoreFile } from '../files/file-system.ts'

type Handle = { readonly file: StoreFile; users: number; isForgotten: boolean }

/** A cache of open files; the least recently used goes first. */
export class OpenFiles {
  readonly #fileSystem: FileSystem
  readonly #mode: number
  readonly #max: number
  /** Least recently used first: a Map keeps its order of insertion. */
  readonly #handles = new Map<string, Handle>()
  /** What went wrong when a file was closed to make room; `close` passes it on. */
  #closeFailure: Error | undefined

  /** @param mode permissions of files that have to be created */
  constructor(fileSystem: FileSystem, mode: number, max: number) {
    this.#fileSystem = fileSystem
    this.#mode = mode
    this.#max = max
  }

  /** Runs `work` on the open file, which stays open until it is done. */
  async use<T>(path: string, how: OpenMode, work: (file: StoreFile) => Promise<T>): Promise<T> {
    const handle = this.#handle(path, how)
    handle.users++
    try {
      return await work(handle.file)
    } finally {
      handle.users--
      if (handle.isForgotten && handle.users === 0) await handle.file.close()
    }
  }

  /** The open file, for calls that end before anything else can run. */
  now(path: string, how: OpenMode): StoreFile {
    return this.#handle(path, how).file
  }

  /** The file is going away: it is closed as soon as nobody uses it. */
  async forget(path: string): Promise<void> {
    const handle = this.#handles.get(path)
    if (handle === undefined) return
    this.#handles.delete(path)
    handle.isForgotten = true
    if (handle.users === 0) await handle.file.close()
  }

  async close(): Promise<void> {
    for (const path of [...this.#handles.keys()]) await this.forget(path)
    if (this.#closeFailure !== undefined) throw this.#closeFailure
  }

  #handle(path: string, how: OpenMode): Handle {
    const known = this.#handles.get(path)
    if (known !== undefined) {
      this.#handles.delete(path)
      this.#handles.set(path, known)
      return known
    }
    const handle = { file: this.#fileSystem.openSync(path, how, this.#mode), users: 0, isForgotten: false }
    this.#handles.set(path, handle)
    if (this.#handles.size > this.#max) this.#evict(handle)
    return handle
  }

  /** Closes the least recently used file that nobody uses; never the one that was opened just now, which has no user yet. */
  #evict(newest: Handle): void {
    for (const [path, handle] of this.#handles) {
      if (handle.users > 0 || handle === newest) continue
      this.#handles.delete(path)
      try {
        handle.file.closeSync()
      } catch (error) {
        this.#closeFailure ??= asError(error)
      }
      return
    }
  }
}
