/**
 * Simulated power cuts: at every flush, and at other changes, of seeded workloads on the engine, and again in recoveries.
 * All images of the run differ from one another. `SEED=123 npm run test:crash` replays a seed.
 */
import { describe, expect, it } from 'vitest'
import { cutFamily } from './cut-run.ts'
import type { CutClass } from './cut-tally.ts'
import { CUT_CLASSES, CutTally, cutsWanted, isOneSeed } from './cut-tally.ts'
import { checkImage } from './store-check.ts'
import { StoreWorkload } from './store-workload.ts'

const TIMEOUT_MS = 1_800_000
const CUTS = 12_000
/** Of each class; together with the cuts of messaging at least 500. */
const EACH_LEAST = 500
const FEWER: Partial<Record<CutClass, number>> = { batch: 250, offsets: 350, other: 0 }
const LEAST = Object.fromEntries(CUT_CLASSES.map(name => [name, FEWER[name] ?? EACH_LEAST]))

describe('the engine, when the power fails at any moment', () => {
  const tally = new CutTally()

  it(
    'has all that it acknowledged, each queue a prefix, and goes on',
    () =>
      cutFamily(
        {
          ...{ name: 'engine', nestedChance: 0.004, check: checkImage },
          run: (seed, onMoment) => new StoreWorkload({ seed, messages: 40, onMoment }).run(),
        },
        tally,
        { fixed: 32_835_223, wanted: { cuts: cutsWanted(CUTS), least: LEAST } },
      ),
    TIMEOUT_MS,
  )

  it.skipIf(isOneSeed())('was tried at least 12,000 times, no two images alike, and each class often', () => {
    expect(tally.total).toBeGreaterThanOrEqual(CUTS)
    for (const name of CUT_CLASSES) expect(tally.of(name), name).toBeGreaterThanOrEqual(LEAST[name] as number)
  })
})
