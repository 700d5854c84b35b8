/** The rules of the house, over every source file; and each rule over examples it must refuse. */
import { describe, expect, it } from 'vitest'
import { IMPORT_RULES } from './rules/imports.ts'
import { NAME_RULES } from './rules/names.ts'
import { SHAPE_RULES } from './rules/shape.ts'
import { TEST_RULES } from './rules/tests.ts'
import { parseSets, readSources } from './sources.ts'

const RULES = [...IMPORT_RULES, ...SHAPE_RULES, ...NAME_RULES, ...TEST_RULES]

const asMap = (example: Readonly<Record<string, string>>): Map<string, string> => new Map(Object.entries(example))

const [house = [], ...examples] = parseSets([
  readSources(['src', 'test', 'bench']),
  ...RULES.flatMap(rule => [...rule.refuses, ...(rule.accepts ?? [])].map(asMap)),
])

describe('the house', () => {
  it('has sources to look at', () => {
    expect(house.some(source => source.path === 'src/base/clock.ts')).toBe(true)
    expect(house.some(source => source.path === 'test/house/tidy.test.ts')).toBe(true)
  })

  for (const rule of RULES) {
    it(rule.says, () => {
      expect(rule.check(house)).toEqual([])
    })
  }
})

describe('a rule of the house can fail', () => {
  let next = 0
  for (const rule of RULES) {
    const refused = rule.refuses.map(() => examples[next++] ?? [])
    const accepted = (rule.accepts ?? []).map(() => examples[next++] ?? [])
    it(rule.says, () => {
      expect(refused.length).toBeGreaterThan(0)
      for (const [i, example] of refused.entries()) {
        expect(rule.check(example), `example ${i} must be refused: ${JSON.stringify(rule.refuses[i])}`).not.toEqual([])
      }
      for (const example of accepted) expect(rule.check(example)).toEqual([])
    })
  }
})
