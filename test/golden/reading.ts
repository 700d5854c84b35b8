/** A golden store as PocketMQ reads it: through the command line, as its users do, and through the engine. */
import { Readable, Writable } from 'node:stream'
import { silentLogger } from '../../src/base/logger.ts'
import { MessageStore } from '../../src/store/message-store.ts'
import { runCommandLine } from '../../src/surfaces/cli/command-line.ts'
import type { Expected, KeyLine, MessageLine, QueueLine, TimeLine } from './golden-stores.ts'

/** What a command wrote, and how it ended. */
export type Said = { readonly exitCode: number; readonly stdout: string; readonly stderr: string }

/** Runs a command line in this process. */
export async function pocketmq(...argv: string[]): Promise<Said> {
  const [stdout, stderr] = [new Collected(), new Collected()]
  const exitCode = await runCommandLine(
    argv,
    { stdin: Readable.from([]), stdout, stderr },
    new AbortController().signal,
  )
  return { exitCode, stdout: stdout.text, stderr: stderr.text }
}

class Collected extends Writable {
  text = ''

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString()
    done()
  }
}

/** The lines of `pocketmq dump --json`. */
export async function dump(
  folder: string,
  io: string,
): Promise<{ readonly queues: QueueLine[]; readonly messages: MessageLine[]; readonly said: Said }> {
  const said = await pocketmq('dump', folder, '--json', '--io', io)
  const lines = said.stdout.split('\n').filter(line => line !== '')
  const all = lines.map(line => JSON.parse(line) as QueueLine | MessageLine)
  return { queues: all.filter(line => line.t === 'queue'), messages: all.filter(line => line.t === 'msg'), said }
}

/** Asks the engine for every key and every timestamp that RocketMQ was asked for. */
export async function lookUp(
  folder: string,
  io: 'file' | 'mmap',
  { keys, times }: Expected,
): Promise<{ readonly keys: KeyLine[]; readonly times: TimeLine[]; readonly store: Pick<MessageStore, 'recovery'> }> {
  const store = await MessageStore.openReadOnly(folder, { io, logger: silentLogger })
  const [foundKeys, foundTimes]: [KeyLine[], TimeLine[]] = [[], []]
  for (const line of keys) {
    const messages = await store.queryByKey(line.topic, line.key, { max: 64 })
    foundKeys.push({ ...line, offsets: messages.map(message => message.physicalOffset).sort((a, b) => a - b) })
  }
  for (const line of times) {
    const [lower, upper] = [
      await store.offsetByTimestamp(line.topic, line.queueId, line.timestamp, 'lower'),
      await store.offsetByTimestamp(line.topic, line.queueId, line.timestamp, 'upper'),
    ]
    foundTimes.push({ ...line, lower, upper })
  }
  await store.close()
  return { keys: foundKeys, times: foundTimes, store }
}

/** Where a key must be found when nothing is lost: in every message that carries it. */
export function carriersOf({ topic, key }: KeyLine, messages: readonly MessageLine[]): number[] {
  const carriers = messages.filter(({ msgTopic, properties }) => {
    const keys = (properties.KEYS ?? '').split(' ')
    return msgTopic === topic && (keys.includes(key) || properties.UNIQ_KEY === key)
  })
  return [...new Set(carriers.map(message => message.commitLogOffset))].sort((a, b) => a - b)
}
