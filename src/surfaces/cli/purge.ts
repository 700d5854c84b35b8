/** `pocketmq purge`: makes every group skip what a queue holds. */
import { wholeNumber } from './arguments.ts'
import type { CommandSpec } from './command.ts'
import { EXIT_DONE } from './exit-codes.ts'
import type { OwnerOptions } from './folder.ts'
import { OWNER_OPTIONS, openExisting } from './folder.ts'

type Options = OwnerOptions & { readonly topic: string; readonly queue?: number }

export const purgeCommand: CommandSpec<Options> = {
  usage: 'purge <dir>',
  about: 'makes every group skip what a topic, or one of its queues, holds now',
  required: [['--topic <name>', 'the topic']],
  options: [...OWNER_OPTIONS, ['--queue <id>', 'only this queue', wholeNumber(0)]],
  async run({ args: [dir = ''], options, output }) {
    await using mq = await openExisting(dir, options, output)
    const { topic, queue: queueId } = options
    const purged = await mq.admin.purge({ topic, ...(queueId === undefined ? {} : { queueId }) })
    await output.answer({ topic, ...purged }, () => `purged ${topic}`)
    return EXIT_DONE
  },
}
