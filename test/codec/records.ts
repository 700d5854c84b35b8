/** Records that a real RocketMQ wrote, and how tests read and write single records. */
import { readFileSync } from 'node:fs'
import type { RecordChecks } from '../../src/codec/record-cursor.ts'
import { RecordCursor } from '../../src/codec/record-cursor.ts'
import type { RecordEncoderOptions, UnitPlace } from '../../src/codec/record-encoder.ts'
import { RecordEncoder } from '../../src/codec/record-encoder.ts'
import type { RecordFields } from '../../src/codec/record-fields.ts'
import type { StoredMessage } from '../../src/codec/record-view.ts'

/** What RocketMQ reads from a record. */
export type ExpectedRecord = {
  readonly msgTopic: string
  readonly msgQueueId: number
  readonly msgQueueOffset: number
  readonly commitLogOffset: number
  readonly storeSize: number
  readonly magic: string
  readonly sysFlag: number
  readonly flag: number
  readonly bodyCRC: number
  readonly reconsumeTimes: number
  readonly preparedTransactionOffset: number
  readonly bornTimestamp: number
  readonly bornHost: string
  readonly storeTimestamp: number
  readonly storeHost: string
  readonly offsetMsgId: string
  readonly properties: Readonly<Record<string, string>>
  readonly propertiesString: string
  readonly bodyLen: number
  readonly body: string | null
}

/** One record of `data/corpus/records.json`. */
export type CorpusRecord = {
  readonly name: string
  readonly record: string
  readonly tagsCode: number
  readonly expected: ExpectedRecord
}

/** All of them. */
export const CORPUS: readonly CorpusRecord[] = JSON.parse(
  readFileSync(new URL('../../data/corpus/records.json', import.meta.url), 'utf8'),
)

/** Those that end in a whole-record CRC. */
export const CORPUS_WITH_CRC: readonly CorpusRecord[] = CORPUS.filter(({ expected }) =>
  Object.hasOwn(expected.properties, '__CRC32#'),
)

export const NO_CHECKS: RecordChecks = { body: false, record: 'ignore', position: false }
export const BODY_CHECK: RecordChecks = { body: true, record: 'ignore', position: false }

/** A view of a buffer's memory, with the same indexes. */
export function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}

/** Reads what starts at the first byte of `bytes`; answers the outcome, with its reason where it is bad. */
export function readOne(bytes: Buffer, checks: RecordChecks, cursor: RecordCursor = new RecordCursor()): string {
  const outcome = cursor.read(bytes, viewOf(bytes), 0, bytes.length, 0, checks)
  return outcome === 'bad' ? `bad: ${cursor.reason}` : outcome
}

/** Where a record of a test goes unless it says otherwise. */
export type Place = {
  readonly queueOffset?: number
  readonly physicalOffset?: number
  readonly storeTimestamp?: number
}

export const ENCODER_OPTIONS: RecordEncoderOptions = {
  storeHost: '127.0.0.1:10911',
  recordCrc: true,
  messageBytesMax: 4 * 1024 * 1024,
}

/** One message as a record. */
export function encodeOne(
  fields: RecordFields,
  options: Partial<RecordEncoderOptions> = {},
  { queueOffset = 0, physicalOffset = 0, storeTimestamp = 1_700_000_000_000 }: Place = {},
  unit?: UnitPlace,
): Buffer {
  const encoder = new RecordEncoder({ ...ENCODER_OPTIONS, ...options })
  const record = Buffer.alloc(encoder.prepare(fields, unit), 0xee)
  encoder.encode(record, viewOf(record), 0, queueOffset, physicalOffset, storeTimestamp)
  return record
}

/** A stored message as fields to store again. */
export function fieldsOf(message: StoredMessage): RecordFields {
  const { topic, queueId, body, properties, flag, sysFlag, bornTimestamp, bornHost } = message
  const { reconsumeTimes, preparedTransactionOffset } = message
  return {
    topic,
    queueId,
    body,
    properties,
    flag,
    sysFlag,
    bornTimestamp,
    bornHost,
    reconsumeTimes,
    preparedTransactionOffset,
  }
}
