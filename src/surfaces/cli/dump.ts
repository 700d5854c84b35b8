/** `pocketmq dump`: every message of a folder as JSON lines, read-only and without joining a group. */
import { wholeNumber } from './arguments.ts'
import type { CommandSpec } from './command.ts'
import { EXIT_DONE } from './exit-codes.ts'
import type { FolderOptions } from './folder.ts'
import { FOLDER_OPTIONS, readStore } from './folder.ts'
import { messageLine, messagesOf, queueLine } from './message-lines.ts'

type Options = FolderOptions & {
  readonly topic?: string
  readonly queue?: number
  readonly from?: number
  readonly max?: number
  /** False with `--no-body`. */
  readonly body: boolean
}

export const dumpCommand: CommandSpec<Options> = {
  usage: 'dump <dir>',
  about: 'every message as JSON lines, in (topic, queue, offset) order; read-only',
  options: [
    ...FOLDER_OPTIONS,
    ['--topic <name>', 'only this topic'],
    ['--queue <id>', 'only this queue', wholeNumber(0)],
    ['--from <offset>', 'from this queue offset on', wholeNumber(0)],
    ['--max <n>', 'at most so many messages', wholeNumber(0)],
    ['--no-body', 'leave the bodies out'],
  ],
  async run({ args: [dir = ''], options, output, signal }) {
    await using store = await readStore(dir, options, output)
    const { topic, queue, from, max = Number.POSITIVE_INFINITY, body } = options
    let printed = 0
    for (const range of store.queues()) {
      if ((topic !== undefined && range.topic !== topic) || (queue !== undefined && range.queueId !== queue)) continue
      if (printed >= max || signal.aborted) break
      await output.line(queueLine(range))
      for await (const [place, message] of messagesOf(store, range, from)) {
        if (printed >= max || signal.aborted) break
        await output.line(messageLine(place, message, body))
        printed++
      }
    }
    return EXIT_DONE
  },
}
