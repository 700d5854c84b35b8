/**
 * A failed message's end: a copy is appended that settles it, in one step (ARCHITECTURE decision 20). The message stays
 * unfinished until the dispatcher shows the copy; a crash before that delivers the message again, one after it never.
 */
import { isErrorNamed, PocketMQError } from '../base/errors.ts'
import type { MessageStore, PutRecord, StoredMessage } from '../store/message-store.ts'
import type { RetryPolicy } from './core-types.ts'
import type { Events } from './events.ts'
import { deadLetterCopy, retryCopy, retryWaitMs } from './retry-copy.ts'
import { deadLetterTopicOf, originTopicOf, retryTopicOf } from './retry-topics.ts'
import type { Settlement } from './settlement.ts'
import { waitForRoom } from './wait-for-room.ts'

/** How a failed message goes on. */
export type Failure = {
  /** Tried again so often, it goes to the dead letters with its next failure. 0: at once. */
  readonly maxReconsumeTimes: number
  /** Given by whoever let it fail; else by the policy. */
  readonly waitMs: number | undefined
  readonly retry: RetryPolicy
  /** Deliveries that failed in place, beside those the record counts. */
  readonly failures: number
}

/** What became of it: a copy was appended, the message is gone, or no copy can ever be (the message is delivered again in place). */
export type Settled = 'copied' | 'gone' | 'impossible'

/** Wait before another try where the device is failing. */
const AGAIN_MS = 1000

/** What a {@link Settler} needs of its surroundings. */
export type SettlerOptions = {
  readonly store: MessageStore
  readonly events: Events
  /** The topic exists when it returns. */
  readonly obtainTopic: (topic: string) => void
}

/** Appends the copies of failed messages. */
export class Settler {
  readonly #options: SettlerOptions
  readonly #running = new Set<Promise<Settled>>()
  readonly #stop = new AbortController()

  constructor(options: SettlerOptions) {
    this.#options = options
  }

  /** Tries until the copy is appended. Rejects only where the store has closed or failed: then the message stays unfinished. */
  settle(settles: Settlement, failure: Failure): Promise<Settled> {
    const run = this.#settle(settles, failure)
    this.#running.add(run)
    const ended = (): void => {
      this.#running.delete(run)
    }
    run.then(ended, ended)
    return run
  }

  /** Whether copies are on their way. */
  get isBusy(): boolean {
    return this.#running.size > 0
  }

  /** Resolves when no copy is on its way. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running)
  }

  /** No more tries; what is not copied stays unfinished and is delivered again after the next open. */
  close(): void {
    this.#stop.abort(new PocketMQError('STORE_CLOSED', 'the store is closing', { hint: 'Open it again.' }))
  }

  async #settle(settles: Settlement, failure: Failure): Promise<Settled> {
    const message = await this.#read(settles)
    if (message === undefined) return 'gone'
    const { store, obtainTopic } = this.#options
    const attempts = Math.max(message.reconsumeTimes + 1, failure.failures)
    const isDead = attempts > failure.maxReconsumeTimes
    const waitMs = failure.waitMs ?? retryWaitMs(failure.retry, attempts)
    obtainTopic(isDead ? deadLetterTopicOf(settles.group) : retryTopicOf(settles.group))
    const record = isDead ? deadLetterCopy(message, settles) : retryCopy(message, settles, waitMs, store.clock.nowMs())
    obtainTopic(record.topic)
    if (!(await this.#put(record, message.sizeBytes))) return 'impossible'
    if (isDead) this.#reportDeadLetter(message, settles, attempts)
    return 'copied'
  }

  async #read({ topic, queueId, queueOffset }: Settlement): Promise<StoredMessage | undefined> {
    const request = { topic, queueId, queueOffset, maxMessages: 1 }
    const hot = this.#options.store.get(request)
    const result = hot.status === 'cold' ? await this.#options.store.read(request) : hot
    const message = result.messages[0]
    return message?.queueOffset === queueOffset ? message : undefined
  }

  /** False where the store will never take such a record. */
  async #put(record: PutRecord, sizeBytes: number): Promise<boolean> {
    const { store, events } = this.#options
    for (;;) {
      this.#stop.signal.throwIfAborted()
      try {
        const { physicalOffset, sizeBytes: recordBytes } = store.put(record, 'successor')
        // A full device may not take it: then it is not in the log, and the message would wait for it for ever.
        await store.written(physicalOffset + recordBytes)
        return true
      } catch (error) {
        if (isErrorNamed(error, 'BACKPRESSURE') || isErrorNamed(error, 'DISK_FULL')) {
          await waitForRoom(store, error, sizeBytes, this.#stop.signal)
        } else if (error instanceof PocketMQError && error.retryable) {
          await store.clock.sleep(AGAIN_MS, { signal: this.#stop.signal, background: true })
        } else if (isErrorNamed(error, 'INVALID_ARGUMENT') || isErrorNamed(error, 'MESSAGE_TOO_LARGE')) {
          events.emit('error', { where: `a copy for ${record.topic}`, error })
          return false
        } else {
          throw error
        }
      }
    }
  }

  #reportDeadLetter(message: StoredMessage, { group }: Settlement, attempts: number): void {
    const topic = originTopicOf(group, message)
    const messageId = message.uniqueKey ?? message.offsetMessageId
    this.#options.events.emit('dead-letter', { group, topic, messageId, attempts })
  }
}
