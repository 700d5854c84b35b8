/** A log in memory with its dispatcher, queues, index and reader: each part can be made cold, damaged or slow by a test. */
import { Watermark } from '../../src/base/watermark.ts'
import type { RecordChecks } from '../../src/codec/record-cursor.ts'
import type { RecordFields } from '../../src/codec/record-fields.ts'
import { ConsumeQueues } from '../../src/store/consume-queues.ts'
import type { DispatcherParts } from '../../src/store/dispatcher.ts'
import { Dispatcher } from '../../src/store/dispatcher.ts'
import type { ReadableLog } from '../../src/store/log-reads.ts'
import { MessageIndex } from '../../src/store/message-index.ts'
import { MessageReader } from '../../src/store/message-reader.ts'
import type { DispatchRequest } from '../../src/store/store-types.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import type { RigEvent } from './derived-rig.ts'
import type { PutPlace } from './memory-log.ts'
import { MemoryLog } from './memory-log.ts'

/** A log whose bytes are hot from `hotFrom` on, and count the reads that were not. */
export class ReaderLog extends MemoryLog implements ReadableLog {
  readonly written: Watermark = new Watermark('written', 0)
  reads = 0
  syncReads = 0

  override put(fields: Partial<RecordFields> & { readonly topic: string }): PutPlace {
    const place = super.put(fields)
    this.written.advance(this.end)
    return place
  }

  /** Puts a record as it is. */
  putBytes(record: Uint8Array): void {
    this.bytes.set(record, this.end)
    this.end += record.length
    this.written.advance(this.end)
  }

  override read(target: Uint8Array, physicalOffset: number): Promise<number> {
    this.reads++
    return super.read(target, physicalOffset)
  }

  readSync(target: Uint8Array, physicalOffset: number): number {
    this.syncReads++
    const end = Math.min(physicalOffset + target.length, this.segmentEnd(physicalOffset), this.bytes.length)
    return this.bytes.copy(target, 0, physicalOffset, end)
  }
}

export type ReaderRig = {
  readonly disk: SimulatedDisk
  readonly clock: ManualClock
  readonly log: ReaderLog
  readonly queues: ConsumeQueues
  readonly index: MessageIndex
  readonly dispatcher: Dispatcher
  readonly reader: MessageReader
  readonly events: RigEvent[]
  readonly failures: Error[]
  /** Copies of what `onDispatch` was called with. */
  readonly requests: DispatchRequest[]
  /** Another reader of the same store that finds nothing in memory, as after a restart. */
  coldReader(): MessageReader
}

export type ReaderRigOptions = Partial<Pick<DispatcherParts, 'isDropped' | 'sliceMs' | 'onDispatch' | 'limit'>> & {
  readonly segmentBytes?: number
  readonly segments?: number
  readonly entriesPerFile?: number
  readonly disk?: SimulatedDisk
  readonly indexSizes?: { readonly slots: number; readonly entries: number }
}

const CHECKS: RecordChecks = { body: true, record: 'present', position: true }

export async function readerRig(options: ReaderRigOptions = {}): Promise<ReaderRig> {
  const { disk = new SimulatedDisk(), entriesPerFile = 1000, segmentBytes = 64 * 1024, segments = 16 } = options
  const clock = new ManualClock()
  const log = new ReaderLog(segmentBytes, segments)
  log.hotFrom = 0
  const events: RigEvent[] = []
  const failures: Error[] = []
  const requests: DispatchRequest[] = []
  const onEvent = (name: string, details: Readonly<Record<string, unknown>>): void => {
    events.push({ name, details })
  }
  const common = { fileSystem: disk, dir: '/store', clock, mode: 0o700, onEvent }
  const queues = await ConsumeQueues.open({ ...common, entriesPerFile })
  const index = await MessageIndex.open({ ...common, ...(options.indexSizes ?? { slots: 500, entries: 2000 }) })
  const dispatcher = new Dispatcher({
    log,
    queues,
    index,
    clock,
    from: 0,
    limit: () => log.written.value,
    onDispatch: request => requests.push({ ...request, properties: request.properties }),
    onFailure: error => failures.push(error),
    onEvent,
    ...options,
  })
  const parts = { log, queues, index, onEvent, checks: () => CHECKS, dispatched: () => dispatcher.dispatched.value }
  const dropped = options.isDropped === undefined ? {} : { isDropped: options.isDropped }
  const reader = new MessageReader({ ...parts, ...dropped })
  const coldReader = (): MessageReader => {
    log.hotFrom = Number.POSITIVE_INFINITY
    return new MessageReader({ ...parts, ...dropped })
  }
  return { disk, clock, log, queues, index, dispatcher, reader, events, failures, requests, coldReader }
}
