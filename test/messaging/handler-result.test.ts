import { describe, expect, test } from 'vitest'
import { endOf, endsOf } from '../../src/messaging/handler-result.ts'

describe('what a handler returns', () => {
  test('acknowledges, unless it says something else', () => {
    const results = [undefined, null, true, 42, 'done', {}, { name: 'SUCCESS' }, new Date(0)]
    expect(results.map(result => endOf(result).kind)).toEqual(results.map(() => 'ack'))
  })

  test('lets the message come again, after the wait it names', () => {
    expect(['retry', 'FAILURE', { name: 'FAILURE' }].map(endOf)).toEqual(Array(3).fill({ kind: 'retry' }))
    expect(endOf({ retryAfter: 500 })).toEqual({ kind: 'retry', afterMs: 500 })
    expect(endOf({ retryAfter: 0 })).toEqual({ kind: 'retry', afterMs: 0 })
    expect(endOf({ retryAfter: 0.5 })).toEqual({ kind: 'retry', afterMs: 1 })
    expect(endOf({ name: 'FAILURE', suspendTimeMs: 700 })).toEqual({ kind: 'retry', afterMs: 700 })
    expect(endOf({ retryAfter: Number.POSITIVE_INFINITY })).toEqual({ kind: 'retry', afterMs: 366 * 86_400_000 })
  })

  test('never acknowledges by a wait that is none', () => {
    for (const retryAfter of [-1, Number.NaN, '10s', null]) expect(endOf({ retryAfter }).kind).toBe('retry')
  })

  test('makes a dead letter, commits, or rolls back', () => {
    expect(['dlq', 'commit', 'rollback'].map(result => endOf(result).kind)).toEqual(['dlq', 'commit', 'rollback'])
  })
})

describe('what a batch handler returns', () => {
  const kinds = (result: unknown, count = 3): string[] => endsOf(result, count).map(end => end.kind)

  test('is for all messages', () => {
    expect([kinds(undefined), kinds('dlq')]).toEqual([
      ['ack', 'ack', 'ack'],
      ['dlq', 'dlq', 'dlq'],
    ])
    expect(endsOf({ retryAfter: 5 }, 2)).toEqual(Array(2).fill({ kind: 'retry', afterMs: 5 }))
  })

  test('acknowledges up to ackIndex, and the others come again', () => {
    expect([kinds({ ackIndex: 1 }), kinds({ ackIndex: -1 }), kinds({ ackIndex: 9 })]).toEqual([
      ['ack', 'ack', 'retry'],
      ['retry', 'retry', 'retry'],
      ['ack', 'ack', 'ack'],
    ])
    expect(endsOf({ ackIndex: 0, retryAfter: 70 }, 2)[1]).toEqual({ kind: 'retry', afterMs: 70 })
  })

  test('is a list with a result for each; what it leaves out comes again', () => {
    expect(kinds([undefined, 'dlq', { retryAfter: 1 }])).toEqual(['ack', 'dlq', 'retry'])
    expect(kinds([undefined])).toEqual(['ack', 'retry', 'retry'])
  })
})
