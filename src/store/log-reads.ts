/**
 * Gets bytes of the log for readers: from memory, from blocks read lately, from the page cache, or from the device.
 * Blocks are private to this file and only ever copied from, so nobody can write into what another reader gets.
 */
import type { CommitLog } from './commit-log.ts'

/** What reading needs of a log. */
export type ReadableLog = Pick<
  CommitLog,
  'minOffset' | 'written' | 'segmentBytes' | 'segmentEnd' | 'hot' | 'read' | 'readSync'
>

/** Bytes of one block: a read that keeps the device busy without taking long. Blocks start at multiples of it in their segment. */
const BLOCK_BYTES = 256 * 1024
/** Blocks kept: 4 MiB. */
const BLOCKS_MAX = 16
/** A longer read is made for its reader alone. */
const SHARED_BYTES_MAX = 1024 * 1024
/** Blocks read ahead of whoever reads in order. */
const BLOCKS_AHEAD = 2
/** What this process wrote last is likely to be in the page cache still. */
const RECENT_BYTES = 64 * 1024 * 1024
/** From this length on a read of its own is quicker than a copy from a block. */
const LONG_READ_BYTES = 32 * 1024
/** Blocks remembered in which something was read alone: whoever comes back reads all of it. */
const TOUCHED_MAX = 32

/** `bytes` holds the log from `start` to `end`; a block at the log's tail is shorter until it is read again. */
type Block = {
  readonly start: number
  readonly bytes: Buffer
  end: number
  /** Readers that wait for it or copy from it. */
  users: number
  loading: Promise<void> | undefined
}

/** Reading the log for consumers. */
export class LogReads {
  readonly #log: ReadableLog
  /** Everything from here on was appended by this process. */
  readonly #openedAt: number
  /** By start; least recently used first. */
  readonly #blocks = new Map<number, Block>()
  readonly #touched = new Set<number>()

  constructor(log: ReadableLog) {
    this.#log = log
    this.#openedAt = log.written.value
  }

  /** Whether `copyNow` is worth a try for what starts there. */
  isNear(physicalOffset: number): boolean {
    if (this.#isRecent(physicalOffset)) return true
    const block = this.#blocks.get(this.#blockStart(physicalOffset))
    return (block !== undefined && physicalOffset < block.end) || this.#log.hot(physicalOffset, 1) !== undefined
  }

  /** Copies [physicalOffset, physicalOffset + bytes) into `target` at `at` without waiting for the device; false where that cannot be. */
  copyNow(target: Buffer, at: number, physicalOffset: number, bytes: number): boolean {
    const log = this.#log
    const hot = log.hot(physicalOffset, bytes)
    if (hot !== undefined) {
      hot.copy(target, at)
      return true
    }
    if (this.#copyFromBlocks(target, at, physicalOffset, bytes)) return true
    if (!this.#isRecent(physicalOffset) || !this.#holds(physicalOffset, bytes)) return false
    if (bytes < LONG_READ_BYTES && this.#loadTouched(physicalOffset)) {
      if (this.#copyFromBlocks(target, at, physicalOffset, bytes)) return true
    }
    return log.readSync(target.subarray(at, at + bytes), physicalOffset) === bytes
  }

  /** The same for bytes that are read in order, going to the device ahead of the reader; false where the log does not hold them. */
  async copy(target: Buffer, at: number, physicalOffset: number, bytes: number): Promise<boolean> {
    if (this.copyNow(target, at, physicalOffset, bytes)) return true
    if (!this.#holds(physicalOffset, bytes)) return false
    if (bytes > SHARED_BYTES_MAX) return await this.copyAlone(target, at, physicalOffset, bytes)
    const end = physicalOffset + bytes
    this.#begin(physicalOffset, end)
    for (let position = physicalOffset; position < end; ) {
      const count = await this.#copyFromBlock(target, at + position - physicalOffset, position, end)
      if (count === 0) return false
      position += count
    }
    return true
  }

  /** The same for bytes that nobody is likely to go on from: reads just them. */
  async copyAlone(target: Buffer, at: number, physicalOffset: number, bytes: number): Promise<boolean> {
    if (this.copyNow(target, at, physicalOffset, bytes)) return true
    if (!this.#holds(physicalOffset, bytes)) return false
    return (await this.#log.read(target.subarray(at, at + bytes), physicalOffset)) === bytes
  }

  /** Whether bytes so far apart are better read alone than with the blocks they lie in. */
  static isSparse(spanBytes: number, count: number): boolean {
    return spanBytes > (count + 1) * (BLOCK_BYTES / 2)
  }

  #holds(physicalOffset: number, bytes: number): boolean {
    const log = this.#log
    const end = physicalOffset + bytes
    return physicalOffset >= log.minOffset && end <= log.written.value && end <= log.segmentEnd(physicalOffset)
  }

  #isRecent(physicalOffset: number): boolean {
    return physicalOffset >= this.#openedAt && physicalOffset >= this.#log.written.value - RECENT_BYTES
  }

  /** Reads a whole block that somebody read in before, which the next reads are likely to want too. */
  #loadTouched(physicalOffset: number): boolean {
    const start = this.#blockStart(physicalOffset)
    if (!this.#touched.has(start)) {
      this.#touched.add(start)
      if (this.#touched.size > TOUCHED_MAX) this.#touched.delete(this.#touched.values().next().value as number)
      return false
    }
    const block = this.#block(start)
    if (block.loading !== undefined) return false
    const end = Math.min(start + block.bytes.length, this.#log.written.value)
    const target = block.bytes.subarray(block.end - start, end - start)
    block.end += this.#log.readSync(target, block.end)
    return true
  }

  #copyFromBlocks(target: Buffer, at: number, physicalOffset: number, bytes: number): boolean {
    if (this.#blocks.size === 0) return false
    const end = physicalOffset + bytes
    for (let position = physicalOffset; position < end; ) {
      const block = this.#blocks.get(this.#blockStart(position))
      if (block === undefined || position >= block.end || physicalOffset < this.#log.minOffset) return false
      const count = Math.min(end, block.end) - position
      block.bytes.copy(target, at + position - physicalOffset, position - block.start, position - block.start + count)
      position += count
    }
    return true
  }

  #blockStart(position: number): number {
    const inSegment = position % this.#log.segmentBytes
    return position - (inSegment % BLOCK_BYTES)
  }

  /** Copies from the block that holds `position` what it has of [position, end), when it is loaded; answers how many bytes. */
  async #copyFromBlock(target: Buffer, at: number, position: number, end: number): Promise<number> {
    const start = this.#blockStart(position)
    const block = this.#block(start)
    const wanted = Math.min(end, start + block.bytes.length)
    block.users++
    try {
      while (block.end < wanted) {
        const before = block.end
        await this.#load(block)
        if (block.end === before) break
      }
      const limit = Math.max(position, Math.min(end, block.end))
      return block.bytes.copy(target, at, position - start, limit - start)
    } finally {
      block.users--
    }
  }

  /** Has all blocks of [physicalOffset, end) loaded at once, and those behind where somebody reads in order. */
  #begin(physicalOffset: number, end: number): void {
    const first = this.#blockStart(physicalOffset)
    const isInOrder = first > 0 && this.#blocks.has(this.#blockStart(first - 1))
    const limit = Math.min(end + (isInOrder ? BLOCKS_AHEAD * BLOCK_BYTES : 0), this.#log.written.value)
    for (let start = first; start < limit; ) {
      const block = this.#block(start)
      const wanted = Math.min(limit, start + block.bytes.length)
      if (block.end < wanted) void this.#load(block)
      start += block.bytes.length
    }
  }

  #load(block: Block): Promise<void> {
    if (block.loading !== undefined) return block.loading
    block.loading = this.#fill(block)
    // Whoever needs the block meets the failure; whoever comes after him tries again.
    block.loading.catch(() => this.#blocks.delete(block.start))
    return block.loading
  }

  #block(start: number): Block {
    const known = this.#blocks.get(start)
    if (known !== undefined) {
      this.#blocks.delete(start)
      this.#blocks.set(start, known)
      return known
    }
    const length = Math.min(BLOCK_BYTES, this.#log.segmentEnd(start) - start)
    const block: Block = { start, bytes: this.#freeBytes(length), end: start, users: 0, loading: undefined }
    this.#blocks.set(start, block)
    return block
  }

  /** Memory for a new block: that of the least recently used one where there are enough. */
  #freeBytes(length: number): Buffer {
    for (const [start, block] of this.#blocks) {
      if (this.#blocks.size < BLOCKS_MAX) break
      if (block.loading !== undefined || block.users > 0) continue
      this.#blocks.delete(start)
      if (block.bytes.length === length) return block.bytes
    }
    return Buffer.allocUnsafeSlow(length)
  }

  async #fill(block: Block): Promise<void> {
    const from = block.end
    const target = block.bytes.subarray(
      from - block.start,
      Math.min(block.bytes.length, this.#log.written.value - block.start),
    )
    try {
      const read = await this.#log.read(target, from)
      block.end = from + read
    } finally {
      block.loading = undefined
    }
  }
}
