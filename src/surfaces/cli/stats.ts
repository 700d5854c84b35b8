/** `pocketmq stats`: what the store holds, and what opening it would mend. */
import type { CommandSpec } from './command.ts'
import { EXIT_DONE } from './exit-codes.ts'
import type { FolderOptions } from './folder.ts'
import { FOLDER_OPTIONS, readStore } from './folder.ts'
import { pairsText } from './output.ts'

export const statsCommand: CommandSpec<FolderOptions> = {
  usage: 'stats <dir>',
  about: 'what the store holds: positions, sizes, counts; read-only',
  options: FOLDER_OPTIONS,
  async run({ args: [dir = ''], options, output }) {
    await using store = await readStore(dir, options, output)
    const { recovery } = store
    const ranges = store.queues()
    const messages = ranges.reduce((sum, range) => sum + range.maxQueueOffset - range.minQueueOffset, 0)
    const topics = new Set(ranges.map(range => range.topic)).size
    const stats = { dir: store.dir, topics, messages, ...store.stats() }
    await output.answer({ ...stats, recovery }, () =>
      [
        pairsText([...Object.entries(stats), ['closed cleanly', recovery.clean ? 'yes' : 'no']]),
        ...recovery.notes,
      ].join('\n'),
    )
    return EXIT_DONE
  },
}
