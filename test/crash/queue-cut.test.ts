/** Power cuts at every flush of seeded workloads on PocketMQ: delays, transactions, acknowledgements, dead letters. */
import { expect, it } from 'vitest'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import { CutTally, cutsWanted, firstSeed, takeMoment } from './cut-tally.ts'
import type { QueueImage } from './queue-workload.ts'
import { checkQueueImage, QueueWorkload } from './queue-workload.ts'

const FIRST_SEED = firstSeed(30_000)
const CUTS_WANTED = cutsWanted(250, 1500)
const NESTED_CHANCE = 0.003

async function cutSeed(seed: number, tally: CutTally): Promise<string[]> {
  const random = seededRandom(seed ^ 0xc07)
  const images: QueueImage[] = []
  const keep = (image: QueueImage): void => {
    if (tally.isNew(image.disk, image.cutClass)) images.push(image)
  }
  const workload = new QueueWorkload(seed, (cutClass, cut) => {
    if (takeMoment(cutClass, random)) keep(cut())
  })
  await workload.run()
  const complaints: string[] = []
  for (let image = images.pop(); image !== undefined; image = images.pop()) {
    const { disk, depth, cutClass } = image
    const again = { ...image, cutClass: 'recovery', depth: depth + 1 } as const
    const onFlush = (): void => {
      if (random.chance(NESTED_CHANCE)) keep({ ...again, disk: disk.powerCut(random.below(2 ** 31)) })
    }
    const found = await checkQueueImage(image, onFlush).catch((error: Error) => [String(error.stack)])
    if (found.length > 0) complaints.push(`a cut (${cutClass}, ${depth} deep): ${found.join('; ')}`)
  }
  return complaints
}

it('a queue that is cut at any moment loses and repeats nothing it had settled, and settles nothing twice', async () => {
  const tally = new CutTally()
  let seed = FIRST_SEED
  for (; tally.total < CUTS_WANTED; seed++) {
    expect(await cutSeed(seed, tally), `SEED=${seed} replays it`).toEqual([])
  }
  console.log(`messaging, seeds ${FIRST_SEED} to ${seed - 1}: ${tally}`)
}, 900_000)
