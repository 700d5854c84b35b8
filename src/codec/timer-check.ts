/**
 * The file `config/timercheck`: 4096 bytes, big-endian, the rest is zero.   RocketMQ: TimerCheckpoint.
 *
 * | offset | bytes | field                | meaning                                                              |
 * | -----: | ----: | -------------------- | -------------------------------------------------------------------- |
 * |      0 |     8 | lastReadTimestamp    | the wheel has been emptied up to here, in epoch milliseconds         |
 * |      8 |     8 | timerLogFlushed      | position up to which the timer log is on the device                  |
 * |     16 |     8 | timerQueueOffset     | next queueOffset of `rmq_sys_wheel_timer` queue 0 to put in the wheel |
 * |     24 |     8 | masterQueueOffset    | the same, of the master; a restart goes on from the smaller one      |
 * |     32 |     8 | stateVersion         | dataVersion of config/timermetrics                                   |
 * |     40 |     8 | versionTimestamp     |                                                                      |
 * |     48 |     8 | versionCounter       |                                                                      |
 * |     56 |  4040 | zeros                |                                                                      |
 */
import { PocketMQError } from '../base/errors.ts'
import { readI64, writeI64 } from './bytes.ts'
import { layoutBytes, offsetsOf } from './layout.ts'

export const TIMER_CHECK_LAYOUT = [
  { offset: 0, bytes: 8, field: 'lastReadTimestamp' },
  { offset: 8, bytes: 8, field: 'timerLogFlushed' },
  { offset: 16, bytes: 8, field: 'timerQueueOffset' },
  { offset: 24, bytes: 8, field: 'masterQueueOffset' },
  { offset: 32, bytes: 8, field: 'stateVersion' },
  { offset: 40, bytes: 8, field: 'versionTimestamp' },
  { offset: 48, bytes: 8, field: 'versionCounter' },
  { offset: 56, bytes: 4040, field: 'zeros' },
] as const

/** Length of the file. */
export const TIMER_CHECK_BYTES: number = layoutBytes(TIMER_CHECK_LAYOUT)

const AT = offsetsOf(TIMER_CHECK_LAYOUT)
/** RocketMQ before dataVersion knows the first four. */
const NEEDED_BYTES = AT.stateVersion

/** What the file says. */
export type TimerCheck = {
  readonly lastReadTimestamp: number
  readonly timerLogFlushed: number
  readonly timerQueueOffset: number
  readonly masterQueueOffset: number
  readonly stateVersion: number
  readonly versionTimestamp: number
  readonly versionCounter: number
}

/** The file's bytes; the caller's from then on. */
export function encodeTimerCheck(check: TimerCheck): Buffer {
  const bytes = Buffer.alloc(TIMER_CHECK_BYTES)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  for (const [field, value] of Object.entries(check)) writeI64(view, AT[field as keyof TimerCheck], value)
  return bytes
}

/**
 * What the file says; it may be shorter than we write it.
 * @throws CORRUPT when it is too short, or holds a number that cannot be one of these
 */
export function decodeTimerCheck(bytes: Uint8Array, file = 'config/timercheck'): TimerCheck {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (bytes.length < NEEDED_BYTES) throw corrupt(file, `at least ${NEEDED_BYTES} bytes`, `${bytes.length} bytes`)
  const number = (field: keyof TimerCheck): number => {
    const value = bytes.length < AT[field] + 8 ? 0 : readI64(view, AT[field])
    if (value < 0 || !Number.isSafeInteger(value)) throw corrupt(file, `${field} of at least 0`, String(value))
    return value
  }
  return {
    lastReadTimestamp: number('lastReadTimestamp'),
    timerLogFlushed: number('timerLogFlushed'),
    timerQueueOffset: number('timerQueueOffset'),
    masterQueueOffset: number('masterQueueOffset'),
    stateVersion: number('stateVersion'),
    versionTimestamp: number('versionTimestamp'),
    versionCounter: number('versionCounter'),
  }
}

function corrupt(file: string, expected: string, found: string): PocketMQError {
  return new PocketMQError('CORRUPT', `${file} is damaged: ${found} where ${expected} belong`, {
    hint: 'Pending delayed messages are found again in the queue rmq_sys_wheel_timer.',
    details: { file, expected, found },
  })
}
