/** Power cuts at every flush, and at other moments, of seeded workloads on the engine. `SEED=123 npm run test:crash` replays one. */
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import { CutTally, cutsOf, takeMoment } from './cut-tally.ts'
import { checkImage } from './store-check.ts'
import type { Image } from './store-workload.ts'
import { StoreWorkload } from './store-workload.ts'

const FIRST_SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9))
const CUTS_WANTED = process.env.SEED === undefined ? Number(process.env.CUTS ?? 13_000) : 1
/** How often the power fails again at a flush of a recovery. */
const NESTED_CHANCE = 0.004
const NESTED_DEPTH_MAX = 3

/** Cuts one seed's workload and checks every image; answers what is wrong. */
async function cutSeed(seed: number, tally: CutTally): Promise<string[]> {
  const random = seededRandom(seed ^ 0xc07)
  const images: Image[] = []
  const keep = (image: Image): void => {
    if (tally.isNew(image.disk, image.cutClass)) images.push(image)
  }
  const workload = new StoreWorkload({
    seed,
    messages: 40,
    onMoment: ({ cutClass, cut }) => {
      if (!takeMoment(cutClass, random)) return
      for (let i = 0; i < cutsOf(cutClass); i++) keep(cut())
    },
  })
  await workload.run()
  const complaints: string[] = []
  for (let image = images.pop(); image !== undefined; image = images.pop()) {
    const { depth, cutClass, sentCount } = image
    const onNested = (nested: () => Image): void => {
      if (depth < NESTED_DEPTH_MAX && random.chance(NESTED_CHANCE)) keep(nested())
    }
    const found = await checkImage(image, { random, onNested }).catch((error: Error) => [String(error.stack)])
    if (found.length > 0)
      complaints.push(`a cut (${cutClass}, ${depth} deep) after ${sentCount} sent: ${found.join('; ')}`)
  }
  return complaints
}

describe('the engine, cut at any moment', () => {
  it('keeps what it acknowledged, each queue a prefix, and goes on', async () => {
    const tally = new CutTally()
    let seed = FIRST_SEED
    for (; tally.total < CUTS_WANTED; seed++) {
      const complaints = await cutSeed(seed, tally)
      expect(complaints, `SEED=${seed} replays it`).toEqual([])
    }
    console.log(`engine, seeds ${FIRST_SEED} to ${seed - 1}: ${tally}`)
  }, 600_000)
})
