import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AckRanges } from '../../src/messaging/ack-ranges.ts'

describe('ack ranges', () => {
  test('messages done in order move the commit and leave no ranges', () => {
    const done = new AckRanges(5)
    for (let offset = 5; offset < 100; offset++) done.add(offset, offset + 1)
    expect([done.committed, done.count, done.end]).toEqual([100, 0, 100])
  })

  test('a message done above an open one waits in a range and is swallowed when the open one is done', () => {
    const done = new AckRanges(0)
    done.add(1, 4)
    expect([done.committed, done.above()]).toEqual([0, [{ start: 1, end: 4 }]])
    done.add(0, 1)
    expect([done.committed, done.above()]).toEqual([4, []])
  })

  test('ranges that touch become one', () => {
    const done = new AckRanges(0, [
      { start: 2, end: 4 },
      { start: 6, end: 8 },
    ])
    done.add(4, 6)
    expect(done.above()).toEqual([{ start: 2, end: 8 }])
  })

  test('cutting to the recovered end of a queue forgets what lies beyond it', () => {
    const done = new AckRanges(3, [
      { start: 5, end: 9 },
      { start: 12, end: 14 },
    ])
    expect(done.cutTo(7)).toBe(true)
    expect([done.committed, done.above()]).toEqual([3, [{ start: 5, end: 7 }]])
    expect(done.cutTo(7)).toBe(false)
    expect(done.cutTo(2)).toBe(true)
    expect([done.committed, done.count]).toEqual([2, 0])
  })

  test('any sequence of marks leaves exactly the marked messages done', () => {
    const marks = fc.array(fc.tuple(fc.nat(60), fc.nat(8)), { maxLength: 60 })
    fc.assert(
      fc.property(fc.nat(10), marks, (committed, list) => {
        const done = new AckRanges(committed)
        const model = new Set<number>()
        for (let offset = 0; offset < committed; offset++) model.add(offset)
        for (const [start, length] of list) {
          done.add(start, start + length)
          for (let offset = start; offset < start + length; offset++) model.add(offset)
        }
        let lowest = 0
        while (model.has(lowest)) lowest++
        expect(done.committed).toBe(lowest)
        for (let offset = 0; offset < 80; offset++) {
          expect(done.has(offset)).toBe(model.has(offset))
          let open = offset
          while (model.has(open)) open++
          expect(done.firstOpen(offset)).toBe(open)
        }
        const above = done.above()
        let before = done.committed
        for (const { start, end } of above) {
          expect(start).toBeGreaterThan(before)
          expect(end).toBeGreaterThan(start)
          before = end
        }
        expect(done.ackedAbove).toBe([...model].filter(offset => offset > lowest).length)
      }),
      { numRuns: 500 },
    )
  })
})
