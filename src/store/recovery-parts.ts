/** What recovery works on, and what it has decided to do. */
import type { Clock } from '../base/clock.ts'
import type { RecordChecks } from '../codec/record-cursor.ts'
import type { FileSystem } from '../files/file-system.ts'
import type { CommitLog } from './commit-log.ts'
import type { ConsumeQueues } from './consume-queues.ts'
import type { FolderFacts } from './inspect-folder.ts'
import type { MessageIndex } from './message-index.ts'
import type { LoadedState } from './state-file.ts'
import type { LoadedCheckpoint } from './store-checkpoint.ts'
import type { Tombstones } from './tombstones.ts'

/** What recovery is given: everything opened, nothing changed yet. The caller holds the lock. */
export type RecoveryParts = {
  readonly fileSystem: FileSystem
  /** The store's folder. */
  readonly dir: string
  /** Of new folders; files get the same without x. */
  readonly mode: number
  readonly clock: Clock
  readonly facts: FolderFacts
  readonly loaded: LoadedState
  readonly checkpoint: LoadedCheckpoint
  readonly log: CommitLog
  readonly queues: ConsumeQueues
  readonly index: MessageIndex
  /** Whether records appended from now on carry `__CRC32#`. */
  readonly recordCrc: boolean
  /** Only memory changes: the log is not cut, and what queues and index are told stays with them. */
  readonly isReadOnly: boolean
  readonly tombstones: Pick<Tombstones, 'isDropped' | 'cutAt'>
  readonly onEvent: (name: string, details: Readonly<Record<string, unknown>>) => void
}

/** What recovery is going to do. */
export type RecoveryPlan = {
  /** The last owner closed the folder, whoever it was. */
  readonly isClean: boolean
  /** We closed it and nobody touched it since: there is nothing to read. */
  readonly isTrusted: boolean
  /** Another writer was here since we closed it, or we never were. */
  readonly isForeign: boolean
  /** Where the walk starts; a border of records. */
  readonly from: number
  readonly wholeTo: number
  readonly beyond: 'torn' | 'search'
  readonly checks: (physicalOffset: number) => RecordChecks
  readonly notes: readonly string[]
}
