/** Appends the delivered copy of a parked message, however long the store has no room for it. */
import type { Clock } from '../base/clock.ts'
import { isErrorNamed } from '../base/errors.ts'
import { PROPERTY_REAL_QUEUE_ID } from '../codec/properties.ts'
import type { MessageStore, PutResult, StoredMessage } from '../store/message-store.ts'
import { deliveredOf } from './delayed-record.ts'
import { checkTopicName } from './limits.ts'
import type { Settlement } from './settlement.ts'
import type { Topics } from './topics.ts'
import { HALF_TOPIC } from './topics.ts'
import { waitForRoom } from './wait-for-room.ts'

/** Wait before another try where the device is full or failing. */
const AGAIN_MS = 1_000

/** Brings parked messages back. */
export class DelayedDelivery {
  readonly #store: MessageStore
  readonly #topics: Topics

  constructor(store: MessageStore, topics: Topics) {
    this.#store = store
    this.#topics = topics
  }

  /**
   * Appends the copy: in the page cache when this resolves. Undefined where the message can never be delivered: it was bound for a
   * deleted topic, or for nowhere.
   * @throws STORE_CLOSED, STORE_FAILED, READ_ONLY, AbortError, IO; nothing is appended then
   */
  async deliver(
    parked: StoredMessage,
    settles: Settlement,
    more: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<PutResult | undefined> {
    let record = deliveredOf(parked, settles, more)
    if (!this.#canReceive(record.topic, parked)) return undefined
    for (;;) {
      signal.throwIfAborted()
      try {
        const put = this.#store.put(record, 'successor')
        // A full device may not take it: then it is not in the log, and who believed it delivered would never do it again.
        await this.#store.written(put.physicalOffset + put.sizeBytes)
        return put
      } catch (error) {
        if (isErrorNamed(error, 'MESSAGE_TOO_LARGE')) {
          const bare = deliveredOf(parked, undefined)
          if (Object.keys(bare.properties ?? {}).length === Object.keys(record.properties ?? {}).length) throw error
          // A broker's message that fills its properties to the last byte: better twice after a crash than never.
          record = bare
        } else await waitForRoom(this.#store, error, parked.sizeBytes, signal)
      }
    }
  }

  /** A while, for what may pass by itself. Ends early, without an error, when `signal` aborts. */
  async pause(signal: AbortSignal, clock: Clock = this.#store.clock): Promise<void> {
    await clock.sleep(AGAIN_MS, { signal, background: true }).catch((error: unknown) => {
      if (!signal.aborted) throw error
    })
  }

  #canReceive(topic: string, parked: StoredMessage): boolean {
    // RocketMQ discards these too: a half message comes by its commit, never by a delay.
    if (topic === '' || topic === HALF_TOPIC) return false
    try {
      checkTopicName(topic)
    } catch (error) {
      if (isErrorNamed(error, 'INVALID_ARGUMENT')) return false
      throw error
    }
    const queueId = Number(parked.property(PROPERTY_REAL_QUEUE_ID) ?? '0')
    if (!Number.isInteger(queueId) || queueId < 0) return false
    const buried = this.#store.tombstone(topic)
    if (buried !== undefined && parked.physicalOffset < buried) return false
    this.#topics.obtain(topic, queueId + 1)
    return true
  }
}
