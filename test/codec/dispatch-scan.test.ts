import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DispatchScan, indexKeySeed } from '../../src/codec/dispatch-scan.ts'
import { indexKeyHash } from '../../src/codec/index-layout.ts'
import { javaHashCode } from '../../src/codec/java-hash.ts'
import { parseProperties } from '../../src/codec/properties.ts'

/** What the scan must find, by way of strings. */
function expectedOf(text: string, topic: string): object {
  const properties = parseProperties(text)
  const uniqueKey = properties.get('UNIQ_KEY')
  const keys = (properties.get('KEYS') ?? '').split(' ').filter(key => key !== '')
  return {
    uniqueKeyHash: uniqueKey === undefined ? undefined : indexKeyHash(topic, uniqueKey),
    keyHashes: keys.map(key => indexKeyHash(topic, key)),
    tagsHash: javaHashCode(properties.get('TAGS') ?? ''),
  }
}

function found(bytes: Uint8Array, start: number, end: number, topic: string): object {
  const scan = new DispatchScan()
  scan.scan(bytes, start, end, indexKeySeed(topic))
  const unsigned = (hash: number): number => (hash < 0 ? -hash & 0x7fffffff : hash)
  return {
    uniqueKeyHash: scan.hasUniqueKey ? unsigned(scan.uniqueKeyHash) : undefined,
    keyHashes: scan.keyHashes.slice(0, scan.keyCount).map(unsigned),
    tagsHash: scan.tagsHash,
  }
}

const NAME = fc.constantFrom(
  'UNIQ_KEY',
  'KEYS',
  'TAGS',
  'DELAY',
  'UNIQ_KEYS',
  'KEY',
  'TAG',
  'U',
  'K',
  'T',
  'UNIQ',
  'x',
  '',
)
const VALUE = fc.oneof(
  fc.constantFrom('', ' ', 'a', 'a b', '  a  b ', '鍵 käse', '\u0001', 'TAGS\u0001x', '😀'),
  fc.string({ maxLength: 40 }),
)
const END = fc.constantFrom('\u0002', '\u0002', '\u0002', '\u0002', '', '\u0002\u0002')
const PROPERTIES = fc
  .array(fc.tuple(NAME, fc.constantFrom('\u0001', '\u0001', '\u0001', ''), VALUE, END), { maxLength: 8 })
  .map(parts => parts.map(part => part.join('')).join(''))

describe('the scan of properties', () => {
  test('finds what splitting them into strings finds', () => {
    fc.assert(
      fc.property(PROPERTIES, fc.nat(9), (text, shift) => {
        const bytes = Buffer.from(`${'U'.repeat(shift)}${text}UNIQ_KEY\u0001no\u0002`)
        const end = shift + Buffer.byteLength(text)
        expect(found(bytes, shift, end, 'orders')).toEqual(expectedOf(text, 'orders'))
      }),
      { numRuns: 2000 },
    )
  })

  test('of any bytes stays within them', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), bytes => {
        expect(() => found(bytes, 0, bytes.length, 'orders')).not.toThrow()
      }),
    )
  })

  test.each([
    ['DELAY\u00013\u0002', true, false],
    ['INNER_MULTI_DISPATCH\u0001a\u0002', false, true],
    ['INNER_NUM\u00013\u0002', false, true],
    ['TAGS\u0001DELAY\u0002', false, false],
  ])('%j is seen for what it is', (text, hasDelay, hasInner) => {
    const scan = new DispatchScan()
    scan.scan(Buffer.from(text), 0, text.length, 0)
    expect([scan.hasDelay, scan.hasInner]).toEqual([hasDelay, hasInner])
  })

  test('forgets the record before', () => {
    const scan = new DispatchScan()
    const text = 'UNIQ_KEY\u0001u\u0002KEYS\u0001a b\u0002TAGS\u0001t\u0002DELAY\u00011\u0002INNER_NUM\u00011\u0002'
    scan.scan(Buffer.from(text), 0, text.length, 0)
    scan.scan(Buffer.from('x'), 0, 1, 0)
    expect(scan).toMatchObject({ hasUniqueKey: false, keyCount: 0, tagsHash: 0, hasDelay: false, hasInner: false })
  })
})
