/**
 * A consistent copy of a folder in use: sealed segments by hard link, the tail copied up to `flushed`, queues and index as
 * they lie on disk, config. The copy is then recovered like any folder, up to the same end, and closed cleanly.
 *
 * Consumer offsets are copied before the end of the log is noted: they never point beyond it.
 * Left out: what a broker keeps about pending timers, which is written at a clean close only and stale until then.
 */
import { createHash } from 'node:crypto'
import { join, relative, resolve } from 'node:path'
import { abortError, isErrorNamed, PocketMQError } from '../base/errors.ts'
import { readWhole, writeWhole } from '../files/atomic-file.ts'
import type { FileSystem, StoreFile } from '../files/file-system.ts'
import { createAbortFile, removeAbortFile } from './abort-file.ts'
import { takeCensus } from './census.ts'
import { openFolderFiles } from './folder-files.ts'
import { CONSUMER_OFFSET_FILE } from './offsets-json.ts'
import { recover } from './recovery.ts'
import { StateFile } from './state-file.ts'
import type { StoreParts } from './store-parts.ts'

/** How a snapshot is taken. */
export type SnapshotOptions = { readonly signal?: AbortSignal }

/** A copy under way. */
type Copy = {
  readonly fileSystem: FileSystem
  readonly from: string
  readonly to: string
  readonly mode: number
  readonly signal: AbortSignal | undefined
}

const CHUNK_BYTES = 1024 * 1024
const ZEROS = Buffer.alloc(CHUNK_BYTES)
/** Files under `config/` that are not copied. */
const LEFT_OUT: ReadonlySet<string> = new Set(['timercheck', 'timercheck.bak', 'timermetrics', 'timermetrics.bak'])
/** Listings of a folder whose files may be replaced while they are copied. */
const PASSES_MAX = 8

/** Copies an open store into `dir`, which is new or empty. On the device, and closed, when it resolves. */
export async function snapshotStore(parts: StoreParts, dir: string, options: SnapshotOptions = {}): Promise<void> {
  const { fileSystem, settings } = parts
  const to = resolve(dir)
  await refuseTarget(parts, to)
  const copy: Copy = { fileSystem, from: parts.dir, to, mode: settings.mode, signal: options.signal }
  await fileSystem.ensureFolder(to, settings.mode)
  try {
    await createAbortFile(fileSystem, to, settings.mode)
    await copySmallFiles(copy)
    await copyStore(parts, copy)
    await closeCopy(parts, copy)
  } catch (error) {
    await removeInside(fileSystem, to)
    throw error
  }
}

async function refuseTarget({ fileSystem, dir }: StoreParts, to: string): Promise<void> {
  const isInside = !relative(dir, to).startsWith('..')
  const isTaken = (await fileSystem.stat(to)) !== undefined && (await fileSystem.list(to)).length > 0
  if (!isInside && !isTaken) return
  throw new PocketMQError('INVALID_ARGUMENT', `${to} is ${isInside ? 'inside the store' : 'not empty'}`, {
    hint: 'Give the snapshot a new folder of its own, on the same device for hard links.',
    details: { option: 'dir', given: to },
  })
}

async function copySmallFiles(copy: Copy): Promise<void> {
  await copyFolder(copy, 'config', name => !LEFT_OUT.has(name))
  await copyFolder(copy, 'pocketmq/offsets', () => true)
  await copyFolder(copy, 'pocketmq', name => name === 'groups.json' || name === 'groups.json.bak')
}

/** The files of one folder. One that goes while the folder is gone through has been replaced by another: looked for again. */
async function copyFolder(copy: Copy, name: string, isWanted: (name: string) => boolean): Promise<void> {
  const { fileSystem, from, to, mode } = copy
  for (let pass = 0; pass < PASSES_MAX; pass++) {
    const entries = await fileSystem.list(join(from, name))
    const wanted = entries.filter(entry => !entry.isFolder && isWanted(entry.name))
    if (wanted.length === 0) return
    await fileSystem.ensureFolder(join(to, name), mode)
    let isWhole = true
    for (const entry of wanted) {
      checkSignal(copy.signal)
      const bytes = await readWhole(fileSystem, join(from, name, entry.name)).catch(undefinedIfGone)
      if (bytes === undefined) isWhole = false
      else await writeWhole(fileSystem, join(to, name, entry.name), bytes, mode & 0o666)
    }
    await fileSystem.flushFolder(join(to, name))
    if (isWhole) return
  }
}

/** Log, queues, index, and a state that makes recovery of the copy go on from the original's checkpoint. */
async function copyStore(parts: StoreParts, copy: Copy): Promise<void> {
  const { log, queues, writer } = parts
  if (writer === undefined)
    throw new PocketMQError('READ_ONLY', 'a snapshot is taken of an open store', {
      hint: 'Open the folder with `open`, and take the snapshot of that.',
    })
  const end = log.flushed.value
  const { state } = writer.checkpointer
  await copyLog(parts, copy, end)
  for (const queue of queues.all()) {
    for (const path of queue.files.paths()) await copySparsely(copy, path)
  }
  for (const entry of await copy.fileSystem.list(join(copy.from, 'index'))) {
    if (!entry.isFolder) await copySparsely(copy, join(copy.from, 'index', entry.name))
  }
  const { file } = await StateFile.load({ fileSystem: copy.fileSystem, dir: copy.to, mode: copy.mode })
  const offsets = await readWhole(copy.fileSystem, join(copy.to, CONSUMER_OFFSET_FILE))
  await file.save({
    ...state,
    flushed: end,
    written: end,
    dispatched: Math.min(state.dispatched, end),
    checkpointed: Math.min(state.checkpointed, end),
    isCleanClose: false,
    consumerOffsetSha256: offsets === undefined ? undefined : createHash('sha256').update(offsets).digest('hex'),
    formerConsumerOffsetSha256: undefined,
    checkpointSha256: undefined,
    formerCheckpointSha256: undefined,
  })
  await file.close()
}

async function copyLog({ log }: StoreParts, copy: Copy, end: number): Promise<void> {
  const { fileSystem, from, to, mode } = copy
  await fileSystem.ensureFolder(join(to, 'commitlog'), mode)
  for (const { start, path } of [...log.segments()]) {
    checkSignal(copy.signal)
    if (start >= end) break
    const target = join(to, relative(from, path))
    if (log.segmentEnd(start) > end)
      await copyBytes(copy, path, target, { bytes: end - start, lengthBytes: log.segmentBytes })
    else {
      const linked = await fileSystem.link(path, target).then(() => true, undefinedIfGone)
      // Retention took the oldest segments meanwhile: the copy begins later.
      if (linked === undefined && log.minOffset <= start) throw gone(path)
    }
  }
  await fileSystem.flushFolder(join(to, 'commitlog'))
}

async function copySparsely(copy: Copy, path: string): Promise<void> {
  checkSignal(copy.signal)
  const stat = await copy.fileSystem.stat(path)
  if (stat === undefined) return
  const target = join(copy.to, relative(copy.from, path))
  await copy.fileSystem.ensureFolder(join(target, '..'), copy.mode)
  await copyBytes(copy, path, target, { bytes: stat.sizeBytes, lengthBytes: stat.sizeBytes })
  await copy.fileSystem.flushFolder(join(target, '..'))
}

/** The first bytes of a file into a new one of full length; what is zero stays a hole. Keeps the time of the last write. */
async function copyBytes(
  { fileSystem, mode, signal }: Copy,
  path: string,
  target: string,
  { bytes, lengthBytes }: { readonly bytes: number; readonly lengthBytes: number },
): Promise<void> {
  const stat = await fileSystem.stat(path)
  const source = await fileSystem.open(path, 'read', 0).catch(undefinedIfGone)
  if (source === undefined) return
  try {
    const file = await fileSystem.open(target, 'create', mode & 0o666)
    try {
      await file.setLength(lengthBytes)
      await copyChunks(source, file, bytes, signal)
      await file.flush()
    } finally {
      await file.close()
    }
  } finally {
    await source.close()
  }
  if (stat !== undefined) await fileSystem.setModified(target, stat.modifiedMs)
}

async function copyChunks(
  source: StoreFile,
  target: StoreFile,
  bytes: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, bytes))
  for (let at = 0; at < bytes; ) {
    checkSignal(signal)
    const read = await source.read(chunk.subarray(0, Math.min(chunk.length, bytes - at)), at)
    if (read === 0) return
    const isZero = ZEROS.compare(chunk, 0, read, 0, read) === 0
    if (!isZero) await target.write(chunk.subarray(0, read), at)
    at += read
  }
}

/** Recovers the copy and leaves it as a closed store. */
async function closeCopy({ settings }: StoreParts, { fileSystem, to }: Copy): Promise<void> {
  const { mode, clock, recordCrc } = settings
  const onEvent = (): void => undefined
  const files = await openFolderFiles({ fileSystem, dir: to, settings, isReadOnly: false, onEvent })
  const { log, queues, index, loaded, checkpoint, tombstones } = files
  try {
    const isDropped = (topic: string, physicalOffset: number): boolean => tombstones.isDropped(topic, physicalOffset)
    const base = { fileSystem, dir: to, mode, clock, recordCrc, isReadOnly: false, isDropped, onEvent }
    const { state, appendAt, lastStoreTimestamp } = await recover({ ...files, ...base })
    const indexTimestamp = index.flushedTimestamp
    const file = checkpoint.file.encode({ storeTimestamp: lastStoreTimestamp, dispatched: appendAt, indexTimestamp })
    await checkpoint.file.write(file)
    const census = takeCensus(queues, index, true)
    await loaded.file.save({ ...state, ...census, checkpointSha256: file.sha256, isCleanClose: true })
  } finally {
    for (const part of [queues, index, log, loaded.file, checkpoint.file]) await part.close()
  }
  await removeAbortFile(fileSystem, to)
}

/** Removes everything in a folder, for a copy that was not finished. */
async function removeInside(fileSystem: FileSystem, folder: string): Promise<void> {
  for (const { name, isFolder } of await fileSystem.list(folder)) {
    const path = join(folder, name)
    if (isFolder) {
      await removeInside(fileSystem, path)
      await fileSystem.removeFolder(path)
    } else await fileSystem.remove(path)
  }
}

function undefinedIfGone(error: unknown): undefined {
  const cause = isErrorNamed(error, 'IO') ? (error.cause as { code?: string } | undefined) : undefined
  if (cause?.code !== 'ENOENT') throw error
  return undefined
}

function gone(path: string): PocketMQError {
  return new PocketMQError('IO', `${path} went while it was copied`, {
    hint: 'Take the snapshot again.',
    details: { path },
  })
}

function checkSignal(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortError(signal)
}
