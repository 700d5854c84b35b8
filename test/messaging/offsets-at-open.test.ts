import { describe, expect, test } from 'vitest'
import type { OffsetSources } from '../../src/messaging/offsets-at-open.ts'
import { openOffsets } from '../../src/messaging/offsets-at-open.ts'

const where = { group: 'billing', topic: 'orders', queueId: 0 }
const position = (queueOffset: number, ackedFrom = 0, ackedTo = 0, epoch = 0) => ({
  ...where,
  epoch,
  queueOffset,
  ackedFrom,
  ackedTo,
})
const at = (queueOffset: number) => ({ ...where, queueOffset })

function opened(sources: Partial<OffsetSources>): unknown {
  const files = { positions: [], json: undefined, isJsonBackup: false, jsonAsWritten: undefined }
  const usual = { ...files, isJsonOurs: true, isCheckpointOurs: true }
  const { offsets, ...counts } = openOffsets({ ...usual, endOf: () => 100, ...sources })
  return {
    offsets: offsets.map(({ ranges }) => [ranges.committed, ...ranges.above().map(one => `${one.start}-${one.end}`)]),
    ...counts,
  }
}

const untouched = { clamped: 0, foreign: 0, lowered: 0, ignored: 0 }

describe('offsets at open', () => {
  test('of one queue the highest offset and all done ranges hold, in whatever order they were written', () => {
    const positions = [position(5, 8, 10), position(7), position(3, 12, 13), position(6, 10, 11)]
    expect(opened({ positions })).toEqual({ offsets: [[7, '8-11', '12-13']], ...untouched })
  })

  test('the highest epoch alone counts: a reset goes back', () => {
    expect(opened({ positions: [position(50), position(10, 0, 0, 1), position(60)] })).toEqual({
      offsets: [[10]],
      ...untouched,
    })
  })

  test('our table holds over a consumerOffset.json that we wrote, which lags behind it', () => {
    expect(opened({ positions: [position(20)], json: [at(12)], jsonAsWritten: [at(12)] })).toEqual({
      offsets: [[20]],
      ...untouched,
    })
  })

  test('where a broker was here, its value wins if it is another than we wrote', () => {
    const sources = {
      positions: [position(20, 22, 25)],
      isCheckpointOurs: false,
      isJsonOurs: false,
      jsonAsWritten: [at(12)],
    }
    expect(opened({ ...sources, json: [at(40)] })).toEqual({ offsets: [[40]], ...untouched, foreign: 1 })
    expect(opened({ ...sources, json: [at(12)] })).toEqual({ offsets: [[20, '22-25']], ...untouched })
  })

  test('where only the JSON was changed, the smaller offset wins', () => {
    const sources = { positions: [position(20)], isJsonOurs: false, jsonAsWritten: [at(20)] }
    expect(opened({ ...sources, json: [at(5)] })).toEqual({ offsets: [[5]], ...untouched, lowered: 1 })
    expect(opened({ ...sources, json: [at(30)] })).toEqual({ offsets: [[20]], ...untouched })
  })

  test('a name that only a damaged file knows is nobody: what it points past was not consumed', () => {
    const sources = { positions: [position(20)], isJsonOurs: false, jsonAsWritten: [at(20)] }
    const other = { ...where, topic: 'other', queueOffset: 9 }
    expect(opened({ ...sources, json: [at(20), other] })).toEqual({ offsets: [[20]], ...untouched, ignored: 1 })
    expect(opened({ ...sources, isCheckpointOurs: false, json: [at(20), other] })).toEqual({
      offsets: [[20], [9]],
      ...untouched,
    })
  })

  test('without our table a changed file is held to what we last wrote', () => {
    const sources = { isJsonOurs: false, jsonAsWritten: [at(20)] }
    expect(opened({ ...sources, json: [at(30)] })).toEqual({ offsets: [[20]], ...untouched })
    expect(opened({ ...sources, json: [at(10)] })).toEqual({ offsets: [[10]], ...untouched, lowered: 1 })
  })

  test('the version before, where the file itself cannot be read, moves nothing back', () => {
    const sources = { isJsonOurs: false, isJsonBackup: true, jsonAsWritten: [at(20)], json: [at(10)] }
    expect(opened({ ...sources, positions: [position(21)] })).toEqual({ offsets: [[21]], ...untouched })
    expect(opened(sources)).toEqual({ offsets: [[20]], ...untouched })
    expect(opened({ ...sources, jsonAsWritten: undefined })).toEqual({ offsets: [[10]], ...untouched })
  })

  test("a group that only the JSON knows is a broker's", () => {
    expect(opened({ json: [at(33)], isJsonOurs: false, isCheckpointOurs: false })).toEqual({
      offsets: [[33]],
      ...untouched,
    })
  })

  test("what points past the queue's recovered end is cut, done ranges too", () => {
    const positions = [position(98, 99, 120)]
    expect(opened({ positions })).toEqual({ offsets: [[98, '99-100']], ...untouched, clamped: 1 })
    expect(opened({ positions: [position(150)] })).toEqual({ offsets: [[100]], ...untouched, clamped: 1 })
    expect(opened({ json: [at(150)], isJsonOurs: false })).toEqual({ offsets: [[100]], ...untouched, clamped: 1 })
  })
})
