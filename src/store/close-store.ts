/**
 * Closes a store so that its folder is clean: what the layers above persist, then log, queues, index, checkpoint and state,
 * each on the device before the next, and `abort` last of all. FORMAT section 24.
 */
import type { FileSystem } from '../files/file-system.ts'
import { removeAbortFile } from './abort-file.ts'
import { takeCensus } from './census.ts'
import { saveClosedFiles } from './closed-files.ts'
import type { FolderFiles } from './folder-files.ts'
import type { RunningStore } from './running-store.ts'
import type { StoreSettings } from './settings.ts'
import type { StoreHooks } from './store-hooks.ts'
import type { StoreStatus } from './store-status.ts'

/** What closing goes through. */
export type CloseParts = {
  readonly dir: string
  readonly settings: StoreSettings
  readonly fileSystem: FileSystem
  readonly status: StoreStatus
  readonly hooks: StoreHooks
  readonly files: FolderFiles
  readonly running: RunningStore
  readonly releaseLock: () => Promise<void>
}

/** A store that has failed, or fails here, keeps its `abort`: the next open recovers. The lock is freed in any case. */
export async function closeStore(parts: CloseParts): Promise<void> {
  const { status, hooks, running } = parts
  try {
    for (const step of hooks.closeSteps) await step()
    await running.guard.stop()
    await running.retention.stop()
    if (status.failure === undefined) await settle(parts)
  } finally {
    status.close()
    await release(parts)
  }
}

/** Everything appended is on the device with its entries, and our state says that the folder was closed. */
async function settle({ status, running, files, dir, settings, fileSystem }: CloseParts): Promise<void> {
  const { append, flusher, checkpointer, dispatcher } = running
  append.writeOut()
  status.close()
  await flusher.flushNow()
  await dispatcher.drain()
  await checkpointer.run()
  await checkpointer.stop()
  await flusher.stop()
  await dispatcher.stop()
  const census = takeCensus(files.queues, files.index, true)
  await files.queues.close()
  await files.index.close()
  await files.log.close()
  await saveClosedFiles({ fileSystem, dir, mode: settings.mode })
  await checkpointer.change({ ...census, isCleanClose: true })
  await removeAbortFile(fileSystem, dir)
}

/** Gives back descriptors and the lock, whatever state the store is in; each of these can be called twice. */
async function release({ status, running, files, releaseLock }: CloseParts): Promise<void> {
  const { guard, retention, checkpointer, flusher, dispatcher } = running
  const gone = status.failure ?? status.closedError()
  const { log, queues, index, loaded, checkpoint } = files
  for (const watermark of [log.written, log.flushed, dispatcher.dispatched]) watermark.fail(gone)
  const loops = [guard, retention, checkpointer, flusher, dispatcher].map(part => () => part.stop())
  const closed = [queues, index, log, loaded.file, checkpoint.file].map(part => () => part.close())
  const failures: unknown[] = []
  for (const step of [...loops, ...closed, releaseLock]) await step().catch((error: unknown) => failures.push(error))
  if (failures.length > 0 && status.failure === undefined) throw failures[0]
}
