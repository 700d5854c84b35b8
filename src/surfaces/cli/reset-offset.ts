/** `pocketmq reset-offset`: moves a group to another place. */
import { timestamp } from './arguments.ts'
import type { CommandSpec } from './command.ts'
import { EXIT_DONE } from './exit-codes.ts'
import type { OwnerOptions } from './folder.ts'
import { OWNER_OPTIONS, openExisting } from './folder.ts'
import { tableText } from './output.ts'

type Target = 'first' | 'last' | number | Date
type Options = OwnerOptions & { readonly group: string; readonly topic: string; readonly to: Target }

export const resetOffsetCommand: CommandSpec<Options> = {
  usage: 'reset-offset <dir>',
  about: 'moves a group in a topic: what it reads next, in all its queues',
  required: [
    ['--group <name>', 'the consumer group'],
    ['--topic <name>', 'the topic'],
    ['--to <place>', 'first, last, a queue offset, or a date like 2026-11-21T06:30:00Z', target],
  ],
  options: OWNER_OPTIONS,
  async run({ args: [dir = ''], options, output }) {
    await using mq = await openExisting(dir, options, output)
    const { group, topic, to } = options
    const { queues } = await mq.admin.resetOffset({ group, topic, to })
    await output.answer({ group, topic, queues }, () =>
      tableText(
        ['queue', 'from', 'to'],
        queues.map(queue => [queue.queueId, queue.from, queue.to]),
      ),
    )
    return EXIT_DONE
  },
}

function target(text: string): Target {
  if (text === 'first' || text === 'last') return text
  if (/^\d+$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text)
  return new Date(timestamp(text))
}
