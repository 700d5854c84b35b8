/**
 * Consume-queue entries in memory: what is not in the files yet, and lately written ones that are still likely to be read.
 * Pieces are sorted and never overlap; where a piece holds a slot, it wins over the file.
 */
import { assert } from '../base/assert.ts'
import { CONSUME_QUEUE_ENTRY_BYTES, writeConsumeQueueEntry } from '../codec/consume-queue-entry.ts'

/** A run of entries with consecutive slots, within one file. */
export type Piece = {
  /** Slot of the first entry. */
  readonly start: number
  readonly capacity: number
  readonly bytes: Buffer
  readonly view: DataView
  count: number
  /** Entries from this index on are not in the file. */
  unwritten: number
}

const PIECE_ENTRIES_MIN = 16
/** 64 KiB: longer runs would not make a write cheaper. */
const PIECE_ENTRIES_MAX = 3276

/** The entries of one queue that are in memory. */
export class EntryBuffer {
  readonly #entriesPerFile: number
  readonly #pieces: Piece[] = []
  #last: Piece | undefined
  #unwrittenCount = 0
  /** Entries that the last write took. */
  #usualCount = 0

  constructor(entriesPerFile: number) {
    this.#entriesPerFile = entriesPerFile
  }

  /** Entries that are not in the files. */
  get unwrittenCount(): number {
    return this.#unwrittenCount
  }

  get isEmpty(): boolean {
    return this.#pieces.length === 0
  }

  /** Puts the entry of slot `slot`, over one that is there. Answers how many more entries are unwritten now. */
  put(slot: number, physicalOffset: number, sizeBytes: number, tagsCode: number): number {
    let piece = this.#last
    if (piece === undefined || slot !== piece.start + piece.count || piece.count === piece.capacity) {
      piece = this.#pieceFor(slot)
    }
    const index = slot - piece.start
    writeConsumeQueueEntry(piece.view, index * CONSUME_QUEUE_ENTRY_BYTES, physicalOffset, sizeBytes, tagsCode)
    if (index === piece.count) {
      piece.count++
      this.#unwrittenCount++
      return 1
    }
    if (index >= piece.unwritten) return 0
    const more = piece.unwritten - index
    piece.unwritten = index
    this.#unwrittenCount += more
    return more
  }

  /** The piece that holds `slot`, or undefined. */
  holding(slot: number): Piece | undefined {
    const piece = this.#pieces[this.#indexUpTo(slot)]
    return piece !== undefined && slot < piece.start + piece.count ? piece : undefined
  }

  /** First slot above `slot` that a piece holds; Infinity where there is none. */
  nextHeld(slot: number): number {
    return this.#pieces[this.#indexUpTo(slot) + 1]?.start ?? Number.POSITIVE_INFINITY
  }

  /** Pieces with entries that are not in the files, by slot. */
  unwritten(): Piece[] {
    return this.#pieces.filter(piece => piece.unwritten < piece.count)
  }

  /** The first `count` entries of the piece are in the file now. */
  markWritten(piece: Piece, count: number): void {
    assert(count <= piece.count && count >= piece.unwritten, 'entries are written in order')
    this.#unwrittenCount -= count - piece.unwritten
    piece.unwritten = count
  }

  /** All entries are about to be written: what a write usually takes is what comes until the next one. */
  noteWriting(): void {
    this.#usualCount = this.#unwrittenCount
  }

  /** The entries are in the files: drops their pieces but the last, which is likely to be read. */
  dropWritten(): void {
    let kept = 0
    for (const piece of this.#pieces) {
      const isNeeded = piece.unwritten < piece.count || piece === this.#last
      if (isNeeded) this.#pieces[kept++] = piece
    }
    this.#pieces.length = kept
    this.#last = this.#pieces.at(-1)
  }

  /** Forgets entries at or beyond `slot`. */
  cut(slot: number): void {
    for (let last = this.#last; last !== undefined && last.start + last.count > slot; last = this.#last) {
      const kept = Math.max(0, slot - last.start)
      const unwritten = Math.min(last.unwritten, kept)
      this.#unwrittenCount -= last.count - last.unwritten - (kept - unwritten)
      last.count = kept
      last.unwritten = unwritten
      if (kept > 0) return
      this.#pieces.pop()
      this.#last = this.#pieces.at(-1)
    }
  }

  /** A piece that holds `slot`, or has room for it right behind its last entry. */
  #pieceFor(slot: number): Piece {
    const at = this.#indexUpTo(slot)
    const before = this.#pieces[at]
    if (before !== undefined) {
      const index = slot - before.start
      // Behind its last entry, `before` is the right one only because no later piece starts at or before `slot`.
      if (index < before.count || (index === before.count && index < before.capacity)) return before
    }
    const room = Math.min(this.nextHeld(slot) - slot, this.#entriesPerFile - (slot % this.#entriesPerFile))
    const piece = makePiece(slot, Math.min(room, this.#wantedEntries()))
    this.#pieces.splice(at + 1, 0, piece)
    this.#last = this.#pieces.at(-1)
    return piece
  }

  /** What is still to come before the next write, as far as can be told: a busy queue has few pieces and an idle one a small one. */
  #wantedEntries(): number {
    const wanted = Math.max(this.#unwrittenCount, this.#usualCount - this.#unwrittenCount)
    return Math.min(PIECE_ENTRIES_MAX, Math.max(PIECE_ENTRIES_MIN, wanted))
  }

  /** Index of the last piece that starts at or before `slot`; -1 where none does. */
  #indexUpTo(slot: number): number {
    let low = 0
    let high = this.#pieces.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#pieces[middle] as Piece).start <= slot) low = middle + 1
      else high = middle
    }
    return low - 1
  }
}

function makePiece(start: number, capacity: number): Piece {
  const bytes = Buffer.allocUnsafeSlow(capacity * CONSUME_QUEUE_ENTRY_BYTES)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  return { start, capacity, bytes, view, count: 0, unwritten: 0 }
}
