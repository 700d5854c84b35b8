import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeBatchBody, encodeBatchBody, isInnerBatch, unwrapInnerBatch } from '../../src/codec/batch-body.ts'
import { decodeProperties } from '../../src/codec/properties.ts'
import { decodeRecord } from '../../src/codec/record-view.ts'
import { BODY_CHECK, CORPUS, encodeOne, readOne } from './records.ts'

const CORRUPT = expect.objectContaining({ code: 'POCKETMQ_CORRUPT' })
const MESSAGES = [
  { flag: 7, body: Buffer.from('one'), properties: { TAGS: 'a', KEYS: 'k1' } },
  { body: Buffer.alloc(0) },
  { flag: -1, body: Buffer.from('three'), properties: { é: 'ü' } },
]

const innerBatch = CORPUS.find(({ expected }) => expected.sysFlag === 0xc0)

describe('a batch body', () => {
  it('is laid out as a RocketMQ client lays it out', () => {
    expect(encodeBatchBody([{ flag: 7, body: Buffer.from('Hi'), properties: { a: 'b' } }]).toString('hex')).toBe(
      '0000001c' + '00000000' + '00000000' + '00000007' + '00000002' + '4869' + '0004' + '61016202',
    )
  })

  it('gives back its messages', () => {
    const elements = decodeBatchBody(encodeBatchBody(MESSAGES))
    expect(elements.map(({ flag }) => flag)).toEqual([7, 0, -1])
    expect(elements.map(({ body }) => body.toString())).toEqual(['one', '', 'three'])
    expect(elements.map(({ properties }) => decodeProperties(properties.toString()))).toEqual([
      { TAGS: 'a', KEYS: 'k1' },
      {},
      { é: 'ü' },
    ])
    expect(decodeBatchBody(Buffer.alloc(0))).toEqual([])
  })

  it('cut anywhere but between messages is CORRUPT', () => {
    const batch = encodeBatchBody(MESSAGES)
    const ends = new Set([0])
    for (let at = 0; at < batch.length; ends.add(at)) at += batch.readInt32BE(at)
    for (let length = 0; length < batch.length; length++) {
      const cut = Buffer.from(batch.subarray(0, length))
      if (ends.has(length)) expect(decodeBatchBody(cut).length).toBe([...ends].indexOf(length))
      else expect(() => decodeBatchBody(cut), `${length} bytes`).toThrow(CORRUPT)
    }
  })

  it('of any bytes is CORRUPT or messages that fill it exactly', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 80 }).map(array => Buffer.from(array)),
      fc.tuple(fc.nat(encodeBatchBody(MESSAGES).length - 1), fc.nat(255)).map(([at, value]) => {
        const batch = encodeBatchBody(MESSAGES)
        batch[at] = value
        return batch
      }),
    )
    fc.assert(
      fc.property(bytes, batch => {
        let elements: ReturnType<typeof decodeBatchBody>
        try {
          elements = decodeBatchBody(batch)
        } catch (error) {
          expect(error).toEqual(CORRUPT)
          return
        }
        const lengths = elements.map(({ body, properties }) => 22 + body.length + properties.length)
        expect(lengths.reduce((sum, length) => sum + length, 0)).toBe(batch.length)
      }),
      { numRuns: 800 },
    )
  })

  it('with properties that cannot be stored is refused', () => {
    expect(() => encodeBatchBody([{ body: Buffer.alloc(1), properties: { a: '\u0002' } }])).toThrow(
      expect.objectContaining({ code: 'POCKETMQ_INVALID_ARGUMENT' }),
    )
    expect(() => encodeBatchBody([{ body: Buffer.alloc(1), properties: { a: 'x'.repeat(32_767) } }])).toThrow(
      expect.objectContaining({ code: 'POCKETMQ_MESSAGE_TOO_LARGE' }),
    )
  })
})

describe('an inner batch that RocketMQ wrote', () => {
  const batch = decodeRecord(Buffer.from(innerBatch?.record ?? '', 'hex'))

  it('unwraps to its messages, each a record at a queueOffset of its own', () => {
    const messages = unwrapInnerBatch(batch)
    expect(isInnerBatch(batch)).toBe(true)
    expect(messages).toHaveLength(5)
    for (const [i, message] of messages.entries()) {
      expect(readOne(message.record, BODY_CHECK)).toBe('record')
      expect(message.queueOffset).toBe(batch.queueOffset + i)
      expect([message.topic, message.queueId, message.physicalOffset]).toEqual([
        batch.topic,
        batch.queueId,
        batch.physicalOffset,
      ])
      expect([message.bornHost, message.storeHost, message.storeTimestamp]).toEqual([
        batch.bornHost,
        batch.storeHost,
        batch.storeTimestamp,
      ])
      expect([message.sysFlag, isInnerBatch(message)]).toEqual([0, false])
      expect(message.uniqueKey).toMatch(/^[0-9A-F]{32}$/)
      expect(message.property('INNER_NUM')).toBeUndefined()
    }
    expect(Buffer.concat(messages.map(({ body }) => body)).length).toBeGreaterThan(0)
  })

  it('that says another number of messages than it holds is CORRUPT', () => {
    const record = encodeOne({
      topic: 'orders',
      queueId: 0,
      body: encodeBatchBody(MESSAGES),
      sysFlag: 0xc0,
      properties: { INNER_NUM: '4', INNER_BASE: '12' },
    })
    expect(() => unwrapInnerBatch(decodeRecord(record))).toThrow(CORRUPT)
  })
})

describe('unwrapping', () => {
  it('leaves a message that is no batch alone', () => {
    const message = decodeRecord(encodeOne({ topic: 'orders', queueId: 0, body: Buffer.from('x') }))
    expect(unwrapInnerBatch(message)).toEqual([message])
  })

  it('works with IPv6 hosts and a topic of version 2', () => {
    const topic = 't'.repeat(200)
    const record = encodeOne(
      {
        topic,
        queueId: 3,
        body: encodeBatchBody(MESSAGES),
        sysFlag: 0xc0,
        bornHost: '[::1]:5',
        properties: { INNER_NUM: '3', INNER_BASE: '12' },
      },
      { storeHost: '[2001:db8::1]:10911' },
    )
    const messages = unwrapInnerBatch(decodeRecord(record))
    expect(messages.map(({ record: whole }) => readOne(whole, BODY_CHECK))).toEqual(['record', 'record', 'record'])
    expect(messages.map(({ queueOffset }) => queueOffset)).toEqual([12, 13, 14])
    expect(messages.map(message => [message.topic, message.flag, message.tag, message.body.toString()])).toEqual([
      [topic, 7, 'a', 'one'],
      [topic, 0, undefined, ''],
      [topic, -1, undefined, 'three'],
    ])
  })
})
