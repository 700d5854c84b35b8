/**
 * The one log that every topic's messages go into, as fixed-size segment files.   RocketMQ: CommitLog, MappedFileQueue.
 *
 * Rules: flushed <= written <= appended; only the newest segment is appended to; a segment ends in a filler and is never
 * touched again; segment files follow one another without a gap (a missing one is an error of open).
 */
import { assert } from '../base/assert.ts'
import { PocketMQError } from '../base/errors.ts'
import { Watermark } from '../base/watermark.ts'
import { FILLER_BYTES, writeFiller } from '../codec/record-layout.ts'
import type { FileSystem, MappedFile, SegmentOptions } from '../files/file-system.ts'
import { parseSegmentName, segmentName } from '../files/segment-names.ts'
import { OpenFiles } from './open-files.ts'
import { UnflushedNames } from './unflushed-names.ts'

/** Segments kept open for reading; the least recently used goes first. */
const READERS_MAX = 64

/** Where the log lies and how its files are made. */
export type CommitLogOptions = {
  readonly fileSystem: FileSystem
  /** `<dir>/commitlog` */
  readonly folder: string
  readonly mode: number
  /** Of a new log; an existing log's own size wins and is checked by `inspect-folder`. */
  readonly segmentBytes: number
  /** Whether each append is flushed by itself. Default: false. */
  readonly zeroesAhead?: boolean
  /** Segments from here on are left out: they lie behind a gap. Default: none. */
  readonly ignoreFrom?: number
}

/** One segment file. */
export type Segment = { readonly start: number; readonly path: string }

type NextSegment = { readonly file: MappedFile; readonly path: string; readonly start: number }

type Sealed = { readonly start: number; readonly file: MappedFile }

/** The commit log. */
export class CommitLog {
  readonly segmentBytes: number
  readonly written: Watermark = new Watermark('written', 0)
  readonly flushed: Watermark = new Watermark('flushed', 0)
  readonly #fileSystem: FileSystem
  readonly #folder: string
  readonly #mode: number
  readonly #zeroesAhead: boolean
  readonly #segments: Segment[]
  readonly #readers: OpenFiles
  #active: MappedFile | undefined
  #activeStart = 0
  /** Full segments whose bytes are not all on the device yet, oldest first. */
  #sealed: Sealed[] = []
  /** The segment after the active one, made ahead so that rolling costs nothing. */
  #next: NextSegment | undefined
  #preparing: Promise<void> | undefined
  #prepareFailure: unknown
  readonly #names = new UnflushedNames()
  #isClosing = false

  private constructor(options: CommitLogOptions, segments: Segment[]) {
    this.#fileSystem = options.fileSystem
    this.#folder = options.folder
    this.#mode = options.mode
    this.#zeroesAhead = options.zeroesAhead ?? false
    this.segmentBytes = options.segmentBytes
    this.#segments = segments
    this.#readers = new OpenFiles(options.fileSystem, options.mode & 0o666, READERS_MAX)
  }

  /** Lists the segments. Changes nothing on disk. @throws CORRUPT where segments do not follow one another */
  static async open(options: CommitLogOptions): Promise<CommitLog> {
    const starts = await listStarts(options)
    for (let i = 1; i < starts.length; i++) {
      const expected = (starts[i - 1] as number) + options.segmentBytes
      if (starts[i] !== expected) throw segmentMissing(options.folder, expected, starts[i] as number)
    }
    const segments = starts.map(start => ({ start, path: `${options.folder}/${segmentName(start)}` }))
    return new CommitLog(options, segments)
  }

  /** For a log that another process owns: takes note of segments it has made since, and of those it has removed. */
  async relist(): Promise<void> {
    assert(!this.isAppending, 'the owner of a log knows its segments')
    const starts = new Set(await listStarts({ fileSystem: this.#fileSystem, folder: this.#folder }))
    while (this.#segments.length > 0 && !starts.has((this.#segments[0] as Segment).start)) {
      await this.#readers.forget((this.#segments.shift() as Segment).path)
    }
    const next = this.#segments.length === 0 ? Math.min(...starts) : this.filesEnd
    for (let start = next; starts.has(start); start += this.segmentBytes) {
      this.#segments.push({ start, path: this.#path(start) })
    }
  }

  /** First byte of the oldest segment. */
  get minOffset(): number {
    return this.#segments[0]?.start ?? 0
  }

  /** One past the last byte of the newest segment file. */
  get filesEnd(): number {
    const last = this.#segments.at(-1)
    return last === undefined ? 0 : last.start + this.segmentBytes
  }

  /** Where the next record would go, were it to fit. */
  get appended(): number {
    return this.#active === undefined ? this.written.value : this.#activeStart + this.#active.appended
  }

  get isAppending(): boolean {
    return this.#active !== undefined
  }

  segments(): readonly Segment[] {
    return this.#segments
  }

  /** One past the last byte of the segment that holds `physicalOffset`. */
  segmentEnd(physicalOffset: number): number {
    return physicalOffset - (physicalOffset % this.segmentBytes) + this.segmentBytes
  }

  // ---- appending -------------------------------------------------------------------------------------------------

  /** Opens the tail for appending at `position`, which recovery has found (and zeroed behind). */
  async startAppending(position: number): Promise<void> {
    assert(this.#active === undefined, 'appending starts once')
    const start = position - (position % this.segmentBytes)
    if (start >= this.filesEnd) {
      await this.#fileSystem.ensureFolder(this.#folder, this.#mode)
      this.#segments.push({ start, path: this.#path(start) })
    }
    this.#active = await this.#fileSystem.openSegment(this.#path(start), this.#segmentOptions(position - start))
    this.#activeStart = start
    await this.#fileSystem.flushFolder(this.#folder)
    this.written.advance(position)
    this.flushed.advance(position)
    this.#prepareNext()
  }

  /** The buffer that `room` points into. */
  get tailBytes(): Buffer {
    return (this.#active as MappedFile).tailBytes
  }

  get tailView(): DataView {
    return (this.#active as MappedFile).tailView
  }

  /**
   * Room for `bytes` contiguous bytes at `appended`, rolling to the next segment where they do not fit: the index in
   * `tailBytes`, or -1 where the segment is not prepared that far yet. Throws what writing met, with nothing moved but
   * what `onWriteFailure` of the append path took back.
   */
  room(bytes: number): number {
    const active = this.#active as MappedFile
    // A segment always ends in a filler of at least 8 bytes. RocketMQ: CommitLog.DefaultAppendMessageCallback.
    const isFull = bytes + FILLER_BYTES > active.lengthBytes - active.appended
    if (isFull && this.#roll(active)) return this.room(bytes)
    return isFull ? -1 : active.reserve(bytes)
  }

  /** The first `bytes` of the room are now part of the log. */
  append(bytes: number): void {
    ;(this.#active as MappedFile).append(bytes)
  }

  /** Resolves when `room` can give so many bytes, or fewer. Rejects with DISK_FULL or IO where that cannot be. */
  async prepared(bytes: number): Promise<void> {
    const active = this.#active as MappedFile
    const remaining = active.lengthBytes - active.appended
    // Where so many do not fit, fewer may: all that is left has to be prepared.
    await active.prepared(Math.min(bytes, remaining))
    if (bytes + FILLER_BYTES <= remaining) return
    this.#prepareFailure = undefined
    if (this.#next === undefined) this.#prepareNext()
    await this.#preparing
    if (this.#prepareFailure !== undefined) throw this.#prepareFailure
    // Made, but perhaps not prepared as far as a large record needs.
    await this.#next?.file.prepared(Math.min(bytes, this.segmentBytes - FILLER_BYTES))
  }

  /** Everything appended is in the page cache on return. When it throws, `written` has not moved. */
  writeOut(): void {
    const active = this.#active
    if (active === undefined) return
    active.writeOut()
    this.written.advance(this.#activeStart + active.appended)
  }

  /** Takes back what was appended and could not be written. */
  rewindToWritten(): void {
    const active = this.#active as MappedFile
    active.rewind(active.written)
    this.written.advance(this.#activeStart + active.written)
  }

  /** Everything written at the time of the call is on the device when it resolves; `flushed` has advanced. */
  async flush(): Promise<void> {
    const target = this.written.value
    const active = this.#active
    const activeStart = this.#activeStart
    if (active === undefined || target === this.flushed.value) return
    const sealed = [...this.#sealed]
    for (const { file } of sealed) await file.flush()
    // The log may have rolled on meanwhile: what was active when this began is flushed all the same.
    if (target > activeStart || sealed.length === 0) await active.flush()
    await this.#names.flush(this.#fileSystem, this.#folder)
    this.flushed.advance(target)
    this.#sealed = this.#sealed.filter(segment => !sealed.includes(segment))
    for (const { file } of sealed) await file.close()
  }

  // ---- reading ---------------------------------------------------------------------------------------------------

  /** A view of bytes that are in memory and written, else undefined. Valid until the next `room`. */
  hot(physicalOffset: number, bytes: number): Buffer | undefined {
    if (physicalOffset + bytes > this.written.value) return undefined
    const active = this.#active
    if (active !== undefined && physicalOffset >= this.#activeStart) {
      return active.hot(physicalOffset - this.#activeStart, bytes)
    }
    const sealed = this.#sealed.find(
      ({ start }) => physicalOffset >= start && physicalOffset < start + this.segmentBytes,
    )
    return sealed?.file.hot(physicalOffset - sealed.start, bytes)
  }

  /** Fills `target` from one segment, off the event loop; fewer bytes at the segment's end, none outside the log. */
  async read(target: Uint8Array, physicalOffset: number): Promise<number> {
    const segment = this.#segmentOf(physicalOffset)
    if (segment === undefined) return 0
    const bytes = Math.min(target.length, segment.start + this.segmentBytes - physicalOffset)
    const position = physicalOffset - segment.start
    return await this.#readers.use(segment.path, 'read', file => file.read(target.subarray(0, bytes), position))
  }

  /** The same on the event loop, for what is likely in the page cache. */
  readSync(target: Uint8Array, physicalOffset: number): number {
    const segment = this.#segmentOf(physicalOffset)
    if (segment === undefined) return 0
    const bytes = Math.min(target.length, segment.start + this.segmentBytes - physicalOffset)
    return this.#readers.now(segment.path, 'read').readSync(target.subarray(0, bytes), physicalOffset - segment.start)
  }

  // ---- recovery and retention --------------------------------------------------------------------------------------

  /** Zeroes [from, to) and puts that on the device: a cut tail must not come back. */
  async zero(from: number, to: number): Promise<void> {
    for (let at = from; at < to; ) {
      const end = Math.min(to, this.segmentEnd(at))
      await this.#zeroWithin(at, end)
      at = end
    }
  }

  /** Removes whole segments below `start`, oldest first, durably. Answers how many. */
  async removeSegmentsBelow(start: number): Promise<number> {
    let removed = 0
    for (;;) {
      const oldest = this.#segments[0]
      if (oldest === undefined || this.#segments.length === 1 || oldest.start + this.segmentBytes > start) break
      this.#segments.shift()
      await this.#removeFile(oldest.path)
      removed++
    }
    if (removed > 0) await this.#fileSystem.flushFolder(this.#folder)
    return removed
  }

  /** Removes segments that start at or beyond `start`, newest first, durably. */
  async removeSegmentsFrom(start: number): Promise<void> {
    let removed = 0
    for (let last = this.#segments.at(-1); last !== undefined && last.start >= start; last = this.#segments.at(-1)) {
      this.#segments.pop()
      await this.#removeFile(last.path)
      removed++
    }
    if (removed > 0) await this.#fileSystem.flushFolder(this.#folder)
  }

  /** Closes every file. The segment made ahead and not used is removed: a broker takes no notice of a clean folder's sizes otherwise. */
  async close(): Promise<void> {
    this.#isClosing = true
    await this.#preparing
    const next = this.#next
    this.#next = undefined
    if (next !== undefined) {
      await next.file.close()
      await this.#fileSystem.remove(next.path)
      await this.#fileSystem.flushFolder(this.#folder)
    }
    for (const { file } of this.#sealed) await file.close()
    await this.#active?.close()
    this.#active = undefined
    await this.#readers.close()
  }

  // ---- inside ----------------------------------------------------------------------------------------------------

  /** Ends the active segment with a filler and goes on in the next. False where there is no room to go on in yet. */
  #roll(active: MappedFile): boolean {
    const remaining = active.lengthBytes - active.appended
    const at = active.reserve(FILLER_BYTES)
    const next = at < 0 ? undefined : this.#takeNext()
    if (next === undefined) return false
    try {
      writeFiller(active.tailView, at, remaining)
      active.append(FILLER_BYTES)
      active.writeOut()
    } catch (error) {
      this.#next = next // The append path rewinds to `written`, filler included; the segment made ahead stays ready.
      throw error
    }
    this.#sealed.push({ start: this.#activeStart, file: active })
    this.#activeStart = next.start
    this.#segments.push({ start: next.start, path: next.path })
    this.#active = next.file
    this.#names.note()
    this.written.advance(this.#activeStart)
    this.#prepareNext()
    return true
  }

  #takeNext(): NextSegment | undefined {
    const next = this.#next
    this.#next = undefined
    if (next !== undefined) return next
    if (this.#preparing !== undefined && !this.#fileSystem.canRollSync) return undefined
    const start = this.#activeStart + this.segmentBytes
    const path = this.#path(start)
    return { file: this.#fileSystem.openSegmentSync(path, this.#segmentOptions(0)), path, start }
  }

  #prepareNext(): void {
    if (this.#preparing !== undefined || this.#isClosing) return
    const start = this.#activeStart + this.segmentBytes
    this.#preparing = this.#makeNext(start).finally(() => {
      this.#preparing = undefined
      const isOvertaken = this.#activeStart + this.segmentBytes !== start
      if (isOvertaken) this.#prepareNext()
    })
  }

  async #makeNext(start: number): Promise<void> {
    const path = this.#path(start)
    let file: MappedFile
    try {
      file = await this.#fileSystem.openSegment(path, this.#segmentOptions(0))
    } catch (error) {
      this.#prepareFailure = error // The roll that needs the segment meets the same failure where somebody can be told.
      return
    }
    const isOvertaken = this.#activeStart + this.segmentBytes !== start
    if (isOvertaken) await file.close()
    else this.#next = { file, path, start }
  }

  #segmentOptions(position: number): SegmentOptions {
    return { lengthBytes: this.segmentBytes, position, mode: this.#mode & 0o666, zeroesAhead: this.#zeroesAhead }
  }

  #segmentOf(physicalOffset: number): Segment | undefined {
    const index = (physicalOffset - this.minOffset - (physicalOffset % this.segmentBytes)) / this.segmentBytes
    return physicalOffset < this.minOffset ? undefined : this.#segments[index]
  }

  #path(start: number): string {
    return `${this.#folder}/${segmentName(start)}`
  }

  async #removeFile(path: string): Promise<void> {
    await this.#readers.forget(path)
    await this.#fileSystem.remove(path)
  }

  async #zeroWithin(from: number, to: number): Promise<void> {
    const start = from - (from % this.segmentBytes)
    const file = await this.#fileSystem.open(this.#path(start), 'write', this.#mode & 0o666)
    try {
      const zeros = Buffer.alloc(Math.min(to - from, 1024 * 1024))
      for (let at = from; at < to; at += zeros.length) {
        await file.write(zeros.subarray(0, Math.min(zeros.length, to - at)), at - start)
      }
      await file.flush()
    } finally {
      await file.close()
    }
    await this.#fileSystem.flushFolder(this.#folder)
  }
}

async function listStarts({
  fileSystem,
  folder,
  ignoreFrom = Number.POSITIVE_INFINITY,
}: Pick<CommitLogOptions, 'fileSystem' | 'folder' | 'ignoreFrom'>): Promise<number[]> {
  const starts = (await fileSystem.list(folder)).flatMap(entry => parseSegmentName(entry.name) ?? [])
  return starts.filter(start => start < ignoreFrom).sort((a, b) => a - b)
}

function segmentMissing(folder: string, expected: number, found: number): PocketMQError {
  return new PocketMQError('CORRUPT', `commit-log segment ${segmentName(expected)} is missing`, {
    hint: 'Put the missing segment file back from a backup, or run `pocketmq repair` on a copy of the folder.',
    details: { file: folder, physicalOffset: expected, expected: segmentName(expected), found: segmentName(found) },
  })
}
