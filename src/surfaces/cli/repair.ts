/**
 * `pocketmq repair`: closes the holes in the log with placeholders, makes what is derived and damaged anew, and says what is
 * lost. Originals are set aside under `pocketmq/set-aside`, never deleted.
 */
import type { RepairReport } from '../../store/message-store.ts'
import { MessageStore } from '../../store/message-store.ts'
import type { CommandSpec } from './command.ts'
import { EXIT_BAD_NEWS, EXIT_DONE } from './exit-codes.ts'
import { bytesText, countText } from './figures.ts'
import type { OwnerOptions } from './folder.ts'
import { OWNER_OPTIONS, openOptions } from './folder.ts'

export const repairCommand: CommandSpec<OwnerOptions> = {
  usage: 'repair <dir>',
  about:
    'closes holes in the log, builds damaged queues and index anew, sets originals aside; exit 1 with each message lost',
  options: OWNER_OPTIONS,
  async run({ args: [dir = ''], options, output, signal }) {
    const bar = output.bar('verifying', 1)
    const onProgress = ({ done, total }: { readonly done: number; readonly total: number }): void =>
      bar.update(done, total)
    const report = await MessageStore.repair(dir, openOptions(options, output), { signal, onProgress }).finally(() =>
      bar.stop(),
    )
    await output.answer(report, () => textOf(report))
    return report.findings.length === 0 && report.holes.length === 0 ? EXIT_DONE : EXIT_BAD_NEWS
  },
}

function textOf({ recovery, holes, replaced, notes, findings }: RepairReport): string {
  return [
    `${bytesText(recovery.truncatedBytes)} of a torn tail cut, a copy kept under pocketmq/set-aside`,
    ...recovery.notes,
    ...replaced.map(name => `${name} was damaged and is made anew; the former one is under pocketmq/set-aside`),
    ...notes,
    ...holes.flatMap(holeLines),
    findings.length === 0
      ? 'clean: an audit of every byte finds nothing'
      : `${countText(findings.length)} findings stay: see pocketmq verify`,
  ].join('\n')
}

function holeLines({
  physicalOffset,
  endPhysicalOffset,
  reason,
  lost,
  isClosed,
}: RepairReport['holes'][number]): string[] {
  const closed = isClosed ? 'closed, everything behind them is kept' : 'too few for a placeholder, skipped by readers'
  return [
    `lost: log bytes ${physicalOffset} to ${endPhysicalOffset} (${reason}); ${closed}`,
    ...lost.map(({ topic, queueId, queueOffset }) => `lost: message ${queueOffset} of ${topic}, queue ${queueId}`),
  ]
}
