import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  decodeProperties,
  encodeProperties,
  isStorable,
  parseProperties,
  propertyValue,
} from '../../src/codec/properties.ts'

const text = (...properties: readonly (readonly [string, string])[]): string =>
  properties.map(([name, value]) => `${name}\u0001${value}\u0002`).join('')

/** FORMAT section 3, word for word. */
function decodeSlowly(properties: string): Map<string, string> {
  const found = new Map<string, string>()
  for (const segment of properties.split('\u0002')) {
    const at = segment.indexOf('\u0001')
    if (segment.length >= 3 && at > 0 && at < segment.length - 1) found.set(segment.slice(0, at), segment.slice(at + 1))
  }
  return found
}

/** Few letters, so that separators, duplicates and names within values are common. */
const hostile = fc.string({ unit: fc.constantFrom('\u0001', '\u0002', 'A', 'B', 'AB'), maxLength: 40 })

describe('properties', () => {
  it('read back as they were given, in their order', () => {
    const storable = fc.string({ unit: 'grapheme', minLength: 1 }).filter(isStorable)
    fc.assert(
      fc.property(fc.dictionary(storable, storable), properties => {
        const encoded = encodeProperties(properties)
        expect(decodeProperties(encoded)).toEqual(properties)
        expect([...parseProperties(encoded).keys()]).toEqual(Object.keys(properties))
      }),
    )
  })

  it('are read as RocketMQ reads them, whatever the text', () => {
    fc.assert(
      fc.property(hostile, properties => {
        const expected = decodeSlowly(properties)
        expect(parseProperties(properties)).toEqual(expected)
        expect(decodeProperties(properties)).toEqual(Object.fromEntries(expected))
        for (const name of ['A', 'B', 'AB', 'BA', 'AA'])
          expect(propertyValue(properties, name)).toBe(expected.get(name))
      }),
      { numRuns: 800 },
    )
  })

  it('with one name count as the later of them, without values not at all', () => {
    expect(decodeProperties(text(['a', '1'], ['b', '2'], ['a', '3'], ['b', '']))).toEqual({ a: '3', b: '2' })
    expect(propertyValue(text(['a', '1'], ['a', '']), 'a')).toBe('1')
  })

  it('may lack the last separator, and hold U+0001 in a value that others wrote', () => {
    expect(decodeProperties('a\u00011\u0002b\u00012')).toEqual({ a: '1', b: '2' })
    expect(decodeProperties('a\u00011\u0001x\u0002')).toEqual({ a: '1\u0001x' })
    expect(propertyValue('a\u00011', 'a')).toBe('1')
  })

  it('of one text do not show in the next', () => {
    expect(decodeProperties(text(['a', '1'], ['b', '2']))).toEqual({ a: '1', b: '2' })
    expect(decodeProperties(text(['ab', '1'], ['b', '2'], ['c', '3']))).toEqual({ ab: '1', b: '2', c: '3' })
    expect(decodeProperties(text(['a', '1']))).toEqual({ a: '1' })
  })

  it('can have any name without changing what an object is', () => {
    const properties = decodeProperties(text(['__proto__', 'x'], ['constructor', 'y'], ['toString', 'z']))
    expect(Object.entries(properties)).toEqual([
      ['__proto__', 'x'],
      ['constructor', 'y'],
      ['toString', 'z'],
    ])
    expect(Object.getPrototypeOf(properties)).toBe(Object.prototype)
    expect(encodeProperties(properties)).toBe(text(['__proto__', 'x'], ['constructor', 'y'], ['toString', 'z']))
  })

  it('that would not read back are refused', () => {
    for (const properties of [
      { '': '1' },
      { a: '' },
      { a: '\u0001' },
      { 'b\u0002': '1' },
      { a: '\ud800' },
      { '\udfff': '1' },
    ]) {
      expect(() => encodeProperties(properties), JSON.stringify(properties)).toThrow(
        expect.objectContaining({ code: 'POCKETMQ_INVALID_ARGUMENT' }),
      )
    }
    expect(encodeProperties({ a: '\u0000\u0003\u007f' })).toBe('a\u0001\u0000\u0003\u007f\u0002')
  })

  it('of hostile text are found in a time that grows with its length alone', () => {
    for (const piece of ['\u0002', '\u0001', 'a', 'a\u0001', 'a\u0001\u0002', 'a\u0001b\u0002']) {
      const properties = piece.repeat(32_767 / piece.length)
      expect(parseProperties(properties).size).toBeLessThan(2)
      expect(propertyValue(properties, 'aa')).toBeUndefined()
    }
  })
})

describe('a single property', () => {
  it('is told from names that only contain its name, and from values that look like it', () => {
    const properties = text(['XTAGS', '1'], ['TAGSX', '2'], ['a', 'TAGS'], ['TAGS', '3'], ['b', 'TAGS\u0001'])
    expect(propertyValue(properties, 'TAGS')).toBe('3')
    expect(propertyValue(text(['XTAGS', '1']), 'TAGS')).toBeUndefined()
  })
})
