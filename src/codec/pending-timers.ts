/**
 * `pocketmq/timers`: the delayed messages that were still waiting when the log had been read up to appliedTo. Big-endian.
 * What the log says from appliedTo on (more timer messages, PMQ_SETTLES of delivered ones) is applied on top at open.
 *
 * Head, behind the header of own-file.ts:
 * | offset | bytes | field             | meaning                                                                     |
 * | -----: | ----: | ----------------- | --------------------------------------------------------------------------- |
 * |      0 |     8 | appliedTo         | physicalOffset up to which the log is in here                               |
 * |      8 |     8 | nextQueueOffset   | first queueOffset of `rmq_sys_wheel_timer` queue 0 that is not in here      |
 * |     16 |    32 | checkHash         | SHA-256 of `config/timercheck` as we wrote it; zeros: there was none        |
 * |     48 |    32 | checkHashBefore   | of the one before: a crash may lie between the two files                    |
 * |     80 |     4 | timerLogFileBytes | length of a file in `timerlog/`: the folder's own size wins                 |
 * |     84 |     4 | count             | entries that follow                                                         |
 *
 * Entry:
 * | offset | bytes | field          | meaning                                        |
 * | -----: | ----: | -------------- | ---------------------------------------------- |
 * |      0 |     8 | dueMs          | epoch milliseconds                             |
 * |      8 |     8 | queueOffset    | in `rmq_sys_wheel_timer` queue 0               |
 * |     16 |     8 | physicalOffset |                                                |
 * |     24 |     4 | sizeBytes      |                                                |
 * |     28 |     4 | keyHash        | Java hash of its UNIQ_KEY                      |
 */
import { readI64, writeI64 } from './bytes.ts'
import { layoutBytes, offsetsOf } from './layout.ts'
import { damagedOwnFile, decodeOwnFile, encodeOwnFile } from './own-file.ts'

export const PENDING_TIMERS_HEAD_LAYOUT = [
  { offset: 0, bytes: 8, field: 'appliedTo' },
  { offset: 8, bytes: 8, field: 'nextQueueOffset' },
  { offset: 16, bytes: 32, field: 'checkHash' },
  { offset: 48, bytes: 32, field: 'checkHashBefore' },
  { offset: 80, bytes: 4, field: 'timerLogFileBytes' },
  { offset: 84, bytes: 4, field: 'count' },
] as const

export const PENDING_TIMER_LAYOUT = [
  { offset: 0, bytes: 8, field: 'dueMs' },
  { offset: 8, bytes: 8, field: 'queueOffset' },
  { offset: 16, bytes: 8, field: 'physicalOffset' },
  { offset: 24, bytes: 4, field: 'sizeBytes' },
  { offset: 28, bytes: 4, field: 'keyHash' },
] as const

const HEAD = offsetsOf(PENDING_TIMERS_HEAD_LAYOUT)
const AT = offsetsOf(PENDING_TIMER_LAYOUT)
const HEAD_BYTES = layoutBytes(PENDING_TIMERS_HEAD_LAYOUT)
const ENTRY_BYTES = layoutBytes(PENDING_TIMER_LAYOUT)
const HASH_BYTES = 32

/** One delayed message that waits. */
export type PendingTimerEntry = {
  readonly dueMs: number
  readonly queueOffset: number
  readonly physicalOffset: number
  readonly sizeBytes: number
  readonly keyHash: number
}

/** What the file says. Hashes are 32 bytes. */
export type PendingTimersFile = {
  readonly appliedTo: number
  readonly nextQueueOffset: number
  readonly checkHash: Uint8Array
  readonly checkHashBefore: Uint8Array
  readonly timerLogFileBytes: number
  readonly entries: readonly PendingTimerEntry[]
}

/** The file's bytes. */
export function encodePendingTimers(file: PendingTimersFile): Buffer {
  const bytes = Buffer.alloc(HEAD_BYTES + file.entries.length * ENTRY_BYTES)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  writeI64(view, HEAD.appliedTo, file.appliedTo)
  writeI64(view, HEAD.nextQueueOffset, file.nextQueueOffset)
  bytes.set(file.checkHash.subarray(0, HASH_BYTES), HEAD.checkHash)
  bytes.set(file.checkHashBefore.subarray(0, HASH_BYTES), HEAD.checkHashBefore)
  view.setInt32(HEAD.timerLogFileBytes, file.timerLogFileBytes)
  view.setInt32(HEAD.count, file.entries.length)
  let at = HEAD_BYTES
  for (const entry of file.entries) {
    writeI64(view, at + AT.dueMs, entry.dueMs)
    writeI64(view, at + AT.queueOffset, entry.queueOffset)
    writeI64(view, at + AT.physicalOffset, entry.physicalOffset)
    view.setInt32(at + AT.sizeBytes, entry.sizeBytes)
    view.setInt32(at + AT.keyHash, entry.keyHash)
    at += ENTRY_BYTES
  }
  return encodeOwnFile(bytes)
}

/** What the file says. @throws CORRUPT, UNSUPPORTED_FORMAT */
export function decodePendingTimers(file: Buffer, name = 'pocketmq/timers'): PendingTimersFile {
  const bytes = decodeOwnFile(file, name)
  if (bytes.length < HEAD_BYTES) throw damagedOwnFile(name, `at least ${HEAD_BYTES} bytes`, `${bytes.length} bytes`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const count = view.getInt32(HEAD.count)
  if (bytes.length !== HEAD_BYTES + count * ENTRY_BYTES) {
    throw damagedOwnFile(name, `${count} entries`, `${bytes.length - HEAD_BYTES} bytes of them`)
  }
  const number = (at: number): number => {
    const value = readI64(view, at)
    if (value < 0 || !Number.isSafeInteger(value)) throw damagedOwnFile(name, 'a number of at least 0', String(value))
    return value
  }
  const entries: PendingTimerEntry[] = []
  for (let at = HEAD_BYTES; at < bytes.length; at += ENTRY_BYTES) {
    entries.push({
      dueMs: number(at + AT.dueMs),
      queueOffset: number(at + AT.queueOffset),
      physicalOffset: number(at + AT.physicalOffset),
      sizeBytes: view.getInt32(at + AT.sizeBytes),
      keyHash: view.getInt32(at + AT.keyHash),
    })
  }
  return {
    appliedTo: number(HEAD.appliedTo),
    nextQueueOffset: number(HEAD.nextQueueOffset),
    checkHash: bytes.subarray(HEAD.checkHash, HEAD.checkHash + HASH_BYTES),
    checkHashBefore: bytes.subarray(HEAD.checkHashBefore, HEAD.checkHashBefore + HASH_BYTES),
    timerLogFileBytes: view.getInt32(HEAD.timerLogFileBytes),
    entries,
  }
}
