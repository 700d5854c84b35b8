/** A commit log in memory, for tests of what walks over one: records are appended as the engine appends them. */
import { RecordEncoder } from '../../src/codec/record-encoder.ts'
import type { RecordFields } from '../../src/codec/record-fields.ts'
import { FILLER_BYTES, writeFiller } from '../../src/codec/record-layout.ts'
import type { LogBytes } from '../../src/store/log-walk.ts'

/** Where a record of the log lies. */
export type PutPlace = {
  readonly start: number
  readonly end: number
  readonly topic: string
  readonly queueOffset: number
}

/** Bytes of a log with segments, read as slowly as a test likes. */
export class MemoryLog implements LogBytes {
  readonly segmentBytes: number
  readonly bytes: Buffer
  readonly places: PutPlace[] = []
  minOffset = 0
  /** End of what was appended. */
  end = 0
  /** Bytes from here on are hot; none by default. */
  hotFrom: number = Number.POSITIVE_INFINITY
  /** storeTimestamp of the record with this number. */
  storedAt: (count: number) => number = count => 1_700_000_000_000 + count
  readonly #encoder: RecordEncoder
  readonly #next = new Map<string, number>()

  constructor(segmentBytes: number, segments: number, recordCrc = true) {
    this.segmentBytes = segmentBytes
    this.bytes = Buffer.alloc(segmentBytes * segments)
    this.#encoder = new RecordEncoder({ storeHost: '127.0.0.1:10911', recordCrc, messageBytesMax: 4 << 20 })
  }

  get filesEnd(): number {
    return this.bytes.length
  }

  put(fields: Partial<RecordFields> & { readonly topic: string }): PutPlace {
    const record = { queueId: 0, body: Buffer.from('body'), ...fields }
    const sizeBytes = this.#encoder.prepare(record)
    const view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.length)
    const remaining = this.segmentEnd(this.end) - this.end
    if (sizeBytes + FILLER_BYTES > remaining) {
      writeFiller(view, this.end, remaining)
      this.end += remaining
    }
    const queue = `${record.topic} ${record.queueId}`
    const queueOffset = this.#next.get(queue) ?? 0
    this.#encoder.encode(this.bytes, view, this.end, queueOffset, this.end, this.storedAt(this.places.length))
    this.#next.set(queue, queueOffset + 1)
    const place = { start: this.end, end: this.end + sizeBytes, topic: record.topic, queueOffset }
    this.places.push(place)
    this.end = place.end
    return place
  }

  segmentEnd(physicalOffset: number): number {
    return physicalOffset - (physicalOffset % this.segmentBytes) + this.segmentBytes
  }

  hot(physicalOffset: number, bytes: number): Buffer | undefined {
    if (physicalOffset < this.hotFrom || physicalOffset + bytes > this.end) return undefined
    return this.bytes.subarray(physicalOffset, physicalOffset + bytes)
  }

  read(target: Uint8Array, physicalOffset: number): Promise<number> {
    if (physicalOffset >= this.bytes.length) return Promise.resolve(0)
    const end = Math.min(physicalOffset + target.length, this.segmentEnd(physicalOffset), this.bytes.length)
    return Promise.resolve(this.bytes.copy(target, 0, physicalOffset, end))
  }
}
