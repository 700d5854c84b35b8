/**
 * One walk over the commit log, used by dispatch, recovery, verify, dump and rebuild.
 *
 * A step is synchronous and does a bounded amount of work; where bytes are not in memory it answers `starved`, and
 * `fill` gets them off the event loop. Bytes are copied into a chunk of the walk's own, so nothing the cursor shows
 * changes while records are appended.
 *
 * Damage (ARCHITECTURE decision 18): the walk goes on at the end the bad record itself gives, where its lengths agree with one
 * another or a good record follows there; else at the next bytes that decode as a record of this very place and that
 * `accepts` takes; else at the end of the segment, which is always a border of records.
 */

import { nextTurn } from '../base/turns.ts'
import type { RecordChecks } from '../codec/record-cursor.ts'
import { RecordCursor } from '../codec/record-cursor.ts'
import { MAGIC_OFFSET, RECORD_BYTES_MIN } from '../codec/record-layout.ts'
import { ChunkAhead } from './chunk-ahead.ts'
import type { CommitLog } from './commit-log.ts'
import type { Claims } from './resync.ts'
import { claimsOf, isSizePlausible, LEADING_MAGIC_BYTES, statesPosition } from './resync.ts'
import type { DamagedRange } from './store-types.ts'

/** What the walk needs of a log. */
export type LogBytes = Pick<CommitLog, 'minOffset' | 'segmentEnd' | 'hot' | 'read'>

/** What one step met. */
export type Step = 'record' | 'filler' | 'damage' | 'end' | 'starved'

/** Where a walk goes and what it believes. */
export type LogWalkOptions = {
  /** A border of records: the first step starts here. */
  readonly from: number
  /** Bytes from here on are not looked at. Asked at each step, so it may move forward. */
  readonly limit: () => number
  /** Which checksums a record at this place must have. */
  readonly checks: (physicalOffset: number) => RecordChecks
  /**
   * A border of records up to which everything once was whole: a bad record before it is damage. Default: `limit` is such a
   * border, always.
   */
  readonly wholeTo?: number
  /**
   * What a bad record at or beyond `wholeTo` is. `torn`: the tail; the walk ends there, whatever follows. `search`: damage
   * where a good record follows somewhere, else the tail. Default `torn`.
   */
  readonly beyond?: 'torn' | 'search'
  /** Whether a record found by searching behind damage that starts at `damageStart` can be what it says. Default: yes. */
  readonly accepts?: (cursor: RecordCursor, damageStart: number) => boolean
  /** End of the file that holds this place, as it was found: a record beyond it is made up of zeros. Default: where its segment ends. */
  readonly fileEnd?: (physicalOffset: number) => number
  /** Bytes read at a time. */
  readonly chunkBytes?: number
  /** The next bytes are read while these are gone through: for a walk over much. Default: no. */
  readonly readsAhead?: boolean
}

/** Where a walk ended before its limit: nothing from here on decodes. */
export type LogTail = { readonly physicalOffset: number; readonly reason: string }

type Search = {
  readonly start: number
  readonly reason: string
  /** Ends that are worth trying before searching; undefined until the bad record's lengths have been looked at. */
  ends: number[] | undefined
  /** Where the search for magic bytes goes on. */
  at: number
}

const CHUNK_BYTES = 1024 * 1024
/** Smallest piece of hot bytes worth copying. */
const HOT_BYTES_MIN = 4096
/** Bytes of candidates checked in one step of a search, so that forged ones cannot hold the event loop. */
const SEARCH_BYTES_A_STEP = 4 * 1024 * 1024
/** A record's head up to and with its physicalOffset. */
const HEAD_BYTES = 36

/** A walk over the log, one record at a time. */
export class LogWalk {
  readonly cursor: RecordCursor = new RecordCursor()
  readonly #log: LogBytes
  readonly #limit: () => number
  readonly #checks: (physicalOffset: number) => RecordChecks
  readonly #wholeTo: number
  readonly #isSearching: boolean
  readonly #accepts: (cursor: RecordCursor, damageStart: number) => boolean
  readonly #fileEnd: ((physicalOffset: number) => number) | undefined
  readonly #chunkBytes: number
  readonly #ahead: ChunkAhead | undefined
  #position: number
  #chunk: Buffer = Buffer.alloc(0)
  #view: DataView = new DataView(new ArrayBuffer(0))
  /** The chunk holds the log's bytes [#chunkStart, #chunkEnd). */
  #chunkStart = 0
  #chunkEnd = 0
  /** End of the segment that holds #position. */
  #segmentEnd = 0
  /** What `fill` has to get. */
  #wantedAt = 0
  #wantedBytes = 0
  #search: Search | undefined
  /** Bytes that the present step has searched. */
  #spentBytes = 0
  #reason = ''
  #damage: DamagedRange = { physicalOffset: 0, endPhysicalOffset: 0, reason: '' }
  #tail: LogTail | undefined

  constructor(log: LogBytes, options: LogWalkOptions) {
    this.#log = log
    this.#position = options.from
    this.#limit = options.limit
    this.#checks = options.checks
    this.#wholeTo = options.wholeTo ?? Number.POSITIVE_INFINITY
    this.#isSearching = options.beyond === 'search'
    this.#accepts = options.accepts ?? (() => true)
    this.#fileEnd = options.fileEnd
    this.#chunkBytes = options.chunkBytes ?? CHUNK_BYTES
    this.#ahead = options.readsAhead === true ? new ChunkAhead(log, this.#chunkBytes) : undefined
  }

  /** Where the next step starts: after `record`, the first byte behind it. */
  get position(): number {
    return this.#position
  }

  /** The range that the step that answered `damage` went over. */
  get damage(): DamagedRange {
    return this.#damage
  }

  /** After `end`: what stands where the walk stopped short of its limit; undefined where it came to the limit. */
  get tail(): LogTail | undefined {
    return this.#tail
  }

  /** Goes over one record, filler or damaged range. After `starved`, await `fill` and step again. */
  step(): Step {
    const limit = this.#limit()
    if (this.#search !== undefined) return this.#goOnSearching(limit)
    if (this.#position < this.#log.minOffset) this.#position = this.#log.minOffset
    this.#tail = undefined
    if (this.#position >= limit) return 'end'
    if (this.#position >= this.#segmentEnd) this.#segmentEnd = this.#log.segmentEnd(this.#position)
    const end = Math.min(limit, this.#segmentEnd)
    let needed = Math.min(HEAD_BYTES, end - this.#position)
    for (;;) {
      if (!this.#has(this.#position, needed, end)) return 'starved'
      const outcome = this.#readAt(this.#position, end)
      if (outcome === 'record') {
        this.#position += this.cursor.sizeBytes
        return 'record'
      }
      if (outcome === 'filler') {
        this.#position = this.#segmentEnd
        return 'filler'
      }
      if (outcome === 'bad') return this.#meetBad(limit)
      needed = outcome
    }
  }

  /** After `record`: a copy of its bytes. */
  copyRecord(): Buffer {
    const end = this.#position - this.#chunkStart
    return Buffer.from(this.#chunk.subarray(end - this.cursor.sizeBytes, end))
  }

  /** Gets the bytes that the last step was starved of, off the event loop. */
  async fill(): Promise<void> {
    const bytes = this.#wantedBytes
    if (bytes === 0) {
      // A search gave way in the middle of its work, with nothing to read.
      await nextTurn()
      return
    }
    const at = this.#wantedAt
    this.#wantedBytes = 0
    if (await this.#takeAhead(at, bytes)) return
    const left = this.#log.segmentEnd(at) - at
    this.#reserve(Math.max(bytes, Math.min(this.#chunkBytes, left)))
    this.#chunkStart = at
    this.#chunkEnd = at
    const target = this.#chunk.subarray(0, Math.min(this.#chunk.length, left, Math.max(bytes, this.#limit() - at)))
    const read = await this.#log.read(target, at)
    // A file that ends early reads as zeros, as a sparse one does: the walk must not wait for bytes that never come.
    if (read < target.length) target.fill(0, read)
    this.#chunkEnd = at + target.length
    this.#ahead?.start(this.#chunkEnd, Math.min(this.#limit(), this.#log.segmentEnd(at)))
  }

  // ---- bytes -----------------------------------------------------------------------------------------------------

  /** Reads the cursor at `at`: its outcome, or the number of bytes it needs in the chunk. */
  #readAt(at: number, end: number): 'record' | 'filler' | 'bad' | number {
    const chunkLimit = Math.min(this.#chunkEnd, end) - this.#chunkStart
    const outcome = this.cursor.read(this.#chunk, this.#view, at - this.#chunkStart, chunkLimit, at, this.#checks(at))
    if (outcome === 'record') {
      if (this.#fileEnd === undefined || at + this.cursor.sizeBytes <= this.#fileEnd(at)) return 'record'
      this.#reason = 'the file ended within this record'
      return 'bad'
    }
    if (outcome === 'bad') {
      this.#reason = this.cursor.reason
      return 'bad'
    }
    if (outcome === 'filler') {
      if (at + this.cursor.fillerBytes === this.#log.segmentEnd(at)) return 'filler'
      this.#reason = `a filler of ${this.cursor.fillerBytes} bytes does not end at its segment's end`
      return 'bad'
    }
    const { needBytes } = this.cursor
    const available = this.#chunkEnd - this.#chunkStart
    if (at + needBytes > end) this.#reason = `a record of ${needBytes} bytes where ${end - at} are left`
    else if (needBytes <= this.#chunkBytes || isSizePlausible(this.#view, at - this.#chunkStart, available))
      return needBytes
    else this.#reason = `a record of ${needBytes} bytes has no room for them in its own lengths`
    return 'bad'
  }

  /** Whether the chunk holds [at, at + bytes), copying what is hot; if not, `fill` knows what to get. */
  #has(at: number, bytes: number, end: number): boolean {
    if (at >= this.#chunkStart && at + bytes <= this.#chunkEnd) return true
    let wanted = Math.min(this.#chunkBytes, end - at)
    if (wanted < bytes) wanted = bytes
    for (;;) {
      const hot = this.#log.hot(at, wanted)
      if (hot !== undefined) {
        this.#reserve(wanted)
        hot.copy(this.#chunk, 0, 0, wanted)
        this.#chunkStart = at
        this.#chunkEnd = at + wanted
        return true
      }
      if (wanted === bytes) break
      // The hot bytes may lie in several buffers: ask for a shorter piece.
      wanted = wanted > 2 * HOT_BYTES_MIN ? Math.max(bytes, wanted >>> 1) : bytes
    }
    this.#wantedAt = at
    this.#wantedBytes = bytes
    return false
  }

  /** Goes on in what was read ahead, with what is left of the present chunk in front of it. False where that does not hold the bytes. */
  async #takeAhead(at: number, bytes: number): Promise<boolean> {
    if (this.#ahead === undefined || at < this.#chunkStart || at > this.#chunkEnd) return false
    const left = this.#chunk.subarray(at - this.#chunkStart, this.#chunkEnd - this.#chunkStart)
    const chunk = await this.#ahead.take(this.#chunkEnd, left, bytes)
    if (chunk === undefined) return false
    this.#chunk = chunk
    this.#view = new DataView(chunk.buffer, chunk.byteOffset, chunk.length)
    this.#chunkStart = at
    this.#chunkEnd = at + chunk.length
    this.#ahead.start(this.#chunkEnd, Math.min(this.#limit(), this.#log.segmentEnd(at)))
    return true
  }

  #reserve(bytes: number): void {
    if (this.#chunk.length >= bytes) return
    this.#chunk = Buffer.allocUnsafeSlow(Math.max(bytes, Math.min(this.#chunkBytes, 2 * this.#chunk.length)))
    this.#view = new DataView(this.#chunk.buffer, this.#chunk.byteOffset, this.#chunk.length)
  }

  // ---- damage ----------------------------------------------------------------------------------------------------

  #meetBad(limit: number): Step {
    const start = this.#position
    if (start >= this.#wholeTo && !this.#isSearching) return this.#endHere(this.#reason)
    this.#search = { start, reason: this.#reason, ends: undefined, at: start + 1 }
    return this.#goOnSearching(limit)
  }

  /** The next position that is a border of records whatever lies between. */
  #borderAfter(position: number, limit: number): number {
    const known = position < this.#wholeTo ? Math.min(limit, this.#wholeTo) : limit
    return Math.min(this.#log.segmentEnd(position), known)
  }

  #goOnSearching(limit: number): Step {
    const search = this.#search as Search
    this.#spentBytes = 0
    if (search.ends === undefined) {
      const claims = this.#readClaims(search, limit)
      if (claims === undefined) return 'starved'
      const ends = claims.sizes.map(bytes => search.start + bytes)
      // Lengths that agree with one another are believed even where the next record is bad too.
      if (claims.isAgreed && search.start < this.#wholeTo) return this.#passDamage(search, ends[0] as number)
      search.ends = ends
    }
    while (this.#spentBytes < SEARCH_BYTES_A_STEP) {
      const claimed = search.ends[0]
      const found = claimed === undefined ? this.#findCandidate(search, limit) : this.#isGood(claimed, limit, search)
      if (found === 'starved') return 'starved'
      if (found === 'good') return this.#passDamage(search, claimed ?? search.at)
      if (claimed !== undefined) search.ends.shift()
      if (found !== 'border') continue
      const border = this.#borderAfter(search.at, limit)
      if (search.start < this.#wholeTo) return this.#passDamage(search, border)
      if (border >= limit) {
        this.#search = undefined
        return this.#endHere(search.reason)
      }
      // Whether this is damage or the tail depends on what the later segments hold.
      search.ends.push(border)
      search.at = border
    }
    this.#wantedBytes = 0
    return 'starved'
  }

  #readClaims(search: Search, limit: number): Claims | undefined {
    const end = this.#borderAfter(search.start, limit)
    for (let needed = 0; ; ) {
      if (!this.#has(search.start, needed, end)) return undefined
      const at = search.start - this.#chunkStart
      const claims = claimsOf(this.#view, at, this.#chunkEnd - this.#chunkStart, end - this.#chunkStart)
      if (typeof claims !== 'number') return claims
      needed = claims
    }
  }

  /** One stretch of the search: to the next place that states its own position, or to the end of the chunk. */
  #findCandidate(search: Search, limit: number): 'good' | 'bad' | 'border' | 'starved' {
    const end = this.#borderAfter(search.at, limit)
    if (end - search.at < RECORD_BYTES_MIN) return 'border'
    if (!this.#has(search.at, RECORD_BYTES_MIN, end)) return 'starved'
    const from = search.at - this.#chunkStart
    const to = Math.min(this.#chunkEnd, end) - this.#chunkStart
    const magicAt = this.#chunk.indexOf(LEADING_MAGIC_BYTES, from + MAGIC_OFFSET)
    const candidate = magicAt < 0 ? to : magicAt - MAGIC_OFFSET
    this.#spentBytes += Math.min(candidate, to) - from
    if (candidate + RECORD_BYTES_MIN > to) {
      // The head may be cut off by the end of the chunk: the next chunk starts at or before it.
      if (this.#chunkStart + to === end) return 'border'
      search.at = this.#chunkStart + Math.max(from + 1, Math.min(candidate, to - RECORD_BYTES_MIN + 1))
      return 'bad'
    }
    search.at = this.#chunkStart + candidate
    const found = statesPosition(this.#view, candidate, search.at) ? this.#isGood(search.at, limit, search) : 'bad'
    if (found === 'bad') search.at += 1
    return found
  }

  /** Whether a record that can be believed, an exact filler, or a border of records is at `at`. */
  #isGood(at: number, limit: number, search: Search): 'good' | 'bad' | 'starved' {
    // A search that starts before `wholeTo` never goes beyond it, nor beyond a limit that is a border.
    if (search.start < this.#wholeTo && at >= Math.min(limit, this.#wholeTo)) return 'good'
    if (at >= limit) return 'bad'
    const end = Math.min(limit, this.#log.segmentEnd(at))
    let needed = Math.min(HEAD_BYTES, end - at)
    for (;;) {
      if (!this.#has(at, needed, end)) return 'starved'
      const outcome = this.#readAt(at, end)
      if (outcome === 'filler') return 'good'
      if (outcome === 'record' || outcome === 'bad') {
        this.#spentBytes += needed
        return outcome === 'record' && this.#accepts(this.cursor, search.start) ? 'good' : 'bad'
      }
      needed = outcome
    }
  }

  #passDamage(search: Search, end: number): Step {
    this.#search = undefined
    this.#position = end
    this.#damage = { physicalOffset: search.start, endPhysicalOffset: end, reason: search.reason }
    return 'damage'
  }

  #endHere(reason: string): Step {
    this.#tail = { physicalOffset: this.#position, reason }
    // Asked again, the bytes may have changed: a live owner goes on writing here.
    this.#chunkEnd = this.#chunkStart
    return 'end'
  }
}
