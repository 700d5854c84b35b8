/**
 * Which message goes to whom. Three ways: message by message to the least busy member; a queue at a time to the queue's
 * owner; one message of each message group at a time. Reading and waiting are the group's; nothing here has a clock.
 */
import type { StoredMessage } from '../store/message-store.ts'
import type { Lease } from './leases.ts'
import type { Member } from './member.ts'
import type { WaitingMessage } from './message-groups.ts'
import { MessageGroups } from './message-groups.ts'
import type { QueueCursor, ReadAhead } from './queue-cursor.ts'
import type { WaitingReceive, WaitingReceives } from './waiting-receives.ts'

/** `more`: ask again. `empty`: not before somebody wakes the queue. `unwanted`: nobody who waits may have its next message. */
export type Served = 'more' | 'empty' | 'unwanted'

export type Cursor = QueueCursor<Lease>

/** What became of a message that is worked on and not done: its queue may have another one, or has too many of the kind. */
export type Held = 'more' | 'full' | 'empty'

/** What a hand-out needs of its group. */
export type HandOutGroup = {
  /** What all groups of the store have read and not handed out. */
  readonly memory: ReadAhead
  readonly memoryBytesMax: number
  readonly waiting: WaitingReceives
  /** Reads ahead; answers whether the cursor has a message ready now. */
  fetch(cursor: Cursor): boolean
  /** Reads one message that waits without its record; `later`: the queue is woken when it has been read. */
  fetchAt(cursor: Cursor, waiting: WaitingMessage): StoredMessage | 'later' | 'gone'
  give(receive: WaitingReceive, cursor: Cursor, message: StoredMessage, isAgain: boolean): void
  /** The topic a member has to subscribe to for this message; undefined where all members take all. */
  topicOf(message: StoredMessage): string | undefined
  /** The member that a queue belongs to. */
  ownerOf(cursor: Cursor): Member | undefined
  /** Takes messages from whoever has them: they go out again. */
  takeBack(cursor: Cursor, queueOffsets: readonly number[]): void
}

/** One way to hand out. */
export interface HandOut {
  /** Hands out some of the queue's messages to receives that wait. */
  serve(cursor: Cursor): Served
  /** A message of the queue is done. Answers whether the queue may have another one now. */
  ended(cursor: Cursor, queueOffset: number): boolean
  /** A message was worked on and is not done; it stays with who has it. */
  hold(cursor: Cursor, queueOffset: number): Held
  /** A message was let go: it stays with the queue, and goes out again once `resume` says so. */
  putBack(cursor: Cursor, queueOffset: number): void
  /** A message that was put back may go out again. */
  resume(cursor: Cursor, queueOffset: number): void
  /** The queue starts anew. */
  restart(cursor: Cursor): void
  /** Nobody wants messages for now: records are read again when somebody does. */
  letGoOfRecords(cursor: Cursor): void
}

/** Messages of one queue that are handed out before the next queue has its turn. */
const QUANTUM = 32
/** At most so many messages of a queue are worked on and not done; then it waits for them. */
const HELD_MAX = 4096
/** Messages of one queue that an owner gets at a time. */
const ORDERED_BATCH_MAX = 32

/** Message by message, each to the least busy member. RocketMQ: pop. */
export class MessageHandOut implements HandOut {
  readonly #group: HandOutGroup

  constructor(group: HandOutGroup) {
    this.#group = group
  }

  serve(cursor: Cursor): Served {
    const group = this.#group
    const { waiting } = group
    for (let i = 0; i < QUANTUM && waiting.size > 0; i++) {
      if (cursor.peek() === undefined && !group.fetch(cursor)) return 'empty'
      const message = cursor.peek() as StoredMessage
      const receive = waiting.choose(group.topicOf(message), cursor, message.sizeBytes)
      if (receive === undefined) return 'unwanted'
      const isAgain = cursor.isNextAgain
      cursor.take()
      group.give(receive, cursor, message, isAgain)
    }
    return 'more'
  }

  hold(): Held {
    return 'empty'
  }

  ended(cursor: Cursor): boolean {
    // A queue that paused for its many ranges waits for this.
    return cursor.hasMore
  }

  putBack(cursor: Cursor, queueOffset: number): void {
    cursor.release(queueOffset)
  }

  resume(): void {}

  restart(): void {}

  letGoOfRecords(): void {}
}

/** A queue at a time, to its owner: the next messages go out when those before have ended. RocketMQ: orderly. */
export class QueueHandOut implements HandOut {
  readonly #group: HandOutGroup
  /** Queues that wait after a failure, by the message that failed. */
  readonly #blocked = new Map<Cursor, number>()
  /** Worked on and not done, by queue: who has them gets the next ones all the same. */
  readonly #held = new Map<Cursor, Set<number>>()

  constructor(group: HandOutGroup) {
    this.#group = group
  }

  serve(cursor: Cursor): Served {
    const group = this.#group
    if (!this.#isFree(cursor) || this.#blocked.has(cursor)) return 'empty'
    const owner = group.ownerOf(cursor)
    if (owner === undefined) return 'empty'
    this.#takeFromOthers(cursor, owner)
    const receive = group.waiting.ofMember(owner)
    if (receive === undefined) return 'unwanted'
    if (cursor.peek() === undefined && !group.fetch(cursor)) return 'empty'
    const isAgain = cursor.isNextAgain
    const room = Math.min(receive.maxMessages, ORDERED_BATCH_MAX)
    for (let i = 0; i < room; i++) {
      const message = cursor.peek()
      if (message === undefined) break
      if (owner.hands?.hasRoom(cursor, message.sizeBytes) === false) {
        if (i === 0) return 'unwanted'
        break
      }
      cursor.take()
      group.give(receive, cursor, message, isAgain)
    }
    // One queue a receive: what it got is worked on one after the other.
    group.waiting.close(receive)
    return 'empty'
  }

  hold(cursor: Cursor, queueOffset: number): Held {
    let held = this.#held.get(cursor)
    if (held === undefined) {
      held = new Set()
      this.#held.set(cursor, held)
    }
    held.add(queueOffset)
    if (held.size === HELD_MAX) return 'full'
    return this.#isFree(cursor) ? 'more' : 'empty'
  }

  ended(cursor: Cursor, queueOffset: number): boolean {
    this.#held.get(cursor)?.delete(queueOffset)
    return this.#isFree(cursor)
  }

  putBack(cursor: Cursor, queueOffset: number): void {
    cursor.release(queueOffset)
    this.#held.get(cursor)?.delete(queueOffset)
    const blockedBy = this.#blocked.get(cursor)
    if (blockedBy === undefined || queueOffset < blockedBy) this.#blocked.set(cursor, queueOffset)
  }

  resume(cursor: Cursor, queueOffset: number): void {
    if (this.#blocked.get(cursor) === queueOffset) this.#blocked.delete(cursor)
  }

  restart(cursor: Cursor): void {
    this.#blocked.delete(cursor)
    this.#held.delete(cursor)
  }

  letGoOfRecords(): void {}

  /** Nothing of it is being worked on. */
  #isFree(cursor: Cursor): boolean {
    const heldCount = this.#held.size === 0 ? 0 : (this.#held.get(cursor)?.size ?? 0)
    return cursor.inFlight.size === heldCount && heldCount < HELD_MAX
  }

  /** The queue has another owner: what the one before did not finish comes again. */
  #takeFromOthers(cursor: Cursor, owner: Member): void {
    const held = this.#held.get(cursor)
    if (held === undefined) return
    const others = [...held].filter(queueOffset => cursor.inFlight.get(queueOffset)?.member !== owner)
    if (others.length > 0) this.#group.takeBack(cursor, others)
  }
}

/** One message of each message group at a time, each to the least busy member. */
export class MessageGroupHandOut implements HandOut {
  readonly #group: HandOutGroup
  readonly #books = new Map<Cursor, MessageGroups>()

  constructor(group: HandOutGroup) {
    this.#group = group
  }

  serve(cursor: Cursor): Served {
    const group = this.#group
    const book = this.#book(cursor)
    for (let i = 0; i < QUANTUM && group.waiting.size > 0; i++) {
      const next = this.#next(cursor, book)
      if (next === undefined) return 'empty'
      const message = next.message ?? group.fetchAt(cursor, next)
      if (message === 'later') return 'empty'
      if (message === 'gone') {
        book.take(next)
        book.ended(next.queueOffset)
        cursor.entry.done(next.queueOffset, next.queueOffset + 1)
        continue
      }
      const receive = group.waiting.choose(group.topicOf(message), cursor, message.sizeBytes)
      if (receive === undefined) return 'unwanted'
      book.take(next)
      group.give(receive, cursor, message, next.isAgain)
    }
    return 'more'
  }

  hold(): Held {
    return 'empty'
  }

  ended(cursor: Cursor, queueOffset: number): boolean {
    return this.#book(cursor).ended(queueOffset) || cursor.hasMore
  }

  putBack(cursor: Cursor, queueOffset: number): void {
    cursor.letGo(queueOffset)
    this.#book(cursor).park(queueOffset)
  }

  resume(cursor: Cursor, queueOffset: number): void {
    this.#book(cursor).unpark(queueOffset)
  }

  restart(cursor: Cursor): void {
    this.letGoOfRecords(cursor)
    this.#books.delete(cursor)
  }

  letGoOfRecords(cursor: Cursor): void {
    this.#books.get(cursor)?.letGoOfRecords()
  }

  #next(cursor: Cursor, book: MessageGroups): WaitingMessage | undefined {
    for (;;) {
      const next = book.peek()
      if (next !== undefined || book.isFull) return next
      if (cursor.peek() === undefined && !this.#group.fetch(cursor)) return undefined
      book.add(cursor.peek() as StoredMessage)
      cursor.take()
    }
  }

  #book(cursor: Cursor): MessageGroups {
    let book = this.#books.get(cursor)
    if (book === undefined) {
      book = new MessageGroups(this.#group.memory, this.#group.memoryBytesMax)
      this.#books.set(cursor, book)
    }
    return book
  }
}
