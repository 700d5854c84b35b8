/** What an open store consists of. `open-store` builds it; `message-store` shows it to callers. */
import type { Watermark } from '../base/watermark.ts'
import type { RecordChecks } from '../codec/record-cursor.ts'
import type { FileSystem } from '../files/file-system.ts'
import type { Admission } from './admission.ts'
import type { AppendPath } from './append-path.ts'
import type { Checkpointer } from './checkpointer.ts'
import type { CommitLog } from './commit-log.ts'
import type { ConsumeQueues } from './consume-queues.ts'
import type { Flusher } from './flusher.ts'
import type { MessageIndex } from './message-index.ts'
import type { MessageReader } from './message-reader.ts'
import type { OffsetsJson } from './offsets-json.ts'
import type { Retention } from './retention.ts'
import type { StoreSettings } from './settings.ts'
import type { SmallFiles } from './small-files.ts'
import type { StoreHooks } from './store-hooks.ts'
import type { StoreStatus } from './store-status.ts'
import type { RecoveryReport } from './store-types.ts'
import type { Tombstones } from './tombstones.ts'

/** What only the owner of the folder has. */
export type WriterParts = {
  readonly append: AppendPath
  readonly admission: Admission
  readonly flusher: Flusher
  readonly checkpointer: Checkpointer
  readonly tombstones: Tombstones
  readonly offsetsJson: OffsetsJson
  readonly retention: Retention
}

/** An open store. */
export type StoreParts = {
  readonly dir: string
  readonly settings: StoreSettings
  readonly fileSystem: FileSystem
  readonly status: StoreStatus
  readonly hooks: StoreHooks
  readonly log: CommitLog
  readonly queues: ConsumeQueues
  readonly index: MessageIndex
  readonly reader: MessageReader
  readonly tombstones: Tombstones
  /** Which checksums a record at this place must have. */
  readonly checks: (physicalOffset: number) => RecordChecks
  readonly dispatched: Watermark
  readonly smallFiles: SmallFiles
  readonly recovery: RecoveryReport
  readonly opened: { readonly isOffsetsJsonOurs: boolean; readonly isCheckpointOurs: boolean }
  /** Up to where log and derived files are on the device; for a reader as the owner had said when the folder was opened. */
  readonly checkpointed: () => number
  /** Undefined where the folder is open for reading only. */
  readonly writer: WriterParts | undefined
  /** Read-only: looks whether the folder's owner has gone on. */
  readonly refresh: (() => Promise<void>) | undefined
  readonly close: () => Promise<void>
}
