/**
 * A segment appended to through a buffer in memory: one write a turn, and the last megabytes stay readable from memory.
 *
 * Two tail buffers take turns. The current one holds the file's bytes from #start on, of which those from `written` to
 * `appended` are not in the file yet; the older one holds what came right before and is kept only to be read (`hot`).
 * Invariants: #start <= written <= appended <= #start + current.length; the older buffer ends at or before #start.
 */
import { assert } from '../base/assert.ts'
import { PocketMQError } from '../base/errors.ts'
import type { MappedFile, SegmentOptions, StoreFile } from './file-system.ts'
import { brokenFile, ioError, writtenBytesOf } from './io-error.ts'

/** Size of a tail buffer: large enough that a full turn is one write, small enough to stay in the processor's cache. */
const TAIL_BYTES = 1024 * 1024
const NOTHING = Buffer.alloc(0)
/** Zeros go ahead up to the next multiple of so many bytes. More of them are a wait that shows in the 99th percentile. */
const ZEROS_BYTES = 256 * 1024
/** From here on a write takes as long for the zeros as its flush and the next ones would save. */
const LONG_WRITE_BYTES = 64 * 1024

/** A MappedFile over any StoreFile. It owns the file: closing the one closes the other. */
export class BufferedSegment implements MappedFile {
  readonly path: string
  readonly lengthBytes: number
  readonly #file: StoreFile
  /** Two buffers of ordinary size; a record larger than they are gets one of its own. */
  readonly #tails: [Buffer, Buffer]
  #current: Buffer
  #view: DataView
  #start: number
  #older: Buffer = NOTHING
  #olderStart = 0
  #olderEnd = 0
  #appended: number
  #written: number
  readonly #zeroesAhead: boolean
  /** Up to here the file has bytes, of records or zeros put ahead of them. */
  #filledEnd: number
  /** End of what a failed write left beyond `written`; nothing else is written there before it is zeros again. */
  #staleEnd = 0
  #flushFailure: unknown

  /** @param file open for writing, already at its full length */
  constructor(file: StoreFile, { lengthBytes, position, zeroesAhead = false }: Omit<SegmentOptions, 'mode'>) {
    assert(position >= 0 && position <= lengthBytes, 'a segment is appended to inside its length')
    this.path = file.path
    this.lengthBytes = lengthBytes
    this.#file = file
    const tailBytes = Math.min(TAIL_BYTES, lengthBytes)
    // Pages of a buffer that nobody touches cost nothing, so the second one is not made later.
    this.#tails = [Buffer.allocUnsafeSlow(tailBytes), Buffer.allocUnsafeSlow(tailBytes)]
    this.#current = this.#tails[0]
    this.#view = viewOf(this.#current)
    this.#start = position
    this.#appended = position
    this.#written = position
    this.#zeroesAhead = zeroesAhead
    this.#filledEnd = position
  }

  get appended(): number {
    return this.#appended
  }

  get written(): number {
    return this.#written
  }

  get tailBytes(): Buffer {
    return this.#current
  }

  get tailView(): DataView {
    return this.#view
  }

  reserve(bytes: number): number {
    const at = this.#appended - this.#start
    if (at + bytes <= this.#current.length) return at
    return this.#turnOver(bytes)
  }

  append(bytes: number): void {
    const appended = this.#appended + bytes
    assert(appended <= this.lengthBytes, 'nothing is appended beyond a segment')
    this.#appended = appended
  }

  rewind(position: number): void {
    assert(position >= this.#written, 'what is written stays')
    assert(position <= this.#appended, 'a segment is not rewound forwards')
    this.#appended = position
  }

  writeOut(): void {
    if (this.#appended === this.#written) return
    if (this.#staleEnd > this.#written) this.#zeroStale()
    const end = this.#fillAhead()
    try {
      this.#file.writeSync(this.#current.subarray(this.#written - this.#start, end - this.#start), this.#written)
    } catch (thrown) {
      const isZerosAlone = end > this.#appended && this.#written + writtenBytesOf(thrown) >= this.#appended
      if (!isZerosAlone) throw this.#cleaned(thrown)
    }
    this.#written = this.#appended
    this.#filledEnd = Math.max(this.#filledEnd, end)
  }

  prepared(bytes: number): Promise<void> {
    assert(bytes <= this.lengthBytes - this.#appended, 'room is asked for inside a segment')
    return Promise.resolve()
  }

  async flush(): Promise<void> {
    // The kernel reports a lost write once and calls the page clean after that: a second flush would lie.
    if (this.#flushFailure !== undefined) throw this.#flushFailure
    try {
      await this.#file.flush()
    } catch (thrown) {
      this.#flushFailure ??= thrown
      throw this.#flushFailure
    }
  }

  hot(position: number, bytes: number): Buffer | undefined {
    const end = position + bytes
    if (position >= this.#start) {
      if (end > this.#appended) return undefined
      return this.#current.subarray(position - this.#start, end - this.#start)
    }
    if (position < this.#olderStart || end > this.#olderEnd) return undefined
    return this.#older.subarray(position - this.#olderStart, end - this.#olderStart)
  }

  close(): Promise<void> {
    return this.#file.close()
  }

  /** Makes the next buffer the current one, with room for at least `bytes`. Nothing has moved when it throws. */
  #turnOver(bytes: number): number {
    assert(bytes <= this.lengthBytes - this.#appended, 'room is reserved inside a segment')
    this.writeOut()
    const [first, second] = this.#tails
    const spare = this.#current === first ? second : first
    const next = bytes > spare.length ? Buffer.allocUnsafeSlow(bytes) : spare
    this.#older = this.#current
    this.#olderStart = this.#start
    this.#olderEnd = this.#appended
    this.#current = next
    this.#view = viewOf(next)
    this.#start = this.#appended
    return 0
  }

  /**
   * Puts zeros into the buffer behind what is appended, where they are to go ahead and the file has none yet; answers where the next write
   * ends. A flush whose blocks are known and filled writes their bytes and nothing else: no journal.   PostgreSQL: wal_init_zero.
   */
  #fillAhead(): number {
    const appended = this.#appended
    const isLong = appended - this.#written >= LONG_WRITE_BYTES
    if (!this.#zeroesAhead || isLong || appended <= this.#filledEnd) return appended
    const wanted = appended - (appended % ZEROS_BYTES) + ZEROS_BYTES
    const end = Math.min(wanted, this.lengthBytes, this.#start + this.#current.length)
    this.#current.fill(0, appended - this.#start, end - this.#start)
    return end
  }

  /**
   * After a write that failed half way: what went through becomes zeros again. Not only its first bytes, because the
   * records behind them would be read as good ones once a record of the same size stands in front of them.
   */
  #cleaned(thrown: unknown): unknown {
    const through = writtenBytesOf(thrown)
    if (through === 0) return thrown
    this.#staleEnd = Math.max(this.#staleEnd, this.#written + through)
    try {
      this.#zeroStale()
      return thrown
    } catch {
      // The next writeOut zeroes before it writes, so the store may go on when the device does.
      const cause = thrown instanceof PocketMQError ? thrown.cause : thrown
      return ioError(cause, 'write', this.path, { writtenBytes: through, leftUntil: this.#staleEnd })
    }
  }

  #zeroStale(): void {
    this.#file.writeSync(Buffer.alloc(this.#staleEnd - this.#written), this.#written)
    this.#staleEnd = 0
  }
}

/** Brings a segment's file to its full length, sparse. A longer file belongs to a store of other sizes. */
export async function extendSegment(file: StoreFile, lengthBytes: number): Promise<void> {
  if (needsLength(file, await file.sizeBytes(), lengthBytes)) await file.setLength(lengthBytes)
}

/** The same on the event loop. */
export function extendSegmentSync(file: StoreFile, lengthBytes: number): void {
  if (needsLength(file, file.sizeBytesSync(), lengthBytes)) file.setLengthSync(lengthBytes)
}

function needsLength(file: StoreFile, sizeBytes: number, lengthBytes: number): boolean {
  if (sizeBytes <= lengthBytes) return sizeBytes < lengthBytes
  throw brokenFile(`${file.path} is longer than the other segments of its folder`, file.path, {
    expected: lengthBytes,
    found: sizeBytes,
  })
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}
