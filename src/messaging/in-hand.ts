/**
 * What a consumer that acknowledges for itself has in hand, and whether it may have more: so much of each queue, and so many bytes in
 * all such hands of the store. Empty hands always get one message, so that nobody who keeps many can stop the others.
 * RocketMQ: popInflightMessageThreshold.
 */
import { assert } from '../base/assert.ts'

/** Of one queue, in the hands of one consumer. */
export const IN_HAND_MESSAGES_MAX = 256
const IN_HAND_BYTES_MAX: number = 16 * 1024 * 1024
/** Of all queues, in the hands of all consumers of a store. */
export const IN_ALL_HANDS_BYTES_MAX: number = 64 * 1024 * 1024

/** What all hands of a store have, and who waits for one of them to have less. */
export class AllHands {
  bytes = 0
  readonly #waiting = new Set<() => void>()

  /** Calls once when there is less. */
  whenLess(call: () => void): void {
    this.#waiting.add(call)
  }

  less(bytes: number): void {
    this.bytes -= bytes
    if (this.#waiting.size === 0) return
    const calls = [...this.#waiting]
    this.#waiting.clear()
    for (const call of calls) call()
  }
}

type OfQueue = { messages: number; bytes: number }

/** One consumer's hands. */
export class Hands {
  readonly #all: AllHands
  readonly #onRoom: () => void
  readonly #queues = new Map<object, OfQueue>()
  /** It could have had a message, and had no room for it. */
  #wasFull = false

  /** @param onRoom it may take messages again, after it could not */
  constructor(all: AllHands, onRoom: () => void) {
    this.#all = all
    this.#onRoom = onRoom
  }

  /** Whether it may take this message. Where not, `onRoom` is called once that may have changed. */
  hasRoom(queueKey: object, sizeBytes: number): boolean {
    if (this.#queues.size === 0) return true
    const queue = this.#queues.get(queueKey)
    const isQueueFull =
      queue !== undefined && (queue.messages >= IN_HAND_MESSAGES_MAX || queue.bytes + sizeBytes > IN_HAND_BYTES_MAX)
    const areAllFull = this.#all.bytes + sizeBytes > IN_ALL_HANDS_BYTES_MAX
    if (!isQueueFull && !areAllFull) return true
    this.#wasFull = true
    if (areAllFull) this.#all.whenLess(this.#onRoom)
    return false
  }

  took(queueKey: object, sizeBytes: number): void {
    this.#all.bytes += sizeBytes
    const queue = this.#queues.get(queueKey)
    if (queue === undefined) this.#queues.set(queueKey, { messages: 1, bytes: sizeBytes })
    else {
      queue.messages++
      queue.bytes += sizeBytes
    }
  }

  /** What it took of this queue is no longer in hand. */
  freed(queueKey: object, sizeBytes: number): void {
    const queue = this.#queues.get(queueKey)
    assert(queue !== undefined, 'what is freed was taken')
    queue.messages--
    queue.bytes -= sizeBytes
    if (queue.messages === 0) this.#queues.delete(queueKey)
    this.#all.less(sizeBytes)
    if (!this.#wasFull) return
    this.#wasFull = false
    this.#onRoom()
  }
}
