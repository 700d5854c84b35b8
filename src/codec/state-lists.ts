/**
 * The file `pocketmq/tombstones`: what the store remembers without a bound. Written aside and renamed whenever it changes,
 * before the state page that names its sequence. A file of ours (own-file.ts); big-endian.
 *
 * | offset | bytes | field           | meaning                                       |
 * | -----: | ----: | --------------- | --------------------------------------------- |
 * |      0 |    12 | header          | magic, version, CRC-32 of the rest            |
 * |     12 |     8 | sequence        | counts the saves, from 1                      |
 * |     20 |     4 | foreignCount    | how many foreign ranges                       |
 * |     24 |     4 | tombstoneCount  | how many tombstones                           |
 *
 * Then each foreign range: i64 start, i64 end (exclusive). Then each tombstone: i64 physicalOffset, u16 topic bytes,
 * u32 queue count, the topic in UTF-8, and for each queue i32 queueId, i64 next queueOffset.
 *
 * A list newer than the page is right (the page's write did not make it); an older or missing one is a loss to report.
 */
import { readI64, writeI64 } from './bytes.ts'
import { layoutBytes, offsetsOf } from './layout.ts'
import { damagedOwnFile, decodeOwnFile, encodeOwnFile, OWN_FILE_HEADER_BYTES } from './own-file.ts'

export const STATE_LISTS_LAYOUT = [
  { offset: 0, bytes: 12, field: 'header' },
  { offset: 12, bytes: 8, field: 'sequence' },
  { offset: 20, bytes: 4, field: 'foreignCount' },
  { offset: 24, bytes: 4, field: 'tombstoneCount' },
] as const

const HEAD_BYTES = layoutBytes(STATE_LISTS_LAYOUT)
const AT = offsetsOf(STATE_LISTS_LAYOUT)
const RANGE_BYTES = 16
const TOMBSTONE_HEAD_BYTES = 14
const QUEUE_BYTES = 12

/** Bytes of the log from `start` up to `end`, which is not part of it. */
export type PhysicalRange = { readonly start: number; readonly end: number }

/** A deleted topic: its records below `physicalOffset` are dead, and its queues go on counting from here. */
export type Tombstone = {
  readonly topic: string
  /** End of the log when the topic was deleted: records from here on are of the topic created again. */
  readonly physicalOffset: number
  readonly nextQueueOffsets: ReadonlyMap<number, number>
}

/** What has no bound in our state. */
export type StateLists = {
  /** What another writer appended: there a missing or wrong `__CRC32#` means nothing. In order, without overlap. */
  readonly foreignRanges: readonly PhysicalRange[]
  /** At most one for each topic. */
  readonly tombstones: readonly Tombstone[]
}

/** The file's bytes. */
export function encodeStateLists(sequence: number, { foreignRanges, tombstones }: StateLists): Buffer {
  const topics = tombstones.map(({ topic }) => Buffer.from(topic))
  let size = HEAD_BYTES + foreignRanges.length * RANGE_BYTES
  for (const [i, { nextQueueOffsets }] of tombstones.entries()) {
    size += TOMBSTONE_HEAD_BYTES + (topics[i] as Buffer).length + nextQueueOffsets.size * QUEUE_BYTES
  }
  const file = Buffer.alloc(size)
  const view = new DataView(file.buffer, file.byteOffset, file.length)
  writeI64(view, AT.sequence, sequence)
  view.setUint32(AT.foreignCount, foreignRanges.length)
  view.setUint32(AT.tombstoneCount, tombstones.length)
  let at = HEAD_BYTES
  for (const { start, end } of foreignRanges) {
    writeI64(view, at, start)
    writeI64(view, at + 8, end)
    at += RANGE_BYTES
  }
  for (const [i, { physicalOffset, nextQueueOffsets }] of tombstones.entries()) {
    const topic = topics[i] as Buffer
    writeI64(view, at, physicalOffset)
    view.setUint16(at + 8, topic.length)
    view.setUint32(at + 10, nextQueueOffsets.size)
    at += TOMBSTONE_HEAD_BYTES
    at += topic.copy(file, at)
    for (const [queueId, next] of nextQueueOffsets) {
      view.setInt32(at, queueId)
      writeI64(view, at + 4, next)
      at += QUEUE_BYTES
    }
  }
  return encodeOwnFile(file.subarray(OWN_FILE_HEADER_BYTES))
}

/**
 * What the file says.
 * @throws CORRUPT when the bytes are not what was written; UNSUPPORTED_FORMAT when a newer PocketMQ wrote them
 */
export function decodeStateLists(
  bytes: Buffer,
  file = 'pocketmq/tombstones',
): StateLists & { readonly sequence: number } {
  decodeOwnFile(bytes, file)
  const reader = new Reader(bytes, file)
  reader.at = AT.sequence
  const sequence = reader.long('sequence')
  const foreignCount = reader.count('foreign ranges', RANGE_BYTES)
  const tombstoneCount = reader.count('tombstones', TOMBSTONE_HEAD_BYTES)
  const foreignRanges: PhysicalRange[] = []
  for (let i = 0; i < foreignCount; i++) foreignRanges.push({ start: reader.long('start'), end: reader.long('end') })
  const tombstones: Tombstone[] = []
  for (let i = 0; i < tombstoneCount; i++) tombstones.push(readTombstone(reader))
  if (reader.at !== bytes.length) throw damagedOwnFile(file, `${reader.at} bytes`, `${bytes.length}`)
  return { sequence, foreignRanges, tombstones }
}

function readTombstone(reader: Reader): Tombstone {
  const physicalOffset = reader.long('physicalOffset')
  const topicBytes = reader.short()
  const queues = reader.count('queues', QUEUE_BYTES)
  const topic = reader.text(topicBytes)
  const nextQueueOffsets = new Map<number, number>()
  for (let i = 0; i < queues; i++) nextQueueOffsets.set(reader.int('queueId'), reader.long('next queueOffset'))
  return { topic, physicalOffset, nextQueueOffsets }
}

/** Reads on from `at` and refuses to read past the end, or counts that cannot fit. */
class Reader {
  readonly #bytes: Buffer
  readonly #view: DataView
  readonly #file: string
  at = 0

  constructor(bytes: Buffer, file: string) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#file = file
  }

  long(what: string): number {
    const value = readI64(this.#view, this.#take(8))
    if (value >= 0 && Number.isSafeInteger(value)) return value
    throw damagedOwnFile(this.#file, `${what} of at least 0`, String(value))
  }

  int(what: string): number {
    const value = this.#view.getInt32(this.#take(4))
    if (value >= 0) return value
    throw damagedOwnFile(this.#file, `${what} of at least 0`, String(value))
  }

  short(): number {
    return this.#view.getUint16(this.#take(2))
  }

  /** A count of things of at least `bytesEach`, which have to fit into what is left. */
  count(what: string, bytesEach: number): number {
    const count = this.#view.getUint32(this.#take(4))
    if (count * bytesEach <= this.#bytes.length - this.at) return count
    throw damagedOwnFile(this.#file, `room for ${count} ${what}`, `${this.#bytes.length - this.at} bytes`)
  }

  text(bytes: number): string {
    const start = this.#take(bytes)
    return this.#bytes.toString('utf8', start, start + bytes)
  }

  #take(bytes: number): number {
    const start = this.at
    if (start + bytes > this.#bytes.length) {
      throw damagedOwnFile(this.#file, `${bytes} bytes at ${start}`, 'the end of the file')
    }
    this.at = start + bytes
    return start
  }
}
