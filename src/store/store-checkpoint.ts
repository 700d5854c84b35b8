/**
 * The file `checkpoint`, which tells a broker from where to rescan after an unclean exit.   RocketMQ: StoreCheckpoint.
 * Never ahead of what is on the device: the caller writes it after the flushes whose end it records.
 */
import { createHash } from 'node:crypto'
import { dirname, join } from 'node:path'
import { isErrorNamed } from '../base/errors.ts'
import type { Checkpoint } from '../codec/checkpoint.ts'
import { decodeCheckpoint, EMPTY_CHECKPOINT, encodeCheckpoint } from '../codec/checkpoint.ts'
import { readWhole } from '../files/atomic-file.ts'
import type { FileSystem, StoreFile } from '../files/file-system.ts'

/** Where the checkpoint lies. */
export type StoreCheckpointOptions = {
  readonly fileSystem: FileSystem
  /** The store's folder. */
  readonly dir: string
  /** Of new folders; files get the same without x. */
  readonly mode: number
}

/** How far everything has come, as a checkpoint says it. */
export type CheckpointValues = {
  /** Of the newest dispatched record; log and queue entries up to it are on the device. */
  readonly storeTimestamp: number
  /** End of what is dispatched. */
  readonly dispatched: number
  /** End timestamp of the newest index file that is full and on the device. */
  readonly indexTimestamp: number
}

/** A checkpoint's bytes before they are written, and the hash that our state remembers of them. */
export type CheckpointFile = { readonly bytes: Buffer; readonly sha256: string }

/** What {@link StoreCheckpoint.load} found. */
export type LoadedCheckpoint = {
  readonly file: StoreCheckpoint
  /** Undefined where the file is missing or damaged. */
  readonly checkpoint: Checkpoint | undefined
  /** Of the file's bytes; undefined where it is missing or nothing but zeros. */
  readonly sha256: string | undefined
}

/** The checkpoint of one folder. */
export class StoreCheckpoint {
  readonly #path: string
  readonly #fileSystem: FileSystem
  readonly #mode: number
  /** What a broker with replicas wrote is kept as it is. */
  readonly #former: Checkpoint
  #file: StoreFile | undefined

  private constructor(options: StoreCheckpointOptions, former: Checkpoint) {
    this.#path = join(options.dir, 'checkpoint')
    this.#fileSystem = options.fileSystem
    this.#mode = options.mode & 0o666
    this.#former = former
  }

  /** Reads the checkpoint; changes nothing. */
  static async load(options: StoreCheckpointOptions): Promise<LoadedCheckpoint> {
    const bytes = await readWhole(options.fileSystem, join(options.dir, 'checkpoint'))
    const checkpoint = bytes === undefined ? undefined : decoded(bytes)
    const file = new StoreCheckpoint(options, checkpoint ?? EMPTY_CHECKPOINT)
    // A power cut can keep the name and not the content: nothing but zeros is nobody's, and no sign of a broker.
    return { file, checkpoint, sha256: bytes?.some(byte => byte !== 0) ? sha256Of(bytes) : undefined }
  }

  /** The bytes to write, so that their hash can be on the device before they are. */
  encode({ storeTimestamp, dispatched, indexTimestamp }: CheckpointValues): CheckpointFile {
    const bytes = encodeCheckpoint({
      ...this.#former,
      physicMessageTimestamp: storeTimestamp,
      logicsMessageTimestamp: storeTimestamp,
      indexMessageTimestamp: indexTimestamp,
      logicsPhysicalOffset: dispatched,
    })
    return { bytes, sha256: sha256Of(bytes) }
  }

  /** Puts what `load` found on the device: a process that was killed may have left it in the page cache alone. */
  async flush(): Promise<void> {
    if ((await this.#fileSystem.stat(this.#path)) === undefined) return
    this.#file ??= await this.#fileSystem.open(this.#path, 'write', this.#mode)
    await this.#file.flush()
    await this.#fileSystem.flushFolder(dirname(this.#path))
  }

  /** On the device when it resolves. Written in place, as RocketMQ does: its values lie in one sector. */
  async write({ bytes }: CheckpointFile): Promise<void> {
    const isNew = this.#file === undefined
    this.#file ??= await this.#fileSystem.open(this.#path, 'create', this.#mode)
    await this.#file.write(bytes, 0)
    await this.#file.flush()
    if (isNew) await this.#fileSystem.flushFolder(dirname(this.#path))
  }

  /** Idempotent. */
  async close(): Promise<void> {
    await this.#file?.close()
    this.#file = undefined
  }
}

function decoded(bytes: Buffer): Checkpoint | undefined {
  try {
    return decodeCheckpoint(bytes)
  } catch (error) {
    if (!isErrorNamed(error, 'CORRUPT')) throw error
    return undefined
  }
}

function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
