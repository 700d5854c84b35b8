/**
 * A segment appended to through a shared mapping of its file: an appended byte is in the page cache at once.
 *
 * A store into a page whose block the device cannot give kills the process by SIGBUS, where a write would have failed
 * with ENOSPC. So zeros are written ahead of the tail through the thread pool, and nothing is encoded beyond them.
 * (File systems that never overwrite in place, btrfs and ZFS, may still be out of room at a second write of a block.)
 * Invariant: written = appended <= #zerosEnd <= lengthBytes = length of the mapping.
 */
import { assert } from '../base/assert.ts'
import type { MappedFile, SegmentOptions, StoreFile } from './file-system.ts'
import { closedFile, writtenBytesOf } from './io-error.ts'

/** Zeros are kept this far ahead of the tail: what a busy turn appends before the thread pool's answer is heard. */
const AHEAD_BYTES = 16 * 1024 * 1024
/**
 * Zeros written by one call: more where appends use them up meanwhile, fewer where a flush covers less. The page cache takes what one
 * call writes in pieces as large as it can, up to 2 MiB, and a byte that a mapping changes makes the whole piece dirty: after
 * 4 MiB of zeros each flush of one small record wrote 1.7 MB.
 */
const CHUNK_BYTES_MIN = 16 * 1024
const CHUNK_BYTES_MAX = 4 * 1024 * 1024
const NOTHING = Buffer.alloc(0)

/** Written from by every segment, never to. Made at first use. */
let zeros: Buffer | undefined

/** A MappedFile over a mapping of `file`. It owns the file: closing the one closes the other. */
export class MappedSegment implements MappedFile {
  readonly path: string
  readonly lengthBytes: number
  readonly #file: StoreFile
  #mapping: Buffer
  #view: DataView
  /** What lies before was not written through this object, and may not be in memory. */
  readonly #openedAt: number
  #appended: number
  #zerosEnd: number
  /** Appending beyond this asks for more zeros. */
  #askAt = Number.POSITIVE_INFINITY
  /** Zeros on their way; answers what they met, and does not reject: mostly nobody is waiting. */
  #zeroing: Promise<unknown> | undefined
  #chunkBytes = CHUNK_BYTES_MIN
  /** Where the last flush found the tail. */
  #flushedAt: number
  #flushFailure: unknown
  #isClosed = false

  /**
   * @param file open for writing, already at its full length
   * @param mapping a shared, writable mapping of all of it
   */
  constructor(file: StoreFile, mapping: Buffer, { lengthBytes, position }: Omit<SegmentOptions, 'mode'>) {
    assert(position >= 0 && position <= lengthBytes, 'a segment is appended to inside its length')
    assert(mapping.length === lengthBytes, 'a segment is mapped as a whole')
    this.path = file.path
    this.lengthBytes = lengthBytes
    this.#file = file
    this.#mapping = mapping
    this.#view = new DataView(mapping.buffer, mapping.byteOffset, mapping.length)
    this.#openedAt = position
    this.#appended = position
    this.#zerosEnd = position
    this.#flushedAt = position
  }

  get appended(): number {
    return this.#appended
  }

  get written(): number {
    return this.#appended
  }

  get tailBytes(): Buffer {
    return this.#mapping
  }

  get tailView(): DataView {
    return this.#view
  }

  reserve(bytes: number): number {
    if (this.#appended + bytes <= this.#zerosEnd) return this.#appended
    assert(bytes <= this.lengthBytes - this.#appended, 'room is reserved inside a segment')
    this.#ask(bytes)
    return -1
  }

  append(bytes: number): void {
    const appended = this.#appended + bytes
    assert(appended <= this.#zerosEnd, 'nothing is appended beyond what is prepared')
    this.#appended = appended
    if (appended > this.#askAt) this.#ask()
  }

  rewind(position: number): void {
    assert(position === this.#appended, 'what is written stays')
  }

  writeOut(): void {}

  async prepared(bytes: number): Promise<void> {
    const end = this.#appended + bytes
    assert(end <= this.lengthBytes, 'room is asked for inside a segment')
    while (this.#zerosEnd < end) {
      if (this.#isClosed) throw closedFile(this.path)
      this.#ask(bytes)
      const failure = await this.#zeroing
      if (failure !== undefined && this.#zerosEnd < end) throw failure
    }
  }

  /** Resolves when the first zeros are there, or cannot be: `prepared` says which to whoever needs them. */
  async firstZeros(): Promise<void> {
    this.#ask()
    await this.#zeroing
  }

  async flush(): Promise<void> {
    // The kernel reports a lost write once and calls the page clean after that: a second flush would lie.
    if (this.#flushFailure !== undefined) throw this.#flushFailure
    const covered = this.#appended - this.#flushedAt
    this.#flushedAt = this.#appended
    // By half and no more: a flush right behind another one says little.
    if (covered < this.#chunkBytes) this.#chunkBytes = Math.max(CHUNK_BYTES_MIN, this.#chunkBytes / 2)
    try {
      // Linux keeps what a mapping has dirtied among the file's dirty pages; msync would stop the event loop instead.
      await this.#file.flush()
    } catch (thrown) {
      this.#flushFailure ??= thrown
      throw this.#flushFailure
    }
  }

  hot(position: number, bytes: number): Buffer | undefined {
    // What was there before may have to be read from the device, and a device that fails under a mapping kills the process.
    if (position < this.#openedAt || position + bytes > this.#appended) return undefined
    return this.#mapping.subarray(position, position + bytes)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    // Nothing unmaps but the garbage collector; it needs the last view to be gone.
    this.#mapping = NOTHING
    this.#view = new DataView(new ArrayBuffer(0))
    await this.#file.close()
  }

  /** Sees to it that zeros are on their way, unless there are zeros to the end; `room` is what somebody waits for. */
  #ask(room = 0): void {
    this.#askAt = Number.POSITIVE_INFINITY
    if (this.#zerosEnd >= this.lengthBytes || this.#isClosed) return
    this.#zeroing ??= this.#writeZeros(Math.max(room, this.#chunkBytes))
  }

  async #writeZeros(wanted: number): Promise<unknown> {
    zeros ??= Buffer.alloc(CHUNK_BYTES_MAX)
    const bytes = Math.min(wanted, CHUNK_BYTES_MAX, this.lengthBytes - this.#zerosEnd)
    const before = this.#appended
    let failure: unknown
    try {
      await this.#file.write(zeros.subarray(0, bytes), this.#zerosEnd)
      this.#zerosEnd += bytes
    } catch (thrown) {
      this.#zerosEnd += writtenBytesOf(thrown)
      failure = thrown
    }
    this.#zeroing = undefined
    if (this.#appended - before > this.#chunkBytes / 2)
      this.#chunkBytes = Math.min(CHUNK_BYTES_MAX, this.#chunkBytes * 2)
    // After a failure only somebody who needs the room asks again, and is told.
    const isUsed = this.#appended > this.#openedAt
    if (failure === undefined) this.#askAt = isUsed ? this.#zerosEnd - AHEAD_BYTES : this.#openedAt
    if (this.#appended > this.#askAt) this.#ask()
    return failure
  }
}
