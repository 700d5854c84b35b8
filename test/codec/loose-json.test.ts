import { describe, expect, it } from 'vitest'
import { parseLooseJson, parseLooseJsonObject } from '../../src/codec/loose-json.ts'

const corrupt = expect.objectContaining({ code: 'POCKETMQ_CORRUPT' })
const parse = (text: string): unknown => parseLooseJson(text, 'f')

describe('JSON as RocketMQ writes it', () => {
  it('may have bare integers as keys', () => {
    expect(parse('{\n\t"t@g":{\n\t\t0:5,\n\t\t-1:7,12 : 3}}')).toEqual({ 't@g': { 0: 5, '-1': 7, 12: 3 } })
  })

  it('is JSON otherwise', () => {
    const texts = [
      'null',
      'true',
      ' [1, -2.5e3, 0, "x"] ',
      '{}',
      '[]',
      '{"a":{"b":[{"c":"\\u00e9\\n\\"\\\\"}]}}',
      '""',
      '-0.5',
    ]
    expect(texts.map(parse)).toEqual(texts.map(text => JSON.parse(text)))
  })

  it('keeps a colon, a digit and a brace inside a string as they are', () => {
    expect(parse('{"{0:5}":",1:2"}')).toEqual({ '{0:5}': ',1:2' })
  })

  it('holds whole numbers up to 2^53 - 1, and refuses larger ones instead of rounding them', () => {
    expect(parse('[9007199254740991,-9007199254740991]')).toEqual([9007199254740991, -9007199254740991])
    for (const text of ['9007199254740992', '-9223372036854775808', '[1e999]'])
      expect(() => parse(text)).toThrow(corrupt)
  })

  it('takes __proto__ for a key like any other', () => {
    const value = parse('{"__proto__":{"isAdmin":true},"a":1}') as { isAdmin?: boolean }
    expect(value.isAdmin).toBeUndefined()
    expect(Object.keys(value)).toEqual(['__proto__', 'a'])
    expect(JSON.stringify(value)).toBe('{"__proto__":{"isAdmin":true},"a":1}')
  })

  it('that is none is damaged, with the place', () => {
    const texts = [
      '',
      ' ',
      '{',
      '{"a"}',
      '{"a":}',
      '{"a":1,}',
      '[1,]',
      '[1 2]',
      '{a:1}',
      '01',
      '1.',
      '+1',
      'nul',
      'tru e',
      '"a',
      '"\\x"',
      '"\n"',
      '{}x',
      '{"a":1]',
      '\u0000',
      '-',
      '.5',
      '"\\',
    ]
    for (const text of texts) expect(() => parse(text), text).toThrow(corrupt)
    expect(() => parse('{"a":1;}')).toThrow(expect.objectContaining({ details: expect.objectContaining({ at: 6 }) }))
  })

  it('cut anywhere is damaged', () => {
    const text = '{"dataVersion":{"counter":0},"offsetTable":{"t@g":{0:5,1:7}}}'
    for (let end = 0; end < text.length; end++) expect(() => parse(text.slice(0, end))).toThrow(corrupt)
  })

  it('nested beyond reason is refused, and the stack is not at risk', () => {
    expect(() => parse('['.repeat(200_000))).toThrow(corrupt)
    expect(() => parse('{"a":'.repeat(200_000))).toThrow(corrupt)
    expect(parse(`${'['.repeat(60)}${']'.repeat(60)}`)).toHaveLength(1)
  })

  it('that has to be an object is damaged as anything else', () => {
    for (const text of ['[]', '1', 'null', '"x"']) expect(() => parseLooseJsonObject(text, 'f')).toThrow(corrupt)
  })
})
