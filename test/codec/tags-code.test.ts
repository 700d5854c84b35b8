import { describe, expect, it } from 'vitest'
import { javaHashCode } from '../../src/codec/java-hash.ts'
import {
  DELAY_LEVELS_MS,
  deliveryTagsCode,
  recordTagsCode,
  SCHEDULE_TOPIC,
  tagsCodeOf,
} from '../../src/codec/tags-code.ts'

describe("Java's hash of a string", () => {
  it.each<[string, number]>([
    ['', 0],
    ['a', 97],
    ['TagA', 2598919],
    ['TagB', 2598920],
    ['TopicTest#key0', -1655984461],
    ['标签', 857175],
    // Two UTF-16 units, which Java counts each.
    ['😀', 1772899],
    ['polygenelubricants', -2147483648],
  ])('of %j is %d', (text, hash) => {
    expect(javaHashCode(text)).toBe(hash)
  })
})

describe('a tagsCode', () => {
  it('is the hash of the whole TAGS value, or 0 without one', () => {
    expect([tagsCodeOf(undefined), tagsCodeOf('TagA'), tagsCodeOf('a || b')]).toEqual([
      0,
      2598919,
      javaHashCode('a || b'),
    ])
  })

  it('of the schedule topic says when to deliver', () => {
    expect(recordTagsCode(SCHEDULE_TOPIC, 'TagA', '3', 1_000_000)).toBe(1_010_000)
    expect(DELAY_LEVELS_MS).toHaveLength(18)
    expect(deliveryTagsCode('99', 0)).toBe(2 * 3_600_000)
  })

  it('of the schedule topic is the tag hash without a level that says something', () => {
    for (const delay of [undefined, '0', '-1', '', 'soon', '1.5', '99999999999']) {
      expect(recordTagsCode(SCHEDULE_TOPIC, 'TagA', delay, 1_000_000), `${delay}`).toBe(2598919)
    }
  })

  it('of any other topic has nothing to do with a delay', () => {
    expect(recordTagsCode('orders', 'TagA', '3', 1_000_000)).toBe(2598919)
  })
})
