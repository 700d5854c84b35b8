import { describe, expect, it } from 'vitest'
import { parseSegmentName, segmentName } from '../../src/files/segment-names.ts'

describe('the name of a segment', () => {
  it('is the position of its first byte in 20 digits, and is read back', () => {
    for (const start of [0, 1, 67_108_864, 1_073_741_824, 6_000_000, Number.MAX_SAFE_INTEGER]) {
      expect(segmentName(start)).toMatch(/^\d{20}$/)
      expect(parseSegmentName(segmentName(start))).toBe(start)
    }
    expect(segmentName(1_073_741_824)).toBe('00000000001073741824')
  })

  it('is nothing else: stray files and positions that no number can hold are no segments', () => {
    const strays = [
      '',
      '0',
      '0000000000107374182',
      '000000000010737418240',
      '0000000000107374182x',
      ' 0000000001073741824',
    ]
    for (const name of [...strays, '-0000000001073741824', '00000000001073741824.bak', '99999999999999999999']) {
      expect(parseSegmentName(name), name).toBeUndefined()
    }
  })

  it('is not made of what is no position', () => {
    for (const start of [-1, 0.5, Number.NaN, 2 ** 60]) {
      expect(() => segmentName(start)).toThrow(expect.objectContaining({ name: 'AssertionError' }))
    }
  })
})
