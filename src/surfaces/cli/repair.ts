/**
 * `pocketmq repair`: makes everything that is derived from the log anew, and says what could not be mended. The index goes
 * aside as it is, never away: an opener that misses it reads the whole log again, and writes every queue entry in its place.
 * Holes in the log stay holes: they are told of, skipped by readers, and never cut what follows.
 */
import { mkdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { systemClock } from '../../base/clock.ts'
import type { RecoveryReport } from '../../store/message-store.ts'
import { MessageStore } from '../../store/message-store.ts'
import type { CommandSpec } from './command.ts'
import { EXIT_BAD_NEWS, EXIT_DONE } from './exit-codes.ts'
import { bytesText, countText } from './figures.ts'
import type { OwnerOptions } from './folder.ts'
import { OWNER_OPTIONS, openOptions, readStore } from './folder.ts'
import type { Output } from './output.ts'

type Report = {
  /** What the audit found before. */
  readonly findingsBefore: number
  /** What opening the folder mended: once as it was, once from the log alone. */
  readonly recoveries: readonly RecoveryReport[]
  /** Where the former index is. */
  readonly setAside: string | undefined
  readonly findingsAfter: number
}

export const repairCommand: CommandSpec<OwnerOptions> = {
  usage: 'repair <dir>',
  about: 'sets the index aside and builds consume queues and index anew from the log; exit 1 with what stays damaged',
  options: OWNER_OPTIONS,
  async run({ args: [dir = ''], options, output }) {
    const findingsBefore = await audit(dir, options, output)
    // The first opening holds the lock for a moment: nobody else owns the folder, and a torn tail is cut by its own rules.
    const recoveries = [await openOnce(dir, options, output)]
    const isDamaged = findingsBefore > 0 || (recoveries[0]?.damaged.length ?? 0) > 0
    const setAside = isDamaged ? await setIndexAside(dir) : undefined
    if (isDamaged) recoveries.push(await openOnce(dir, options, output))
    const findingsAfter = await audit(dir, options, output)
    const report: Report = { findingsBefore, recoveries, setAside, findingsAfter }
    await output.answer(report, () => textOf(report))
    return findingsAfter === 0 ? EXIT_DONE : EXIT_BAD_NEWS
  },
}

async function audit(dir: string, options: OwnerOptions, output: Output): Promise<number> {
  await using store = await readStore(dir, options, output)
  return (await store.verify()).findingCount
}

async function openOnce(dir: string, options: OwnerOptions, output: Output): Promise<RecoveryReport> {
  await using store = await MessageStore.open(dir, openOptions(options, output))
  return store.recovery
}

async function setIndexAside(dir: string): Promise<string | undefined> {
  const folder = join(dir, 'pocketmq', 'set-aside')
  const aside = join(folder, `index-${systemClock.nowMs()}`)
  await mkdir(folder, { recursive: true })
  try {
    await rename(join(dir, 'index'), aside)
    return aside
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function textOf({ findingsBefore, recoveries, setAside, findingsAfter }: Report): string {
  const truncated = recoveries.reduce((sum, recovery) => sum + recovery.truncatedBytes, 0)
  const damaged = recoveries.at(-1)?.damaged ?? []
  return [
    `${countText(findingsBefore)} findings before`,
    `${bytesText(truncated)} of a torn tail cut, a copy kept under pocketmq/set-aside`,
    ...(setAside === undefined
      ? []
      : [`consume queues and index built anew from the log; the former index is ${setAside}`]),
    ...recoveries.flatMap(recovery => recovery.notes),
    ...damaged.map(
      ({ physicalOffset, endPhysicalOffset, reason }) =>
        `lost: log bytes ${physicalOffset} to ${endPhysicalOffset} (${reason}); everything behind them is kept`,
    ),
    findingsAfter === 0
      ? 'clean: an audit of every byte finds nothing'
      : `${countText(findingsAfter)} findings stay: see pocketmq verify`,
  ].join('\n')
}
