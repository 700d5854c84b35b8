/** `pocketmq topic create`. */
import { PocketMQ } from '../../messaging/pocket-mq.ts'
import type { CreateTopicOptions } from '../../messaging/topics.ts'
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
  readonly queueChoice?: 'javaHash' | 'sip24'
}

export const TOPIC_OPTIONS: readonly OptionSpec[] = [
  ['--queues <n>', 'how many queues', wholeNumber(1, 1024)],
  [
    '--type <type>',
    'which messages it takes: NORMAL, FIFO, DELAY, TRANSACTION or MIXED',
    oneOf('NORMAL', 'FIFO', 'DELAY', 'TRANSACTION', 'MIXED'),
  ],
  [
    '--queue-choice <choice>',
    "how a message group finds its queue: javaHash, or sip24 as RocketMQ's gRPC client for Node",
    oneOf('javaHash', 'sip24'),
  ],
]

/** The part of the options that is about the topic. */
export function topicOf({ topic, queues, type, queueChoice }: TopicOptions): CreateTopicOptions {
  return { topic, queues, type, queueChoice }
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
