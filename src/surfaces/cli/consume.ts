/** `pocketmq consume`: joins a group, prints what it gets, and acknowledges it. */
import type { PocketMQ } from '../../messaging/pocket-mq.ts'
import { wholeNumber } from './arguments.ts'
import type { CommandSpec, Invocation } from './command.ts'
import { EXIT_DONE } from './exit-codes.ts'
import { countText } from './figures.ts'
import type { OwnerOptions } from './folder.ts'
import { OWNER_OPTIONS, openExisting } from './folder.ts'
import { viewLine } from './view-lines.ts'

type Options = OwnerOptions & {
  readonly group: string
  readonly topic: string
  readonly expression?: string
  readonly max?: number
  readonly follow?: boolean
  readonly orderly?: boolean
}

/** Messages asked for at once, and how long they are this consumer's. */
const BATCH_MESSAGES = 32
const INVISIBLE_MS = 300_000
/**
 * How long one request waits. While following an interrupt ends it at once; else the end is seen by the group's lag, and only
 * what nobody can have right now is waited for in vain: long enough for a disk that is busy with other things.
 */
const FOLLOW_AWAIT_MS = 30_000
const AWAIT_MS = 10_000

export const consumeCommand: CommandSpec<Options> = {
  usage: 'consume <dir>',
  about: 'consumes what is there as a member of a group: prints each message as a JSON line, then acknowledges it',
  required: [
    ['--group <name>', 'the consumer group'],
    ['--topic <name>', 'the topic'],
  ],
  options: [
    ...OWNER_OPTIONS,
    ['--expression <tags>', 'only messages with these tags, like "paid || refunded" (default: all)'],
    ['--max <n>', 'at most so many messages', wholeNumber(1)],
    ['--follow', 'wait for more until interrupted'],
    ['--orderly', 'one message at a time in each queue, in order'],
  ],
  async run(invocation) {
    const { args, options, output } = invocation
    await using mq = await openExisting(args[0] ?? '', options, output)
    const consumed = await consumeAll(mq, invocation)
    output.note(`${countText(consumed)} messages consumed`)
    return EXIT_DONE
  },
}

async function consumeAll(mq: PocketMQ, { options, output, signal }: Invocation<Options>): Promise<number> {
  const { group, topic, expression = '*', max = Number.POSITIVE_INFINITY, follow = false, orderly = false } = options
  await using consumer = await mq.simpleConsumer({
    consumerGroup: group,
    subscriptions: { [topic]: expression },
    awaitDuration: follow ? FOLLOW_AWAIT_MS : AWAIT_MS,
    orderly,
    // What is printed is acknowledged: nothing fails here, and nothing may be left out.
    onExhausted: orderly ? 'block' : undefined,
  })
  const receive = async (count: number): Promise<Awaited<ReturnType<typeof consumer.receive>>> => {
    try {
      return await consumer.receive(count, INVISIBLE_MS, { signal })
    } catch (error) {
      // Interrupted while it waited: nothing was handed out.
      if (signal.aborted) return []
      throw error
    }
  }
  let consumed = 0
  let isMore = false
  while (
    consumed < max &&
    !signal.aborted &&
    (isMore || follow || (await mq.admin.groupProgress(group)).lagMessages > 0)
  ) {
    const wanted = Math.min(BATCH_MESSAGES, max - consumed)
    const messages = await receive(wanted)
    if (messages.length === 0 && !follow) break
    isMore = messages.length === wanted
    for (const message of messages) {
      await output.line(viewLine(message))
      await consumer.ack(message)
      consumed++
    }
  }
  return consumed
}
