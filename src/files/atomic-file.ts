/**
 * Small files that are replaced as a whole: written aside, flushed, renamed, folder flushed.
 * At every moment, and after a power cut at any moment, the path holds either the former content or the new one.
 */
import { dirname, join } from 'node:path'
import type { FileSystem } from './file-system.ts'

/** Content that is mostly zeros, which take no room on the device. */
export type SparseBytes = {
  readonly sizeBytes: number
  readonly pieces: readonly { readonly position: number; readonly bytes: Uint8Array }[]
}

/** What to replace and how. */
export type ReplaceOptions = {
  readonly path: string
  readonly bytes: Uint8Array | SparseBytes
  /** An existing folder on the same device for the file while it is written; never one in which RocketMQ counts files. */
  readonly temporaryFolder: string
  readonly mode: number
  /** Keeps the former content as `<path>.bak`, as RocketMQ does (MixAll.string2File). */
  readonly keepBackup?: boolean
}

/** Distinguishes files that are written aside at the same time. */
let counter = 0

/** Replaces a file's content. Durable when it resolves; when it rejects the former content is still there, or the new one is. */
export async function replaceFile(fileSystem: FileSystem, options: ReplaceOptions): Promise<void> {
  const { path, bytes, temporaryFolder, mode, keepBackup = false } = options
  const aside = join(temporaryFolder, `${process.pid}-${counter++ % 1024}.tmp`)
  // A leftover of a crash may be a second name of the very file that is to be replaced: never write into it.
  await fileSystem.remove(aside)
  try {
    await writeWhole(fileSystem, aside, bytes, mode)
  } catch (thrown) {
    // On a full device it takes room; where it cannot be removed either, the first failure is the one to tell.
    await Promise.allSettled([fileSystem.remove(aside)])
    throw thrown
  }
  if (keepBackup && (await fileSystem.stat(path)) !== undefined) {
    // A second name rather than RocketMQ's rename: there is no moment at which the path is missing.
    await fileSystem.remove(`${path}.bak`)
    await fileSystem.link(path, `${path}.bak`)
  }
  await fileSystem.rename(aside, path)
  await fileSystem.flushFolder(dirname(path))
}

/** The whole content of a file, or undefined where there is none. For small files: it is held in memory. */
export async function readWhole(fileSystem: FileSystem, path: string): Promise<Buffer | undefined> {
  const stat = await fileSystem.stat(path)
  if (stat === undefined || stat.isFolder) return undefined
  const file = await fileSystem.open(path, 'read', 0)
  try {
    const bytes = Buffer.alloc(await file.sizeBytes())
    return bytes.subarray(0, await file.read(bytes, 0))
  } finally {
    await file.close()
  }
}

/** Writes a file from its first byte to its last and flushes it; its name is not durable before its folder is flushed. */
export async function writeWhole(
  fileSystem: FileSystem,
  path: string,
  bytes: Uint8Array | SparseBytes,
  mode: number,
): Promise<void> {
  const { sizeBytes, pieces } =
    bytes instanceof Uint8Array ? { sizeBytes: bytes.length, pieces: [{ position: 0, bytes }] } : bytes
  const file = await fileSystem.open(path, 'create', mode)
  try {
    await file.setLength(0)
    for (const piece of pieces) await file.write(piece.bytes, piece.position)
    await file.setLength(sizeBytes)
    await file.flush()
  } finally {
    await file.close()
  }
}
