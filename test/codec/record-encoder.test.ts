import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PocketMQError } from '../../src/base/errors.ts'
import { isStorable } from '../../src/codec/properties.ts'
import { ALL_CHECKS } from '../../src/codec/record-cursor.ts'
import { RecordEncoder } from '../../src/codec/record-encoder.ts'
import type { RecordFields } from '../../src/codec/record-fields.ts'
import { BODY_BYTES_MAX, PROPERTIES_BYTES_MAX } from '../../src/codec/record-fields.ts'
import { decodeRecord } from '../../src/codec/record-view.ts'
import { ENCODER_OPTIONS, encodeOne, fieldsOf, readOne, viewOf } from './records.ts'

const I32_MAX = 2 ** 31 - 1
const ORDINARY: RecordFields = { topic: 'orders', queueId: 0, body: Buffer.from('x') }

const topics = fc.stringMatching(/^[%|a-zA-Z0-9_-]{1,255}$/)
const storable = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }).filter(isStorable)
const properties = fc.dictionary(
  storable.filter(name => name !== '__CRC32#' && name !== 'PMQ_UNIT'),
  storable,
  { maxKeys: 12 },
)
const i32 = fc.integer({ min: -(2 ** 31), max: I32_MAX })
const safe = fc.maxSafeNat()
const ports = fc.integer({ min: 0, max: 65_535 })
const hosts = fc.oneof(
  fc.tuple(fc.ipV4(), ports).map(([address, port]) => `${address}:${port}`),
  fc
    .tuple(fc.array(fc.integer({ min: 0, max: 65_535 }), { minLength: 8, maxLength: 8 }), ports)
    .map(([groups, port]) => {
      return `${groups.map(group => group.toString(16)).join(':')}:${port}`
    }),
)
const anyFields: fc.Arbitrary<Required<RecordFields>> = fc.record({
  topic: topics,
  queueId: fc.nat(I32_MAX),
  body: fc.uint8Array({ maxLength: 600 }).map(bytes => Buffer.from(bytes)),
  properties,
  flag: i32,
  sysFlag: i32.map(bits => bits & ~0x30),
  bornTimestamp: safe,
  bornHost: hosts,
  reconsumeTimes: i32,
  preparedTransactionOffset: safe,
})

function refusal(fields: unknown, options = {}): { code: string; details: Readonly<Record<string, unknown>> } {
  try {
    encodeOne(fields as RecordFields, options)
  } catch (error) {
    if (error instanceof PocketMQError) return { code: error.code.replace('POCKETMQ_', ''), details: error.details }
    throw error
  }
  throw new Error('was not refused')
}

describe('a record', () => {
  it('reads back as it was given', () => {
    fc.assert(
      fc.property(
        anyFields,
        hosts,
        safe,
        safe,
        safe,
        fc.boolean(),
        (fields, storeHost, queueOffset, physicalOffset, storeTimestamp, recordCrc) => {
          const place = { queueOffset, physicalOffset, storeTimestamp }
          const record = encodeOne(fields, { storeHost, recordCrc }, place)
          const checks = { ...ALL_CHECKS, position: false, record: recordCrc ? 'required' : 'ignore' } as const
          expect(readOne(record, checks)).toBe('record')
          const message = decodeRecord(record)
          const { '__CRC32#': crc, ...stored } = message.properties
          const { sysFlag, body, ...others } = fieldsOf(message)
          expect({ ...others, properties: stored }).toEqual({ ...fields, sysFlag: undefined, body: undefined })
          expect(sysFlag).toBe(
            fields.sysFlag | (fields.bornHost.includes('.') ? 0 : 0x10) | (storeHost.includes('.') ? 0 : 0x20),
          )
          expect(Buffer.compare(body, fields.body)).toBe(0)
          expect(crc !== undefined).toBe(recordCrc)
          expect({ queueOffset: message.queueOffset, physicalOffset: message.physicalOffset }).toEqual({
            queueOffset,
            physicalOffset,
          })
          expect([message.storeTimestamp, message.storeHost]).toEqual([storeTimestamp, storeHost])
        },
      ),
    )
  })

  it('is of version 2 exactly where the topic is longer than 127', () => {
    const magicOf = (length: number): string =>
      encodeOne({ ...ORDINARY, topic: 't'.repeat(length) }).toString('hex', 4, 8)
    expect([1, 127, 128, 255].map(magicOf)).toEqual(['daa320a7', 'daa320a7', 'daa320ab', 'daa320ab'])
  })

  it('keeps the order of its properties, with the CRC last', () => {
    const record = encodeOne({ ...ORDINARY, properties: { b: '1', a: '2', é: '3' } }, {}, {}, { index: 2, count: 3 })
    const text = decodeRecord(record).propertiesText
    const [b, a, é, unit, crc] = text.split('\u0002')
    expect([b, a, é, unit]).toEqual(['b\u00011', 'a\u00012', 'é\u00013', 'PMQ_UNIT\u00012/3'])
    expect([crc?.length, text.indexOf('__CRC32#')]).toEqual([19, text.length - 20])
  })

  it('never takes over a CRC or a place in a unit from the message it is made of', () => {
    const stale = { a: '1', '__CRC32#': '0000000000', PMQ_UNIT: '1/9', b: '2' }
    const plain = encodeOne({ ...ORDINARY, properties: stale }, { recordCrc: false })
    expect(decodeRecord(plain).properties).toEqual({ a: '1', b: '2' })
    expect(readOne(encodeOne({ ...ORDINARY, properties: stale }), ALL_CHECKS)).toBe('record')
  })

  it('is born when it is stored, and at the store, unless its message says otherwise', () => {
    const message = decodeRecord(encodeOne(ORDINARY, {}, { storeTimestamp: 1_234 }))
    expect([message.bornTimestamp, message.bornHost]).toEqual([1_234, '127.0.0.1:10911'])
  })

  it('may have an empty body, whose CRC is 0', () => {
    const message = decodeRecord(encodeOne({ ...ORDINARY, body: new Uint8Array(0) }))
    expect([message.bodyBytes, message.bodyCrc]).toEqual([0, 0])
  })

  it('sets the host bits of sysFlag itself', () => {
    expect(decodeRecord(encodeOne({ ...ORDINARY, sysFlag: 0x30 | 0x8 })).sysFlag).toBe(0x8)
    expect(decodeRecord(encodeOne({ ...ORDINARY, sysFlag: 0x8, bornHost: '[::1]:1' })).sysFlag).toBe(0x18)
  })

  it('takes its body at encode and refers to nothing of the message afterwards', () => {
    const body = Buffer.from('before')
    const record = encodeOne({ ...ORDINARY, body })
    body.write('after!')
    expect(decodeRecord(record).body.toString()).toBe('before')
  })
})

describe('an encoder', () => {
  const encoder = new RecordEncoder(ENCODER_OPTIONS)
  const encode = (fields: RecordFields): Buffer => {
    const record = Buffer.alloc(encoder.prepare(fields))
    encoder.encode(record, viewOf(record), 0, 1, 2, 3)
    return record
  }

  it('writes each of many different messages as a new encoder would', () => {
    fc.assert(
      fc.property(fc.array(anyFields, { maxLength: 8 }), messages => {
        for (const fields of [...messages, ...messages]) {
          const alone = encodeOne(fields, {}, { queueOffset: 1, physicalOffset: 2, storeTimestamp: 3 })
          expect(encode(fields).equals(alone)).toBe(true)
        }
      }),
      { numRuns: 40 },
    )
  })

  it('copies what the message before had too, and only that', () => {
    const value = fc.constantFrom('a', 'ab', 'é', 'x'.repeat(23), 'x'.repeat(24), 'x'.repeat(25), 'y'.repeat(24))
    const name = fc.constantFrom('a', 'b', 'a long name', 'é', '__CRC32#', 'PMQ_UNIT')
    const messages = fc.array(fc.dictionary(name, value, { maxKeys: 5 }), { maxLength: 30 })
    fc.assert(
      fc.property(messages, sequence => {
        for (const given of sequence.flatMap(one => [one, one, { ...one }])) {
          const stored = decodeRecord(encode({ ...ORDINARY, properties: given })).properties
          const { '__CRC32#': _stale, PMQ_UNIT: _place, ...expected } = given
          expect({ ...stored, '__CRC32#': undefined }).toEqual(expected)
        }
      }),
    )
  })

  it('writes more properties than it compares with those before', () => {
    const many = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`name-${i}`, `value-${i % 3}`]))
    for (const given of [many, many, { other: 'x', ...many }, many]) {
      expect(decodeRecord(encode({ ...ORDINARY, properties: given })).properties).toMatchObject(given)
    }
  })

  it('takes only properties of the object itself', () => {
    const inherited = Object.create({ inherited: 'x' }, { own: { value: 'y', enumerable: true } })
    const stored = decodeRecord(encodeOne({ ...ORDINARY, properties: inherited }, { recordCrc: false }))
    expect(stored.properties).toEqual({ own: 'y' })
  })

  it('says the size before it writes, and writes nothing beyond', () => {
    const fields = { ...ORDINARY, properties: { TAGS: 'a', 漢字: 'ü' } }
    const sizeBytes = encoder.prepare(fields)
    const bytes = Buffer.alloc(sizeBytes + 20, 0xaa)
    encoder.encode(bytes, viewOf(bytes), 10, 0, 0, 0)
    expect(bytes.subarray(0, 10).equals(Buffer.alloc(10, 0xaa))).toBe(true)
    expect(bytes.subarray(-10).equals(Buffer.alloc(10, 0xaa))).toBe(true)
    expect(decodeRecord(bytes.subarray(10, 10 + sizeBytes)).sizeBytes).toBe(sizeBytes)
  })

  it('writes the same prepared message to several places', () => {
    const sizeBytes = encoder.prepare(ORDINARY)
    const bytes = Buffer.alloc(2 * sizeBytes)
    encoder.encode(bytes, viewOf(bytes), 0, 5, 100, 9)
    encoder.encode(bytes, viewOf(bytes), sizeBytes, 6, 200, 9)
    expect(decodeRecord(bytes.subarray(0, sizeBytes)).queueOffset).toBe(5)
    expect(decodeRecord(bytes.subarray(sizeBytes)).queueOffset).toBe(6)
  })

  it('has nothing to write after a message that it refused', () => {
    encoder.prepare(ORDINARY)
    expect(() => encoder.prepare({ ...ORDINARY, queueId: -1 })).toThrow()
    const bytes = Buffer.alloc(500)
    expect(() => encoder.encode(bytes, viewOf(bytes), 0, 0, 0, 0)).toThrow('prepared')
  })

  it('goes on with the topics, names and hosts it knows after refusing a message', () => {
    const before = encode({ ...ORDINARY, properties: { a: '1', b: '2' } })
    expect(() => encoder.prepare({ ...ORDINARY, topic: 'no topic', properties: { b: '1' } })).toThrow()
    expect(() => encoder.prepare({ ...ORDINARY, properties: { b: '1', c: '\u0001' } })).toThrow()
    expect(() => encoder.prepare({ ...ORDINARY, bornHost: 'nowhere' })).toThrow()
    expect(encode({ ...ORDINARY, properties: { a: '1', b: '2' } }).equals(before)).toBe(true)
  })
})

describe('a message is refused with INVALID_ARGUMENT and the name of the field', () => {
  it.each<[string, string, object]>([
    ['an empty topic', 'topic', { topic: '' }],
    ['a topic that leads elsewhere', 'topic', { topic: '../config' }],
    ['a topic with a space', 'topic', { topic: 'my orders' }],
    ['a topic of other letters', 'topic', { topic: 'zamówienia' }],
    ['a topic of 256 characters', 'topic', { topic: 't'.repeat(256) }],
    ['no topic', 'topic', { topic: undefined }],
    ['no body', 'body', { body: undefined }],
    ['a string as body', 'body', { body: 'text' }],
    ['a negative queueId', 'queueId', { queueId: -1 }],
    ['half a queueId', 'queueId', { queueId: 0.5 }],
    ['a queueId beyond 32 bits', 'queueId', { queueId: 2 ** 31 }],
    ['a queueId that is NaN', 'queueId', { queueId: Number.NaN }],
    ['a queueId as text', 'queueId', { queueId: '1' }],
    ['a flag beyond 32 bits', 'flag', { flag: 2 ** 31 }],
    ['a sysFlag beyond 32 bits', 'sysFlag', { sysFlag: 2 ** 32 }],
    ['reconsumeTimes beyond 32 bits', 'reconsumeTimes', { reconsumeTimes: -(2 ** 31) - 1 }],
    ['an unsafe preparedTransactionOffset', 'preparedTransactionOffset', { preparedTransactionOffset: 2 ** 53 }],
    ['an unsafe bornTimestamp', 'bornTimestamp', { bornTimestamp: Number.POSITIVE_INFINITY }],
    ['a host by name', 'host', { bornHost: 'localhost:1' }],
    ['no host', 'host', { bornHost: '' }],
    ['a host that is no text', 'bornHost', { bornHost: 7 }],
    ['a property with U+0001 in its name', 'properties', { properties: { 'a\u0001': '1' } }],
    ['a property with U+0002 in its name', 'properties', { properties: { 'a\u0002': '1' } }],
    ['a property with U+0001 in its value', 'properties', { properties: { a: 'x\u0001' } }],
    ['a property with U+0002 in its value', 'properties', { properties: { a: 'é\u0002' } }],
    ['a property with half a surrogate pair in its name', 'properties', { properties: { '\ud800': '1' } }],
    ['a property that ends in half a surrogate pair', 'properties', { properties: { a: 'x\ud83d' } }],
    ['a property with the wrong half of a pair', 'properties', { properties: { a: '\ude00\ud83d' } }],
    ['a property without a name', 'properties', { properties: { '': '1' } }],
    ['a property without a value, which readers would drop', 'properties', { properties: { a: '' } }],
    ['a property that is no text', 'properties', { properties: { a: 1 } }],
  ])('for %s', (_what, field, fields) => {
    expect(refusal({ ...ORDINARY, ...fields })).toMatchObject({ code: 'INVALID_ARGUMENT', details: { field } })
  })
})

describe('a message is too large', () => {
  it('with a body of one byte more than the limit, and not with one of exactly that', () => {
    expect(encodeOne({ ...ORDINARY, body: Buffer.alloc(BODY_BYTES_MAX) }).length).toBeGreaterThan(BODY_BYTES_MAX)
    expect(refusal({ ...ORDINARY, body: Buffer.alloc(BODY_BYTES_MAX + 1) })).toEqual({
      code: 'MESSAGE_TOO_LARGE',
      details: { field: 'body', limit: BODY_BYTES_MAX, actual: BODY_BYTES_MAX + 1 },
    })
  })

  it.each<[string, boolean, { index: number; count: number } | undefined, number]>([
    ['properties', false, undefined, 0],
    ['properties and a record CRC', true, undefined, 20],
    ['properties, a place in a unit and a record CRC', true, { index: 1, count: 2 }, 33],
  ])('with one byte of %s more than the format can say', (_what, recordCrc, unit, reserved) => {
    const fits = {
      ...ORDINARY,
      properties: { a: 'é'.repeat(100), n: 'x'.repeat(PROPERTIES_BYTES_MAX - reserved - 206) },
    }
    const record = encodeOne(fits, { recordCrc }, {}, unit)
    expect(Buffer.byteLength(decodeRecord(record).propertiesText)).toBe(PROPERTIES_BYTES_MAX)
    const more = { ...fits, properties: { ...fits.properties, n: `${fits.properties.n}x` } }
    expect(() => encodeOne(more, { recordCrc }, {}, unit)).toThrow(
      expect.objectContaining({
        code: 'POCKETMQ_MESSAGE_TOO_LARGE',
        details: expect.objectContaining({ field: 'properties' }),
      }),
    )
  })

  it('with names or values of any length, before they are written anywhere', () => {
    const long = '漢'.repeat(1_000_000)
    expect(refusal({ ...ORDINARY, properties: { a: 'x'.repeat(32_000), b: long } }).code).toBe('MESSAGE_TOO_LARGE')
    expect(refusal({ ...ORDINARY, properties: { [long]: 'x' } }).code).toBe('MESSAGE_TOO_LARGE')
    expect(refusal({ ...ORDINARY, properties: { a: 'x'.repeat(32_000), b: '漢'.repeat(32_000) } }).code).toBe(
      'MESSAGE_TOO_LARGE',
    )
  })
})
