/** All kinds of torture at once, for so long; what is not possible here is skipped and said. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TextStream } from '../../src/surfaces/cli/output.ts'
import type { SeededRandom } from '../../src/testing/seeded-random.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import { cutFolder } from './cuts.ts'
import { descriptorsFolder, noPrlimit } from './descriptors.ts'
import { noExt4, noTmpfs, unmountAll } from './devices.ts'
import { failingFolder } from './failing-device.ts'
import type { FolderTorture } from './folder.ts'
import { TortureFolder } from './folder.ts'
import { fullFolder } from './full-device.ts'
import { killFolder } from './kills.ts'
import type { Planted } from './lines.ts'
import { EVENTS, Tally } from './tally.ts'

type Torture = {
  /** How many of its folders are tortured at once; 0: it shares one lane with others, in turn. */
  readonly lanes: number
  /** Why it is not possible here. */
  readonly impossible: () => Promise<string | undefined>
  readonly run: (folder: FolderTorture) => Promise<void>
}

const KILLS_PER_FOLDER = 16
const possible = async (): Promise<undefined> => undefined

/** Every kind of torture by its name. */
export const TORTURES: Readonly<Record<string, Torture>> = {
  kills: {
    lanes: 3,
    impossible: possible,
    run: async ({ home, seed, io, planted, tally, isOver }) => {
      const dir = join(home, 'store')
      const folder = new TortureFolder({ dir, outside: join(home, 'outside'), seed, io, planted })
      await killFolder(folder, dir, KILLS_PER_FOLDER, tally, isOver)
    },
  },
  cuts: { lanes: 2, impossible: noExt4, run: cutFolder },
  full: { lanes: 0, impossible: noTmpfs, run: fullFolder },
  failing: { lanes: 0, impossible: noExt4, run: failingFolder },
  descriptors: { lanes: 0, impossible: noPrlimit, run: descriptorsFolder },
}

/** What to do. */
export type TortureOptions = {
  readonly seconds: number
  readonly seed: number
  /** Names of {@link TORTURES}. */
  readonly only: readonly string[]
  readonly planted?: Planted | undefined
  /** Where findings go at once, and progress, a line each second, if that is a terminal. */
  readonly progress?: TextStream | undefined
}

/** Runs until the time is over; each folder is finished and checked whole. Ends early where something was found. */
export async function torture(options: TortureOptions): Promise<{ tally: Tally; seconds: number }> {
  const tally = new Tally(options.progress)
  const startedMs = Date.now()
  const elapsedSeconds = (): number => (Date.now() - startedMs) / 1000
  const isOver = (): boolean => elapsedSeconds() > options.seconds || tally.findings.length > 0
  const stopProgress = showProgress(tally, elapsedSeconds, options)
  const ios = await ioModes(tally)
  const lanes = await lanesOf(options.only, tally)
  try {
    await Promise.all(
      lanes.map((names, i) => runLane(names, seededRandom(options.seed + i), { ios, tally, isOver, options })),
    )
  } finally {
    stopProgress()
    await unmountAll()
  }
  return { tally, seconds: elapsedSeconds() }
}

/** The kinds that each lane goes through, over and over. */
async function lanesOf(only: readonly string[], tally: Tally): Promise<string[][]> {
  const lanes: string[][] = []
  const shared: string[] = []
  for (const name of only) {
    const kind = TORTURES[name]
    if (kind === undefined) throw new Error(`there is no torture '${name}': ${Object.keys(TORTURES).join(', ')}`)
    const reason = await kind.impossible()
    if (reason !== undefined) tally.skipped.push(`${name}: ${reason}`)
    else if (kind.lanes === 0) shared.push(name)
    else lanes.push(...Array.from({ length: kind.lanes }, () => [name]))
  }
  return shared.length === 0 ? lanes : [...lanes, shared]
}

type LaneParts = {
  readonly ios: readonly ('file' | 'mmap')[]
  readonly tally: Tally
  readonly isOver: () => boolean
  readonly options: TortureOptions
}

async function runLane(names: readonly string[], random: SeededRandom, parts: LaneParts): Promise<void> {
  const { ios, tally, isOver, options } = parts
  let count = random.below(ios.length)
  do {
    for (const name of names) {
      const io = ios[count % ios.length] as 'file' | 'mmap'
      const seed = random.below(2 ** 31)
      const home = mkdtempSync(join(tmpdir(), `pocketmq-torture-${name}-`))
      try {
        await TORTURES[name]?.run({ home, seed, io, planted: options.planted, tally, isOver })
      } catch (error) {
        tally.find(`${name}, io ${io}, folder seed ${seed}`, [String((error as Error).stack)])
      }
      // A folder in which something was found stays where it is, to be looked at.
      if (tally.findings.length > 0 && options.planted === undefined) tally.find(name, [`what was found is in ${home}`])
      else rmSync(home, { recursive: true, force: true })
    }
    count++
  } while (!isOver())
}

async function ioModes(tally: Tally): Promise<readonly ('file' | 'mmap')[]> {
  try {
    await import('mmap-io')
    return ['file', 'mmap']
  } catch (error) {
    tally.skipped.push(`io: 'mmap': ${String((error as Error).message).split('\n')[0]}`)
    return ['file']
  }
}

function showProgress(tally: Tally, elapsed: () => number, { progress, seconds }: TortureOptions): () => void {
  if (progress?.isTTY !== true) return () => {}
  const timer = setInterval(() => {
    const counts = EVENTS.map(event => `${event} ${tally.events[event]}`).join(', ')
    progress.write(`\r\x1b[K${Math.round(elapsed())}/${seconds} s: ${counts}, findings ${tally.findings.length}`)
  }, 1000)
  return () => {
    clearInterval(timer)
    progress.write('\n')
  }
}
