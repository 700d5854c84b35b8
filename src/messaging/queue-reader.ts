/**
 * Reads ahead for one group: from a queue into its cursor, through the group's filter. What is hot is read at once; what is
 * cold, off the event loop.
 */
import { asError, isErrorNamed } from '../base/errors.ts'
import { runNextTurn } from '../base/turns.ts'
import { PROPERTY_PMQ_LOST } from '../codec/properties.ts'
import type { GetRequest, GetResult, MessageStore, StoredMessage } from '../store/message-store.ts'
import type { Alarms } from './alarms.ts'
import type { Events } from './events.ts'
import type { Cursor } from './hand-out.ts'
import type { WaitingMessage } from './message-groups.ts'
import type { CursorRead, ReadAhead } from './queue-cursor.ts'
import type { CompiledSubscription } from './subscription-expression.ts'

/** Messages and bytes of one read. RocketMQ: pullBatchSize, and its cap in memory. */
export const READ_MESSAGES = 64
const READ_BYTES = 256 * 1024
/** Reads of one queue without a match before others have their turn. */
const READS_A_TURN = 16
/** Wait after a read failed. */
const FAILED_PAUSE_MS = 1000

/** What a {@link QueueReader} needs of its surroundings. */
export type QueueReaderOptions = {
  readonly group: string
  readonly store: MessageStore
  readonly events: Events
  readonly alarms: Alarms
  readonly memory: ReadAhead
  readonly memoryBytesMax: number
  /** Messages that are worth reading at a time. */
  readonly wanted: () => number
  /** The queue may have something: ask again. */
  readonly onReady: (cursor: Cursor) => void
  /** No read is under way any more. */
  readonly onIdle: () => void
}

/** An expression that matched none of so many messages is probably not what was meant. */
const UNMATCHED_SAID_AT = 1000

type Filter = {
  readonly expression: string
  /** Messages since one matched, and whether that was said. */
  unmatched: number
  isSaid: boolean
  readonly tagsCodes: ReadonlySet<number> | undefined
  readonly matches: (message: StoredMessage) => boolean
}

const EVERYTHING: Filter = { expression: '*', unmatched: 0, isSaid: true, tagsCodes: undefined, matches: isNotLost }

/** The reading half of a group. */
export class QueueReader {
  readonly #options: QueueReaderOptions
  readonly #filters = new Map<string, Filter>()
  readonly #paused = new Set<Cursor>()
  /** Reads under way, those that go on in the next turn included. */
  #busy = 0
  #isClosed = false

  constructor(options: QueueReaderOptions) {
    this.#options = options
  }

  /** What the group wants of a topic from now on; topics without one, like retries, are wanted whole. */
  subscribe(topic: string, subscription: CompiledSubscription): void {
    if (subscription.canonical === '*' && subscription.kind === 'TAG') this.#filters.delete(topic)
    else {
      const matches = (message: StoredMessage): boolean => subscription.matches(message) && isNotLost(message)
      const { canonical: expression, tagsCodes } = subscription
      this.#filters.set(topic, { expression, unmatched: 0, isSaid: false, tagsCodes, matches })
    }
  }

  /** Reads until a message is ready; false where there is none, or it takes time: then the queue is woken later. */
  fetch(cursor: Cursor): boolean {
    for (let reads = 0; reads < READS_A_TURN; reads++) {
      const read = cursor.nextRead(this.#readMessages)
      if (read === undefined) {
        this.#notePause(cursor)
        return false
      }
      const result = this.#hot(cursor, read) ?? this.#get(cursor, this.#request(cursor, read))
      if (result === undefined) return false
      if (result.status === 'cold') {
        cursor.isReading = true
        void this.#readCold(cursor, this.#request(cursor, read), cold => this.#accept(cursor, read, cold))
        return false
      }
      const isProgress = this.#accept(cursor, read, result)
      if (cursor.peek() !== undefined) return true
      if (!isProgress) return false
    }
    this.#busy++
    runNextTurn(() => {
      this.#options.onReady(cursor)
      this.#ended()
    })
    return false
  }

  /** The record of a message whose place is known. */
  fetchAt(cursor: Cursor, waiting: WaitingMessage): StoredMessage | 'later' | 'gone' {
    const { queueOffset } = waiting
    if (waiting.message !== undefined) return waiting.message
    if (waiting.isGone) return 'gone'
    if (cursor.isReading) return 'later'
    const { topic, queueId } = cursor
    const request: GetRequest = { topic, queueId, queueOffset, maxMessages: 1 }
    const result = this.#get(cursor, request)
    if (result === undefined) return 'later'
    if (result.status !== 'cold') return recordAt(result, queueOffset) ?? 'gone'
    cursor.isReading = true
    void this.#readCold(cursor, request, cold => {
      waiting.message = recordAt(cold, queueOffset)
      waiting.isGone = waiting.message === undefined
      return true
    })
    return 'later'
  }

  close(): void {
    this.#isClosed = true
  }

  /** Whether reads are under way. */
  get isBusy(): boolean {
    return this.#busy > 0
  }

  get #readMessages(): number {
    const { memory, memoryBytesMax, wanted } = this.#options
    return memory.bytes < memoryBytesMax ? Math.max(1, Math.min(READ_MESSAGES, wanted())) : 1
  }

  #request(cursor: Cursor, read: CursorRead): GetRequest {
    const { topic, queueId } = cursor
    const { queueOffset, maxMessages } = read
    const tagsCodes = this.#filters.get(topic)?.tagsCodes
    const request = { topic, queueId, queueOffset, maxMessages, maxBytes: READ_BYTES }
    return tagsCodes === undefined ? request : { ...request, tagsCodes }
  }

  /** The one message that came since the last read, without a look at its queue. */
  #hot(cursor: Cursor, read: CursorRead): GetResult | undefined {
    const place = this.#isClosed ? undefined : cursor.placeOf(read)
    const message = place === undefined ? undefined : this.#options.store.hot(place.physicalOffset, place.sizeBytes)
    if (message === undefined) return undefined
    const nextQueueOffset = read.queueOffset + 1
    return { status: 'found', messages: [message], nextQueueOffset, minQueueOffset: 0, maxQueueOffset: nextQueueOffset }
  }

  #get(cursor: Cursor, request: GetRequest): GetResult | undefined {
    if (this.#isClosed) return undefined
    try {
      return this.#options.store.get(request)
    } catch (error) {
      this.#failed(cursor, error)
      return undefined
    }
  }

  async #readCold(cursor: Cursor, request: GetRequest, accept: (result: GetResult) => boolean): Promise<void> {
    this.#busy++
    try {
      const result = await this.#options.store.read(request)
      cursor.isReading = false
      if (accept(result)) this.#options.onReady(cursor)
    } catch (error) {
      cursor.isReading = false
      this.#failed(cursor, error)
    }
    this.#ended()
  }

  #ended(): void {
    this.#busy--
    if (this.#busy === 0) this.#options.onIdle()
  }

  #accept(cursor: Cursor, read: CursorRead, result: GetResult): boolean {
    const { group, events } = this.#options
    const { topic, queueId } = cursor
    if (result.status === 'offset-too-small') {
      const [from, to] = [read.queueOffset, result.minQueueOffset]
      events.emit('offset-gap', { group, topic, queueId, from, to, lost: to - from })
    }
    const filter = this.#filters.get(topic) ?? EVERYTHING
    const { added, skipped } = cursor.accept(read, result, filter.matches)
    if (added > 0) {
      filter.unmatched = 0
      filter.isSaid = filter === EVERYTHING
    } else if (!filter.isSaid && result.status !== 'offset-too-small') {
      this.#noteUnmatched(topic, filter, skipped)
    }
    return added > 0 || skipped > 0
  }

  #noteUnmatched(topic: string, filter: Filter, skipped: number): void {
    filter.unmatched += skipped
    if (filter.unmatched < UNMATCHED_SAID_AT) return
    filter.isSaid = true
    const { group, events } = this.#options
    const { expression, unmatched: messages } = filter
    events.emit('subscription-matches-nothing', { group, topic, expression, messages })
  }

  #failed(cursor: Cursor, error: unknown): void {
    if (this.#isClosed || isErrorNamed(error, 'STORE_CLOSED')) return
    const { group, events, alarms } = this.#options
    events.emit('error', { where: `reading ${cursor.topic}/${cursor.queueId} for ${group}`, error: asError(error) })
    alarms.in(FAILED_PAUSE_MS, () => this.#options.onReady(cursor))
  }

  #notePause(cursor: Cursor): void {
    if (!cursor.isPaused) {
      this.#paused.delete(cursor)
      return
    }
    if (this.#paused.has(cursor)) return
    this.#paused.add(cursor)
    const { topic, queueId, entry } = cursor
    this.#options.events.emit('queue-paused', {
      group: this.#options.group,
      topic,
      queueId,
      ackedRanges: entry.ranges.count,
    })
  }
}

function recordAt(result: GetResult, queueOffset: number): StoredMessage | undefined {
  const found = result.messages[0]
  return found?.queueOffset === queueOffset ? found : undefined
}

/** A record that only stands in for a lost one is never delivered. */
function isNotLost(message: StoredMessage): boolean {
  return message.bodyBytes > 0 || message.property(PROPERTY_PMQ_LOST) === undefined
}
