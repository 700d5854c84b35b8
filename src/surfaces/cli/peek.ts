/** `pocketmq peek`: one message by its place, with its body. */
import type { StoredMessage } from '../../store/message-store.ts'
import { wholeNumber } from './arguments.ts'
import { bodyText } from './body-text.ts'
import type { CommandSpec } from './command.ts'
import { EXIT_BAD_NEWS, EXIT_DONE } from './exit-codes.ts'
import { timeText } from './figures.ts'
import type { FolderOptions } from './folder.ts'
import { FOLDER_OPTIONS, readStore } from './folder.ts'
import { messageLine } from './message-lines.ts'
import { pairsText } from './output.ts'

type Options = FolderOptions & { readonly topic: string; readonly queue: number; readonly offset: number }

export const peekCommand: CommandSpec<Options> = {
  usage: 'peek <dir>',
  about: 'one message by its place, without consuming it; exit 1 where there is none',
  required: [
    ['--topic <name>', 'its topic'],
    ['--queue <id>', 'its queue', wholeNumber(0)],
    ['--offset <n>', 'its queue offset', wholeNumber(0)],
  ],
  options: FOLDER_OPTIONS,
  async run({ args: [dir = ''], options, output }) {
    await using store = await readStore(dir, options, output)
    const { topic, queue: queueId, offset: queueOffset } = options
    const { messages, status } = await store.read({ topic, queueId, queueOffset, maxMessages: 1 })
    const [message] = messages
    const isThere = message !== undefined && (message.queueOffset === queueOffset || message.topic !== topic)
    if (!isThere) {
      await output.answer({ status }, () => `no message there: ${status}`)
      return EXIT_BAD_NEWS
    }
    const place = { topic, queueId, queueOffset }
    await output.answer(messageLine(place, message, true), () => describe(message))
    return EXIT_DONE
  },
}

function describe(message: StoredMessage): string {
  const properties = Object.entries(message.properties).map(([name, value]) => [`property ${name}`, value] as const)
  const pairs = pairsText([
    ['topic', message.topic],
    ['queue', message.queueId],
    ['queue offset', message.queueOffset],
    ['physical offset', message.physicalOffset],
    ['bytes', message.sizeBytes],
    ['born', `${timeText(message.bornTimestamp)} at ${message.bornHost}`],
    ['stored', `${timeText(message.storeTimestamp)} at ${message.storeHost}`],
    ['deliveries before', message.reconsumeTimes],
    ['offset message id', message.offsetMessageId],
    ...properties,
  ])
  return `${pairs}\n${bodyText(message.body).text}`
}
