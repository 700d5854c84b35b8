/** `pocketmq topic delete`. */
import type { CommandSpec } from './command.ts'
import { EXIT_DONE } from './exit-codes.ts'
import type { OwnerOptions } from './folder.ts'
import { OWNER_OPTIONS, openExisting } from './folder.ts'

export const topicDeleteCommand: CommandSpec<OwnerOptions & { readonly topic: string }> = {
  usage: 'topic delete <dir>',
  about: 'deletes a topic and its queues; what it held in the log goes with retention',
  required: [['--topic <name>', 'its name']],
  options: OWNER_OPTIONS,
  async run({ args: [dir = ''], options, output }) {
    await using mq = await openExisting(dir, options, output)
    await mq.admin.deleteTopic(options.topic)
    await output.answer({ deleted: options.topic }, () => `deleted ${options.topic}`)
    return EXIT_DONE
  },
}
