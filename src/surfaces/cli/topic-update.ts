/** `pocketmq topic update`. */
import type { CommandSpec } from './command.ts'
import { EXIT_DONE } from './exit-codes.ts'
import { OWNER_OPTIONS, openExisting } from './folder.ts'
import type { TopicOptions } from './topic-create.ts'
import { TOPIC_OPTIONS, topicOf } from './topic-create.ts'

export const topicUpdateCommand: CommandSpec<TopicOptions & { readonly force?: boolean }> = {
  usage: 'topic update <dir>',
  about: "changes a topic's queues or type",
  required: [['--topic <name>', 'its name']],
  options: [
    ...OWNER_OPTIONS,
    ...TOPIC_OPTIONS,
    ['--force', 'also where message groups then move to other queues, and may be out of order meanwhile'],
  ],
  async run({ args: [dir = ''], options, output }) {
    await using mq = await openExisting(dir, options, output)
    await mq.admin.updateTopic({ ...topicOf(options), force: options.force === true })
    await output.answer({ updated: options.topic }, () => `updated ${options.topic}`)
    return EXIT_DONE
  },
}
