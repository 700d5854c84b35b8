/**
 * Reading by position: pull consumers, tails and tools say where, and may wait for more. A wait is released by a message that
 * passes the filter, by time, by abort, and by the end of the store.   RocketMQ: PullMessageProcessor, PullRequestHoldService.
 */
import { abortError, PocketMQError } from '../base/errors.ts'
import type { GetResult, MessageStore } from '../store/message-store.ts'
import type { Alarms } from './alarms.ts'
import type { HasMessageRequest, PullRequest, PullResult, PullStatus, RawMessage } from './core-types.ts'
import type { QueueWatches } from './queue-watches.ts'
import type { CompiledSubscription } from './subscription-expression.ts'
import { compileSubscription } from './subscription-expression.ts'

/** What {@link PositionReads} needs of its surroundings. */
export type PositionReadsOptions = {
  readonly store: MessageStore
  readonly watches: QueueWatches
  readonly alarms: Alarms
}

const PULL_BYTES_MAX = 256 * 1024
/** Compiled filters that are kept. */
const FILTERS_MAX = 256

/** Answers pulls. */
export class PositionReads {
  readonly #options: PositionReadsOptions
  readonly #filters = new Map<string, CompiledSubscription>()
  readonly #stop = new AbortController()

  constructor(options: PositionReadsOptions) {
    this.#options = options
  }

  /** Resolves once: what was found, or `no-new` when the wait is over. Rejects with AbortError. */
  async pull(request: PullRequest, signal?: AbortSignal): Promise<PullResult> {
    const { alarms } = this.#options
    const deadlineMs = alarms.nowMs() + request.waitMs
    for (;;) {
      if (signal?.aborted) throw abortError(signal)
      const result = await this.#read(request)
      const leftMs = deadlineMs - alarms.nowMs()
      if (result.status !== 'no-new' && result.status !== 'no-queue') return result
      if (request.waitMs <= 0 || leftMs <= 0 || this.#stop.signal.aborted) return result
      if (!(await this.hasMessage({ queues: [request], waitMs: leftMs }, signal))) return result
    }
  }

  /** Waits end with what they have. */
  close(): void {
    this.#stop.abort(new PocketMQError('STORE_CLOSED', 'the store is closing', { hint: 'Open it again.' }))
  }

  async #read(request: PullRequest): Promise<PullResult> {
    const { topic, queueId, queueOffset, maxMessages, maxBytes = PULL_BYTES_MAX, filter } = request
    const subscription = filter === undefined ? undefined : this.#filter(filter)
    const tagsCodes = subscription?.tagsCodes
    const get = {
      topic,
      queueId,
      queueOffset,
      maxMessages,
      maxBytes,
      ...(tagsCodes === undefined ? {} : { tagsCodes }),
    }
    const hot = this.#options.store.get(get)
    const result = hot.status === 'cold' ? await this.#options.store.read(get) : hot
    const matching = result.messages.filter(message => subscription?.matches(message) ?? true)
    const messages = matching.map(({ record, queueOffset: at, physicalOffset, sizeBytes }): RawMessage => {
      return { record, queueOffset: at, physicalOffset, sizeBytes }
    })
    const { nextQueueOffset, minQueueOffset, maxQueueOffset } = result
    const status = statusOf(result, queueOffset, messages.length)
    return { status, messages, nextQueueOffset, minQueueOffset, maxQueueOffset }
  }

  /** Resolves once: with true as soon as there is something, with false when the wait is over. Rejects with AbortError. */
  hasMessage({ queues, newQueuesOf, waitMs }: HasMessageRequest, signal?: AbortSignal): Promise<boolean> {
    const { watches, alarms, store } = this.#options
    if (signal?.aborted) return Promise.reject(abortError(signal))
    const isThere = queues.some(
      queue => (store.queueRange(queue.topic, queue.queueId)?.maxQueueOffset ?? 0) > queue.queueOffset,
    )
    if (isThere) return Promise.resolve(true)
    if (waitMs <= 0 || this.#stop.signal.aborted) return Promise.resolve(false)
    return new Promise((resolve, reject) => {
      const stops: (() => void)[] = []
      const end = (isGrown: boolean | undefined): void => {
        for (const stop of stops) stop()
        alarms.cancel(alarm)
        signal?.removeEventListener('abort', onAbort)
        this.#stop.signal.removeEventListener('abort', onOver)
        if (isGrown !== undefined) resolve(isGrown)
      }
      const onOver = (): void => end(false)
      const onAbort = (): void => {
        end(undefined)
        reject(abortError(signal as AbortSignal))
      }
      for (const { topic, queueId, queueOffset } of queues) {
        stops.push(watches.watchQueue(topic, queueId, endOffset => endOffset > queueOffset && end(true)))
      }
      for (const topic of topicsOf(newQueuesOf)) stops.push(watches.watchTopic(topic, () => end(true)))
      const alarm = alarms.in(waitMs, onOver)
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#stop.signal.addEventListener('abort', onOver, { once: true })
    })
  }

  #filter({ type, expression }: NonNullable<PullRequest['filter']>): CompiledSubscription {
    const key = `${type} ${expression}`
    let filter = this.#filters.get(key)
    if (filter === undefined) {
      filter = compileSubscription(type === 'TAG' ? expression : { sql: expression })
      if (this.#filters.size >= FILTERS_MAX) this.#filters.clear()
      this.#filters.set(key, filter)
    }
    return filter
  }
}

function topicsOf(topics: string | readonly string[] | undefined): readonly string[] {
  return typeof topics === 'string' ? [topics] : (topics ?? [])
}

function statusOf({ status, nextQueueOffset }: GetResult, queueOffset: number, found: number): PullStatus {
  switch (status) {
    case 'found':
      return found > 0 ? 'found' : 'no-match'
    case 'no-matched-message':
    case 'message-was-removing':
      return 'no-match'
    case 'offset-found-null':
      return nextQueueOffset > queueOffset ? 'no-match' : 'no-new'
    case 'offset-too-small':
      return 'offset-too-small'
    case 'offset-overflow-badly':
      return 'offset-too-big'
    case 'no-matched-logic-queue':
      return 'no-queue'
    default:
      return 'no-new'
  }
}
