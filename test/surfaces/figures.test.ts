import { expect, it } from 'vitest'
import { bytesText, countText, durationText, rateText, timeText } from '../../src/surfaces/cli/figures.ts'

it('counts have separators', () => {
  expect([0, 999, 1_234_567].map(countText)).toEqual(['0', '999', '1,234,567'])
})

it('bytes are shown in the unit that fits', () => {
  expect([0, 1023, 1024, 1536, 64 * 1024 * 1024, 2 ** 60].map(bytesText)).toEqual([
    '0 B',
    '1023 B',
    '1.0 KiB',
    '1.5 KiB',
    '64.0 MiB',
    '1024.0 PiB',
  ])
})

it('durations are shown in the two units that fit', () => {
  const texts = [0, 12.4, 3400, 306_000, 7 * 3_600_000 + 480_000, 9.5 * 86_400_000].map(durationText)
  expect(texts).toEqual(['0 ms', '12 ms', '3.4 s', '5 min 6 s', '7 h 8 min', '9 d 12 h'])
})

it('rates are per second, and a time of nothing is no division by it', () => {
  expect([rateText(10_000, 2000), rateText(5, 0)]).toEqual(['5,000/s', '0/s'])
})

it('a time that is none is a dash', () => {
  expect([timeText(0), timeText(undefined), timeText(Number.NaN), timeText(1e17)]).toEqual([
    '1970-01-01T00:00:00.000Z',
    '-',
    '-',
    '-',
  ])
})
