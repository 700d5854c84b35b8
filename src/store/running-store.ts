/** The loops of a store that is open for writing, wired to one another: append, flush, dispatch, checkpoint, retention. */

import { RecordEncoder } from '../codec/record-encoder.ts'
import { BODY_BYTES_MAX } from '../codec/record-fields.ts'
import { FILLER_BYTES } from '../codec/record-layout.ts'
import type { FileSystem } from '../files/file-system.ts'
import { Admission } from './admission.ts'
import type { AppendBounds } from './append-path.ts'
import { AppendPath } from './append-path.ts'
import { Checkpointer } from './checkpointer.ts'
import { DiskGuard } from './disk-guard.ts'
import { Dispatcher } from './dispatcher.ts'
import { Flusher } from './flusher.ts'
import type { FolderFiles } from './folder-files.ts'
import { OffsetsJson } from './offsets-json.ts'
import { QueueOffsets } from './queue-offsets.ts'
import type { Recovered } from './recovery.ts'
import { Retention } from './retention.ts'
import type { StoreSettings } from './settings.ts'
import type { SmallFiles } from './small-files.ts'
import type { StoreHooks } from './store-hooks.ts'
import type { WriterParts } from './store-parts.ts'
import type { StoreStatus } from './store-status.ts'
import type { Tombstones } from './tombstones.ts'

/** What a running store stands on. */
export type RunningParts = {
  readonly dir: string
  readonly settings: StoreSettings
  readonly fileSystem: FileSystem
  readonly status: StoreStatus
  readonly hooks: StoreHooks
  readonly smallFiles: SmallFiles
  readonly files: FolderFiles
  readonly recovered: Recovered
}

/** Everything that moves in an open store. */
export class RunningStore implements WriterParts {
  readonly dispatcher: Dispatcher
  readonly flusher: Flusher
  readonly checkpointer: Checkpointer
  readonly append: AppendPath
  readonly admission: Admission
  readonly tombstones: Tombstones
  readonly offsetsJson: OffsetsJson
  readonly retention: Retention
  readonly guard: DiskGuard
  readonly #parts: RunningParts
  readonly #bounds: AppendBounds
  /** Consumers of a store that promises the device see nothing a power cut could take back. Decision 7. */
  readonly #isDeviceFirst: boolean

  constructor(parts: RunningParts) {
    const { settings, files } = parts
    this.#parts = parts
    this.#bounds = settings
    this.#isDeviceFirst = settings.durability === 'disk'
    this.tombstones = files.tombstones
    this.dispatcher = this.#makeDispatcher()
    this.flusher = this.#makeFlusher()
    this.checkpointer = this.#makeCheckpointer()
    this.append = this.#makeAppendPath()
    this.admission = this.#makeAdmission()
    this.offsetsJson = new OffsetsJson(parts.smallFiles, this.checkpointer)
    this.retention = this.#makeRetention()
    this.guard = this.#makeGuard()
  }

  /** Starts the loops. */
  async start(): Promise<void> {
    await this.guard.start()
    this.flusher.start()
    this.checkpointer.start()
    this.retention.start()
  }

  /** Ends the loops; can be called twice. */
  async stop(): Promise<void> {
    const { guard, retention, checkpointer, flusher, dispatcher } = this
    for (const part of [guard, retention, checkpointer, flusher, dispatcher]) await part.stop()
  }

  readonly #onEvent = (name: string, details: Readonly<Record<string, unknown>>): void => {
    this.#parts.hooks.onEvent(name, details)
  }

  readonly #onFailure = (error: Error): void => {
    const { status, hooks, files } = this.#parts
    const failure = status.fail(error)
    for (const watermark of [files.log.written, files.log.flushed, this.dispatcher.dispatched]) watermark.fail(failure)
    hooks.onEvent('error', { code: failure.code, message: failure.message })
  }

  #makeDispatcher(): Dispatcher {
    const { settings, files, recovered, hooks } = this.#parts
    const { log, queues, index, tombstones } = files
    return new Dispatcher({
      log,
      queues,
      index,
      clock: settings.clock,
      from: recovered.appendAt,
      limit: () => (this.#isDeviceFirst ? log.flushed.value : log.written.value),
      isDropped: (topic, physicalOffset) => tombstones.isDropped(topic, physicalOffset),
      onDispatch: request => hooks.onDispatch(request),
      onFailure: this.#onFailure,
      onEvent: this.#onEvent,
    })
  }

  #makeFlusher(): Flusher {
    const { settings, files } = this.#parts
    return new Flusher({
      log: files.log,
      clock: settings.clock,
      intervalMs: settings.flushIntervalMs,
      unflushedBytesMax: settings.unflushedBytesMax,
      onFlushed: () => {
        if (this.#isDeviceFirst) this.dispatcher.wake()
        this.checkpointer.noteFlushed()
      },
      onFailure: this.#onFailure,
    })
  }

  #makeCheckpointer(): Checkpointer {
    const { settings, files, recovered } = this.#parts
    const parts = {
      log: files.log,
      flusher: this.flusher,
      queues: files.queues,
      index: files.index,
      dispatcher: this.dispatcher,
      stateFile: files.loaded.file,
      checkpoint: files.checkpoint.file,
      clock: settings.clock,
      intervalMs: settings.flushIntervalMs,
      lastStoreTimestamp: () => this.append.lastStoreTimestamp,
      onFailure: this.#onFailure,
      onEvent: this.#onEvent,
    }
    return new Checkpointer(parts, recovered.state)
  }

  #makeAppendPath(): AppendPath {
    const { settings, status, files, recovered } = this.#parts
    const { log, queues, tombstones } = files
    const { host, port } = settings.advertise
    const offsets = new QueueOffsets((topic, queueId) =>
      Math.max(queues.queue(topic, queueId)?.maxQueueOffset ?? 0, tombstones.nextQueueOffset(topic, queueId)),
    )
    tombstones.connect({ log, queues, offsets, checkpointer: this.checkpointer })
    return new AppendPath({
      log,
      encoder: new RecordEncoder({
        storeHost: host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`,
        recordCrc: settings.recordCrc,
        messageBytesMax: BODY_BYTES_MAX,
      }),
      offsets,
      clock: settings.clock,
      bounds: this.#bounds,
      unitBytesMax: log.segmentBytes - FILLER_BYTES,
      dispatched: () => this.dispatcher.dispatched.value,
      isDispatchBehind: () => this.dispatcher.isBehind,
      checkOpen: kind => {
        status.checkWritable()
        if (kind === 'new') this.retention.checkRoom()
      },
      onWritten: () => {
        // A store whose consumers wait for the device dispatches when the flush has ended.
        if (!this.#isDeviceFirst) this.dispatcher.wake()
        this.flusher.wake()
      },
      onWriteFailure: error => {
        // Later records take these positions: whoever waits for one of them at any level must not be answered by those.
        for (const mark of [log.written, log.flushed, this.dispatcher.dispatched]) {
          mark.rejectBeyond(log.written.value, error)
        }
      },
      lastStoreTimestamp: recovered.lastStoreTimestamp,
    })
  }

  #makeAdmission(): Admission {
    const { status, files } = this.#parts
    return new Admission({
      log: files.log,
      flusher: this.flusher,
      dispatched: this.dispatcher.dispatched,
      bounds: this.#bounds,
      refusedBytes: () => this.append.refusedBytes,
      checkOpen: () => status.checkWritable(),
      room: signal => this.retention.room(signal),
    })
  }

  #makeRetention(): Retention {
    const { settings, fileSystem, dir, hooks, files } = this.#parts
    return new Retention({
      fileSystem,
      dir,
      settings: settings.retention,
      clock: settings.clock,
      log: files.log,
      queues: files.queues,
      index: files.index,
      checkpointed: () => this.checkpointer.checkpointed,
      keepFrom: () => hooks.keepFrom(),
      flush: () => this.flusher.flushNow(),
      onEvent: this.#onEvent,
    })
  }

  #makeGuard(): DiskGuard {
    const { settings, fileSystem, dir, status } = this.#parts
    const { clock, retention } = settings
    return new DiskGuard({
      fileSystem,
      dir,
      clock,
      freeBytesMin: retention.freeBytesMin,
      status,
      onEvent: this.#onEvent,
    })
  }
}
