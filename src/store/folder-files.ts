/** Opens what a store's folder holds, in the order that finds out what it is before anything is believed. */
import type { FileSystem } from '../files/file-system.ts'
import { CommitLog } from './commit-log.ts'
import { ConsumeQueues } from './consume-queues.ts'
import { refuseOtherSizes } from './given-sizes.ts'
import type { FolderFacts } from './inspect-folder.ts'
import { inspectFolder, mendSegments, segmentsBehindGap } from './inspect-folder.ts'
import { MessageIndex } from './message-index.ts'
import type { StoreSettings } from './settings.ts'
import type { LoadedState } from './state-file.ts'
import { StateFile } from './state-file.ts'
import type { LoadedCheckpoint } from './store-checkpoint.ts'
import { StoreCheckpoint } from './store-checkpoint.ts'
import { Tombstones } from './tombstones.ts'

/** How a folder is opened. */
export type FolderOptions = {
  readonly fileSystem: FileSystem
  readonly dir: string
  readonly settings: StoreSettings
  /** Nothing on disk changes; queues and index keep in memory what they are told. */
  readonly isReadOnly: boolean
  readonly onEvent: (name: string, details: Readonly<Record<string, unknown>>) => void
}

/** The open files of a folder, before recovery. */
export type FolderFiles = {
  readonly facts: FolderFacts
  readonly loaded: LoadedState
  readonly checkpoint: LoadedCheckpoint
  readonly log: CommitLog
  readonly queues: ConsumeQueues
  readonly index: MessageIndex
  readonly tombstones: Tombstones
}

/** Opens a folder's files with the sizes they have; settings hold where there are none yet. */
export async function openFolderFiles(options: FolderOptions): Promise<FolderFiles> {
  const { fileSystem, dir, settings, isReadOnly, onEvent } = options
  const { mode, clock } = settings
  const loaded = await StateFile.load({ fileSystem, dir, mode })
  const facts = await inspectFolder(fileSystem, dir, loaded.state)
  refuseOtherSizes(settings, facts)
  const checkpoint = await StoreCheckpoint.load({ fileSystem, dir, mode })
  const folder = `${dir}/commitlog`
  const segmentBytes = facts.commitLogSegmentBytes ?? settings.commitLogSegmentBytes
  if (!isReadOnly) await fileSystem.ensureFolder(folder, mode)
  const notes = isReadOnly
    ? []
    : await mendSegments(fileSystem, facts, { segmentBytes, flushed: loaded.state?.flushed, folder })
  const ignoreFrom = segmentsBehindGap(facts, segmentBytes, loaded.state?.flushed)[0]?.start ?? Number.POSITIVE_INFINITY
  const zeroesAhead = settings.durability === 'disk'
  const log = await CommitLog.open({ fileSystem, folder, mode, segmentBytes, zeroesAhead, ignoreFrom })
  const queues = await ConsumeQueues.open({
    fileSystem,
    dir,
    mode,
    clock,
    entriesPerFile: facts.consumeQueueEntries ?? settings.consumeQueueSegmentEntries,
    readOnly: isReadOnly,
    logMinOffset: log.minOffset,
    onEvent,
  })
  const index = await MessageIndex.open({
    fileSystem,
    dir,
    mode,
    clock,
    slots: facts.indexSizes?.slots ?? settings.indexSlots,
    entries: facts.indexSizes?.entries ?? settings.indexEntries,
    readOnly: isReadOnly,
    onEvent,
  })
  const tombstones = new Tombstones(loaded.lists.tombstones)
  return { facts: { ...facts, notes: [...facts.notes, ...notes] }, loaded, checkpoint, log, queues, index, tombstones }
}

/** Closes them all; the first failure is thrown when every one was tried. Can be called twice. */
export async function closeFolderFiles({ log, queues, index, loaded, checkpoint }: FolderFiles): Promise<void> {
  const closing = await Promise.allSettled([queues, index, log, loaded.file, checkpoint.file].map(part => part.close()))
  const failed = closing.find(result => result.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}
