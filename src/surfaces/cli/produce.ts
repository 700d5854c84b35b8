/** `pocketmq produce`: one message for each line of a file or of stdin. */
import { open } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { systemClock } from '../../base/clock.ts'
import { asError, PocketMQError } from '../../base/errors.ts'
import { PocketMQ } from '../../messaging/pocket-mq.ts'
import type { Durability } from '../../store/message-store.ts'
import { positiveNumber, wholeNumber } from './arguments.ts'
import type { CommandSpec } from './command.ts'
import { EXIT_DONE } from './exit-codes.ts'
import { countText, durationText, rateText } from './figures.ts'
import type { OwnerOptions } from './folder.ts'
import { DURABILITY_OPTION, OWNER_OPTIONS, openOptions } from './folder.ts'
import { linesOf } from './input-lines.ts'
import { Pace } from './pace.ts'

type Options = OwnerOptions & {
  readonly topic: string
  readonly file?: string
  readonly tagField?: string
  readonly keyField?: string
  readonly groupField?: string
  readonly durability?: Durability
  readonly rate?: number
  readonly inFlight?: number
  readonly printAcks?: boolean
}

const IN_FLIGHT = 256

export const produceCommand: CommandSpec<Options> = {
  usage: 'produce <dir>',
  about: 'one message for each line of a file or of stdin; empty lines are left out',
  required: [['--topic <name>', 'where to']],
  options: [
    ...OWNER_OPTIONS,
    DURABILITY_OPTION,
    ['--file <path>', 'read from here instead of stdin'],
    ['--tag-field <name>', 'where a line is a JSON object: its field with the tag'],
    ['--key-field <name>', 'its field with the key, or an array of keys'],
    ['--group-field <name>', 'its field with the message group: one group stays in order'],
    ['--rate <n>', 'at most so many messages a second', positiveNumber],
    ['--in-flight <n>', `so many sends unacknowledged at once (default ${IN_FLIGHT})`, wholeNumber(1, 100_000)],
    ['--print-acks', 'print each receipt as a JSON line after its promise has resolved'],
  ],
  async run({ args: [dir = ''], options, stdin, output, signal }) {
    const startMs = systemClock.monotonicMs()
    const input = options.file === undefined ? stdin : await fileStream(options.file)
    const counts = { sent: 0, acknowledged: 0, emptyLines: 0, bytes: 0 }
    try {
      await using mq = await PocketMQ.open(dir, openOptions(options, output))
      const producer = mq.producer()
      const pace = new Pace(options.inFlight ?? IN_FLIGHT, options.rate)
      const acknowledge = async (message: ReturnType<typeof messageOf>): Promise<void> => {
        const receipt = await producer.send(message)
        counts.acknowledged++
        if (options.printAcks === true) await output.line(receipt)
      }
      for await (const line of linesOf(input)) {
        if (signal.aborted) break
        if (line.length === 0) {
          counts.emptyLines++
          continue
        }
        await pace.turn()
        counts.sent++
        counts.bytes += line.length
        pace.start(acknowledge(messageOf(line, options)))
      }
      await pace.finished()
    } finally {
      input.destroy()
      const ms = systemClock.monotonicMs() - startMs
      output.note(
        `${countText(counts.acknowledged)} of ${countText(counts.sent)} messages acknowledged in ${durationText(ms)}, ${rateText(counts.acknowledged, ms)}`,
      )
    }
    if (output.isJson && options.printAcks !== true) await output.line(counts)
    return EXIT_DONE
  },
}

/** A file to read, open already: what is wrong with it is said before anything is created. */
async function fileStream(path: string): Promise<Readable> {
  const file = await open(path, 'r').catch((error: unknown) => {
    throw new PocketMQError('IO', `${path} cannot be read: ${asError(error).message}`, {
      hint: 'Name a file that is there and may be read.',
      cause: error,
    })
  })
  return file.createReadStream()
}

type Field = string | undefined

/** The message of a line: the line itself, with what its fields say where it is a JSON object. */
function messageOf(line: Buffer, { topic, tagField, keyField, groupField }: Options): OutgoingLine {
  const fields = (tagField ?? keyField ?? groupField) ? fieldsOf(line) : {}
  const tag = textOf(tagField === undefined ? undefined : fields[tagField])
  const messageGroup = textOf(groupField === undefined ? undefined : fields[groupField])
  const key = keyField === undefined ? undefined : fields[keyField]
  const keys = (Array.isArray(key) ? key : [key]).map(textOf).filter((one): one is string => one !== undefined)
  return {
    topic,
    body: line,
    ...(tag === undefined ? {} : { tag }),
    ...(messageGroup === undefined ? {} : { messageGroup }),
    ...(keys.length === 0 ? {} : { keys }),
  }
}

type OutgoingLine = {
  readonly topic: string
  readonly body: Buffer
  readonly tag?: string
  readonly messageGroup?: string
  readonly keys?: readonly string[]
}

function fieldsOf(line: Buffer): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(line.toString())
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch (error) {
    // A line that is no JSON has no fields: it is sent as it is.
    if (asError(error) instanceof SyntaxError) return {}
    throw error
  }
}

function textOf(value: unknown): Field {
  if (typeof value === 'string') return value === '' ? undefined : value
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined
}
