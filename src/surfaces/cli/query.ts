/** `pocketmq query`: messages by key or by id. */
import { PocketMQError } from '../../base/errors.ts'
import type { StoredMessage } from '../../store/message-store.ts'
import { timestamp, wholeNumber } from './arguments.ts'
import type { CommandSpec } from './command.ts'
import { EXIT_BAD_NEWS, EXIT_DONE } from './exit-codes.ts'
import { timeText } from './figures.ts'
import type { FolderOptions } from './folder.ts'
import { FOLDER_OPTIONS, readStore } from './folder.ts'
import { messageLine, ownPlace } from './message-lines.ts'
import { tableText } from './output.ts'

type Options = FolderOptions & {
  readonly topic?: string
  readonly key?: string
  readonly id?: string
  readonly from?: number
  readonly to?: number
  readonly max?: number
  readonly body: boolean
}

const HEAD = ['topic', 'queue', 'offset', 'stored', 'tag', 'keys', 'bytes', 'message id']

export const queryCommand: CommandSpec<Options> = {
  usage: 'query <dir>',
  about: 'messages with a key (--topic and --key), newest first, or one by its id (--id); exit 1 where there is none',
  options: [
    ...FOLDER_OPTIONS,
    ['--topic <name>', 'the topic of the key'],
    ['--key <key>', 'one of the keys, or the message id its producer gave it'],
    ['--id <id>', 'a message id, or an offset message id'],
    ['--from <time>', 'stored at or after', timestamp],
    ['--to <time>', 'stored at or before', timestamp],
    ['--max <n>', 'at most so many', wholeNumber(1)],
    ['--no-body', 'leave the bodies out of the JSON'],
  ],
  async run({ args: [dir = ''], options, output }) {
    const { topic, key, id, body } = options
    if ((id === undefined) === (key === undefined) || (key !== undefined && topic === undefined)) {
      throw new PocketMQError('INVALID_ARGUMENT', 'query needs --topic and --key, or --id', {
        hint: 'For example: pocketmq query DIR --topic orders --key order-42.',
      })
    }
    await using store = await readStore(dir, options, output)
    const found: StoredMessage[] = []
    if (id !== undefined) {
      const message = await store.queryById(id, topic)
      if (message !== undefined) found.push(message)
    } else {
      found.push(...(await store.queryByKey(topic as string, key as string, bounds(options))))
    }
    if (output.isJson) for (const message of found) await output.line(messageLine(ownPlace(message), message, body))
    else await output.text(found.length === 0 ? 'no such message' : tableText(HEAD, found.map(row)))
    return found.length === 0 ? EXIT_BAD_NEWS : EXIT_DONE
  },
}

function bounds({ from, to, max }: Options): { from?: number; to?: number; max?: number } {
  return {
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
    ...(max === undefined ? {} : { max }),
  }
}

function row(message: StoredMessage): (string | number)[] {
  const { topic, queueId, queueOffset, storeTimestamp, tag = '', keys, sizeBytes, uniqueKey, offsetMessageId } = message
  return [
    topic,
    queueId,
    queueOffset,
    timeText(storeTimestamp),
    tag,
    keys.join(' '),
    sizeBytes,
    uniqueKey ?? offsetMessageId,
  ]
}
