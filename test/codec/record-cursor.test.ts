import { describe, expect, it } from 'vitest'
import { isErrorNamed } from '../../src/base/errors.ts'
import { crc32 } from '../../src/codec/crc.ts'
import type { RecordChecks } from '../../src/codec/record-cursor.ts'
import { ALL_CHECKS, RecordCursor } from '../../src/codec/record-cursor.ts'
import { writeFiller } from '../../src/codec/record-layout.ts'
import { decodeRecord, StoredMessage } from '../../src/codec/record-view.ts'
import { BODY_CHECK, CORPUS, CORPUS_WITH_CRC, encodeOne, NO_CHECKS, readOne, viewOf } from './records.ts'

const WITH_RECORD_CRC: RecordChecks = { body: true, record: 'required', position: false }

const ordinary = (properties: Readonly<Record<string, string>> = { TAGS: 'paid' }): Buffer =>
  encodeOne({ topic: 'orders', queueId: 1, body: Buffer.from('forty-two'), properties })

function corruptCode(work: () => unknown): string {
  try {
    work()
    return 'no error'
  } catch (error) {
    return isErrorNamed(error, 'CORRUPT') ? 'CORRUPT' : String(error)
  }
}

describe('every truncation of a record', () => {
  it.each(CORPUS)('of $name is short, and decodes to a typed error', ({ record }) => {
    const bytes = Buffer.from(record, 'hex')
    const cursor = new RecordCursor()
    for (let length = 0; length < bytes.length; length++) {
      // A copy: bytes behind the end must not be there to be read by mistake.
      const cut = Buffer.from(bytes.subarray(0, length))
      expect(readOne(cut, NO_CHECKS, cursor)).toBe('short')
      expect(cursor.needBytes).toBe(length < 8 ? 8 : bytes.length)
      expect(corruptCode(() => decodeRecord(cut))).toBe('CORRUPT')
    }
  })
})

describe('every flipped bit of a record', () => {
  const outcomes = (bytes: Buffer, checks: RecordChecks): Map<string, number> => {
    const counts = new Map<string, number>()
    const cursor = new RecordCursor()
    const damaged = Buffer.from(bytes)
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      damaged[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7))
      const outcome = readOne(damaged, checks, cursor).split(':')[0] as string
      counts.set(outcome, (counts.get(outcome) ?? 0) + 1)
      damaged[bit >> 3] = bytes[bit >> 3] as number
    }
    return counts
  }

  it.each(CORPUS_WITH_CRC)('of $name is found', ({ record }) => {
    expect(outcomes(Buffer.from(record, 'hex'), WITH_RECORD_CRC).get('record')).toBeUndefined()
  })

  it.each(CORPUS_WITH_CRC)(
    'of $name is found with the CRC taken as optional, but in the name of the CRC itself',
    corpus => {
      const bytes = Buffer.from(corpus.record, 'hex')
      const unseen = outcomes(bytes, { ...WITH_RECORD_CRC, record: 'present' }).get('record')
      // `__CRC32#`, its separator, and the end of the value and of the one before: then it is just another property.
      expect(unseen).toBe(8 * (8 + 1 + 1 + 1))
    },
  )

  it.each(CORPUS)('of $name leaves the body as it was, or is found', ({ record }) => {
    const bytes = Buffer.from(record, 'hex')
    const { body } = decodeRecord(bytes)
    const damaged = Buffer.from(bytes)
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      damaged[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7))
      if (readOne(damaged, BODY_CHECK) === 'record') {
        expect(new StoredMessage(damaged).body.equals(body), `bit ${bit}`).toBe(true)
      }
      damaged[bit >> 3] = bytes[bit >> 3] as number
    }
  })

  it('is found in a record of ours at its place', () => {
    const counts = outcomes(ordinary(), ALL_CHECKS)
    expect([...counts.keys()].sort()).toEqual(['bad', 'short'])
  })
})

describe('a record is bad', () => {
  const bytes = ordinary()
  const changed = (change: (record: Buffer) => void): Buffer => {
    const copy = Buffer.from(bytes)
    change(copy)
    return copy
  }

  it.each<[string, Buffer, RecordChecks]>([
    ['where nothing was written', Buffer.alloc(64), NO_CHECKS],
    ['with an unknown magic', changed(record => record.writeInt32BE(0x12345678, 4)), NO_CHECKS],
    ['with a negative totalSize', changed(record => record.writeInt32BE(-1, 0)), NO_CHECKS],
    ['with a totalSize below any record', changed(record => record.writeInt32BE(91, 0)), NO_CHECKS],
    ['with a totalSize beyond any record', changed(record => record.writeInt32BE(0x7fffffff, 0)), NO_CHECKS],
    ['with a totalSize that is one short', changed(record => record.writeInt32BE(bytes.length - 1, 0)), NO_CHECKS],
    ['with a body that is too long', changed(record => record.writeInt32BE(0x7fffffff, 84)), NO_CHECKS],
    ['with a body of negative length', changed(record => record.writeInt32BE(-2, 84)), NO_CHECKS],
    ['with a topic of negative length', changed(record => record.writeInt8(-1, 88 + 9)), NO_CHECKS],
    ['without a topic', changed(record => record.writeInt8(0, 88 + 9)), NO_CHECKS],
    ['with IPv6 hosts it has no room for', changed(record => record.writeInt32BE(0x30, 36)), NO_CHECKS],
    ['with a topic that leads out of its folder', changed(record => record.write('../../', 98)), NO_CHECKS],
    ['with a topic that is no UTF-8', changed(record => record.writeUInt8(0xff, 98)), NO_CHECKS],
    ['with a negative queueId', changed(record => record.writeInt32BE(-1, 12)), NO_CHECKS],
    ['with a queueOffset beyond safe numbers', changed(record => record.writeInt32BE(0x7fffffff, 20)), NO_CHECKS],
    ['with a negative physicalOffset', changed(record => record.writeInt32BE(-1, 28)), NO_CHECKS],
    ['with a bornTimestamp beyond safe numbers', changed(record => record.writeInt32BE(0x7fffffff, 40)), NO_CHECKS],
    ['with a body that does not match its CRC', changed(record => record.write('F', 88)), BODY_CHECK],
    ['at another place than it says', changed(record => record.writeInt32BE(7, 32)), { ...NO_CHECKS, position: true }],
    ['without the record CRC that must be there', changed(record => record.write('X', record.length - 20)), ALL_CHECKS],
    ['with a wrong digit of its record CRC', changed(record => record.write('\u0007', record.length - 5)), ALL_CHECKS],
  ])('%s', (_what, record, checks) => {
    expect(readOne(record, checks)).toMatch(/^bad: /)
  })

  it('and says how long it claims to be, where that may be', () => {
    const cursor = new RecordCursor()
    readOne(
      changed(record => record.write('F', 88)),
      BODY_CHECK,
      cursor,
    )
    expect(cursor.claimedBytes).toBe(bytes.length)
    readOne(Buffer.alloc(64), BODY_CHECK, cursor)
    expect(cursor.claimedBytes).toBe(0)
  })

  it('and decodes to CORRUPT with what was expected and found', () => {
    expect(() => decodeRecord(Buffer.alloc(100))).toThrow(
      expect.objectContaining({
        code: 'POCKETMQ_CORRUPT',
        details: expect.objectContaining({ found: 'nothing was written here' }),
      }),
    )
    expect(corruptCode(() => decodeRecord(Buffer.concat([bytes, bytes])))).toBe('CORRUPT')
  })

  it('larger than the reader was told, even if all of it were there', () => {
    expect(readOne(bytes, NO_CHECKS, new RecordCursor(bytes.length))).toBe('record')
    expect(readOne(bytes, NO_CHECKS, new RecordCursor(bytes.length - 1))).toMatch(/^bad: /)
  })
})

describe('a reader', () => {
  it('sees a filler and how far it reaches', () => {
    const bytes = Buffer.alloc(16)
    writeFiller(viewOf(bytes), 0, 16)
    expect(bytes.toString('hex', 0, 8)).toBe('00000010cbd43194')
    const cursor = new RecordCursor()
    expect(readOne(bytes, ALL_CHECKS, cursor)).toBe('filler')
    expect(cursor.fillerBytes).toBe(16)
    bytes.writeInt32BE(7, 0)
    expect(readOne(bytes, ALL_CHECKS, cursor)).toBe('bad: a filler is shorter than 8 bytes')
  })

  it('reads records where they lie, one after another', () => {
    const records = CORPUS.map(({ record }) => Buffer.from(record, 'hex'))
    const bytes = Buffer.concat([Buffer.alloc(3), ...records])
    const cursor = new RecordCursor()
    let at = 3
    for (const { expected } of CORPUS) {
      expect(cursor.read(bytes, viewOf(bytes), at, bytes.length, expected.commitLogOffset, WITH_POSITION)).toBe(
        'record',
      )
      expect([cursor.topic, cursor.queueOffset]).toEqual([expected.msgTopic, expected.msgQueueOffset])
      expect(cursor.properties).toBe(expected.propertiesString)
      at += cursor.sizeBytes
    }
    expect(at).toBe(bytes.length)
  })

  it('keeps one string for a topic it meets again', () => {
    const cursor = new RecordCursor()
    // The last two share the place where the first of them is kept.
    const given = ['orders', 'orderz', 'a', 'orders', 'x-orders-eu', 'y-orders-eu']
    const topics = given.map(topic => {
      readOne(encodeOne({ topic, queueId: 0, body: Buffer.alloc(1) }), ALL_CHECKS, cursor)
      return cursor.topic
    })
    expect(topics).toEqual(given)
  })

  it('takes a stale record CRC of a broker for what it is: one more property', () => {
    const stale = ordinary()
    stale.write('0', stale.length - 3)
    expect(readOne(stale, { body: true, record: 'ignore', position: true })).toBe('record')
    expect(readOne(stale, { body: true, record: 'present', position: true })).toMatch(/^bad: /)
  })

  it('takes for the record CRC only a property of exactly that name at the very end', () => {
    const longer = encodeOne(
      { topic: 'orders', queueId: 0, body: Buffer.alloc(1), properties: { 'x__CRC32#': '0123456789' } },
      { recordCrc: false },
    )
    expect(readOne(longer, { body: true, record: 'present', position: true })).toBe('record')
    expect(readOne(longer, ALL_CHECKS)).toBe('bad: __CRC32# is missing')
  })

  it('checks the body of a record by either of two ways alike, whatever its length', () => {
    for (const length of [0, 1, 15, 16, 95, 96, 97, 255, 256, 1023, 4096, 70_000]) {
      const body = Buffer.alloc(length, length)
      const record = encodeOne({ topic: 'orders', queueId: 0, body })
      expect(readOne(record, ALL_CHECKS)).toBe('record')
      expect(readOne(record, { ...ALL_CHECKS, body: false })).toBe('record')
      expect(decodeRecord(record).bodyCrc).toBe(crc32(body) & 0x7fffffff)
      const digits = [...record.toString('latin1', record.length - 11, record.length - 1)].reverse().join('')
      expect(Number(digits)).toBe(crc32(record.subarray(0, record.length - 20)) & 0x7fffffff)
    }
  })
})

const WITH_POSITION: RecordChecks = { body: true, record: 'present', position: true }
