/**
 * Bytes that recovery cuts from the log are kept under `pocketmq/set-aside/<physicalOffset>.bin`, so that a cut never destroys
 * what somebody may want to look at. At most 64 MiB in all; the oldest go first.
 */
import { join } from 'node:path'
import { isErrorNamed } from '../base/errors.ts'
import type { FileSystem, StoreFile } from '../files/file-system.ts'
import type { CommitLog } from './commit-log.ts'

/** Bytes kept in all. */
export const SET_ASIDE_BYTES_MAX: number = 64 * 1024 * 1024

const CHUNK_BYTES = 1024 * 1024

/** Where to keep what, and who is told. */
export type SetAsideParts = {
  readonly fileSystem: FileSystem
  readonly dir: string
  readonly mode: number
  readonly log: Pick<CommitLog, 'read'>
  /** Receives sentences about what could not be kept. */
  readonly notes: string[]
}

/** Copies the log's bytes [from, to) aside; the copy is on the device when it resolves. A full disk costs the copy, not the open. */
export async function setAside(parts: SetAsideParts, from: number, to: number): Promise<void> {
  const { fileSystem, dir, mode, notes } = parts
  const folder = join(dir, 'pocketmq/set-aside')
  const kept = Math.min(to, from + SET_ASIDE_BYTES_MAX)
  if (kept < to) notes.push(`of ${to - from} bytes cut at ${from} only the first ${kept - from} are kept`)
  try {
    await fileSystem.ensureFolder(folder, mode)
    await makeRoom(parts, folder, kept - from)
    const file = await fileSystem.open(await freePath(fileSystem, folder, from), 'create', mode & 0o666)
    try {
      await copyRange(parts.log, file, from, kept)
      await file.flush()
    } finally {
      await file.close()
    }
    await fileSystem.flushFolder(folder)
  } catch (error) {
    if (!isErrorNamed(error, 'DISK_FULL')) throw error
    notes.push(`no room to keep the ${kept - from} bytes cut at ${from}`)
  }
}

async function copyRange(log: Pick<CommitLog, 'read'>, file: StoreFile, from: number, to: number): Promise<void> {
  const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, to - from))
  for (let at = from; at < to; ) {
    const bytes = await log.read(chunk.subarray(0, Math.min(chunk.length, to - at)), at)
    if (bytes === 0) return
    await file.write(chunk.subarray(0, bytes), at - from)
    at += bytes
  }
}

/** A recovery that was cut short itself must not overwrite the copy it made the first time. */
async function freePath(fileSystem: FileSystem, folder: string, physicalOffset: number): Promise<string> {
  for (let i = 0; ; i++) {
    const path = join(folder, i === 0 ? `${physicalOffset}.bin` : `${physicalOffset}.${i}.bin`)
    if ((await fileSystem.stat(path)) === undefined) return path
  }
}

async function makeRoom({ fileSystem, notes }: SetAsideParts, folder: string, bytes: number): Promise<void> {
  const files: { path: string; sizeBytes: number; modifiedMs: number }[] = []
  for (const { name, isFolder } of await fileSystem.list(folder)) {
    const path = join(folder, name)
    const stat = isFolder ? undefined : await fileSystem.stat(path)
    if (stat !== undefined) files.push({ path, sizeBytes: stat.sizeBytes, modifiedMs: stat.modifiedMs })
  }
  files.sort((a, b) => b.modifiedMs - a.modifiedMs)
  let total = bytes
  for (const { path, sizeBytes } of files) {
    total += sizeBytes
    if (total <= SET_ASIDE_BYTES_MAX) continue
    await fileSystem.remove(path)
    notes.push(`${path} was removed to make room for bytes set aside later`)
  }
}
