/** `pocketmq topic create`. */
import { PocketMQ } from '../../messaging/pocket-mq.ts'
import { oneOf, wholeNumber } from './arguments.ts'
import type { CommandSpec, OptionSpec } from './command.ts'
import { EXIT_DONE } from './exit-codes.ts'
import type { OwnerOptions } from './folder.ts'
import { OWNER_OPTIONS, openOptions } from './folder.ts'

/** What a topic is made of, on the command line. */
export type TopicOptions = OwnerOptions & {
  readonly topic: string
  readonly queues?: number
  readonly type?: 'NORMAL' | 'FIFO' | 'DELAY' | 'TRANSACTION' | 'MIXED'
}

export const TOPIC_OPTIONS: readonly OptionSpec[] = [
  ['--queues <n>', 'how many queues', wholeNumber(1, 1024)],
  [
    '--type <type>',
    'which messages it takes: NORMAL, FIFO, DELAY, TRANSACTION or MIXED',
    oneOf('NORMAL', 'FIFO', 'DELAY', 'TRANSACTION', 'MIXED'),
  ],
]

/** The part of the options that is about the topic. */
export function topicOf({ topic, queues, type }: TopicOptions): Pick<TopicOptions, 'topic' | 'queues' | 'type'> {
  return { topic, ...(queues === undefined ? {} : { queues }), ...(type === undefined ? {} : { type }) }
}

export const topicCreateCommand: CommandSpec<TopicOptions> = {
  usage: 'topic create <dir>',
  about: 'creates a topic (and the folder, where there is none)',
  required: [['--topic <name>', 'its name']],
  options: [...OWNER_OPTIONS, ...TOPIC_OPTIONS],
  async run({ args: [dir = ''], options, output }) {
    await using mq = await PocketMQ.open(dir, openOptions(options, output))
    await mq.admin.createTopic(topicOf(options))
    await output.answer({ created: options.topic }, () => `created ${options.topic}`)
    return EXIT_DONE
  },
}
