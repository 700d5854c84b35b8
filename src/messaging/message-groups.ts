/**
 * The messages of one queue by message group, for delivery in order per group: which group may give one out now.
 * Of each group one message at a time is out; a group whose message failed is parked, the others go on.
 * Messages without a group are each a group of their own.
 */
import { assert } from '../base/assert.ts'
import { PROPERTY_SHARDING_KEY } from '../codec/properties.ts'
import type { StoredMessage } from '../store/message-store.ts'
import type { ReadAhead } from './queue-cursor.ts'

/** At most so many messages wait here for a group; then the queue is not read further. */
export const GROUP_WAITING_MAX = 4096
/** Bytes of waiting messages that are kept; of those beyond, only where they lie. */
const KEPT_BYTES_MAX = 16 * 1024 * 1024

/** A message that waits. Its record may have been let go: it is read again when its turn comes. */
export type WaitingMessage = {
  readonly queueOffset: number
  readonly group: MessageGroup
  message: StoredMessage | undefined
  /** Of its record, while it counts against what is kept here. */
  keptBytes: number
  /** It was out before. */
  readonly isAgain: boolean
  /** Nothing is left of it in the store. */
  isGone: boolean
}

/** One message group that has messages here. */
export type MessageGroup = {
  readonly name: string | undefined
  readonly waiting: WaitingMessage[]
  /** Its message is out, or it is parked. */
  isHeld: boolean
}

/** The message groups of one queue. */
export class MessageGroups {
  readonly #groups = new Map<string, MessageGroup>()
  /** Groups that may give one out, in turn. */
  readonly #ready = new Set<MessageGroup>()
  /** Groups whose message is out or parked, by that message. */
  readonly #out = new Map<number, MessageGroup>()
  readonly #memory: ReadAhead
  readonly #memoryBytesMax: number
  #waitingCount = 0
  #keptBytes = 0

  /** @param memory what all groups of the store keep, at most `memoryBytesMax` bytes; beyond it, only where messages lie is kept */
  constructor(memory: ReadAhead, memoryBytesMax: number) {
    this.#memory = memory
    this.#memoryBytesMax = memoryBytesMax
  }

  /** How many messages wait. */
  get waitingCount(): number {
    return this.#waitingCount
  }

  get isFull(): boolean {
    return this.#waitingCount >= GROUP_WAITING_MAX
  }

  /** Takes in the next message of the queue. */
  add(message: StoredMessage): void {
    const name = message.property(PROPERTY_SHARDING_KEY)
    const group = this.#group(name)
    const { queueOffset } = message
    const hasRoom = this.#keptBytes < KEPT_BYTES_MAX && this.#memory.bytes < this.#memoryBytesMax
    const keptBytes = hasRoom ? message.sizeBytes : 0
    this.#keep(keptBytes)
    group.waiting.push({
      queueOffset,
      group,
      message: keptBytes > 0 ? message : undefined,
      keptBytes,
      isAgain: false,
      isGone: false,
    })
    this.#waitingCount++
    if (!group.isHeld) this.#ready.add(group)
  }

  /** The next message that may go out. */
  peek(): WaitingMessage | undefined {
    for (const group of this.#ready) return group.waiting[0]
    return undefined
  }

  /** What `peek` answered goes out: its group is held until `ended` or `unpark`. */
  take(next: WaitingMessage): void {
    const { group } = next
    assert(group.waiting[0] === next && !group.isHeld, 'only the first message of a free group goes out')
    group.waiting.shift()
    this.#waitingCount--
    this.#keep(-next.keptBytes)
    group.isHeld = true
    this.#ready.delete(group)
    this.#out.set(next.queueOffset, group)
  }

  /** The message is done. Answers whether its group has another one. */
  ended(queueOffset: number): boolean {
    const group = this.#out.get(queueOffset)
    // After a reset, messages end that this book never gave out.
    if (group === undefined) return false
    this.#out.delete(queueOffset)
    group.isHeld = false
    return this.#free(group)
  }

  /** The message failed or was let go: it is its group's first again, and the group is held until `unpark`. */
  park(queueOffset: number): void {
    const group = this.#out.get(queueOffset)
    assert(group !== undefined, `message ${queueOffset} was out`)
    group.waiting.unshift({ queueOffset, group, message: undefined, keptBytes: 0, isAgain: true, isGone: false })
    this.#waitingCount++
  }

  /** The parked message may go out again. */
  unpark(queueOffset: number): void {
    const group = this.#out.get(queueOffset)
    if (group === undefined) return
    this.#out.delete(queueOffset)
    group.isHeld = false
    this.#free(group)
  }

  /** Keeps only where waiting messages lie. */
  letGoOfRecords(): void {
    for (const group of [...this.#groups.values(), ...this.#ready, ...this.#out.values()]) {
      for (const waiting of group.waiting) {
        waiting.message = undefined
        waiting.keptBytes = 0
      }
    }
    this.#keep(-this.#keptBytes)
  }

  #keep(bytes: number): void {
    this.#keptBytes += bytes
    this.#memory.bytes += bytes
  }

  #free(group: MessageGroup): boolean {
    if (group.waiting.length > 0) {
      this.#ready.add(group)
      return true
    }
    if (group.name !== undefined) this.#groups.delete(group.name)
    return false
  }

  #group(name: string | undefined): MessageGroup {
    if (name === undefined) return { name, waiting: [], isHeld: false }
    let group = this.#groups.get(name)
    if (group === undefined) {
      group = { name, waiting: [], isHeld: false }
      this.#groups.set(name, group)
    }
    return group
  }
}
