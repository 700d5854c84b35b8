/**
 * What one record of the log means for the derived files: its queue entry, its keys, and whoever is told.
 * RocketMQ: CommitLogDispatcherBuildConsumeQueue, CommitLogDispatcherBuildIndex. FORMAT section 11.
 */
import { DispatchScan } from '../codec/dispatch-scan.ts'
import { PROPERTY_INNER_MULTI_DISPATCH, PROPERTY_INNER_MULTI_QUEUE_OFFSET, propertyValue } from '../codec/properties.ts'
import { RECORD_CRC_BYTES } from '../codec/record-crc.ts'
import type { RecordCursor } from '../codec/record-cursor.ts'
import { INNER_BATCH_FLAG, TRANSACTION_COMMIT, TRANSACTION_MASK } from '../codec/record-layout.ts'
import { SCHEDULE_TOPIC } from '../codec/tags-code.ts'
import type { ConsumeQueue } from './consume-queue.ts'
import { ConsumeQueues } from './consume-queues.ts'
import type { DispatchRequest } from './store-types.ts'

/** Who takes a queue's entries: its consume queue, or an audit. */
export type EntrySink = Pick<ConsumeQueue, 'put'>

/** Where records go. */
export type RecordDispatchParts = {
  readonly queues: {
    queue(topic: string, queueId: number): EntrySink | undefined
    obtain(topic: string, queueId: number): EntrySink
    readonly batchTopics: Set<string>
  }
  /** Undefined where no index is kept. */
  readonly index:
    | { seedOf(topic: string): number; putScanned(record: DispatchRequest, scan: DispatchScan): void }
    | undefined
  /** Whether the record is of a topic that was deleted after it was appended. */
  readonly isDropped: (topic: string, physicalOffset: number) => boolean
  /** Called for each record that a consumer can read now; the request is valid during the call. Must not throw. */
  readonly onDispatch: (request: DispatchRequest) => void
  readonly onEvent: (name: string, details: Readonly<Record<string, unknown>>) => void
}

/** Queues of RocketMQ's light message queue: their names start so, and their queueId is 0. FORMAT section 7. */
const LIGHT_QUEUE_PREFIX = '%LMQ%'
/** Light queues one record may name. */
const LIGHT_QUEUES_MAX = 1024

/** The record at hand, under the names its listener knows; one object for all records. */
class CurrentRecord implements DispatchRequest {
  topic = ''
  queueId = 0
  queueOffset = 0
  physicalOffset = 0
  sizeBytes = 0
  tagsCode = 0
  storeTimestamp = 0
  sysFlag = 0
  #cursor: RecordCursor | undefined

  take(cursor: RecordCursor, tagsCode: number): void {
    this.topic = cursor.topic
    this.queueId = cursor.queueId
    this.queueOffset = cursor.queueOffset
    this.physicalOffset = cursor.physicalOffset
    this.sizeBytes = cursor.sizeBytes
    this.tagsCode = tagsCode
    this.storeTimestamp = cursor.storeTimestamp
    this.sysFlag = cursor.sysFlag
    this.#cursor = cursor
  }

  get properties(): string {
    return this.#cursor?.properties ?? ''
  }
}

/** Puts records into queues and index, one after another in the order of the log. */
export class RecordDispatch {
  readonly #parts: RecordDispatchParts
  readonly #scan = new DispatchScan()
  readonly #record = new CurrentRecord()
  /** Topics that were reported: no queue of ours can hold them. */
  readonly #reported = new Set<string>()

  constructor(parts: RecordDispatchParts) {
    this.#parts = parts
  }

  /** The record that the cursor stands on. Answers whether it went into its queue. */
  dispatch(cursor: RecordCursor): boolean {
    const { queues, index, isDropped, onDispatch } = this.#parts
    const { topic, physicalOffset } = cursor
    if (isDropped(topic, physicalOffset)) return false
    const scan = this.#scan
    scan.scan(cursor.bytes, cursor.propertiesStart, propertiesEnd(cursor), index?.seedOf(topic) ?? 0)
    const record = this.#record
    record.take(cursor, this.#tagsCodeOf(cursor))
    const type = cursor.sysFlag & TRANSACTION_MASK
    let isQueued = false
    if (type === 0 || type === TRANSACTION_COMMIT) {
      const queue = queues.queue(topic, cursor.queueId) ?? this.#newQueue(topic, cursor.queueId)
      const isBatch = (cursor.sysFlag & INNER_BATCH_FLAG) !== 0 || queues.batchTopics.size > 0
      if (queue !== undefined && !(isBatch && this.#isOfBatchTopic(cursor))) {
        isQueued = queue.put(cursor.queueOffset, physicalOffset, cursor.sizeBytes, record.tagsCode)
      }
      if (scan.hasInner) this.#putIntoLightQueues(cursor, record.tagsCode)
    }
    index?.putScanned(record, scan)
    if (isQueued) onDispatch(record)
    return isQueued
  }

  #tagsCodeOf(cursor: RecordCursor): number {
    const { hasDelay, tagsHash } = this.#scan
    // In the schedule topic the entry says when the message is due.
    return hasDelay && cursor.topic === SCHEDULE_TOPIC ? cursor.tagsCode : tagsHash
  }

  #newQueue(topic: string, queueId: number): EntrySink | undefined {
    if (ConsumeQueues.canHold(topic, queueId)) return this.#parts.queues.obtain(topic, queueId)
    this.#reportOnce('topic-unusable', topic)
    return undefined
  }

  /** Records of a batch topic, and single ones that hold several messages, have entries of another form. */
  #isOfBatchTopic({ topic, sysFlag }: RecordCursor): boolean {
    const { batchTopics } = this.#parts.queues
    if ((sysFlag & INNER_BATCH_FLAG) !== 0) batchTopics.add(topic)
    if (!batchTopics.has(topic)) return false
    this.#reportOnce('batch-topic', topic)
    return true
  }

  /** The same entry for each light queue that the record names. RocketMQ: MultiDispatch. */
  #putIntoLightQueues({ topic, properties, physicalOffset, sizeBytes }: RecordCursor, tagsCode: number): void {
    const names = propertyValue(properties, PROPERTY_INNER_MULTI_DISPATCH)?.split(',')
    const offsets = propertyValue(properties, PROPERTY_INNER_MULTI_QUEUE_OFFSET)?.split(',')
    if (names === undefined || offsets?.length !== names.length || names.length > LIGHT_QUEUES_MAX) return
    if (topic.startsWith('%RETRY%') || topic.startsWith('rmq_sys_') || topic === SCHEDULE_TOPIC) return
    for (const [i, name] of names.entries()) {
      const queueOffset = /^\d{1,15}$/.test(offsets[i] as string) ? Number(offsets[i]) : -1
      if (queueOffset < 0 || !name.startsWith(LIGHT_QUEUE_PREFIX)) continue
      this.#newQueue(name, 0)?.put(queueOffset, physicalOffset, sizeBytes, tagsCode)
    }
  }

  #reportOnce(event: string, topic: string): void {
    const key = `${event} ${topic}`
    if (this.#reported.has(key) || this.#reported.size > LIGHT_QUEUES_MAX) return
    this.#reported.add(key)
    this.#parts.onEvent(event, { topic })
  }
}

/** End of the properties that anybody asks for: a checksum closes them. */
function propertiesEnd({ propertiesStart, propertiesBytes, hasRecordCrc }: RecordCursor): number {
  return propertiesStart + propertiesBytes - (hasRecordCrc ? RECORD_CRC_BYTES : 0)
}
