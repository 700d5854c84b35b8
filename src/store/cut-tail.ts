/**
 * Cuts the log behind its last whole record, durably, before the first append: bytes left standing there could be taken
 * for records again after a later crash.   RocketMQ: MappedFileQueue.truncateDirtyFiles, which does not zero.
 */
import type { FileSystem } from '../files/file-system.ts'
import type { CommitLog } from './commit-log.ts'
import type { SetAsideParts } from './set-aside.ts'
import { setAside } from './set-aside.ts'

/** What a cut needs. */
export type CutParts = Omit<SetAsideParts, 'log'> & {
  readonly log: Pick<CommitLog, 'read' | 'zero' | 'removeSegmentsFrom' | 'filesEnd' | 'segmentEnd' | 'segments'>
}

type Extent = { readonly from: number; readonly to: number }

const CHUNK_BYTES = 4 * 1024 * 1024
const ZEROS = Buffer.alloc(CHUNK_BYTES)

/**
 * Nothing but zeros is left from `end` on, and no segment beyond the one it lies in, on the device when it resolves.
 * Answers how many bytes that were not zero, counted to the last of them, were cut.
 */
export async function cutTail(parts: CutParts, end: number): Promise<number> {
  const { log } = parts
  const extents = await findBytes(log, end)
  const last = extents.at(-1)
  if (last !== undefined) await setAside(parts, end, last.to)
  // From the far end backwards: cut short, what is left is still an end followed by nothing that reads as a record of it.
  const keptEnd = log.segmentEnd(end)
  await log.removeSegmentsFrom(keptEnd)
  for (const { from, to } of extents.reverse()) if (from < keptEnd) await log.zero(from, Math.min(to, keptEnd))
  return last === undefined ? 0 : last.to - end
}

/** Where the log from `end` on is not zero: runs, as exact as chunks and their ends make them. */
async function findBytes(log: CutParts['log'], end: number): Promise<Extent[]> {
  const extents: Extent[] = []
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES)
  for (let at = end; at < log.filesEnd; ) {
    const wanted = Math.min(CHUNK_BYTES, log.segmentEnd(at) - at)
    const read = await log.read(chunk.subarray(0, wanted), at)
    const bytes = chunk.subarray(0, read)
    if (ZEROS.compare(bytes, 0, read, 0, read) !== 0) {
      extents.push({ from: at + firstByte(bytes), to: at + lastByte(bytes) + 1 })
    }
    // A file that ends early is zero from there on.
    at += wanted
  }
  return extents
}

function firstByte(bytes: Uint8Array): number {
  let i = 0
  while (bytes[i] === 0) i++
  return i
}

function lastByte(bytes: Uint8Array): number {
  let i = bytes.length - 1
  while (bytes[i] === 0) i--
  return i
}

/** Puts the log's bytes [from, to) on the device: after a kill they may be in the page cache only. */
export async function flushLog(
  fileSystem: FileSystem,
  log: Pick<CommitLog, 'segments' | 'segmentEnd'>,
  folder: string,
  from: number,
  to: number,
): Promise<void> {
  for (const { start, path } of log.segments()) {
    if (start >= to || log.segmentEnd(start) <= from) continue
    const file = await fileSystem.open(path, 'write', 0)
    try {
      await file.flush()
    } finally {
      await file.close()
    }
  }
  await fileSystem.flushFolder(folder)
}
