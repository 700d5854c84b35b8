import { describe, expect, it } from 'vitest'
import { encodeOwnFile } from '../../src/codec/own-file.ts'
import { decodeStateLists, encodeStateLists } from '../../src/codec/state-lists.ts'
import { bitFlips, bytesOf } from './bytes-of.ts'

const LISTS = {
  foreignRanges: [
    { start: 0, end: 4096 },
    { start: 2 ** 41, end: 2 ** 41 + 5 },
  ],
  tombstones: [
    {
      topic: 'orders',
      physicalOffset: 2 ** 40,
      nextQueueOffsets: new Map([
        [0, 12],
        [3, 2 ** 33],
      ]),
    },
    { topic: '%RETRY%ünïcode', physicalOffset: 0, nextQueueOffsets: new Map() },
  ],
}
const corrupt = expect.objectContaining({ code: 'POCKETMQ_CORRUPT' })

describe('the file of tombstones and foreign ranges', () => {
  it('gives back what was saved', () => {
    expect(decodeStateLists(encodeStateLists(5, LISTS))).toEqual({ sequence: 5, ...LISTS })
    const empty = { foreignRanges: [], tombstones: [] }
    expect(decodeStateLists(encodeStateLists(1, empty))).toEqual({ sequence: 1, ...empty })
  })

  it('holds ten thousand deleted topics', () => {
    const tombstones = Array.from({ length: 10_000 }, (_, n) => ({
      topic: `topic-${n}`,
      physicalOffset: n,
      nextQueueOffsets: new Map([[0, n]]),
    }))
    expect(decodeStateLists(encodeStateLists(1, { foreignRanges: [], tombstones })).tombstones).toEqual(tombstones)
  })

  it('is damaged where any bit is flipped or bytes are missing', () => {
    const bytes = encodeStateLists(5, LISTS)
    for (const flipped of bitFlips(bytes)) expect(() => decodeStateLists(flipped)).toThrow(corrupt)
    for (let end = 0; end < bytes.length; end++) expect(() => decodeStateLists(bytes.subarray(0, end))).toThrow(corrupt)
  })

  it('with counts that cannot be is damaged, however right its checksum, and nothing large is allocated', () => {
    const forged = [
      '0000000000000001 ffffffff 00000000',
      '0000000000000001 00000000 ffffffff',
      '0000000000000001 00000000 00000001 0000000000000000 ffff 00000000',
      '0000000000000001 00000000 00000001 0000000000000000 0000 ffffffff',
      '8000000000000001 00000000 00000000',
      '0000000000000001 00000000 00000000 00',
    ]
    for (const hex of forged) expect(() => decodeStateLists(encodeOwnFile(bytesOf(hex)))).toThrow(corrupt)
  })
})
