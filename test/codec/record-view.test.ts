import { describe, expect, it } from 'vitest'
import { decodeRecord, StoredMessage } from '../../src/codec/record-view.ts'
import { isUsableTopic } from '../../src/codec/topic-bytes.ts'
import { CORPUS, encodeOne } from './records.ts'

const record = encodeOne(
  {
    topic: 'orders',
    queueId: 2,
    body: Buffer.from('body'),
    properties: { TAGS: 'paid', KEYS: 'a b  c', UNIQ_KEY: 'U1', region: 'eu' },
  },
  {},
  { queueOffset: 5, physicalOffset: 4096 },
)

describe('a stored message', () => {
  it('shows its tag, keys, unique key and any other property', () => {
    const message = decodeRecord(record)
    expect([message.tag, message.uniqueKey, message.property('region'), message.property('none')]).toEqual([
      'paid',
      'U1',
      'eu',
      undefined,
    ])
    expect(message.keys).toEqual(['a', 'b', 'c'])
    expect(message.offsetMessageId).toBe('7F00000100002A9F0000000000001000')
  })

  it('has no keys and no tag where it was given none', () => {
    const message = decodeRecord(encodeOne({ topic: 'orders', queueId: 0, body: Buffer.alloc(1) }))
    expect([message.keys, message.tag, message.uniqueKey, message.tagsCode]).toEqual([[], undefined, undefined, 0])
  })

  it.each(CORPUS)('among others in one buffer is the one that it is alone: $name', ({ record: hex }) => {
    const alone = decodeRecord(Buffer.from(hex, 'hex'))
    const batch = Buffer.concat([record, alone.record, record])
    const within = new StoredMessage(batch, record.length, alone.sizeBytes)
    expect(within.record.equals(alone.record)).toBe(true)
    expect([within.topic, within.propertiesText, within.body.toString('hex')]).toEqual([
      alone.topic,
      alone.propertiesText,
      alone.body.toString('hex'),
    ])
    expect([within.bornHost, within.storeHost, within.offsetMessageId, within.tagsCode]).toEqual([
      alone.bornHost,
      alone.storeHost,
      alone.offsetMessageId,
      alone.tagsCode,
    ])
  })

  it('believes the tagsCode that its queue had', () => {
    expect(new StoredMessage(record, 0, record.length, -5).tagsCode).toBe(-5)
    expect(new StoredMessage(record).tagsCode).toBe(3433164)
  })

  it('does not change when another copy of its bytes does', () => {
    const copy = new StoredMessage(Buffer.from(record))
    copy.body.write('BODY')
    expect(decodeRecord(record).body.toString()).toBe('body')
    expect(copy.record.includes('BODY')).toBe(true)
  })

  it('gives an object of properties that is the caller’s own', () => {
    const message = decodeRecord(record)
    message.properties.TAGS = 'changed'
    expect(message.properties.TAGS).toBe('paid')
  })
})

describe('a topic found in a record', () => {
  it.each(['orders', '%RETRY%g', '%RETRY%g+t', 'rmq_sys_REVIVE_LOG_DefaultCluster', 'zamówienia', '..x'])(
    'may be %j',
    topic => {
      expect(isUsableTopic(topic)).toBe(true)
    },
  )

  it.each(['', '.', '..', 'a/b', 'a\\b', 'a\u0000', 'a\n', 'a\u007f', '\ufffd'])('may not be %j', topic => {
    expect(isUsableTopic(topic)).toBe(false)
  })
})
