/**
 * The file `checkpoint`: 4096 bytes, big-endian, the rest is zero.   RocketMQ: StoreCheckpoint.
 *
 * | offset | bytes | field                  | meaning                                                               |
 * | -----: | ----: | ---------------------- | --------------------------------------------------------------------- |
 * |      0 |     8 | physicMessageTimestamp | storeTimestamp of the newest record known to be on the device         |
 * |      8 |     8 | logicsMessageTimestamp | storeTimestamp of the newest record whose queue entry is on the device |
 * |     16 |     8 | indexMessageTimestamp  | endTimestamp of the last index file that is full and on the device    |
 * |     24 |     8 | masterFlushedOffset    | replication only, else 0                                              |
 * |     32 |     8 | confirmPhysicalOffset  | replication only, else 0                                              |
 * |     40 |     8 | logicsPhysicalOffset   | end of what is dispatched; written by 5.5, absent (0) before          |
 * |     48 |  4048 | zeros                  |                                                                       |
 *
 * Older values are safe, newer ones lose data: a broker rescans only what is younger.
 */
import { PocketMQError } from '../base/errors.ts'
import { readI64, writeI64 } from './bytes.ts'
import { layoutBytes, offsetsOf } from './layout.ts'

export const CHECKPOINT_LAYOUT = [
  { offset: 0, bytes: 8, field: 'physicMessageTimestamp' },
  { offset: 8, bytes: 8, field: 'logicsMessageTimestamp' },
  { offset: 16, bytes: 8, field: 'indexMessageTimestamp' },
  { offset: 24, bytes: 8, field: 'masterFlushedOffset' },
  { offset: 32, bytes: 8, field: 'confirmPhysicalOffset' },
  { offset: 40, bytes: 8, field: 'logicsPhysicalOffset' },
  { offset: 48, bytes: 4048, field: 'zeros' },
] as const

/** Length of the file. */
export const CHECKPOINT_BYTES: number = layoutBytes(CHECKPOINT_LAYOUT)

const AT = offsetsOf(CHECKPOINT_LAYOUT)
/** RocketMQ before 5.5 knows the first five. */
const NEEDED_BYTES = AT.logicsPhysicalOffset
/** RocketMQ rescans from this much before the older of the two timestamps. */
const RESCAN_MS = 3000

/** What the checkpoint says. Timestamps in epoch milliseconds, 0 = unknown. */
export type Checkpoint = {
  readonly physicMessageTimestamp: number
  readonly logicsMessageTimestamp: number
  readonly indexMessageTimestamp: number
  readonly masterFlushedOffset: number
  readonly confirmPhysicalOffset: number
  readonly logicsPhysicalOffset: number
}

/** A checkpoint that knows nothing: what a missing file stands for. */
export const EMPTY_CHECKPOINT: Checkpoint = {
  physicMessageTimestamp: 0,
  logicsMessageTimestamp: 0,
  indexMessageTimestamp: 0,
  masterFlushedOffset: 0,
  confirmPhysicalOffset: 0,
  logicsPhysicalOffset: 0,
}

/** The file's bytes; the caller's from then on. */
export function encodeCheckpoint(checkpoint: Checkpoint): Buffer {
  const bytes = Buffer.alloc(CHECKPOINT_BYTES)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  for (const [field, value] of Object.entries(checkpoint)) writeI64(view, AT[field as keyof Checkpoint], value)
  return bytes
}

/**
 * What the file says; it may be shorter than we write it.
 * @throws CORRUPT when it is too short, or holds a number that cannot be a timestamp or offset
 */
export function decodeCheckpoint(bytes: Uint8Array, file = 'checkpoint'): Checkpoint {
  if (bytes.length < NEEDED_BYTES) {
    throw corrupt(file, `at least ${NEEDED_BYTES} bytes`, `${bytes.length} bytes`)
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const number = (field: keyof Checkpoint): number => {
    const value = bytes.length < AT[field] + 8 ? 0 : readI64(view, AT[field])
    // Replication writes -1 for "not yet".
    if (value < -1 || !Number.isSafeInteger(value)) throw corrupt(file, `${field} of at least -1`, String(value))
    return value
  }
  return {
    physicMessageTimestamp: number('physicMessageTimestamp'),
    logicsMessageTimestamp: number('logicsMessageTimestamp'),
    indexMessageTimestamp: number('indexMessageTimestamp'),
    masterFlushedOffset: number('masterFlushedOffset'),
    confirmPhysicalOffset: number('confirmPhysicalOffset'),
    logicsPhysicalOffset: number('logicsPhysicalOffset'),
  }
}

/** From which storeTimestamp on a broker rescans after an unclean exit. RocketMQ: StoreCheckpoint.getMinTimestamp. */
export function rescanTimestamp(checkpoint: Checkpoint): number {
  const { physicMessageTimestamp, logicsMessageTimestamp } = checkpoint
  return Math.max(0, Math.min(physicMessageTimestamp, logicsMessageTimestamp) - RESCAN_MS)
}

function corrupt(file: string, expected: string, found: string): PocketMQError {
  return new PocketMQError('CORRUPT', `${file} is damaged: ${found} where ${expected} belong`, {
    hint: 'The file is rebuilt from the log; an older one is safe as well.',
    details: { file, expected, found },
  })
}
