/**
 * Simulated power cuts: at every flush, and at other changes, of seeded workloads on PocketMQ, in folders of its own and in one
 * that a broker closed, and again in recoveries. All images differ. `SEED=123 npm run test:crash` replays a seed.
 */
import { describe, expect, it } from 'vitest'
import { brokersFolder } from './broker-ground.ts'
import { cutFamily } from './cut-run.ts'
import { CutTally, cutsWanted, isOneSeed } from './cut-tally.ts'
import { checkQueueImage } from './queue-check.ts'
import type { QueueImage } from './queue-workload.ts'
import { QueueWorkload } from './queue-workload.ts'

const TIMEOUT_MS = 1_800_000
const CUTS = 8200
const BROKER_CUTS = 700
/** Of each class and way; the cuts of the engine bring the rest. */
const EACH_LEAST = 250
const CLASSES = ['roll', 'batch', 'offsets', 'rename', 'recovery', 'close'] as const
const LEAST = Object.fromEntries(CLASSES.map(name => [name, EACH_LEAST]))
const NESTED_CHANCE = 0.004

describe('PocketMQ, when the power fails at any moment', () => {
  const tally = new CutTally()
  const check = (image: QueueImage, _random: unknown, onFlush: () => void): Promise<string[]> =>
    checkQueueImage(image, onFlush)

  it(
    'loses and repeats nothing a queue had settled, settles nothing twice, and keeps every topic, group and offset',
    () =>
      cutFamily(
        {
          ...{ name: 'messaging', nestedChance: NESTED_CHANCE, check },
          run: (seed, onMoment) => new QueueWorkload(seed, onMoment).run(),
        },
        tally,
        {
          fixed: 147_700_002,
          wanted: { cuts: cutsWanted(CUTS), least: LEAST, leastAfter: { close: EACH_LEAST, 'power cut': EACH_LEAST } },
        },
      ),
    TIMEOUT_MS,
  )

  it(
    'keeps what a broker had left in the folder as well, and what was pending there',
    async () => {
      const ground = await brokersFolder()
      await cutFamily(
        {
          ...{ name: "a broker's folder", nestedChance: 2 * NESTED_CHANCE, share: 0.1, check },
          run: (seed, onMoment) => new QueueWorkload(seed, onMoment, ground).run(),
        },
        tally,
        { fixed: 5_500_001, wanted: { cuts: cutsWanted(BROKER_CUTS), leastAfter: { broker: EACH_LEAST } } },
      )
    },
    TIMEOUT_MS,
  )

  it.skipIf(isOneSeed())('was tried at least 8,900 times, no two images alike, each class and way often', () => {
    expect(tally.total).toBeGreaterThanOrEqual(CUTS + BROKER_CUTS)
    for (const name of CLASSES) expect(tally.of(name), name).toBeGreaterThanOrEqual(EACH_LEAST)
    for (const former of ['close', 'power cut', 'broker'] as const)
      expect(tally.after(former), former).toBeGreaterThanOrEqual(EACH_LEAST)
  })
})
