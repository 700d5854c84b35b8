import { InvalidArgumentError } from 'commander'
import { expect, it } from 'vitest'
import { oneOf, positiveNumber, timestamp, wholeNumber } from '../../src/surfaces/cli/arguments.ts'

it('a whole number is taken within its bounds and refused elsewhere', () => {
  expect([wholeNumber(0)('0'), wholeNumber(1, 10)('10'), wholeNumber(-5)('-5')]).toEqual([0, 10, -5])
  for (const text of ['', ' ', 'x', '1.5', '1e3', '0x10', '11', '0', '99999999999999999999']) {
    expect(() => wholeNumber(1, 10)(text), text).toThrow(InvalidArgumentError)
  }
})

it('a positive number may have a fraction', () => {
  expect(positiveNumber('0.5')).toBe(0.5)
  for (const text of ['', ' ', '0', '-1', 'x', 'Infinity'])
    expect(() => positiveNumber(text), text).toThrow(InvalidArgumentError)
})

it('a word has to be one of those there are', () => {
  expect(oneOf('disk', 'memory')('memory')).toBe('memory')
  expect(() => oneOf('disk', 'memory')('Memory')).toThrow(InvalidArgumentError)
})

it('a time is epoch milliseconds or a date', () => {
  expect([timestamp('1795242540261'), timestamp('2026-11-21T06:30:00Z')]).toEqual([
    1_795_242_540_261, 1_795_242_600_000,
  ])
  for (const text of ['', 'yesterday', '-1', '99999999999999999999'])
    expect(() => timestamp(text), text).toThrow(InvalidArgumentError)
})
