/**
 * Every decoder, and what may come out of it whatever goes in: a value, or a PocketMQError. Sound inputs to start from are the
 * files of a folder with everything in it, and records that a real RocketMQ wrote.
 */
import { readFileSync } from 'node:fs'
import { decodeBatchBody, isInnerBatch, unwrapInnerBatch } from '../../src/codec/batch-body.ts'
import { readBatchConsumeQueueEntry } from '../../src/codec/batch-consume-queue-entry.ts'
import { decodeCheckpoint } from '../../src/codec/checkpoint.ts'
import { compressBody, compressionFlags, decompressBody } from '../../src/codec/compression.ts'
import { isConsumeQueueEntry, isPreBlankEntry, readConsumeQueueEntry } from '../../src/codec/consume-queue-entry.ts'
import { decodeConsumerOffsets } from '../../src/codec/consumer-offset-json.ts'
import { decodeDelayOffsets } from '../../src/codec/delay-offset-json.ts'
import { DispatchScan } from '../../src/codec/dispatch-scan.ts'
import { decodeGroups } from '../../src/codec/groups-json.ts'
import { readIndexEntry, readIndexHeader } from '../../src/codec/index-layout.ts'
import { parseLooseJson } from '../../src/codec/loose-json.ts'
import { parseOffsetMessageId } from '../../src/codec/message-id.ts'
import { decodeOffsetLog } from '../../src/codec/offset-entry.ts'
import { decodeOwnFile } from '../../src/codec/own-file.ts'
import { decodePendingTimers } from '../../src/codec/pending-timers.ts'
import { decodeProperties, parseProperties, propertyValue } from '../../src/codec/properties.ts'
import { RecordCursor } from '../../src/codec/record-cursor.ts'
import { decodeRecord, StoredMessage } from '../../src/codec/record-view.ts'
import { decodeStateLists } from '../../src/codec/state-lists.ts'
import { decodeStatePage } from '../../src/codec/state-page.ts'
import { decodeSubscriptionGroups } from '../../src/codec/subscription-group-json.ts'
import { decodeTimerCheck } from '../../src/codec/timer-check.ts'
import { readTimerLogUnit, timerLogFillerBytes } from '../../src/codec/timer-log.ts'
import { readTimerSlot } from '../../src/codec/timer-wheel.ts'
import { decodeTopics } from '../../src/codec/topics-json.ts'
import { readZstdFrame } from '../../src/codec/zstd-frame.ts'
import { opQueueOffsets } from '../../src/messaging/delayed-record.ts'
import { formatRecallHandle, parseRecallHandle } from '../../src/messaging/recall-handle.ts'
import { formatReceipt, parseReceipt } from '../../src/messaging/receipt-handle.ts'
import { compileSubscription } from '../../src/messaging/subscription-expression.ts'
import { DIR, ownStore } from '../crash/bad-bytes/full-store.ts'

/** One decoder. */
export type Decoder = {
  readonly isText: boolean
  /** Inputs that are as they should be. */
  readonly sound: readonly Buffer[]
  decode(bytes: Buffer): unknown
}

/** So far a compressed body may expand. */
const BODY_BYTES_MAX = 1 << 20
const NO_CHECKS = { body: false, record: 'ignore', position: false } as const
const CHECKED = { body: true, record: 'present', position: false } as const

/** All of them, by name. */
export async function allDecoders(): Promise<Readonly<Record<string, Decoder>>> {
  const disk = await ownStore()
  const filesOf = (pattern: RegExp, bytesMax = 8192): Buffer[] =>
    disk
      .paths()
      .filter(path => pattern.test(path.slice(DIR.length + 1)))
      .map(path => disk.contentOf(path).subarray(0, bytesMax))
  return { ...logDecoders(), ...fileDecoders(filesOf), ...jsonDecoders(filesOf), ...bodyDecoders(), ...textDecoders() }
}

function logDecoders(): Record<string, Decoder> {
  const corpus = JSON.parse(readFileSync('data/corpus/records.json', 'utf8')) as readonly { readonly record: string }[]
  const records = corpus.map(({ record }) => Buffer.from(record, 'hex'))
  return {
    record: binary(records, decodeWholeRecord),
    'record-walk': binary([Buffer.concat(records.slice(0, 6))], walkRecords),
    'batch-body': binary([batchOf(3), batchOf(1)], decodeBatchBody),
    'consume-queue-entry': binary([Buffer.alloc(20, 1)], bytes => {
      const view = viewOf(bytes)
      for (let at = 0; at + 20 <= bytes.length; at += 20)
        if (isConsumeQueueEntry(view, at) && !isPreBlankEntry(view, at)) readConsumeQueueEntry(view, at)
    }),
    'batch-consume-queue-entry': binary([Buffer.alloc(46, 1)], bytes =>
      bytes.length >= 46 ? readBatchConsumeQueueEntry(viewOf(bytes), 0) : undefined,
    ),
  }
}

type JavaFrame = { readonly type: string; readonly frame: string }

type FilesOf = (pattern: RegExp, bytesMax?: number) => Buffer[]

function fileDecoders(filesOf: FilesOf): Record<string, Decoder> {
  return {
    'index-header': binary(filesOf(/^index\//, 400), bytes => {
      const sizes = { slots: 20, entries: 60 }
      return bytes.length >= 40 ? [readIndexHeader(viewOf(bytes), 0), readIndexHeader(viewOf(bytes), 0, sizes)] : []
    }),
    'index-entry': binary(
      filesOf(/^index\//, 400).map(bytes => bytes.subarray(120)),
      bytes => (bytes.length >= 20 ? readIndexEntry(viewOf(bytes), 0, 1) : undefined),
    ),
    checkpoint: binary(filesOf(/^checkpoint$/, 64), decodeCheckpoint),
    'own-file': binary(filesOf(/^pocketmq\/(timers|delays|closed)$/), bytes => decodeOwnFile(bytes, 'fuzz')),
    'state-page': binary(filesOf(/^pocketmq\/state$/), bytes => decodeStatePage(bytes)),
    tombstones: binary(filesOf(/^pocketmq\/tombstones$/), bytes => decodeStateLists(bytes)),
    'offset-log': binary(filesOf(/^pocketmq\/offsets\/\d+$/), bytes => decodeOffsetLog(bytes)),
    'pending-timers': binary(filesOf(/^pocketmq\/timers$/), bytes => decodePendingTimers(bytes)),
    'timer-check': binary(filesOf(/^config\/timercheck$/, 64), bytes => decodeTimerCheck(bytes)),
    'timer-log': binary(filesOf(/^timerlog\//, 512), bytes => {
      for (let at = 0; at + 52 <= bytes.length; at += 52)
        if (readTimerLogUnit(viewOf(bytes), at, at) === undefined) timerLogFillerBytes(viewOf(bytes), at)
    }),
    'timer-wheel': binary([Buffer.alloc(32, 1)], bytes =>
      bytes.length >= 32 ? readTimerSlot(viewOf(bytes), 0) : undefined,
    ),
  }
}

function jsonDecoders(filesOf: FilesOf): Record<string, Decoder> {
  return {
    'topics-json': text(filesOf(/^config\/topics\.json$/), bytes => decodeTopics(bytes)),
    'subscription-group-json': text(filesOf(/^config\/subscriptionGroup\.json$/), decodeSubscriptionGroups),
    'consumer-offset-json': text(filesOf(/^config\/consumerOffset\.json$/), decodeConsumerOffsets),
    'delay-offset-json': text(filesOf(/^config\/delayOffset\.json$/), decodeDelayOffsets),
    'groups-json': text(filesOf(/^pocketmq\/groups\.json$/), decodeGroups),
    'loose-json': text([Buffer.from('{1:{"a":[1,-2.5e3,null,true,"\\u00e9"]}}')], json => parseLooseJson(json, 'fuzz')),
  }
}

function bodyDecoders(): Record<string, Decoder> {
  const body = Buffer.from('order zażółć 商品 '.repeat(60))
  const javas = (type: string): Buffer[] =>
    (JSON.parse(readFileSync('data/corpus/compressed.json', 'utf8')) as readonly JavaFrame[])
      .filter(one => one.type === type)
      .map(({ frame }) => Buffer.from(frame, 'hex'))
  const expand = (type: 'zlib' | 'lz4' | 'zstd') => (bytes: Buffer) =>
    within(decompressBody(bytes, compressionFlags(type), BODY_BYTES_MAX))
  return {
    zlib: binary([compressBody(body, 'zlib', 5)], expand('zlib')),
    lz4: binary([compressBody(body, 'lz4', 0), ...javas('lz4')], expand('lz4')),
    zstd: binary(javas('zstd'), expand('zstd')),
    'zstd-frame': binary(javas('zstd'), bytes => {
      const read = readZstdFrame(bytes, BODY_BYTES_MAX)
      return typeof read === 'string' ? read : within(read)
    }),
  }
}

function textDecoders(): Record<string, Decoder> {
  const receipt = { startOffset: 1, popTimeMs: 2, invisibleMs: 3, reviveQueueId: 4, topicType: 1 } as const
  const handles = [formatReceipt({ ...receipt, brokerName: 'b', queueId: 5, queueOffset: 6 })]
  const recall = formatRecallHandle({ topic: 't', brokerName: 'b', deliverAtMs: 1_700_000_000_000, uniqueKey: 'u' })
  const record = JSON.parse(readFileSync('data/corpus/records.json', 'utf8')) as readonly { readonly record: string }[]
  const message = new StoredMessage(Buffer.from(record[0]?.record ?? '', 'hex'))
  return {
    properties: text(asBuffers(['TAGS\u0001red\u0002KEYS\u0001a b\u0002']), one => [
      decodeProperties(one),
      parseProperties(one),
      propertyValue(one, 'TAGS'),
    ]),
    'dispatch-scan': binary(asBuffers(['TAGS\u0001red\u0002KEYS\u0001a b\u0002UNIQ_KEY\u0001x\u0002']), bytes =>
      new DispatchScan().scan(bytes, 0, bytes.length, 17),
    ),
    'op-message': binary(asBuffers(['1,2,3,', '99,']), opQueueOffsets),
    'recall-handle': text(asBuffers([recall]), parseRecallHandle),
    receipt: text(asBuffers(handles), parseReceipt),
    'message-id': text(asBuffers(['7F0000010000000000000000000001F4']), parseOffsetMessageId),
    tags: text(asBuffers(['red || green', '*', 'a||b']), tag => compileSubscription({ tag }).canonical),
    sql: text(
      asBuffers([
        "a > 1 AND (b = 'x' OR b NOT IN ('y', 'z'))",
        'a BETWEEN 1 AND 2.5e1 OR b IS NOT NULL',
        "b CONTAINS 'x'",
      ]),
      sql => compileSubscription({ sql }).matches(message),
    ),
  }
}

/** Every field is looked at: some are decoded when they are asked for. */
function decodeWholeRecord(bytes: Buffer): unknown {
  for (const checks of [NO_CHECKS, CHECKED]) {
    const cursor = new RecordCursor()
    if (cursor.read(bytes, viewOf(bytes), 0, bytes.length, 0, checks) !== 'record') continue
    if (cursor.sizeBytes > bytes.length) throw new Error('a record is longer than its bytes')
    lookAt(new StoredMessage(bytes.subarray(0, cursor.sizeBytes)))
  }
  return decodeRecord(bytes)
}

function lookAt(message: StoredMessage): void {
  const names = Object.entries(Object.getOwnPropertyDescriptors(StoredMessage.prototype))
  for (const [name, { get }] of names) if (get !== undefined) Reflect.get(message, name)
  message.property('TAGS')
  if (isInnerBatch(message)) unwrapInnerBatch(message)
}

function walkRecords(bytes: Buffer): number {
  const cursor = new RecordCursor()
  let at = 0
  for (let steps = 0; at < bytes.length; steps++) {
    if (steps > bytes.length) throw new Error('the walk does not get on')
    const outcome = cursor.read(bytes, viewOf(bytes), at, bytes.length, at, NO_CHECKS)
    if (outcome === 'short') break
    const step = outcome === 'record' ? cursor.sizeBytes : outcome === 'filler' ? cursor.fillerBytes : 1
    if (!(step > 0)) throw new Error(`a ${outcome} of ${step} bytes`)
    at += step
  }
  return at
}

function within(expanded: Buffer): number {
  if (expanded.length > BODY_BYTES_MAX) throw new Error(`expanded to ${expanded.length} bytes`)
  return expanded.length
}

function binary(sound: readonly Buffer[], decode: (bytes: Buffer) => unknown): Decoder {
  return { isText: false, sound, decode }
}

function text(sound: readonly Buffer[], decode: (text: string) => unknown): Decoder {
  return { isText: true, sound, decode: bytes => decode(bytes.toString('utf8')) }
}

function asBuffers(texts: readonly string[]): Buffer[] {
  return texts.map(one => Buffer.from(one))
}

function batchOf(count: number): Buffer {
  const one = Buffer.alloc(26)
  one.writeInt32BE(26, 0)
  one.writeInt32BE(4, 16)
  one.write('body', 20)
  return Buffer.concat(Array.from({ length: count }, () => one))
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}
