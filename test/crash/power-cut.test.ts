/**
 * Simulated power cuts: at every flush, and at other changes, of seeded workloads on the engine and on PocketMQ, and again in
 * recoveries. All images of the run differ from one another. `SEED=123 npm run test:crash` replays a seed.
 */
import { describe, expect, it } from 'vitest'
import { cutFamily } from './cut-run.ts'
import { CUT_CLASSES, CutTally, cutsWanted } from './cut-tally.ts'
import { checkQueueImage } from './queue-check.ts'
import type { QueueImage } from './queue-workload.ts'
import { QueueWorkload } from './queue-workload.ts'
import { checkImage } from './store-check.ts'
import { StoreWorkload } from './store-workload.ts'

const TIMEOUT_MS = 1_800_000
const EACH_CLASS_LEAST = 500
const ENGINE_CUTS = cutsWanted(12_000)
const MESSAGING_CUTS = cutsWanted(8200)

describe('a power cut at any moment', () => {
  const tally = new CutTally()

  it(
    'leaves the engine with all that it acknowledged, each queue a prefix, and it goes on',
    () =>
      cutFamily(
        {
          ...{ name: 'engine', nestedChance: 0.004, check: checkImage },
          run: (seed, onMoment) => new StoreWorkload({ seed, messages: 40, onMoment }).run(),
        },
        tally,
        { fixed: 32_835_223, wanted: ENGINE_CUTS },
      ),
    TIMEOUT_MS,
  )

  it(
    'loses and repeats nothing a queue had settled, settles nothing twice, and keeps every topic, group and offset',
    () =>
      cutFamily(
        {
          ...{
            name: 'messaging',
            nestedChance: 0.004,
            check: (image: QueueImage, _random, onFlush) => checkQueueImage(image, onFlush),
          },
          run: (seed, onMoment) => new QueueWorkload(seed, onMoment).run(),
        },
        tally,
        { fixed: 147_700_002, wanted: MESSAGING_CUTS },
      ),
    TIMEOUT_MS,
  )

  it.skipIf(process.env.SEED !== undefined || process.env.CUTS !== undefined)(
    'was tried at least 20,000 times, no two images alike, and 500 times in each class',
    () => {
      console.log(String(tally))
      expect(tally.total).toBeGreaterThanOrEqual(20_000)
      for (const name of CUT_CLASSES) expect(tally.of(name), name).toBeGreaterThanOrEqual(EACH_CLASS_LEAST)
    },
  )
})
