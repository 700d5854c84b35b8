/** Which power cuts a run has made: each counts once, by what was going on when the power failed. */
import type { SeededRandom } from '../../src/testing/seeded-random.ts'
import type { DiskEvent, SimulatedDisk } from '../../src/testing/simulated-disk.ts'

/** What a cut struck. */
export const CUT_CLASSES = [
  'roll',
  'batch',
  'offsets',
  'rename',
  'retention',
  'index',
  'recovery',
  'close',
  'other',
] as const

export type CutClass = (typeof CUT_CLASSES)[number]

/** How the process before the one that was cut had ended. */
export const ENDINGS = ['close', 'kill', 'power cut'] as const
export const FORMERS = ['nobody', ...ENDINGS, 'broker'] as const

export type Former = (typeof FORMERS)[number]

/** What the workload was doing, where the file alone does not say. */
export type Activity = 'recovery' | 'close' | 'retention' | undefined

/** What a cut left; what it is held against comes with it. */
export type CutImage = {
  readonly disk: SimulatedDisk
  readonly cutClass: CutClass
  readonly former: Former
  /** How many recoveries before this one were cut too. */
  readonly depth: number
}

/** Sorts a cut at this event. `isBatch`: an append unit was not flushed yet; `isRoll`: nor was a segment's beginning. */
export function classOf(
  event: DiskEvent,
  activity: Activity,
  unflushed: { isBatch: boolean; isRoll: boolean },
): CutClass {
  const { path, operation } = event
  if (activity !== undefined) return activity
  if (operation === 'remove' && /\/(commitlog|consumequeue|index)\//.test(path)) return 'retention'
  if (/\/index(\/|$)/.test(path)) return 'index'
  if (/offsets(\/|$)|consumerOffset\.json/.test(path)) return 'offsets'
  if (operation === 'rename' || /\/config(\/|$)|\.tmp$/.test(path)) return 'rename'
  if (unflushed.isRoll) return 'roll'
  if (unflushed.isBatch) return 'batch'
  return 'other'
}

/** How many cuts are taken at one moment: more where moments are rare. */
export function cutsOf(cutClass: CutClass): number {
  if (cutClass === 'other' || cutClass === 'rename' || cutClass === 'index') return 1
  if (cutClass === 'retention') return 12
  return cutClass === 'offsets' || cutClass === 'roll' ? 6 : 2
}

/** Whether a moment is cut at: every one, but of the most frequent kind. */
export function takeMoment(cutClass: CutClass, random: SeededRandom): boolean {
  return cutClass !== 'other' || random.chance(0.6)
}

/** Counts the cuts whose durable image differs from every other. */
export class CutTally {
  readonly #digests = new Set<string>()
  readonly #counts = new Map<CutClass, number>(CUT_CLASSES.map(name => [name, 0]))
  readonly #formers = new Map<Former, number>(FORMERS.map(name => [name, 0]))
  readonly #depths: number[] = []

  /** False where the very same image was met before. */
  isNew({ disk, cutClass, former, depth }: CutImage): boolean {
    const digest = disk.digest()
    if (this.#digests.has(digest)) return false
    this.#digests.add(digest)
    this.#counts.set(cutClass, this.of(cutClass) + 1)
    this.#formers.set(former, this.after(former) + 1)
    this.#depths[depth] = (this.#depths[depth] ?? 0) + 1
    return true
  }

  get total(): number {
    return this.#digests.size
  }

  of(cutClass: CutClass): number {
    return this.#counts.get(cutClass) ?? 0
  }

  /** Cuts of processes that came after such an ending of the one before. */
  after(former: Former): number {
    return this.#formers.get(former) ?? 0
  }

  /** Cuts of recoveries that came after a power cut themselves. */
  get again(): number {
    return this.#depths.slice(1).reduce((sum, count) => sum + count, 0)
  }

  toString(): string {
    const classes = CUT_CLASSES.map(name => `${name} ${this.of(name)}`).join(', ')
    const formers = FORMERS.map(name => `${name} ${this.after(name)}`).join(', ')
    return `${this.total} different power cuts: ${classes}; after: ${formers}; in the recovery from another cut: ${this.again}`
  }
}

/** How many different images a run asks for: one seed's with `SEED`, `CUTS` where that is given, five times as many with `ROTATE`. */
export function cutsWanted(some: number): number {
  if (process.env.SEED !== undefined) return 1
  return Number(process.env.CUTS ?? (process.env.ROTATE === undefined ? some : 5 * some))
}

/** Whether a run is of one seed, or of so many cuts, and so of no use for counting. */
export function isOneSeed(): boolean {
  return process.env.SEED !== undefined || process.env.CUTS !== undefined
}
