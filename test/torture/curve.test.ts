import { expect, it } from 'vitest'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import type { Measure, Sample } from './curve.ts'
import { MEASURES, trendsOf } from './curve.ts'

const MIB = 1 << 20
const SECONDS = 3600
const SAMPLES = 120

/** What a soak says about a measure that went like this after so many seconds; all others stay where they are. */
function isBounded(name: Measure, valueAt: (seconds: number) => number): boolean | undefined {
  const samples = Array.from({ length: SAMPLES }, (_, i): Sample => {
    const seconds = ((i + 1) * SECONDS) / SAMPLES
    const still = { rss: 100 * MIB, heapUsed: 20 * MIB, external: 30 * MIB, descriptors: 40, folder: 20 * MIB }
    return { seconds, sentRate: 200, endedRate: 400, ...still, [name]: valueAt(seconds) }
  })
  return trendsOf(samples, SECONDS * 0.4).find(trend => trend.measure === name)?.isBounded
}

it.each([...MEASURES])('%s that stays, swings or jumps about is bounded', name => {
  const base = name === 'descriptors' ? 40 : 50 * MIB
  const { next } = seededRandom(1)
  expect(isBounded(name, () => base)).toBe(true)
  expect(isBounded(name, () => base * (0.7 + 0.6 * next()))).toBe(true)
  expect(isBounded(name, seconds => base * (1 + 0.3 * Math.sin(seconds / 60)))).toBe(true)
})

it('what grows only while it warms up is bounded', () => {
  expect(isBounded('rss', seconds => Math.min(200, 50 + seconds / 5) * MIB)).toBe(true)
})

it.each([...MEASURES])('%s that grows by half an hour is not bounded, with noise neither', name => {
  const base = name === 'descriptors' ? 40 : 50 * MIB
  const { next } = seededRandom(2)
  expect(isBounded(name, seconds => base * (1 + seconds / 7200))).toBe(false)
  expect(isBounded(name, seconds => base * (0.95 + 0.1 * next() + seconds / 7200))).toBe(false)
})
