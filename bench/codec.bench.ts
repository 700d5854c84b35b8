/** What a record costs in plain memory, on one thread: encode, read in place, show as a message. */
import { RecordCursor } from '../src/codec/record-cursor.ts'
import { RecordEncoder } from '../src/codec/record-encoder.ts'
import { StoredMessage } from '../src/codec/record-view.ts'
import type { Case } from './support/benny.ts'
import { runSuite } from './support/benny.ts'
import { messageOf } from './support/messages.ts'
import type { Row } from './support/rows.ts'

const RECORDS = 1000
const CHECKS = { body: true, record: 'present', position: true } as const

/** Messages per second of each step, by body size. */
export async function benchCodec(seconds: number): Promise<Row[]> {
  const cases = [128, 1024, 10_240].flatMap(bodyBytes => casesOf(bodyBytes))
  const figures = await runSuite('codec', cases, seconds)
  return figures.map(({ name, messagesPerSecond, marginPercent }) => ({
    case: name,
    'messages/s': messagesPerSecond,
    'us/message': Math.round(1e9 / messagesPerSecond) / 1000,
    'margin %': marginPercent,
  }))
}

function casesOf(bodyBytes: number): Case[] {
  const bytes = Buffer.alloc(RECORDS * (bodyBytes + 400))
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const encode = (recordCrc: boolean): number => {
    const encoder = encoders[recordCrc ? 1 : 0] as RecordEncoder
    let at = 0
    for (let i = 0; i < RECORDS; i++) {
      const sizeBytes = encoder.prepare(messageOf(i, bodyBytes))
      encoder.encode(bytes, view, at, i, at, 1_700_000_000_000)
      at += sizeBytes
    }
    return at
  }
  const cursor = new RecordCursor()
  const read = (end: number): void => {
    for (let at = 0; at < end; at += cursor.sizeBytes) cursor.read(bytes, view, at, end, at, CHECKS)
  }
  const show = (end: number): void => {
    for (let at = 0; at < end; ) {
      const message = new StoredMessage(bytes, at, view.getInt32(at))
      if (message.body.length !== bodyBytes) throw new Error('another body')
      at += message.sizeBytes
    }
  }
  const end = encode(true)
  return [
    { name: `encode ${bodyBytes} B`, messages: RECORDS, run: () => void encode(false) },
    { name: `encode with record CRC ${bodyBytes} B`, messages: RECORDS, run: () => void encode(true) },
    { name: `read in place, both CRCs ${bodyBytes} B`, messages: RECORDS, run: () => read(end) },
    { name: `show as a message ${bodyBytes} B`, messages: RECORDS, run: () => show(end) },
  ]
}

const encoders = [false, true].map(
  recordCrc => new RecordEncoder({ storeHost: '127.0.0.1:10911', recordCrc, messageBytesMax: 4 * 1024 * 1024 }),
)
