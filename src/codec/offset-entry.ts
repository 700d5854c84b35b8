/**
 * The append-only log under `pocketmq/offsets/`: consumer positions, and how far PMQ_SETTLES has been applied.
 * All of it in blocks of 48 bytes, big-endian: first a header, then entries. Entry n starts at byte 48 * (n + 1).
 *
 * Header:
 * | offset | bytes | field      | meaning                                          |
 * | -----: | ----: | ---------- | ------------------------------------------------ |
 * |      0 |    12 | ownHeader  | own-file.ts; its CRC covers this block alone     |
 * |     12 |     4 | entryBytes | 48                                               |
 * |     16 |    32 | reserved   | 0                                                |
 *
 * Position (kind 2): everything one entry says about a group's queue is whole in itself.
 * | offset | bytes | field       | meaning                                                                  |
 * | -----: | ----: | ----------- | ------------------------------------------------------------------------ |
 * |      0 |     4 | crc         | CRC-32 of the 44 bytes behind it                                         |
 * |      4 |     1 | kind        | 1 name, 2 position, 3 settles                                            |
 * |      5 |     3 | reserved    | 0                                                                        |
 * |      8 |     4 | groupId     | number of the group's name                                               |
 * |     12 |     4 | topicId     | number of the topic's name                                               |
 * |     16 |     4 | queueId     |                                                                          |
 * |     20 |     4 | epoch       | u32, one more at each reset                                              |
 * |     24 |     8 | queueOffset | everything below is done                                                 |
 * |     32 |     8 | ackedFrom   | one range that is done above it, [ackedFrom, ackedTo); both 0 without    |
 * |     40 |     8 | ackedTo     |                                                                          |
 *
 * Name (kind 1): a piece of a group's or topic's name; all its pieces stand before the first position that uses it.
 * | offset | bytes | field     | meaning                          |
 * | -----: | ----: | --------- | -------------------------------- |
 * |      0 |     4 | crc       |                                  |
 * |      4 |     1 | kind      | 1                                |
 * |      5 |     1 | piece     | from 0                           |
 * |      6 |     1 | pieces    | how many the name has            |
 * |      7 |     1 | textBytes | of this piece                    |
 * |      8 |     4 | nameId    | from 1, each number once         |
 * |     12 |    36 | text      | UTF-8, then zeros                |
 *
 * Settles (kind 3): PMQ_SETTLES of every record below physicalOffset has been applied to the positions before this entry.
 * | offset | bytes | field          | meaning |
 * | -----: | ----: | -------------- | ------- |
 * |      0 |     4 | crc            |         |
 * |      4 |     1 | kind           | 3       |
 * |      5 |     3 | reserved       | 0       |
 * |      8 |     8 | physicalOffset |         |
 * |     16 |    32 | unused         | 0       |
 *
 * Replay: a block whose CRC is wrong (a torn write, a sector that was never written) is skipped and counted, and so is a
 * position whose names are not whole; the rest of the file is read on, because blocks cannot move. Bytes after the last whole
 * block are nothing. Positions are merged so that no order and no missing entry can lose a message: of one queue the highest
 * epoch alone counts; within it the highest queueOffset and the union of the acked ranges. A settles entry counts only in
 * front of the first skipped block. The writer replaces the file at open, and never appends behind a torn block.
 */
import { PocketMQError } from '../base/errors.ts'
import { readI64, writeI64 } from './bytes.ts'
import { crc32OfRange } from './crc.ts'
import { layoutBytes, offsetsOf } from './layout.ts'
import { damagedOwnFile, decodeOwnFile, encodeOwnFile, OWN_FILE_HEADER_BYTES } from './own-file.ts'

export const OFFSET_LOG_HEADER_LAYOUT = [
  { offset: 0, bytes: 12, field: 'ownHeader' },
  { offset: 12, bytes: 4, field: 'entryBytes' },
  { offset: 16, bytes: 32, field: 'reserved' },
] as const

export const POSITION_ENTRY_LAYOUT = [
  { offset: 0, bytes: 4, field: 'crc' },
  { offset: 4, bytes: 1, field: 'kind' },
  { offset: 5, bytes: 3, field: 'reserved' },
  { offset: 8, bytes: 4, field: 'groupId' },
  { offset: 12, bytes: 4, field: 'topicId' },
  { offset: 16, bytes: 4, field: 'queueId' },
  { offset: 20, bytes: 4, field: 'epoch' },
  { offset: 24, bytes: 8, field: 'queueOffset' },
  { offset: 32, bytes: 8, field: 'ackedFrom' },
  { offset: 40, bytes: 8, field: 'ackedTo' },
] as const

export const NAME_ENTRY_LAYOUT = [
  { offset: 0, bytes: 4, field: 'crc' },
  { offset: 4, bytes: 1, field: 'kind' },
  { offset: 5, bytes: 1, field: 'piece' },
  { offset: 6, bytes: 1, field: 'pieces' },
  { offset: 7, bytes: 1, field: 'textBytes' },
  { offset: 8, bytes: 4, field: 'nameId' },
  { offset: 12, bytes: 36, field: 'text' },
] as const

export const SETTLES_ENTRY_LAYOUT = [
  { offset: 0, bytes: 4, field: 'crc' },
  { offset: 4, bytes: 1, field: 'kind' },
  { offset: 5, bytes: 3, field: 'reserved' },
  { offset: 8, bytes: 8, field: 'physicalOffset' },
  { offset: 16, bytes: 32, field: 'unused' },
] as const

/** Bytes of the header and of every entry. */
export const OFFSET_ENTRY_BYTES: number = layoutBytes(POSITION_ENTRY_LAYOUT)

const KIND_NAME = 1
const KIND_POSITION = 2
const KIND_SETTLES = 3

const HEADER = offsetsOf(OFFSET_LOG_HEADER_LAYOUT)
const POSITION = offsetsOf(POSITION_ENTRY_LAYOUT)
const NAME = offsetsOf(NAME_ENTRY_LAYOUT)
const SETTLES = offsetsOf(SETTLES_ENTRY_LAYOUT)
const CRC_BYTES = 4
const PIECE_BYTES = OFFSET_ENTRY_BYTES - NAME.text
const NAME_BYTES_MAX = 255
const PIECES_MAX = Math.ceil(NAME_BYTES_MAX / PIECE_BYTES)

/** What the log says about one group in one queue. */
export type OffsetEntry = {
  readonly group: string
  readonly topic: string
  readonly queueId: number
  /** Grows at each reset; an older epoch's entries are dead. */
  readonly epoch: number
  /** Everything below is done. */
  readonly queueOffset: number
  /** One range above `queueOffset` that is done as well, [ackedFrom, ackedTo); both 0 where there is none. */
  readonly ackedFrom: number
  readonly ackedTo: number
}

/** What a replay found. */
export type OffsetLogContent = {
  /** In the order they were written; merge them by the rule in the header. */
  readonly entries: readonly OffsetEntry[]
  /** PMQ_SETTLES below this physicalOffset has been applied. 0: not known. */
  readonly settledUpTo: number
  /** Blocks that were skipped. */
  readonly skippedEntries: number
}

/**
 * Encodes entries for appending; it remembers which names the file already has. One encoder lives as long as one file
 * content: after a replacement of the file, a new one encodes all of it.
 */
export class OffsetLogEncoder {
  readonly #names = new Map<string, number>()
  #bytes: Buffer = Buffer.alloc(64 * OFFSET_ENTRY_BYTES)
  #view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.length)
  #end = 0

  /** Bytes that {@link take} would give. */
  get pendingBytes(): number {
    return this.#end
  }

  /** The block a file begins with. */
  header(): void {
    const body = Buffer.alloc(OFFSET_ENTRY_BYTES - OWN_FILE_HEADER_BYTES)
    body.writeUInt32BE(OFFSET_ENTRY_BYTES, HEADER.entryBytes - OWN_FILE_HEADER_BYTES)
    const at = this.#reserve()
    this.#bytes.set(encodeOwnFile(body), at)
  }

  /** One position, with the entries of its names where the file does not have them yet. */
  position(entry: OffsetEntry): void {
    const groupId = this.#nameId(entry.group)
    const topicId = this.#nameId(entry.topic)
    const at = this.#reserve()
    const view = this.#view
    view.setUint8(at + POSITION.kind, KIND_POSITION)
    view.setUint32(at + POSITION.groupId, groupId)
    view.setUint32(at + POSITION.topicId, topicId)
    view.setInt32(at + POSITION.queueId, entry.queueId)
    view.setUint32(at + POSITION.epoch, entry.epoch)
    writeI64(view, at + POSITION.queueOffset, entry.queueOffset)
    writeI64(view, at + POSITION.ackedFrom, entry.ackedFrom)
    writeI64(view, at + POSITION.ackedTo, entry.ackedTo)
    this.#seal(at)
  }

  /** PMQ_SETTLES below `physicalOffset` is in the positions encoded so far. */
  settles(physicalOffset: number): void {
    const at = this.#reserve()
    this.#view.setUint8(at + SETTLES.kind, KIND_SETTLES)
    writeI64(this.#view, at + SETTLES.physicalOffset, physicalOffset)
    this.#seal(at)
  }

  /** What was encoded since the last call; the caller's own copy. */
  take(): Buffer {
    const taken = Buffer.from(this.#bytes.subarray(0, this.#end))
    this.#end = 0
    return taken
  }

  #nameId(name: string): number {
    const known = this.#names.get(name)
    if (known !== undefined) return known
    const text = Buffer.from(name)
    if (text.length === 0 || text.length > NAME_BYTES_MAX) {
      throw new PocketMQError(
        'INVALID_ARGUMENT',
        `a group or topic name has 1 to ${NAME_BYTES_MAX} bytes, not ${text.length}`,
        { hint: 'Shorten the name.', details: { limit: NAME_BYTES_MAX, actual: text.length } },
      )
    }
    const nameId = this.#names.size + 1
    const pieces = Math.ceil(text.length / PIECE_BYTES)
    for (let piece = 0; piece < pieces; piece++) {
      const at = this.#reserve()
      const part = text.subarray(piece * PIECE_BYTES, (piece + 1) * PIECE_BYTES)
      this.#view.setUint8(at + NAME.kind, KIND_NAME)
      this.#view.setUint8(at + NAME.piece, piece)
      this.#view.setUint8(at + NAME.pieces, pieces)
      this.#view.setUint8(at + NAME.textBytes, part.length)
      this.#view.setUint32(at + NAME.nameId, nameId)
      this.#bytes.set(part, at + NAME.text)
      this.#seal(at)
    }
    this.#names.set(name, nameId)
    return nameId
  }

  /** The index of a zeroed block at the end. */
  #reserve(): number {
    const at = this.#end
    if (at + OFFSET_ENTRY_BYTES > this.#bytes.length) {
      const larger = Buffer.alloc(this.#bytes.length * 2)
      this.#bytes.copy(larger, 0, 0, at)
      this.#bytes = larger
      this.#view = new DataView(larger.buffer, larger.byteOffset, larger.length)
    }
    this.#bytes.fill(0, at, at + OFFSET_ENTRY_BYTES)
    this.#end = at + OFFSET_ENTRY_BYTES
    return at
  }

  #seal(at: number): void {
    this.#view.setUint32(at, crc32OfRange(this.#view, at + CRC_BYTES, at + OFFSET_ENTRY_BYTES))
  }
}

/**
 * What the log says. An empty file says nothing.
 * @throws CORRUPT when the header is not one; UNSUPPORTED_FORMAT when a newer PocketMQ wrote the file
 */
export function decodeOffsetLog(bytes: Buffer, file = 'pocketmq/offsets'): OffsetLogContent {
  if (bytes.length === 0) return { entries: [], settledUpTo: 0, skippedEntries: 0 }
  const header = bytes.subarray(0, OFFSET_ENTRY_BYTES)
  decodeOwnFile(header, file)
  const entryBytes = header.length < OFFSET_ENTRY_BYTES ? 0 : header.readUInt32BE(HEADER.entryBytes)
  if (entryBytes !== OFFSET_ENTRY_BYTES) {
    throw damagedOwnFile(file, `entries of ${OFFSET_ENTRY_BYTES} bytes`, `${entryBytes}`)
  }
  const replay = new Replay(bytes)
  for (let at = OFFSET_ENTRY_BYTES; at + OFFSET_ENTRY_BYTES <= bytes.length; at += OFFSET_ENTRY_BYTES) replay.read(at)
  return { entries: replay.entries, settledUpTo: replay.settledUpTo, skippedEntries: replay.skippedEntries }
}

class Replay {
  readonly #bytes: Buffer
  readonly #view: DataView
  readonly #names = new Map<number, string>()
  /** Names of which not all pieces have come. */
  readonly #pieces = new Map<number, Buffer[]>()
  readonly entries: OffsetEntry[] = []
  settledUpTo = 0
  skippedEntries = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  read(at: number): void {
    const crc = crc32OfRange(this.#view, at + CRC_BYTES, at + OFFSET_ENTRY_BYTES)
    if (crc !== this.#view.getUint32(at) || !this.#readKind(at)) this.skippedEntries++
  }

  #readKind(at: number): boolean {
    const kind = this.#view.getUint8(at + POSITION.kind)
    if (kind === KIND_POSITION) return this.#position(at)
    if (kind === KIND_NAME) return this.#name(at)
    return kind === KIND_SETTLES && this.#settles(at)
  }

  #position(at: number): boolean {
    const view = this.#view
    const group = this.#names.get(view.getUint32(at + POSITION.groupId))
    const topic = this.#names.get(view.getUint32(at + POSITION.topicId))
    const queueId = view.getInt32(at + POSITION.queueId)
    const epoch = view.getUint32(at + POSITION.epoch)
    const queueOffset = readI64(view, at + POSITION.queueOffset)
    const ackedFrom = readI64(view, at + POSITION.ackedFrom)
    const ackedTo = readI64(view, at + POSITION.ackedTo)
    if (group === undefined || topic === undefined || queueId < 0 || ackedFrom > ackedTo) return false
    if (!isPosition(queueOffset) || !isPosition(ackedFrom) || !isPosition(ackedTo)) return false
    this.entries.push({ group, topic, queueId, epoch, queueOffset, ackedFrom, ackedTo })
    return true
  }

  #name(at: number): boolean {
    const view = this.#view
    const nameId = view.getUint32(at + NAME.nameId)
    const piece = view.getUint8(at + NAME.piece)
    const pieces = view.getUint8(at + NAME.pieces)
    const textBytes = view.getUint8(at + NAME.textBytes)
    if (pieces === 0 || pieces > PIECES_MAX || textBytes === 0 || textBytes > PIECE_BYTES) return false
    const earlier = piece === 0 ? [] : this.#pieces.get(nameId)
    if (earlier === undefined || earlier.length !== piece || this.#names.has(nameId)) return false
    earlier.push(this.#bytes.subarray(at + NAME.text, at + NAME.text + textBytes))
    if (earlier.length < pieces) {
      this.#pieces.set(nameId, earlier)
    } else {
      this.#pieces.delete(nameId)
      this.#names.set(nameId, Buffer.concat(earlier).toString())
    }
    return true
  }

  #settles(at: number): boolean {
    const physicalOffset = readI64(this.#view, at + SETTLES.physicalOffset)
    if (!isPosition(physicalOffset)) return false
    if (this.skippedEntries === 0) this.settledUpTo = Math.max(this.settledUpTo, physicalOffset)
    return true
  }
}

function isPosition(value: number): boolean {
  return value >= 0 && Number.isSafeInteger(value)
}
