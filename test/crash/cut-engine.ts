/** One run of power cuts over seeded workloads on the engine: images from one run per seed, each checked, and cut again in its recovery. */
import { expect } from 'vitest'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import { CutTally, cutsOf, cutsWanted, firstSeed, takeMoment } from './cut-tally.ts'
import { checkImage } from './store-check.ts'
import type { Image } from './store-workload.ts'
import { StoreWorkload } from './store-workload.ts'

const CUTS_WANTED = cutsWanted(1000, 9400)
/** How often the power fails again at a flush of a recovery. */
const NESTED_CHANCE = 0.004
const NESTED_DEPTH_MAX = 3

/** Cuts until there are enough different images, from seed `fixed` on. `SEED` replays one seed, `ROTATE` starts anywhere. */
export async function cutEngine(fixed: number): Promise<void> {
  const first = firstSeed(fixed)
  const tally = new CutTally()
  let seed = first
  for (; tally.total < CUTS_WANTED; seed++) {
    const complaints = await cutSeed(seed, tally)
    expect(complaints, `SEED=${seed} replays it`).toEqual([])
  }
  console.log(`engine, seeds ${first} to ${seed - 1}: ${tally}`)
}

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
