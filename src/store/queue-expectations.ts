/**
 * What may come next in each queue, as far as a walk over the log has seen. A record found by searching behind damage is
 * believed only where its queueOffset fits: bytes of a body can be a whole record, with right checksums, of any queue.
 */

import { readConsumeQueueEntry } from '../codec/consume-queue-entry.ts'
import type { RecordCursor } from '../codec/record-cursor.ts'
import {
  RECORD_BYTES_MIN,
  TRANSACTION_MASK,
  TRANSACTION_PREPARED,
  TRANSACTION_ROLLBACK,
} from '../codec/record-layout.ts'
import type { ConsumeQueues } from './consume-queues.ts'

/** The queues a walk goes through. */
export class QueueExpectations {
  readonly #queues: Pick<ConsumeQueues, 'queue'>
  /** Whether the walk began at the log's very first byte, so that a queue it has not met has had no record. */
  readonly #isWhole: boolean
  readonly #topics = new Map<string, Map<number, number>>()
  #lastTopic = ''
  #lastNext = new Map<number, number>()

  /** @param isWhole the walk starts at physicalOffset 0 */
  constructor(queues: Pick<ConsumeQueues, 'queue'>, isWhole: boolean) {
    this.#queues = queues
    this.#isWhole = isWhole
  }

  /** The walk has met this record. */
  note({ topic, queueId, queueOffset, sysFlag }: RecordCursor): void {
    if (!isNumbered(sysFlag)) return
    if (topic !== this.#lastTopic) this.#use(topic)
    this.#lastNext.set(queueId, queueOffset + 1)
  }

  /** Whether the walk has met the record before this one in its queue, so that nothing else can be in its slot. */
  follows({ topic, queueId, queueOffset }: RecordCursor): boolean {
    if (topic !== this.#lastTopic) this.#use(topic)
    return this.#lastNext.get(queueId) === queueOffset
  }

  /** Whether the record can follow damage that starts at `damageStart`: so much was lost of its queue at most as fits there. */
  accepts(cursor: RecordCursor, damageStart: number): boolean {
    const { topic, queueId, queueOffset, physicalOffset, sysFlag } = cursor
    if (!isNumbered(sysFlag)) return queueOffset === 0
    const lostMax = Math.ceil((physicalOffset - damageStart) / RECORD_BYTES_MIN)
    const next = this.#topics.get(topic)?.get(queueId)
    if (next !== undefined) return queueOffset >= next && queueOffset <= next + lostMax
    const queue = this.#queues.queue(topic, queueId)
    if (queue === undefined || queue.maxQueueOffset === 0) return !this.#isWhole || queueOffset <= lostMax
    if (queueOffset >= queue.maxQueueOffset) return queueOffset <= queue.maxQueueOffset + lostMax
    const bytes = queue.entriesSync(queueOffset, 1)
    if (bytes.length === 0) return false
    const entry = readConsumeQueueEntry(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0)
    return entry === undefined || entry.physicalOffset === physicalOffset
  }

  #use(topic: string): void {
    let next = this.#topics.get(topic)
    if (next === undefined) {
      next = new Map()
      this.#topics.set(topic, next)
    }
    this.#lastTopic = topic
    this.#lastNext = next
  }
}

/** Records of type PREPARED and ROLLBACK are in no queue. FORMAT section 5. */
export function isNumbered(sysFlag: number): boolean {
  const type = sysFlag & TRANSACTION_MASK
  return type !== TRANSACTION_PREPARED && type !== TRANSACTION_ROLLBACK
}
