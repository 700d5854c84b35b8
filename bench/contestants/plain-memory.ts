/**
 * The work of an append and no store: encode with both checksums, a queue entry, an index entry, all into memory that is
 * used again. What is left to lose to files, bounds, watermarks and promises is the difference to this.
 */
import { CONSUME_QUEUE_ENTRY_BYTES, writeConsumeQueueEntry } from '../../src/codec/consume-queue-entry.ts'
import { INDEX_ENTRY_BYTES, indexKeyHash, writeIndexEntry } from '../../src/codec/index-layout.ts'
import { RecordEncoder } from '../../src/codec/record-encoder.ts'
import { tagsCodeOf } from '../../src/codec/tags-code.ts'
import { measureAppends } from '../support/loops.ts'
import { messageOf, QUEUES, TOPIC } from '../support/messages.ts'
import type { Answer, Request } from '../support/protocol.ts'
import { serve } from '../support/protocol.ts'

const LOG_BYTES = 64 * 1024 * 1024
const ENTRIES = 65_536
const SLOTS = 500_000

class PlainMemory {
  readonly #encoder = new RecordEncoder({
    storeHost: '127.0.0.1:10911',
    recordCrc: true,
    messageBytesMax: 4 * 1024 * 1024,
  })
  readonly #log = Buffer.alloc(LOG_BYTES)
  readonly #logView = new DataView(this.#log.buffer, this.#log.byteOffset, LOG_BYTES)
  readonly #queues = Array.from({ length: QUEUES }, () => viewOf(ENTRIES * CONSUME_QUEUE_ENTRY_BYTES))
  readonly #index = viewOf(ENTRIES * INDEX_ENTRY_BYTES)
  readonly #slots = new Int32Array(SLOTS)
  readonly #started = Date.now()
  #at = 0
  #end = 0

  put(i: number, size: number): void {
    const record = messageOf(i, size)
    const sizeBytes = this.#encoder.prepare(record)
    if (this.#at + sizeBytes > LOG_BYTES) this.#at = 0
    const queueOffset = Math.floor(i / QUEUES)
    const now = Date.now()
    this.#encoder.encode(this.#log, this.#logView, this.#at, queueOffset, this.#end, now)
    const physicalOffset = this.#end
    this.#at += sizeBytes
    this.#end += sizeBytes
    const queue = this.#queues[record.queueId] as DataView
    const tagsCode = tagsCodeOf(record.properties?.TAGS)
    writeConsumeQueueEntry(
      queue,
      (queueOffset % ENTRIES) * CONSUME_QUEUE_ENTRY_BYTES,
      physicalOffset,
      sizeBytes,
      tagsCode,
    )
    this.#putKey(i, record.properties?.UNIQ_KEY as string, physicalOffset, now)
  }

  #putKey(i: number, key: string, physicalOffset: number, now: number): void {
    const keyHash = indexKeyHash(TOPIC, key)
    const slot = keyHash % SLOTS
    const previous = this.#slots[slot] as number
    const seconds = Math.floor((now - this.#started) / 1000)
    writeIndexEntry(this.#index, (i % ENTRIES) * INDEX_ENTRY_BYTES, keyHash, physicalOffset, seconds, previous)
    this.#slots[slot] = i % ENTRIES
  }
}

function viewOf(bytes: number): DataView {
  return new DataView(new ArrayBuffer(bytes))
}

async function append(request: Request): Promise<Answer> {
  const memory = new PlainMemory()
  const answer = await measureAppends(request, { put: i => memory.put(i, request.size) })
  return { ...answer, configuration: 'encoding, both checksums, queue and index entry, no file' }
}

await serve({ append })
