/** `pocketmq dump` of folders that a real RocketMQ wrote shows what that RocketMQ reads from them. */
import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { dumpCommand } from '../../src/surfaces/cli/dump.ts'
import { Output } from '../../src/surfaces/cli/output.ts'
import type { MessageLine, QueueLine, StoreName } from '../golden/golden-stores.ts'
import { differences, expected, fingerprint, unpack } from '../golden/golden-stores.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { TextSink } from './text-sink.ts'

async function dump(dir: string, options: object): Promise<Record<string, unknown>[]> {
  const stdout = new TextSink()
  const output = new Output(stdout, new TextSink(), true)
  const signal = new AbortController().signal
  const exitCode = await dumpCommand.run({
    args: [dir],
    options: { body: true, ...options },
    stdin: Readable.from([]),
    output,
    signal,
  })
  expect(exitCode).toBe(0)
  return stdout.lines().map(line => JSON.parse(line) as Record<string, unknown>)
}

/** Bodies that were not recorded are not compared. */
function comparable(lines: readonly Record<string, unknown>[], wanted: readonly MessageLine[]): object[] {
  const without = new Set(wanted.filter(line => line.body === null).map(placeOf))
  return lines.map(line => (without.has(placeOf(line as MessageLine)) ? { ...line, body: null } : line))
}

function placeOf({ topic, queueId, queueOffset }: Pick<MessageLine, 'topic' | 'queueId' | 'queueOffset'>): string {
  return `${topic}/${queueId}/${queueOffset}`
}

const WHOLE: readonly StoreName[] = ['g1', 'g2', 'g3', 'g4', 'g5', 'g5c', 'g5d', 'g5e', 'g6', 'g7']

describe('dump', () => {
  for (const name of WHOLE) {
    it(`of ${name} has the queues and messages RocketMQ reads, in order, and changes no byte`, async () => {
      const dir = unpack(name, temporaryFolder())
      const before = fingerprint(dir)
      const lines = await dump(dir, {})
      expect(fingerprint(dir)).toEqual(before)
      const wanted = expected(name)
      const queues = lines.filter(line => line.t === 'queue')
      expect(differences(queues, wanted.queues, ({ topic, queueId }: QueueLine) => `${topic}/${queueId}`)).toEqual([])
      const messages = lines.filter(line => line.t === 'msg')
      expect(differences(comparable(messages, wanted.messages), wanted.messages, placeOf)).toEqual([])
      expect(messages.map(line => placeOf(line as MessageLine))).toEqual(wanted.messages.map(placeOf))
      const fields = Object.keys(wanted.messages[0] as object)
      expect(messages.filter(line => Object.keys(line).join() !== fields.join())).toEqual([])
    })
  }
})
