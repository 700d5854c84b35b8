/**
 * A folder open for reading only: running, crashed, or a broker's. Recovery goes into memory (queues and index keep what they
 * are told), no byte changes and no lock is taken. ARCHITECTURE decision 22.
 *
 * While its owner lives, a record that does not decode is not there yet: `refresh` goes on from there.
 */
import { Watermark } from '../base/watermark.ts'
import type { RecordChecks } from '../codec/record-cursor.ts'
import type { FileSystem } from '../files/file-system.ts'
import { unitPlaceOf } from './append-unit.ts'
import type { FolderFiles } from './folder-files.ts'
import { closeFolderFiles, openFolderFiles } from './folder-files.ts'
import { LogWalk } from './log-walk.ts'
import { recordChecksOf } from './record-checks.ts'
import { RecordDispatch } from './record-dispatch.ts'
import type { Recovered } from './recovery.ts'
import { recover } from './recovery.ts'
import type { StoreSettings } from './settings.ts'
import type { StoreParts } from './store-parts.ts'

/** What a view is opened on. */
export type ReadViewParts = {
  readonly dir: string
  readonly settings: StoreSettings
  readonly fileSystem: FileSystem
  readonly onEvent: (name: string, details: Readonly<Record<string, unknown>>) => void
}

/** The parts of a store that a view has. */
export type ReadView = Pick<
  StoreParts,
  | 'log'
  | 'queues'
  | 'index'
  | 'checks'
  | 'dispatched'
  | 'recovery'
  | 'refresh'
  | 'tombstones'
  | 'opened'
  | 'checkpointed'
> & { close(): Promise<void> }

/** Opens the folder as it is now. */
export async function openReadView(parts: ReadViewParts): Promise<ReadView> {
  const { fileSystem, dir, settings, onEvent } = parts
  const files = await openFolderFiles({ ...parts, isReadOnly: true })
  const { log, queues, index, tombstones } = files
  try {
    const recovered = await recover({
      ...files,
      fileSystem,
      dir,
      mode: settings.mode,
      clock: settings.clock,
      recordCrc: settings.recordCrc,
      isReadOnly: true,
      onEvent,
    })
    const checks = recordChecksOf(recovered.state.foreignRanges)
    log.written.advance(recovered.appendAt)
    log.flushed.advance(recovered.appendAt)
    const dispatched = new Watermark('dispatched', recovered.appendAt)
    // With our `abort` there no broker was here since, though the owner may be writing the checkpoint at this moment.
    const isAbortOurs = files.facts.isAborted && !files.facts.isAbortForeign
    const isCheckpointOurs = recovered.isCheckpointOurs || isAbortOurs
    const follow = new Follow(parts, files, recovered, dispatched)
    const checkpointed = Math.min(files.loaded.state?.checkpointed ?? 0, recovered.appendAt)
    return {
      log,
      queues,
      index,
      checks,
      dispatched,
      tombstones,
      recovery: recovered.report,
      opened: { isOffsetsJsonOurs: true, isCheckpointOurs },
      checkpointed: () => Math.max(checkpointed, log.minOffset),
      refresh: () => follow.refresh(),
      close: () => closeFiles(files, follow),
    }
  } catch (error) {
    await closeFiles(files, undefined)
    throw error
  }
}

/** Goes on where recovery ended, as far as the owner has come. */
class Follow {
  readonly #files: FolderFiles
  readonly #checks: (physicalOffset: number) => RecordChecks
  #walk: LogWalk
  readonly #records: RecordDispatch
  readonly #dispatched: Watermark
  #running: Promise<void> | undefined
  #isClosed = false

  constructor({ onEvent }: ReadViewParts, files: FolderFiles, recovered: Recovered, dispatched: Watermark) {
    const { queues, index, tombstones } = files
    this.#files = files
    this.#dispatched = dispatched
    this.#checks = recordChecksOf(recovered.state.foreignRanges)
    this.#walk = this.#walkFrom(recovered.appendAt)
    this.#records = new RecordDispatch({
      queues,
      index,
      isDropped: (topic, physicalOffset) => tombstones.isDropped(topic, physicalOffset),
      onDispatch: () => undefined,
      onEvent,
    })
  }

  /** One at a time; who asks while one runs gets the same. */
  refresh(): Promise<void> {
    if (this.#isClosed) return Promise.resolve()
    this.#running ??= this.#refresh().finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#running
  }

  async #refresh(): Promise<void> {
    const { log, queues } = this.#files
    await log.relist()
    queues.correctMin(log.minOffset)
    let end = this.#dispatched.value
    for (let step = this.#walk.step(); step !== 'end'; step = this.#walk.step()) {
      if (step === 'starved') await this.#walk.fill()
      if (step === 'record' && !(await this.#isUnitThere())) {
        this.#walk = this.#walkFrom(end)
        break
      }
      if (step === 'record') this.#records.dispatch(this.#walk.cursor)
      // A filler that is the last thing there may still be on its way: what follows tells.
      if (step === 'record' || step === 'filler') end = this.#walk.position
    }
    const { written, flushed } = log
    written.advance(Math.max(written.value, end))
    flushed.advance(Math.max(flushed.value, end))
    this.#dispatched.advance(Math.max(this.#dispatched.value, end))
  }

  /**
   * False where the record begins an append unit the rest of which is not there: on its way, or its writer was killed.
   * What another writer appended is believed as it is: a broker copies properties of ours into records of its own.
   */
  async #isUnitThere(): Promise<boolean> {
    const { physicalOffset, properties } = this.#walk.cursor
    const place = unitPlaceOf(properties)
    if (place === undefined || place.index !== 1 || this.#checks(physicalOffset).record === 'ignore') return true
    const ahead = this.#walkFrom(physicalOffset)
    for (let index = 1; index <= place.count; index++) {
      let step = ahead.step()
      while (step === 'starved') {
        await ahead.fill()
        step = ahead.step()
      }
      if (step === 'end') return false
      if (step !== 'record' || unitPlaceOf(ahead.cursor.properties)?.index !== index) return true
    }
    return true
  }

  #walkFrom(physicalOffset: number): LogWalk {
    const { log } = this.#files
    return new LogWalk(log, {
      from: physicalOffset,
      limit: () => log.filesEnd,
      checks: this.#checks,
      wholeTo: physicalOffset,
    })
  }
}

async function closeFiles(files: FolderFiles, follow: Follow | undefined): Promise<void> {
  await follow?.close()
  await closeFolderFiles(files)
}
