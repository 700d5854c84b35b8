/** The chunk behind the one that a walk goes through, read meanwhile. Two buffers take turns. */
import type { CommitLog } from './commit-log.ts'

/** Room in front of a chunk for what the one before has left over: a record that lies in both. Longer ones are read anew. */
const HEADROOM_BYTES = 256 * 1024

/** `bytes` begin where `buffer` does: the room in front, and what is read behind it. */
type Reading = {
  readonly position: number
  readonly buffer: Buffer
  readonly bytes: Buffer
  readonly isWhole: Promise<boolean>
}

/** Reads the next chunk. */
export class ChunkAhead {
  readonly #log: Pick<CommitLog, 'read'>
  readonly #chunkBytes: number
  /** The buffer that may be filled, and the one that was given out last. */
  #free: Buffer | undefined
  #given: Buffer | undefined
  #reading: Reading | undefined

  constructor(log: Pick<CommitLog, 'read'>, chunkBytes: number) {
    this.#log = log
    this.#chunkBytes = chunkBytes
  }

  /** Begins to read what lies at `position`, up to `end`, which is in the same segment. What `take` gave before the last time is filled anew. */
  start(position: number, end: number): void {
    if (position >= end || this.#reading !== undefined) return
    const buffer = this.#free ?? Buffer.allocUnsafeSlow(HEADROOM_BYTES + this.#chunkBytes)
    this.#free = undefined
    const bytes = buffer.subarray(0, HEADROOM_BYTES + Math.min(this.#chunkBytes, end - position))
    // Whoever wants bytes that cannot be read reads them again by himself, and meets what is wrong with them.
    const isWhole = this.#log.read(bytes.subarray(HEADROOM_BYTES), position).then(
      count => count === bytes.length - HEADROOM_BYTES,
      () => false,
    )
    this.#reading = { position, buffer, bytes, isWhole }
  }

  /** What was read at `position` with `left` in front of it; undefined where that is not read, or fewer than so many bytes. */
  async take(position: number, left: Buffer, bytesMin: number): Promise<Buffer | undefined> {
    const reading = this.#reading
    if (reading === undefined) return undefined
    this.#reading = undefined
    const isWhole = await reading.isWhole
    const room = HEADROOM_BYTES - left.length
    if (!isWhole || reading.position !== position || room < 0 || reading.bytes.length - room < bytesMin)
      return undefined
    left.copy(reading.bytes, room)
    this.#free = this.#given
    this.#given = reading.buffer
    return reading.bytes.subarray(room)
  }
}
