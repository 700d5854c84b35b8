/**
 * `pocketmq repair`: opens a folder as its owner, which mends what is derived from the log, and says what could not be mended.
 * Holes in the log stay holes here: they are told of, skipped by readers, and never cut what follows.
 */
import { MessageStore } from '../../store/message-store.ts'
import type { CommandSpec } from './command.ts'
import { EXIT_BAD_NEWS, EXIT_DONE } from './exit-codes.ts'
import { bytesText, countText } from './figures.ts'
import type { OwnerOptions } from './folder.ts'
import { OWNER_OPTIONS, openOptions, readStore } from './folder.ts'

export const repairCommand: CommandSpec<OwnerOptions> = {
  usage: 'repair <dir>',
  about:
    'cuts a torn tail, rebuilds consume queues and index from the log, and reports what is lost; never deletes; exit 1 with what stays damaged',
  options: OWNER_OPTIONS,
  async run({ args: [dir = ''], options, output }) {
    const store = await MessageStore.open(dir, openOptions(options, output))
    const { recovery } = store
    await store.close()
    await using reader = await readStore(dir, options, output)
    const { findings } = await reader.verify()
    await output.answer({ recovery, findings }, () =>
      [
        `${bytesText(recovery.truncatedBytes)} of a torn tail cut and set aside, ${countText(recovery.redispatched)} queue entries written again`,
        ...recovery.notes,
        ...recovery.damaged.map(
          ({ physicalOffset, endPhysicalOffset, reason }) =>
            `lost: log bytes ${physicalOffset} to ${endPhysicalOffset} (${reason})`,
        ),
        findings.length === 0
          ? 'clean: an audit of every byte finds nothing'
          : `${countText(findings.length)} findings stay: see pocketmq verify`,
      ].join('\n'),
    )
    return findings.length === 0 && recovery.damaged.length === 0 ? EXIT_DONE : EXIT_BAD_NEWS
  },
}
