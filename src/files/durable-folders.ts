/**
 * Creating folders so that a power cut cannot take them with everything in them.
 *
 * Rule: a folder's name is on the device before anything is made in it. So of a path that a killed process was creating, at
 * most the deepest existing folder has a name that is not durable; whoever finds it flushes that one once more.
 */
import { dirname, resolve } from 'node:path'
import { errnoBehind, ioError } from './io-error.ts'

/** What is asked of the disk. */
export type FolderCalls = {
  /** Undefined where nothing has that path. */
  stat(path: string): Promise<{ readonly isFolder: boolean } | undefined>
  /** Creates one folder; fine if it exists. */
  makeFolder(path: string): Promise<void>
  flushFolder(path: string): Promise<void>
}

/** Forgetting them costs a flush each. */
const KNOWN_MAX = 20_000

/** The folders of one disk whose names are known to be durable. */
export class DurableFolders {
  readonly #known = new Set<string>()

  /** Creates what is missing of `path`, durably. @throws IO with ENOTDIR where a part of it is a file */
  async ensure(path: string, calls: FolderCalls): Promise<void> {
    const missing: string[] = []
    let folder = resolve(path)
    if (this.#known.has(folder) && (await calls.stat(folder))?.isFolder === true) return
    for (let stat = await calls.stat(folder); stat?.isFolder !== true; stat = await calls.stat(folder)) {
      if (stat !== undefined) throw notFolder(folder)
      missing.unshift(folder)
      folder = dirname(folder)
    }
    await this.#flushName(folder, calls)
    for (const created of missing) {
      await calls.makeFolder(created)
      await calls.flushFolder(dirname(created))
      this.#remember(created)
    }
  }

  /** The folder is no longer what it was. */
  forget(path: string): void {
    this.#known.delete(resolve(path))
  }

  /** Of a folder that was there already. */
  async #flushName(folder: string, calls: FolderCalls): Promise<void> {
    if (this.#known.has(folder) || dirname(folder) === folder) return
    try {
      await calls.flushFolder(dirname(folder))
    } catch (thrown) {
      // A parent this user may not read, or a file system that cannot flush folders, is no reason to refuse what is in it.
      if (!UNFLUSHABLE.has(errnoBehind(thrown) ?? '')) throw thrown
    }
    this.#remember(folder)
  }

  #remember(folder: string): void {
    if (this.#known.size >= KNOWN_MAX) this.#known.clear()
    this.#known.add(folder)
  }
}

const UNFLUSHABLE: ReadonlySet<string> = new Set(['EACCES', 'EPERM', 'EINVAL', 'EROFS', 'ENOTSUP'])

function notFolder(path: string): Error {
  const error = Object.assign(new Error(`ENOTDIR: not a directory, mkdir '${path}'`), { code: 'ENOTDIR', path })
  return ioError(error, 'create', path)
}
