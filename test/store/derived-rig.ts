/** The derived files of a folder with its log, dispatcher and reader, without the rest of a store around them. */
import type { Clock } from '../../src/base/clock.ts'
import type { RecordChecks } from '../../src/codec/record-cursor.ts'
import type { FileSystem } from '../../src/files/file-system.ts'
import { CommitLog } from '../../src/store/commit-log.ts'
import { ConsumeQueues } from '../../src/store/consume-queues.ts'
import { Dispatcher } from '../../src/store/dispatcher.ts'
import { LogWalk } from '../../src/store/log-walk.ts'
import { MessageIndex } from '../../src/store/message-index.ts'
import { MessageReader } from '../../src/store/message-reader.ts'
import type { DispatchRequest } from '../../src/store/store-types.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'

export type RigEvent = { readonly name: string; readonly details: Readonly<Record<string, unknown>> }

export type DerivedRig = {
  readonly log: CommitLog
  readonly queues: ConsumeQueues
  readonly index: MessageIndex
  readonly dispatcher: Dispatcher
  readonly reader: MessageReader
  readonly events: RigEvent[]
  readonly failures: Error[]
  /** Copies of what `onDispatch` was called with. */
  readonly requests: DispatchRequest[]
  close(): Promise<void>
}

export type DerivedRigOptions = {
  readonly fileSystem: FileSystem
  readonly dir: string
  /** An open log; otherwise the one on disk is opened, and all of it counts as written. */
  readonly log?: CommitLog
  readonly segmentBytes?: number
  readonly entriesPerFile?: number
  readonly slots?: number
  readonly entries?: number
  readonly readOnly?: boolean
  readonly clock?: Clock
  readonly sliceMs?: number
  /** Where dispatch starts. Default: the log's end, so that only what is there already is read. */
  readonly from?: number
  readonly isDropped?: (topic: string, physicalOffset: number) => boolean
}

/** What a broker's record has to prove: it has no CRC over the whole record. */
export const BROKER_CHECKS: RecordChecks = { body: true, record: 'ignore', position: true }

export async function derivedRig(options: DerivedRigOptions): Promise<DerivedRig> {
  const { fileSystem, dir, readOnly = false, segmentBytes = 4096, clock = new ManualClock() } = options
  const log = options.log ?? (await openWholeLog(fileSystem, dir, segmentBytes))
  const events: RigEvent[] = []
  const failures: Error[] = []
  const requests: DispatchRequest[] = []
  const onEvent = (name: string, details: Readonly<Record<string, unknown>>): void => {
    events.push({ name, details })
  }
  const common = { fileSystem, dir, clock, mode: 0o700, readOnly, onEvent }
  const queues = await ConsumeQueues.open({
    ...common,
    entriesPerFile: options.entriesPerFile ?? 100,
    logMinOffset: log.minOffset,
  })
  const index = await MessageIndex.open({ ...common, slots: options.slots ?? 100, entries: options.entries ?? 400 })
  const from = options.from ?? log.written.value
  const checks = (): RecordChecks => BROKER_CHECKS
  const dispatcher = new Dispatcher({
    log,
    queues,
    index,
    clock,
    from,
    checks,
    limit: () => log.written.value,
    onDispatch: request => requests.push({ ...request, properties: request.properties }),
    onFailure: error => failures.push(error),
    onEvent,
    ...(options.sliceMs === undefined ? {} : { sliceMs: options.sliceMs }),
    ...(options.isDropped === undefined ? {} : { isDropped: options.isDropped }),
  })
  const reader = new MessageReader({
    log,
    queues,
    index,
    checks,
    dispatched: () => dispatcher.dispatched.value,
    onEvent,
    ...(options.isDropped === undefined ? {} : { isDropped: options.isDropped }),
  })
  const close = async (): Promise<void> => {
    await dispatcher.stop()
    await queues.close()
    await index.close()
    await log.close()
  }
  return { log, queues, index, dispatcher, reader, events, failures, requests, close }
}

/** Opens a log that nobody appends to; `written` is where its last record ends. */
async function openWholeLog(fileSystem: FileSystem, dir: string, segmentBytes: number): Promise<CommitLog> {
  const log = await CommitLog.open({ fileSystem, folder: `${dir}/commitlog`, mode: 0o700, segmentBytes })
  const walk = new LogWalk(log, {
    from: log.minOffset,
    limit: () => log.filesEnd,
    checks: () => BROKER_CHECKS,
    wholeTo: log.minOffset,
    beyond: 'search',
  })
  for (let step = walk.step(); step !== 'end'; step = walk.step()) if (step === 'starved') await walk.fill()
  log.written.advance(walk.position)
  return log
}
