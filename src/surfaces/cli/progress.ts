/** `pocketmq progress`: how far a group is, queue by queue. */
import { systemClock } from '../../base/clock.ts'
import type { QueueProgress } from '../../messaging/core-types.ts'
import { PocketMQ } from '../../messaging/pocket-mq.ts'
import { wholeNumber } from './arguments.ts'
import type { CommandSpec } from './command.ts'
import { EXIT_BAD_NEWS, EXIT_DONE } from './exit-codes.ts'
import { bytesText, countText, durationText } from './figures.ts'
import type { FolderOptions } from './folder.ts'
import { FOLDER_OPTIONS, openOptions } from './folder.ts'
import { tableText } from './output.ts'

type Options = FolderOptions & { readonly group: string; readonly lagMax?: number }

const HEAD = ['topic', 'queue', 'min', 'max', 'committed', 'done above', 'lag', 'bytes', 'oldest']

export const progressCommand: CommandSpec<Options> = {
  usage: 'progress <dir>',
  about: 'how far a group is in each queue; exit 1 when it lags by more than --lag-max; read-only',
  required: [['--group <name>', 'the consumer group']],
  options: [...FOLDER_OPTIONS, ['--lag-max <n>', 'so many messages behind is fine', wholeNumber(0)]],
  async run({ args: [dir = ''], options, output }) {
    await using mq = await PocketMQ.openReadOnly(dir, openOptions(options, output))
    const progress = await mq.admin.groupProgress(options.group)
    const nowMs = systemClock.nowMs()
    await output.answer(
      progress,
      () =>
        `${tableText(
          HEAD,
          progress.queues.map(queue => row(queue, nowMs)),
        )}\n` + `${countText(progress.lagMessages)} messages behind, ${bytesText(progress.lagBytes)}`,
    )
    return progress.lagMessages > (options.lagMax ?? Number.POSITIVE_INFINITY) ? EXIT_BAD_NEWS : EXIT_DONE
  },
}

function row(queue: QueueProgress, nowMs: number): (string | number)[] {
  const { topic, queueId, minQueueOffset, maxQueueOffset, committed, ackedAbove, lagMessages, lagBytes } = queue
  const oldest =
    queue.oldestStoreTimestamp === undefined ? '' : durationText(Math.max(0, nowMs - queue.oldestStoreTimestamp))
  return [
    topic,
    queueId,
    minQueueOffset,
    maxQueueOffset,
    committed,
    ackedAbove,
    lagMessages,
    bytesText(lagBytes),
    oldest,
  ]
}
