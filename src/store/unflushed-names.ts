/** Names that were made or removed in a folder and may not be on the device yet. */
import type { FileSystem } from '../files/file-system.ts'

/** One folder's. */
export class UnflushedNames {
  #hasAny = false

  get hasAny(): boolean {
    return this.#hasAny
  }

  /** A name was made or removed. */
  note(): void {
    this.#hasAny = true
  }

  /** Puts every name noted before the call on the device. Where that fails, the next call has to. */
  async flush(fileSystem: Pick<FileSystem, 'flushFolder'>, folder: string): Promise<void> {
    if (!this.#hasAny) return
    this.#hasAny = false
    try {
      await fileSystem.flushFolder(folder)
    } catch (error) {
      this.#hasAny = true
      throw error
    }
  }
}
