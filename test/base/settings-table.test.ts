import { describe, expect, it } from 'vitest'
import { PocketMQError } from '../../src/base/errors.ts'
import {
  custom,
  flag,
  oneOf,
  optionalWholeNumber,
  resolveSettings,
  wholeNumber,
} from '../../src/base/settings-table.ts'

const TABLE = {
  intervalMs: wholeNumber('milliseconds between flushes', 500, 1, 1000),
  bytes: optionalWholeNumber('bytes kept', 10, 100),
  isOn: flag('whether it is on', true),
  level: oneOf('how far', 'disk', ['memory', 'disk']),
  seam: custom<object | undefined>('a seam', undefined, value => (value === 7 ? 'must not be 7' : undefined)),
}

function failure(given: object): PocketMQError {
  try {
    resolveSettings(TABLE, given, 'open')
  } catch (error) {
    return error as PocketMQError
  }
  throw new Error('nothing was refused')
}

describe('settings', () => {
  it('come from the table where nothing is given', () => {
    const expected = { intervalMs: 500, bytes: undefined, isOn: true, level: 'disk', seam: undefined }
    expect(resolveSettings(TABLE, {}, 'open')).toEqual(expected)
  })

  it('take what is given, and the default where undefined is given', () => {
    expect(resolveSettings(TABLE, { intervalMs: 1, level: undefined, bytes: 10 }, 'open')).toMatchObject({
      intervalMs: 1,
      level: 'disk',
      bytes: 10,
    })
  })

  it.each([
    [{ intervalMs: 0 }, 'intervalMs'],
    [{ intervalMs: 1001 }, 'intervalMs'],
    [{ intervalMs: 1.5 }, 'intervalMs'],
    [{ intervalMs: '500' }, 'intervalMs'],
    [{ intervalMs: null }, 'intervalMs'],
    [{ bytes: 9 }, 'bytes'],
    [{ isOn: 'yes' }, 'isOn'],
    [{ level: 'paper' }, 'level'],
    [{ seam: 7 }, 'seam'],
    [{ intervallMs: 5 }, 'intervallMs'],
  ])('refuse %j and name the option', (given, option) => {
    const error = failure(given)
    expect(error.code).toBe('POCKETMQ_INVALID_ARGUMENT')
    expect(error.details.option).toBe(option)
    expect(error.hint).not.toBe('')
  })

  it.each([[null], [[]], ['text']])('refuse %j in place of an object', given => {
    expect(failure(given as unknown as object).code).toBe('POCKETMQ_INVALID_ARGUMENT')
  })
})
