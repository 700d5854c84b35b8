import { describe, expect, it } from 'vitest'
import { parseHost } from '../../src/codec/host.ts'
import type { UniqueIdsOptions } from '../../src/codec/message-id.ts'
import { offsetMessageId, parseOffsetMessageId, UniqueIds } from '../../src/codec/message-id.ts'

describe('an offset message id', () => {
  it.each<[string, number, string]>([
    ['127.0.0.1:10911', 0, '7F00000100002A9F0000000000000000'],
    ['127.0.0.1:10911', 169, '7F00000100002A9F00000000000000A9'],
    ['[2001:db8::1]:10911', 2 ** 40, '20010DB800000000000000000000000100002A9F0000010000000000'],
    ['10.1.2.3:10911', Number.MAX_SAFE_INTEGER, '0A01020300002A9F001FFFFFFFFFFFFF'],
  ])('of %s at %d is what RocketMQ makes of them, and says both', (host, physicalOffset, id) => {
    expect(offsetMessageId(parseHost(host), physicalOffset)).toBe(id)
    expect(parseOffsetMessageId(id)).toEqual({ host: parseHost(host), physicalOffset })
    expect(parseOffsetMessageId(id.toLowerCase())).toEqual({ host: parseHost(host), physicalOffset })
  })

  it.each([
    '',
    '7F00000100002A9F00000000000000A',
    '7F00000100002A9F00000000000000AG',
    '7F00000100002A9F00000000000000A9FF',
    '7F00000100002A9FFF000000000000A9',
    '7F00000100002A9F7F000000000000A9',
  ])('is not %j', id => {
    expect(() => parseOffsetMessageId(id)).toThrow(expect.objectContaining({ code: 'POCKETMQ_INVALID_ARGUMENT' }))
  })
})

describe('unique keys', () => {
  /** A clock that a test sets, and a random that counts. */
  const parts = (): UniqueIdsOptions & { nowMs: () => number; timeMs: number } => {
    let turn = 0
    const options = {
      timeMs: new Date(2024, 4, 17, 12).getTime(),
      processId: 0x54321,
      random: () => (turn++ % 10) / 10,
    }
    return Object.assign(options, { nowMs: () => options.timeMs })
  }

  it('say address, process, maker, time in the month and count, in upper-case hex', () => {
    const options = parts()
    options.timeMs = new Date(2024, 4, 1, 0, 0, 1).getTime()
    const ids = new UniqueIds({ ...options, nowMs: options.nowMs, address: '10.1.2.3' })
    expect(ids.next()).toBe('0A01020343211999999900' + '0003E8' + '0001')
    expect(ids.next()).toBe('0A01020343211999999900' + '0003E8' + '0002')
  })

  it('are all different, also 200,000 in one millisecond', () => {
    const ids = new UniqueIds(parts())
    const made = new Set(Array.from({ length: 200_000 }, () => ids.next()))
    expect(made.size).toBe(200_000)
    expect([...made].filter(id => !/^[0-9A-F]{32}$/.test(id))).toEqual([])
  })

  it('stay different when the clock steps back', () => {
    const options = parts()
    const ids = new UniqueIds(options)
    const made: string[] = []
    for (const stepMs of [0, 5, -5, 0, 3, -1000, 1]) {
      options.timeMs += stepMs
      for (let i = 0; i < 70_000; i++) made.push(ids.next())
    }
    expect(new Set(made).size).toBe(made.length)
  })

  it('get a new random part in a new month, where the time begins again', () => {
    const options = parts()
    const ids = new UniqueIds(options)
    const may = ids.next()
    options.timeMs = new Date(2024, 5, 17, 12).getTime()
    expect(ids.next().slice(12, 20)).not.toBe(may.slice(12, 20))
  })
})
