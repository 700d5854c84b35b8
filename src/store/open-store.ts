/**
 * Opens a folder: checks what it is, takes the lock, recovers, and starts what runs.
 * The order matters: the lock is taken before anything is read that recovery may change.
 */
import { resolve } from 'node:path'
import { PocketMQError } from '../base/errors.ts'
import type { Watermark } from '../base/watermark.ts'
import type { FileSystem } from '../files/file-system.ts'
import { loadMmap } from '../files/mmap.ts'
import { nodeFileSystem } from '../files/node-file-system.ts'
import { closeStore } from './close-store.ts'
import type { FolderFiles } from './folder-files.ts'
import { closeFolderFiles, openFolderFiles } from './folder-files.ts'
import { refuseOtherFolder } from './inspect-folder.ts'
import type { MessageReaderParts } from './message-reader.ts'
import { MessageReader } from './message-reader.ts'
import { isOffsetsJsonOurs } from './offsets-json.ts'
import { ProvenRecords } from './proven-records.ts'
import { openReadView } from './read-view.ts'
import { recordChecksOf } from './record-checks.ts'
import type { Recovered } from './recovery.ts'
import { recover } from './recovery.ts'
import { RunningStore } from './running-store.ts'
import type { StoreSettings } from './settings.ts'
import { SmallFiles } from './small-files.ts'
import { StoreHooks } from './store-hooks.ts'
import type { StoreParts } from './store-parts.ts'
import { StoreStatus } from './store-status.ts'

/** What this process appended so lately is in the page cache, not read back from a device. */
const TRUSTED_BYTES = 64 * 1024 * 1024

/** What both ways of opening need first. */
export type Ground = {
  readonly dir: string
  readonly settings: StoreSettings
  readonly fileSystem: FileSystem
  readonly status: StoreStatus
  readonly hooks: StoreHooks
  readonly smallFiles: SmallFiles
  readonly onEvent: (name: string, details: Readonly<Record<string, unknown>>) => void
}

/** Opens for writing; see `MessageStore.open`. */
export async function openForWriting(dir: string, settings: StoreSettings): Promise<StoreParts> {
  const ground = await layGround(dir, settings, false)
  const { fileSystem } = ground
  await refuseOtherFolder(fileSystem, ground.dir)
  await checkDevice(ground)
  await fileSystem.ensureFolder(ground.dir, settings.mode)
  const releaseLock = await takeLock(ground)
  try {
    return await startWriting(ground, releaseLock)
  } catch (error) {
    await releaseLock()
    throw error
  }
}

/** Opens for reading only; see `MessageStore.openReadOnly`. */
export async function openForReading(dir: string, settings: StoreSettings): Promise<StoreParts> {
  const ground = await layGround(dir, settings, true)
  await refuseMissingFolder(ground)
  const view = await openReadView(ground)
  return {
    ...ground,
    ...view,
    reader: readerOf(ground, view, view.dispatched),
    writer: undefined,
    close: async () => {
      ground.status.close()
      await view.close()
    },
  }
}

async function layGround(dir: string, settings: StoreSettings, isReadOnly: boolean): Promise<Ground> {
  const root = resolve(dir)
  if (settings.io === 'mmap' && settings.fileSystem === undefined) await loadMmap()
  const fileSystem = settings.fileSystem ?? nodeFileSystem(settings.io === 'mmap' ? 'mmap' : 'file')
  const hooks = new StoreHooks(settings.logger)
  const onEvent: Ground['onEvent'] = (name, details) => hooks.onEvent(name, details)
  const smallFiles = new SmallFiles({
    fileSystem,
    dir: root,
    mode: settings.mode,
    isReadOnly,
    onRefused: (path, error) => onEvent('file-refused', { path, reason: String(error) }),
  })
  return { dir: root, settings, fileSystem, status: new StoreStatus(root, isReadOnly), hooks, smallFiles, onEvent }
}

/** A file system that other machines may write keeps neither our lock nor our flushes. SEMANTICS 8.1. */
async function checkDevice({ dir, settings, fileSystem }: Ground): Promise<void> {
  const device = await fileSystem.device(dir)
  if (device.isNetwork && !settings.allowNetworkFs) {
    throw new PocketMQError('UNSUPPORTED_FILE_SYSTEM', `${dir} is on a network file system`, {
      hint: 'Use a local disk, or pass allowNetworkFs where losing messages is acceptable.',
      details: { dir },
    })
  }
  if (device.isOverlay) {
    settings.logger.warn({ dir }, 'the folder is in a container layer and is lost with the container: mount a volume')
  }
}

/** Takes the lock; without one of our own, a holder that the system shows is still respected. Decision 11. */
async function takeLock({ dir, settings, fileSystem }: Ground): Promise<() => Promise<void>> {
  if (settings.lock !== 'none') {
    const lock = await fileSystem.lock(dir, settings.lockWaitMs, settings.mode & 0o666)
    return () => lock.release()
  }
  const holder = await fileSystem.lockHolder(dir)
  if (holder === undefined) return async () => undefined
  throw new PocketMQError('STORE_LOCKED', `${dir} is open in ${holder}`, {
    hint: 'Close the other owner first, or look into the folder with openReadOnly.',
    details: { dir, holder },
  })
}

/** @throws STORE_NOT_FOUND, UNSUPPORTED_FORMAT */
export async function refuseMissingFolder({ dir, fileSystem }: Pick<Ground, 'dir' | 'fileSystem'>): Promise<void> {
  await refuseOtherFolder(fileSystem, dir)
  if ((await fileSystem.stat(`${dir}/commitlog`)) !== undefined) return
  throw new PocketMQError('STORE_NOT_FOUND', `there is no store in ${dir}`, {
    hint: 'Check the path; `open` creates a store, `openReadOnly` does not.',
    details: { dir },
  })
}

async function startWriting(ground: Ground, releaseLock: () => Promise<void>): Promise<StoreParts> {
  const files = await openFolderFiles({ ...ground, isReadOnly: false })
  let running: RunningStore | undefined
  try {
    const recovered = await recoverForWriting(ground, files)
    const isJsonOurs = await isOffsetsJsonOurs(ground.smallFiles, recovered.state)
    await files.log.startAppending(recovered.appendAt)
    running = new RunningStore({ ...ground, files, recovered })
    await running.start()
    return runningParts({ ground, files, recovered, running, isJsonOurs, releaseLock })
  } catch (error) {
    // What went wrong first is what the caller has to know.
    await Promise.allSettled([running?.stop()])
    await Promise.allSettled([closeFolderFiles(files)])
    throw error
  }
}

function recoverForWriting(
  { settings, fileSystem, dir, onEvent }: Ground,
  files: FolderFiles,
): ReturnType<typeof recover> {
  return recover({
    ...files,
    fileSystem,
    dir,
    mode: settings.mode,
    clock: settings.clock,
    recordCrc: settings.recordCrc,
    isReadOnly: false,
    onEvent,
  })
}

type Started = {
  readonly ground: Ground
  readonly files: FolderFiles
  readonly recovered: Recovered
  readonly running: RunningStore
  readonly isJsonOurs: boolean
  readonly releaseLock: () => Promise<void>
}

function runningParts({ ground, files, recovered, running, isJsonOurs, releaseLock }: Started): StoreParts {
  const { log, queues, index, tombstones } = files
  const { dispatched } = running.dispatcher
  const checks = recordChecksOf(recovered.state.foreignRanges)
  const shown = { log, queues, index, checks, tombstones }
  return {
    ...ground,
    ...shown,
    reader: readerOf(ground, shown, dispatched, {
      trustedFrom: () => Math.max(recovered.appendAt, log.written.value - TRUSTED_BYTES),
      proven: new ProvenRecords(ground.settings.clock),
    }),
    dispatched,
    recovery: recovered.report,
    opened: { isOffsetsJsonOurs: isJsonOurs, isCheckpointOurs: recovered.isCheckpointOurs },
    checkpointed: () => running.checkpointer.checkpointed,
    writer: running,
    refresh: undefined,
    close: () => closeStore({ ...ground, files, running, releaseLock }),
  }
}

function readerOf(
  { onEvent }: Ground,
  { log, queues, index, checks, tombstones }: Pick<StoreParts, 'log' | 'queues' | 'index' | 'checks' | 'tombstones'>,
  dispatched: Watermark,
  trust: Pick<MessageReaderParts, 'trustedFrom' | 'proven'> = {},
): MessageReader {
  return new MessageReader({
    log,
    queues,
    index,
    checks,
    ...trust,
    isDropped: (topic, physicalOffset) => tombstones.isDropped(topic, physicalOffset),
    dispatched: () => dispatched.value,
    onEvent,
  })
}
