/**
 * One group in one queue: what is done, what is handed out, what has been read and waits. No clock, no I/O.
 * Every message at or above `committed` is in exactly one place: done (a range), in flight, to be read again, read, or not read yet.
 * RocketMQ: ProcessQueue.
 */
import { assert } from '../base/assert.ts'
import type { GetResult, StoredMessage } from '../store/message-store.ts'
import type { GroupOffset } from './group-offsets.ts'

/** At most so many ranges of done messages above the commit; then the queue pauses until the open ones below end. */
export const ACKED_RANGES_MAX = 4096

/** What a cursor wants read. Given back to {@link QueueCursor.accept} with the result. */
export type CursorRead = {
  readonly queueOffset: number
  readonly maxMessages: number
  readonly isAgain: boolean
  readonly epoch: number
}

/** A message's place in the log. */
export type Place = { readonly physicalOffset: number; readonly sizeBytes: number }

/** What a read did to a cursor. */
export type Accepted = { readonly added: number; readonly skipped: number }

const NOTHING: Accepted = { added: 0, skipped: 0 }

/** How many bytes all groups of a store have read and not handed out. */
export type ReadAhead = { bytes: number }

/** H is what holds a message in flight. */
export class QueueCursor<H> {
  readonly topic: string
  readonly queueId: number
  /** The offset table's entry: ranges and epoch, shared with it. */
  readonly entry: GroupOffset
  readonly inFlight: Map<number, H> = new Map()
  /** A read is under way: nobody starts another. */
  isReading = false
  /** Deliveries that failed in place, by message: ordered delivery writes no copies. */
  readonly failures: Map<number, number> = new Map()
  /** Handed out again after its holder let go: the pop time has to differ from the one before. */
  lastPopTimeMs = 0
  readonly #memory: ReadAhead
  #endOffset: number
  /** Place in the log of the last message, where it was told of; -1 else. */
  #lastAt = -1
  #lastBytes = 0
  #readAt: number
  #ready: StoredMessage[] = []
  #head = 0
  /** Let go by their holders, ascending; they come before what is ready. */
  #again: number[] = []
  #readyAgain: StoredMessage[] = []

  constructor(entry: GroupOffset, endOffset: number, memory: ReadAhead) {
    this.#memory = memory
    this.topic = entry.topic
    this.queueId = entry.queueId
    this.entry = entry
    this.#endOffset = endOffset
    this.#readAt = entry.ranges.committed
  }

  /** One past the last message of the queue, as far as is known. */
  get endOffset(): number {
    return this.#endOffset
  }

  /** One past the last message that was read for this group. */
  get readAt(): number {
    return this.#readAt
  }

  /** How many messages are read and wait. */
  get readyCount(): number {
    return this.#ready.length - this.#head + this.#readyAgain.length
  }

  /** Too many done ranges above the commit: nothing new is read. */
  get isPaused(): boolean {
    return this.entry.ranges.count >= ACKED_RANGES_MAX
  }

  /** Whether there is, or may be, a message to hand out. */
  get hasMore(): boolean {
    if (this.#again.length > 0 || this.readyCount > 0) return true
    return this.#readAt < this.#endOffset && !this.isPaused
  }

  /** The queue has grown; its last message lies there in the log. Answers whether that is news. */
  grewTo(endOffset: number, physicalOffset: number, sizeBytes: number): boolean {
    if (endOffset <= this.#endOffset) return false
    this.#endOffset = endOffset
    this.#lastAt = physicalOffset
    this.#lastBytes = sizeBytes
    return true
  }

  /** Where the message lies that a read begins with: known of the last one of the queue. */
  placeOf({ queueOffset }: CursorRead): Place | undefined {
    const isLast = this.#lastAt >= 0 && queueOffset === this.#endOffset - 1
    return isLast ? { physicalOffset: this.#lastAt, sizeBytes: this.#lastBytes } : undefined
  }

  /** The next message to hand out, if it has been read. */
  peek(): StoredMessage | undefined {
    if (this.#readyAgain.length > 0) return this.#readyAgain[0]
    return this.#again.length > 0 ? undefined : this.#ready[this.#head]
  }

  /** Whether the next message was in flight before. */
  get isNextAgain(): boolean {
    return this.#readyAgain.length > 0
  }

  /** Removes what `peek` answers. */
  take(): void {
    const again = this.#readyAgain.shift()
    if (again !== undefined) {
      this.#memory.bytes -= again.sizeBytes
      return
    }
    const message = this.#ready[this.#head]
    assert(message !== undefined && this.#again.length === 0, 'take follows peek')
    this.#memory.bytes -= message.sizeBytes
    this.#head++
    if (this.#head === this.#ready.length) {
      this.#ready = []
      this.#head = 0
    }
  }

  /** What to read next, at most `maxMessages`; undefined where there is nothing to read. */
  nextRead(maxMessages: number): CursorRead | undefined {
    if (this.isReading) return undefined
    const { epoch, ranges } = this.entry
    if (this.#again.length > 0) {
      const first = this.#again[0] as number
      let count = 1
      while (count < maxMessages && this.#again[count] === first + count) count++
      return { queueOffset: first, maxMessages: count, isAgain: true, epoch }
    }
    if (this.isPaused) return undefined
    this.#readAt = ranges.firstOpen(this.#readAt)
    if (this.#readAt >= this.#endOffset) return undefined
    return { queueOffset: this.#readAt, maxMessages, isAgain: false, epoch }
  }

  /** Takes in what was read. What does not match, or is gone, is done. */
  accept(read: CursorRead, result: GetResult, matches: (message: StoredMessage) => boolean): Accepted {
    // A reset came between, or an earlier message was let go meanwhile: read again later.
    if (read.epoch !== this.entry.epoch) return NOTHING
    if (read.isAgain && this.#again[0] !== read.queueOffset) return NOTHING
    const end = read.isAgain ? read.queueOffset + read.maxMessages : Number.MAX_SAFE_INTEGER
    const next = Math.min(end, result.nextQueueOffset)
    let at = read.queueOffset
    let added = 0
    let skipped = 0
    for (const message of result.messages) {
      const { queueOffset } = message
      if (queueOffset >= next) break
      if (queueOffset > at) skipped += this.#skip(at, queueOffset)
      at = queueOffset + 1
      if (this.inFlight.has(queueOffset) || this.entry.ranges.has(queueOffset)) continue
      if (matches(message)) {
        if (read.isAgain) this.#readyAgain.push(message)
        else this.#ready.push(message)
        this.#memory.bytes += message.sizeBytes
        added++
      } else {
        this.entry.done(queueOffset, at)
        skipped++
      }
    }
    if (next > at) skipped += this.#skip(at, next)
    if (read.isAgain) this.#dropAgainBelow(next)
    else this.#readAt = Math.max(this.#readAt, next)
    return { added, skipped }
  }

  /** The message is `holder`'s. */
  hold(queueOffset: number, holder: H): void {
    this.inFlight.set(queueOffset, holder)
  }

  /** The message in flight is done. */
  done(queueOffset: number): void {
    this.#leaveFlight(queueOffset)
    if (this.failures.size > 0) this.failures.delete(queueOffset)
    this.entry.done(queueOffset, queueOffset + 1)
  }

  /** The message in flight is done because of a copy that ends at `copyEnd`. */
  settledBy(copyEnd: number, queueOffset: number): void {
    this.#leaveFlight(queueOffset)
    this.failures.delete(queueOffset)
    this.entry.settledBy(copyEnd, queueOffset)
  }

  /** Its holder lets go of the message: it is handed out again, before any later one. */
  release(queueOffset: number): void {
    this.#leaveFlight(queueOffset)
    for (const message of this.#readyAgain) {
      this.#memory.bytes -= message.sizeBytes
      insert(this.#again, message.queueOffset)
    }
    this.#readyAgain = []
    insert(this.#again, queueOffset)
  }

  /** Its holder lets go of the message, which is kept elsewhere (message-groups.ts) until it is handed out again. */
  letGo(queueOffset: number): void {
    this.#leaveFlight(queueOffset)
  }

  /** Starts anew at the entry's committed offset, after a reset: what was in flight is nobody's. */
  restart(): void {
    this.inFlight.clear()
    this.failures.clear()
    this.dropReady()
    this.#again = []
    this.#readAt = this.entry.ranges.committed
  }

  /** Lets go of what was read and not handed out: it is read again when it is wanted. */
  dropReady(): void {
    const waiting = [...this.#readyAgain, ...this.#ready.slice(this.#head)]
    for (const message of waiting) this.#memory.bytes -= message.sizeBytes
    for (const message of this.#readyAgain) insert(this.#again, message.queueOffset)
    const first = this.#ready[this.#head]
    if (first !== undefined) this.#readAt = first.queueOffset
    this.#ready = []
    this.#head = 0
    this.#readyAgain = []
  }

  #leaveFlight(queueOffset: number): void {
    if (this.inFlight.delete(queueOffset)) return
    // Made only here: a text for every message that ends took a tenth of its way through.
    assert(false, `message ${queueOffset} of ${this.topic}/${this.queueId} was in flight`)
  }

  /** Marks what is not in flight of [start, end) as done; answers how many messages those were. */
  #skip(start: number, end: number): number {
    if (this.inFlight.size === 0) {
      this.entry.done(start, end)
      return end - start
    }
    let from = start
    let skipped = 0
    for (let queueOffset = start; queueOffset <= end; queueOffset++) {
      if (queueOffset < end && !this.inFlight.has(queueOffset)) continue
      if (queueOffset > from) this.entry.done(from, queueOffset)
      skipped += queueOffset - from
      from = queueOffset + 1
    }
    return skipped
  }

  #dropAgainBelow(queueOffset: number): void {
    let count = 0
    while (count < this.#again.length && (this.#again[count] as number) < queueOffset) count++
    this.#again.splice(0, count)
  }
}

function insert(offsets: number[], queueOffset: number): void {
  let i = offsets.length
  while (i > 0 && (offsets[i - 1] as number) > queueOffset) i--
  offsets.splice(i, 0, queueOffset)
}
