/** `pocketmq topics`: which topics there are. */
import { PocketMQ } from '../../messaging/pocket-mq.ts'
import type { QueueRange } from '../../store/message-store.ts'
import type { CommandSpec } from './command.ts'
import { EXIT_DONE } from './exit-codes.ts'
import type { FolderOptions } from './folder.ts'
import { FOLDER_OPTIONS, openOptions } from './folder.ts'
import { tableText } from './output.ts'

type Options = FolderOptions & { readonly all?: boolean }

const HEAD = ['topic', 'type', 'queues', 'messages', 'first offset', 'next offset']

export const topicsCommand: CommandSpec<Options> = {
  usage: 'topics <dir>',
  about: 'which topics there are, with their queues and messages; read-only',
  options: [...FOLDER_OPTIONS, ['--all', "RocketMQ's own system topics too"]],
  async run({ args: [dir = ''], options, output }) {
    await using mq = await PocketMQ.openReadOnly(dir, openOptions(options, output))
    const ranges = mq.store.queues()
    const topics = (await mq.admin.topics({ system: options.all === true })).map(topic => ({
      ...topic,
      ...totals(ranges.filter(range => range.topic === topic.topic)),
    }))
    await output.answer(topics, () =>
      topics.length === 0
        ? 'no topics'
        : tableText(
            HEAD,
            topics.map(one => [
              one.topic,
              one.type,
              one.readQueues,
              one.messages,
              one.minQueueOffsets,
              one.maxQueueOffsets,
            ]),
          ),
    )
    return EXIT_DONE
  },
}

type Totals = {
  readonly queues: readonly QueueRange[]
  readonly messages: number
  readonly minQueueOffsets: string
  readonly maxQueueOffsets: string
}

function totals(queues: readonly QueueRange[]): Totals {
  return {
    queues,
    messages: queues.reduce((sum, { minQueueOffset, maxQueueOffset }) => sum + maxQueueOffset - minQueueOffset, 0),
    minQueueOffsets: queues.map(queue => queue.minQueueOffset).join(' '),
    maxQueueOffsets: queues.map(queue => queue.maxQueueOffset).join(' '),
  }
}
