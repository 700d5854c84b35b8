import { describe, expect, it } from 'vitest'
import { RecordCursor } from '../../src/codec/record-cursor.ts'
import { decodeRecord } from '../../src/codec/record-view.ts'
import { tagsCodeOf } from '../../src/codec/tags-code.ts'
import type { CorpusRecord } from './records.ts'
import { BODY_CHECK, CORPUS, encodeOne, fieldsOf, readOne } from './records.ts'

/** FORMAT section 23, written by RocketMQ 5.3.3. */
const FIRST_VECTOR = [
  '000000a9daa320a75afb4e2000000000000000070000000000000000000000000000000000000000',
  '0000018bcfe5687b0a0102030000d431000001a1fcbcadde7f00000100002a9f000000000000000000000000',
  '0000000748656c6c6f2d3009546f70696354657374003e',
  '4b455953016b65793002',
  '554e49515f4b455901374630303030303130303031303030303030303030303030303030303030303002',
  '544147530154616741 02'.replace(' ', ''),
].join('')

describe('the record of the golden vectors', () => {
  const record = Buffer.from(FIRST_VECTOR, 'hex')

  it('has 91 bytes and its body, topic and properties', () => {
    expect(record.length).toBe(91 + 7 + 9 + 62)
    expect(readOne(record, BODY_CHECK)).toBe('record')
  })

  it('is what the encoder writes', () => {
    const fields = {
      topic: 'TopicTest',
      queueId: 0,
      body: Buffer.from('Hello-0'),
      properties: { KEYS: 'key0', UNIQ_KEY: `7F0000010001${'0'.repeat(20)}`, TAGS: 'TagA' },
      flag: 7,
      bornTimestamp: 1_700_000_000_123,
      bornHost: '10.1.2.3:54321',
    }
    const written = encodeOne(fields, { recordCrc: false }, { storeTimestamp: 0x1a1fcbcadde })
    expect(written.toString('hex')).toBe(FIRST_VECTOR)
  })

  it('has the tag hash of its consume-queue entry', () => {
    expect(decodeRecord(record).tagsCode).toBe(0x27a807)
    expect(tagsCodeOf('TagB')).toBe(0x27a808)
  })
})

const shown = ({ record }: CorpusRecord): Readonly<Record<string, unknown>> => {
  const message = decodeRecord(Buffer.from(record, 'hex'))
  return {
    msgTopic: message.topic,
    msgQueueId: message.queueId,
    msgQueueOffset: message.queueOffset,
    commitLogOffset: message.physicalOffset,
    storeSize: message.sizeBytes,
    magic: (message.magic >>> 0).toString(16),
    sysFlag: message.sysFlag,
    flag: message.flag,
    bodyCRC: message.bodyCrc,
    reconsumeTimes: message.reconsumeTimes,
    preparedTransactionOffset: message.preparedTransactionOffset,
    bornTimestamp: message.bornTimestamp,
    bornHost: message.bornHost,
    storeTimestamp: message.storeTimestamp,
    storeHost: message.storeHost,
    offsetMsgId: message.offsetMessageId,
    properties: message.properties,
    propertiesString: message.propertiesText,
    bodyLen: message.bodyBytes,
  }
}

describe.each(CORPUS)('$name, written by RocketMQ 5.5.0', corpus => {
  const { record, expected, tagsCode } = corpus
  const bytes = Buffer.from(record, 'hex')

  it('reads as RocketMQ reads it', () => {
    const {
      body,
      bodySha1: _bodySha1,
      rawSha1: _rawSha1,
      ...fields
    } = expected as typeof expected & {
      bodySha1: string
      rawSha1: string
    }
    expect(shown(corpus)).toEqual(fields)
    const stored = decodeRecord(bytes).body.toString('base64')
    // RocketMQ's own dump leaves out the body of an inner batch.
    expect(body ?? stored).toBe(stored)
  })

  it('has the tagsCode that RocketMQ put into its queue', () => {
    const cursor = new RecordCursor()
    readOne(bytes, BODY_CHECK, cursor)
    expect([cursor.tagsCode, decodeRecord(bytes).tagsCode]).toEqual([tagsCode, tagsCode])
  })

  it('shows the same to the cursor and to the message', () => {
    const cursor = new RecordCursor()
    expect(readOne(bytes, BODY_CHECK, cursor)).toBe('record')
    const message = decodeRecord(bytes)
    for (const field of [
      ...(['sizeBytes', 'magic', 'bodyCrc', 'queueId', 'flag', 'queueOffset', 'physicalOffset', 'sysFlag'] as const),
      ...(['bornTimestamp', 'storeTimestamp', 'reconsumeTimes', 'preparedTransactionOffset'] as const),
      ...(['bodyBytes', 'topic', 'body'] as const),
    ]) {
      expect(cursor[field], field).toEqual(message[field])
    }
    expect(cursor.properties).toBe(message.propertiesText)
  })

  it('is written again byte for byte', () => {
    const message = decodeRecord(bytes)
    const { storeHost, propertiesText } = message
    const recordCrc = message.property('__CRC32#') !== undefined
    const again = encodeOne(fieldsOf(message), { storeHost, recordCrc }, message)
    if (propertiesText.includes('\u0001\u0002')) {
      // A property without a value: readers drop it, so it cannot be written again.
      expect(decodeRecord(again).properties).toEqual(message.properties)
    } else {
      expect(again.toString('hex')).toBe(record)
    }
  })
})
