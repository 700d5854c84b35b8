/**
 * The file `pocketmq/state`: one page of 4096 bytes, two slots of 2048. Sequence n goes to slot n % 2, so that a torn
 * write leaves the slot before it. Each slot is a file of ours by itself: header of own-file.ts, then this, big-endian:
 *
 * | offset | bytes | field                | meaning                                                                    |
 * | -----: | ----: | -------------------- | -------------------------------------------------------------------------- |
 * |      0 |    12 | header               | magic, version, CRC-32 of the rest of the slot                             |
 * |     12 |     8 | sequence             | counts the saves, from 1                                                   |
 * |     20 |     8 | min                  | first byte of the oldest commit-log segment                                |
 * |     28 |     8 | flushed              | watermark: on the device up to here                                        |
 * |     36 |     8 | written              | watermark: in the page cache up to here                                    |
 * |     44 |     8 | dispatched           | watermark: readable by consumers up to here                                |
 * |     52 |     8 | indexed              | keys up to here are in the index files                                     |
 * |     60 |     8 | checkpointed         | derived files up to here are on the device: recovery redispatches from it  |
 * |     68 |     8 | lastStoreTimestamp   | newest storeTimestamp given out                                            |
 * |     76 |     8 | commitLogSegmentBytes | size of a commit-log segment                                              |
 * |     84 |     4 | consumeQueueEntries  | entries of a consume-queue file                                            |
 * |     88 |     4 | indexSlots           | slots of an index file                                                     |
 * |     92 |     4 | indexEntries         | entries of an index file                                                   |
 * |     96 |     4 | flags                | 1 = closed cleanly; which hashes are set: 2 consumerOffset, 4 checkpoint, 8 and 16 the former ones |
 * |    100 |    32 | consumerOffsetSha256 | SHA-256 of `config/consumerOffset.json` as we last wrote it                |
 * |    132 |    32 | checkpointSha256     | SHA-256 of `checkpoint` as we last wrote it                                |
 * |    164 |     8 | listsSequence        | of the file `pocketmq/tombstones` that belongs to this; 0 = there is none  |
 * |    172 |    32 | formerConsumerOffsetSha256 | the one before: either may be on disk while the file is replaced       |
 * |    204 |    32 | formerCheckpointSha256 | likewise; equal to checkpointSha256: a broker's, and what it did is not in our files yet |
 * |    236 |     4 | queueFiles           | consume-queue files at a clean close; the four of these tell whether one is gone |
 * |    240 |     4 | indexFiles           | index files at a clean close                                               |
 * |    244 |     8 | queueEntries         | sum of all queues' ends; 0 where there are too many to ask                 |
 * |    252 |     8 | indexEnd             | one past the last record in the index files                               |
 * |    260 |  1788 | reserved             | 0                                                                          |
 *
 * Decision: what has no bound (tombstones, foreign ranges) is not in the page at all but in `pocketmq/tombstones`
 * (state-lists.ts), so that the page, saved every 100 ms, never grows. That file is replaced first, this page after it.
 */
import { isErrorNamed } from '../base/errors.ts'
import { readI64, writeI64 } from './bytes.ts'
import { layoutBytes, offsetsOf } from './layout.ts'
import { damagedOwnFile, decodeOwnFile, encodeOwnFile, OWN_FILE_HEADER_BYTES } from './own-file.ts'
import type { StateLists } from './state-lists.ts'

export const STATE_SLOT_LAYOUT = [
  { offset: 0, bytes: 12, field: 'header' },
  { offset: 12, bytes: 8, field: 'sequence' },
  { offset: 20, bytes: 8, field: 'min' },
  { offset: 28, bytes: 8, field: 'flushed' },
  { offset: 36, bytes: 8, field: 'written' },
  { offset: 44, bytes: 8, field: 'dispatched' },
  { offset: 52, bytes: 8, field: 'indexed' },
  { offset: 60, bytes: 8, field: 'checkpointed' },
  { offset: 68, bytes: 8, field: 'lastStoreTimestamp' },
  { offset: 76, bytes: 8, field: 'commitLogSegmentBytes' },
  { offset: 84, bytes: 4, field: 'consumeQueueEntries' },
  { offset: 88, bytes: 4, field: 'indexSlots' },
  { offset: 92, bytes: 4, field: 'indexEntries' },
  { offset: 96, bytes: 4, field: 'flags' },
  { offset: 100, bytes: 32, field: 'consumerOffsetSha256' },
  { offset: 132, bytes: 32, field: 'checkpointSha256' },
  { offset: 164, bytes: 8, field: 'listsSequence' },
  { offset: 172, bytes: 32, field: 'formerConsumerOffsetSha256' },
  { offset: 204, bytes: 32, field: 'formerCheckpointSha256' },
  { offset: 236, bytes: 4, field: 'queueFiles' },
  { offset: 240, bytes: 4, field: 'indexFiles' },
  { offset: 244, bytes: 8, field: 'queueEntries' },
  { offset: 252, bytes: 8, field: 'indexEnd' },
  { offset: 260, bytes: 1788, field: 'reserved' },
] as const

export const STATE_SLOT_BYTES: number = layoutBytes(STATE_SLOT_LAYOUT)
export const STATE_PAGE_BYTES: number = 2 * STATE_SLOT_BYTES

const AT = offsetsOf(STATE_SLOT_LAYOUT)
const SHA256_BYTES = 32
const CLOSED_CLEANLY = 1
/** The flag that says a hash is set. */
const HASH_FLAGS = {
  consumerOffsetSha256: 2,
  checkpointSha256: 4,
  formerConsumerOffsetSha256: 8,
  formerCheckpointSha256: 16,
} as const
const HASHES = Object.keys(HASH_FLAGS) as (keyof typeof HASH_FLAGS)[]

const POSITIONS = [
  ...(['min', 'flushed', 'written', 'dispatched', 'indexed', 'checkpointed', 'lastStoreTimestamp'] as const),
  ...(['queueEntries', 'indexEnd'] as const),
] as const
const SIZES = ['consumeQueueEntries', 'indexSlots', 'indexEntries', 'queueFiles', 'indexFiles'] as const

/** What one slot says. */
export type StatePage = {
  readonly sequence: number
  readonly min: number
  readonly flushed: number
  readonly written: number
  readonly dispatched: number
  readonly indexed: number
  readonly checkpointed: number
  readonly lastStoreTimestamp: number
  readonly commitLogSegmentBytes: number
  readonly consumeQueueEntries: number
  /** 0 where the index files' sizes are not known. */
  readonly indexSlots: number
  readonly indexEntries: number
  /** What the derived files came to at a clean close. */
  readonly queueFiles: number
  readonly indexFiles: number
  readonly queueEntries: number
  readonly indexEnd: number
  readonly isCleanClose: boolean
  /** Hexadecimal, 64 digits. */
  readonly consumerOffsetSha256: string | undefined
  readonly checkpointSha256: string | undefined
  /** While a file is replaced, either its former content or the new one is on disk. */
  readonly formerConsumerOffsetSha256: string | undefined
  readonly formerCheckpointSha256: string | undefined
  readonly listsSequence: number
}

/** All that the store remembers of its own: the page and its lists. */
export type StoreState = Omit<StatePage, 'sequence' | 'listsSequence'> & StateLists

/** Where in the page the slot of a sequence number starts. */
export function stateSlotPosition(sequence: number): number {
  return (sequence % 2) * STATE_SLOT_BYTES
}

/** The slot's bytes; they belong at {@link stateSlotPosition} of its sequence. */
export function encodeStateSlot(page: StatePage): Buffer {
  const body = Buffer.alloc(STATE_SLOT_BYTES - OWN_FILE_HEADER_BYTES)
  const view = new DataView(body.buffer, body.byteOffset, body.length)
  const at = (field: keyof typeof AT): number => AT[field] - OWN_FILE_HEADER_BYTES
  writeI64(view, at('sequence'), page.sequence)
  writeI64(view, at('listsSequence'), page.listsSequence)
  writeI64(view, at('commitLogSegmentBytes'), page.commitLogSegmentBytes)
  for (const field of POSITIONS) writeI64(view, at(field), page[field])
  for (const field of SIZES) view.setInt32(at(field), page[field])
  let flags = page.isCleanClose ? CLOSED_CLEANLY : 0
  for (const field of HASHES) {
    const hash = page[field]
    if (hash === undefined) continue
    body.write(hash, at(field), SHA256_BYTES, 'hex')
    flags |= HASH_FLAGS[field]
  }
  view.setInt32(at('flags'), flags)
  return encodeOwnFile(body)
}

/**
 * The newer of the two slots that read, or undefined where neither does (both were never written, or are damaged).
 * @throws UNSUPPORTED_FORMAT when a newer PocketMQ wrote one of them
 */
export function decodeStatePage(bytes: Buffer, file = 'pocketmq/state'): StatePage | undefined {
  let newest: StatePage | undefined
  for (let position = 0; position + STATE_SLOT_BYTES <= Math.min(bytes.length, STATE_PAGE_BYTES); ) {
    const page = readSlot(bytes.subarray(position, position + STATE_SLOT_BYTES), file)
    if (page !== undefined && stateSlotPosition(page.sequence) === position) {
      if (newest === undefined || page.sequence > newest.sequence) newest = page
    }
    position += STATE_SLOT_BYTES
  }
  return newest
}

function readSlot(slot: Buffer, file: string): StatePage | undefined {
  try {
    return decodeStateSlot(slot, file)
  } catch (error) {
    if (isErrorNamed(error, 'CORRUPT')) return undefined
    throw error
  }
}

/**
 * What one slot says.
 * @throws CORRUPT when the bytes are not what was written; UNSUPPORTED_FORMAT when a newer PocketMQ wrote them
 */
export function decodeStateSlot(slot: Buffer, file = 'pocketmq/state'): StatePage {
  if (slot.length !== STATE_SLOT_BYTES) throw damagedOwnFile(file, `${STATE_SLOT_BYTES} bytes`, `${slot.length}`)
  decodeOwnFile(slot, file)
  const view = new DataView(slot.buffer, slot.byteOffset, slot.length)
  const checked = (field: string, value: number): number => {
    if (value >= 0 && Number.isSafeInteger(value)) return value
    throw damagedOwnFile(file, `${field} of at least 0`, String(value))
  }
  const long = (field: keyof typeof AT): number => checked(field, readI64(view, AT[field]))
  const int = (field: keyof typeof AT): number => checked(field, view.getInt32(AT[field]))
  const flags = int('flags')
  const sha256 = (field: keyof typeof HASH_FLAGS): string | undefined =>
    (flags & HASH_FLAGS[field]) === 0 ? undefined : slot.toString('hex', AT[field], AT[field] + SHA256_BYTES)
  return {
    sequence: long('sequence'),
    min: long('min'),
    flushed: long('flushed'),
    written: long('written'),
    dispatched: long('dispatched'),
    indexed: long('indexed'),
    checkpointed: long('checkpointed'),
    lastStoreTimestamp: long('lastStoreTimestamp'),
    commitLogSegmentBytes: long('commitLogSegmentBytes'),
    consumeQueueEntries: int('consumeQueueEntries'),
    indexSlots: int('indexSlots'),
    indexEntries: int('indexEntries'),
    queueFiles: int('queueFiles'),
    indexFiles: int('indexFiles'),
    queueEntries: long('queueEntries'),
    indexEnd: long('indexEnd'),
    isCleanClose: (flags & CLOSED_CLEANLY) !== 0,
    consumerOffsetSha256: sha256('consumerOffsetSha256'),
    checkpointSha256: sha256('checkpointSha256'),
    formerConsumerOffsetSha256: sha256('formerConsumerOffsetSha256'),
    formerCheckpointSha256: sha256('formerCheckpointSha256'),
    listsSequence: long('listsSequence'),
  }
}

/**
 * Whether a broker was here, and what it did is not in files of ours yet: until then a crash must not let it be forgotten.
 * Said by both hashes being that of its `checkpoint`: our own makes them differ.
 */
export function isTakenOver(state: Pick<StoreState, 'checkpointSha256' | 'formerCheckpointSha256'>): boolean {
  return state.checkpointSha256 !== undefined && state.checkpointSha256 === state.formerCheckpointSha256
}
