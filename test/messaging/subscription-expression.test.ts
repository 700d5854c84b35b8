import { describe, expect, test } from 'vitest'
import { isErrorNamed } from '../../src/base/errors.ts'
import { encodeProperties } from '../../src/codec/properties.ts'
import type { SubscriptionExpression } from '../../src/messaging/subscription-expression.ts'
import { compileSubscription } from '../../src/messaging/subscription-expression.ts'
import type { StoredMessage } from '../../src/store/message-store.ts'

function messageWith(properties: Record<string, string>): StoredMessage {
  return { propertiesText: encodeProperties(properties) } as StoredMessage
}

function matches(expression: SubscriptionExpression, properties: Record<string, string>): boolean {
  return compileSubscription(expression).matches(messageWith(properties))
}

function sqlProblem(sql: string): { position: unknown; message: string } {
  try {
    compileSubscription({ sql })
  } catch (error) {
    if (!isErrorNamed(error, 'INVALID_ARGUMENT')) throw error
    return { position: error.details.position, message: error.message }
  }
  throw new Error(`accepted: ${sql}`)
}

describe('tag expressions', () => {
  test('nothing, empty text and * mean every message', () => {
    for (const expression of [undefined, null, '', '  ', '*', ' * ', { tag: '*' }]) {
      const compiled = compileSubscription(expression)
      expect(compiled.canonical).toBe('*')
      expect(compiled.tagsCodes).toBeUndefined()
      expect(compiled.matches(messageWith({ TAGS: 'x' }))).toBe(true)
      expect(compiled.matches(messageWith({}))).toBe(true)
    }
  })

  test('two spellings of the same tags have one canonical text and one hash', () => {
    const one = compileSubscription('b || a||  b')
    expect(one.canonical).toBe('a || b')
    expect(compileSubscription('a||b').hash).toBe(one.hash)
    expect(compileSubscription('a || c').hash).not.toBe(one.hash)
    expect(compileSubscription({ sql: 'a = 1' }).hash).not.toBe(one.hash)
  })

  test('a tag with the same Java hash as a wanted one does not leak through', () => {
    const compiled = compileSubscription('Aa')
    expect([...(compiled.tagsCodes ?? [])]).toEqual([2112])
    expect(compiled.matches(messageWith({ TAGS: 'Aa' }))).toBe(true)
    expect(compiled.matches(messageWith({ TAGS: 'BB' }))).toBe(false)
    expect(compiled.matches(messageWith({}))).toBe(false)
  })

  test('an expression of separators alone, and one that is no expression, are refused', () => {
    expect(() => compileSubscription('|| ||')).toThrow(expect.objectContaining({ code: 'POCKETMQ_INVALID_ARGUMENT' }))
    expect(() => compileSubscription(7 as unknown as string)).toThrow(
      expect.objectContaining({ code: 'POCKETMQ_INVALID_ARGUMENT' }),
    )
  })

  test('the filter objects of rocketmq-client-nodejs are understood', () => {
    expect(compileSubscription({ expression: 'a', filterType: 1 }).kind).toBe('TAG')
    expect(compileSubscription({ expression: 'a = 1', filterType: 2 }).kind).toBe('SQL92')
  })
})

describe('SQL92 conditions', () => {
  const order = { region: 'eu', amount: '120', price: '9.5', TAGS: 'paid', KEYS: 'k1 k2', empty_like: ' ', yes: 'TRUE' }

  test.each([
    ["region = 'eu'", true],
    ["region <> 'eu'", false],
    ["REGION = 'eu'", false],
    ["region = 'eu' and amount > 100", true],
    ["region = 'us' OR amount >= 120 AND amount <= 120", true],
    ["(region = 'us' OR amount >= 120) AND amount < 120", false],
    ['amount BETWEEN 100 AND 120', true],
    ['amount NOT BETWEEN 100 AND 120', false],
    ['amount BETWEEN 121 AND 130', false],
    ["region IN ('us', 'eu')", true],
    ["region NOT IN ('us', 'eu')", false],
    ["region NOT IN ('us')", true],
    ["TAGS = 'paid' AND KEYS CONTAINS 'k2'", true],
    ["region STARTSWITH 'e' AND region ENDSWITH 'u'", true],
    ["region NOT STARTSWITH 'e'", false],
    ["region NOT ENDSWITH 'x'", true],
    ['price = 9.5', true],
    ['price > 9', false], // Integer.valueOf('9.5') fails in Java, so the message does not match.
    ['price > 9.0', true],
    ['amount > 1e2', true],
    ['amount > .5', true],
    ['amount = 120L', true],
    ['amount > -5', true],
    ['amount = +120', true],
    ['amount > price', true],
    ['region > price', false],
    ['yes = TRUE', true],
    ['TRUE = yes', false], // RocketMQ casts the wrong side and fails.
    ['yes', false], // Properties are strings; a cast of one to a condition is false.
    ['TRUE', true],
    ['NULL', false],
    ['FALSE OR TRUE', true],
    ['NOT FALSE', true],
    ['region IS NOT NULL AND missing IS NULL', true],
    ["'it''s' = 'it''s'", true],
    ["'eu' = region", true],
    ['1 = 1.0', true],
    ['2147483648 > 2147483647', true],
    ["-- a comment\nregion /* another */ = 'eu'", true],
    ['-amount = 5', false],
  ])('%s is %s', (sql, expected) => {
    expect(matches({ sql }, order)).toBe(expected)
  })

  test('a missing property on the left is unknown, on the right it is simply unequal', () => {
    expect(matches({ sql: "missing = 'x'" }, {})).toBe(false)
    expect(matches({ sql: "NOT (missing = 'x')" }, {})).toBe(false)
    expect(matches({ sql: "missing <> 'x'" }, {})).toBe(false)
    expect(matches({ sql: "'x' = missing" }, {})).toBe(false)
    expect(matches({ sql: "NOT ('x' = missing)" }, {})).toBe(true)
    expect(matches({ sql: "'x' <> missing" }, {})).toBe(true)
  })

  test('AND, OR and NOT know true, false and unknown', () => {
    expect(matches({ sql: "missing > 1 OR region = 'eu'" }, order)).toBe(true)
    expect(matches({ sql: "missing > 1 OR region = 'us'" }, order)).toBe(false)
    expect(matches({ sql: "NOT (missing > 1 AND region = 'us')" }, order)).toBe(true)
    expect(matches({ sql: "NOT (missing > 1 AND region = 'eu')" }, order)).toBe(false)
    expect(matches({ sql: "missing NOT IN ('a')" }, order)).toBe(false)
    expect(matches({ sql: "missing NOT CONTAINS 'a'" }, order)).toBe(false)
    expect(matches({ sql: "region CONTAINS ''" }, order)).toBe(false)
  })

  test('a condition that cannot be evaluated does not match and is counted', () => {
    const compiled = compileSubscription({ sql: 'region > 5' })
    expect(compiled.matches(messageWith(order))).toBe(false)
    expect(compiled.troubles).toBe(1)
    expect(compiled.matches(messageWith({ region: '6' }))).toBe(true)
    expect(compiled.troubles).toBe(1)
  })

  test('whole numbers beyond 2^53 compare exactly', () => {
    expect(matches({ sql: 'id = 9007199254740993' }, { id: '9007199254740993' })).toBe(true)
    expect(matches({ sql: 'id = 9007199254740993' }, { id: '9007199254740992' })).toBe(false)
    expect(matches({ sql: 'id = 1' }, { id: '2147483648' })).toBe(false)
    expect(compileSubscription({ sql: 'id = 1' }).troubles).toBe(0)
  })

  test('two spellings of one condition have one hash', () => {
    const one = compileSubscription({ sql: "region='eu'  and amount>5L" })
    expect(one.canonical).toBe("region = 'eu' AND amount > 5")
    expect(compileSubscription({ sql: "region = 'eu' AND amount > 5" }).hash).toBe(one.hash)
  })

  test.each([
    ['', 0],
    ["region = 'eu", 9],
    ['region = ', 9],
    ['region ! 5', 7],
    ['a = 007', 4],
    ['a = 0L', 4],
    ['a = 12abc', 4],
    ['(a = 1', 6],
    ['a = 1)', 5],
    ['a = 1 b', 6],
    ["a > 'text'", 2],
    ['a > TRUE', 2],
    ['a = NULL', 2],
    ['TRUE = 1', 5],
    ['5', 0],
    ["'text' AND TRUE", 0],
    ['a BETWEEN 5 AND 1', 2],
    ["a BETWEEN 'a' AND 'b'", 2],
    ['a IN (1)', 6],
    ["5 IN ('a')", 2],
    ['a IS 5', 5],
    ['a = 9223372036854775808', 4],
    ['a LIKE 5', 2],
  ])('%j is refused, with the position', (sql, position) => {
    expect(sqlProblem(sql).position).toBe(position)
  })

  test('depth and length are bounded', () => {
    expect(sqlProblem(`${'('.repeat(200)}a = 1${')'.repeat(200)}`).message).toContain('deeper than 64')
    expect(sqlProblem(`a = '${'x'.repeat(20_000)}'`).message).toContain('longer than')
    expect(matches({ sql: `${'('.repeat(60)}a = 1${')'.repeat(60)}` }, { a: '1' })).toBe(true)
    expect(matches({ sql: Array.from({ length: 1_500 }, () => 'a = 1').join(' OR ') }, { a: '1' })).toBe(true)
  })
})
