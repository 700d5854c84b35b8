/** Runs of power cuts: images from one run of each seed's workload, each checked, and cut again in its recovery. */
import { expect } from 'vitest'
import type { SeededRandom } from '../../src/testing/seeded-random.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import { firstSeed } from '../support/seeds.ts'
import type { CutClass, CutImage, CutTally, Former } from './cut-tally.ts'
import { CUT_CLASSES, cutsOf, FORMERS, isOneSeed, takeMoment } from './cut-tally.ts'

/** A workload and its check. */
export type Family<I extends CutImage> = {
  readonly name: string
  /** Runs a seed's workload; `onMoment` is called wherever the power may fail. */
  readonly run: (seed: number, onMoment: (cutClass: CutClass, cut: () => I) => void) => Promise<void>
  /** Answers what is wrong with an image. `onFlush` is called at every flush of its recovery. */
  readonly check: (image: I, random: SeededRandom, onFlush: () => void) => Promise<string[]>
  /** How often the power fails again at a flush of a recovery. */
  readonly nestedChance: number
  /** How many of a workload's moments are cut at, where one seed's are too many. Default: all. */
  readonly share?: number
}

const NESTED_DEPTH_MAX = 3
/** Closing aborts many waits, each with a stack of its own: deep ones take a tenth of the time. */
const STACK_FRAMES = 8
/** Of a broken engine the first complaints say enough. */
const COMPLAINTS_MAX = 5

/** How much a run has to have seen. */
export type Wanted = {
  /** Different images. */
  readonly cuts: number
  /** Of each of these classes so many: seeds differ in what they do. */
  readonly least?: Partial<Record<CutClass, number>>
  /** The same of cuts after such endings of the process before. */
  readonly leastAfter?: Partial<Record<Former, number>>
}

/** Cuts until that much was seen, from seed `fixed` on, or whichever `firstSeed` says. */
export async function cutFamily<I extends CutImage>(
  family: Family<I>,
  tally: CutTally,
  { fixed, wanted }: { readonly fixed: number; readonly wanted: Wanted },
): Promise<void> {
  Error.stackTraceLimit = STACK_FRAMES
  const first = firstSeed(fixed)
  const before = tally.total
  let seed = first
  for (; tally.total - before < wanted.cuts || lacksOf(tally, wanted); seed++) {
    const complaints = await cutSeed(family, tally, seed)
    expect(complaints, `SEED=${seed} npm run test:crash replays it`).toEqual([])
  }
  console.log(`${family.name}, seeds ${first} to ${seed - 1}: ${tally}`)
}

function lacksOf(tally: CutTally, { least = {}, leastAfter = {} }: Wanted): boolean {
  if (isOneSeed()) return false
  const lacksClass = CUT_CLASSES.some(name => tally.of(name) < (least[name] ?? 0))
  return lacksClass || FORMERS.some(name => tally.after(name) < (leastAfter[name] ?? 0))
}

async function cutSeed<I extends CutImage>(family: Family<I>, tally: CutTally, seed: number): Promise<string[]> {
  const random = seededRandom(seed ^ 0xc07)
  const images: I[] = []
  const keep = (image: I): void => {
    if (tally.isNew(image)) images.push(image)
  }
  await family.run(seed, (cutClass, cut) => {
    if (!takeMoment(cutClass, random) || (family.share !== undefined && !random.chance(family.share))) return
    for (let i = 0; i < cutsOf(cutClass); i++) keep(cut())
  })
  const complaints: string[] = []
  for (let image = images.pop(); image !== undefined && complaints.length < COMPLAINTS_MAX; image = images.pop()) {
    const { disk, depth, cutClass } = image
    const again = { ...image, cutClass: 'recovery', depth: depth + 1 } as const
    const onFlush = (): void => {
      if (depth >= NESTED_DEPTH_MAX || !random.chance(family.nestedChance)) return
      keep({ ...again, disk: disk.powerCut(random.below(2 ** 31)) })
    }
    const found = await family.check(image, random, onFlush).catch((error: Error) => [String(error.stack)])
    if (found.length > 0)
      complaints.push(`a cut (${cutClass}, ${depth} deep): ${found.slice(0, COMPLAINTS_MAX).join('; ')}`)
  }
  return complaints
}
