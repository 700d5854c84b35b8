/** A commit log with an append path on a simulated disk, without the rest of a store around it. */

import { RecordEncoder } from '../../src/codec/record-encoder.ts'
import { AppendPath } from '../../src/store/append-path.ts'
import { CommitLog } from '../../src/store/commit-log.ts'
import { QueueOffsets } from '../../src/store/queue-offsets.ts'
import type { PutRecord } from '../../src/store/store-types.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'

export type AppendRig = {
  readonly disk: SimulatedDisk
  readonly log: CommitLog
  readonly append: AppendPath
  readonly offsets: QueueOffsets
  readonly clock: ManualClock
  readonly failures: Error[]
}

export type RigOptions = {
  readonly disk?: SimulatedDisk
  readonly segmentBytes?: number
  readonly position?: number
  readonly unflushedBytesMax?: number
  readonly undispatchedBytesMax?: number
}

export async function appendRig(options: RigOptions = {}): Promise<AppendRig> {
  const { disk = new SimulatedDisk(), segmentBytes = 4096, position = 0 } = options
  const log = await CommitLog.open({ fileSystem: disk, folder: '/store/commitlog', mode: 0o700, segmentBytes })
  await log.startAppending(position)
  const clock = new ManualClock()
  const offsets = new QueueOffsets(() => 0)
  const failures: Error[] = []
  const append = new AppendPath({
    log,
    encoder: new RecordEncoder({ storeHost: '127.0.0.1:10911', recordCrc: true, messageBytesMax: 4 * 1024 * 1024 }),
    offsets,
    clock,
    bounds: {
      unflushedBytesMax: options.unflushedBytesMax ?? 1e9,
      undispatchedBytesMax: options.undispatchedBytesMax ?? 1e9,
    },
    unitBytesMax: segmentBytes - 8,
    dispatched: () => log.written.value,
    isDispatchBehind: () => false,
    checkOpen: () => undefined,
    onWritten: () => undefined,
    onWriteFailure: error => failures.push(error),
    lastStoreTimestamp: 0,
  })
  return { disk, log, append, offsets, clock, failures }
}

export function record(bodyBytes: number, queueId = 0, topic = 'orders'): PutRecord {
  return { topic, queueId, body: Buffer.alloc(bodyBytes, 'x'), properties: { UNIQ_KEY: 'k1' } }
}
