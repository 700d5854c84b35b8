/** PocketMQ goes on with what RocketMQ's client and broker left pending, beside what is settled: a broker that closed, or was killed. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import type { MessageView } from '../../src/messaging/message-view.ts'
import { PocketMQ } from '../../src/messaging/pocket-mq.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { NO_BROKER } from './broker.ts'
import { JavaClient } from './java-client.ts'
import { BROKER_SIZES, FIRST_RETRY_MS, LATE_MS_MAX, PENDING_MS, RECALLED_MS, SLOT_MS } from './pending.ts'
import { WholeBroker } from './whole-broker.ts'

/** What the group has had before PocketMQ opens the folder. */
const SETTLED = ['plain', 'transaction committed', 'settled level', 'settled delay']
/** What it has still to be given. */
const EXPECTED = ['next 0', 'next 1', 'pending level', 'pending delay', 'pending time', 'transaction open', 'fails']

type Left = { readonly dueMs: number; readonly retryDueMs: number; readonly recallHandle: string }

/** RocketMQ's client leaves one of everything in a broker. */
async function leave(broker: WholeBroker, client: JavaClient): Promise<Left> {
  for (const body of ['plain', 'fails', 'dead']) await client.send('pg', 'b', body)
  await client.send('pg', 'b', 'settled level', 'level', 1)
  await client.send('pg', 'b', 'settled delay', 'delay', 1_000)
  await client.transaction('pg', 'b', 'transaction committed', 'COMMIT_MESSAGE')
  await client.transaction('pg', 'b', 'transaction rolled back', 'ROLLBACK_MESSAGE')
  await client.transaction('pg', 'b', 'transaction open', 'UNKNOW')
  await client.consume('h', 'b')
  const count = SETTLED.length + 2
  const received = await client.received('h', count)
  expect(received).toHaveLength(count)
  const failedMs = received.find(({ body }) => body === 'fails')?.receivedMs ?? 0
  expect(await broker.offset('h', 'b', 0, count)).toBe(count)
  // Level 3, where the retry waits.
  expect(await broker.messages('SCHEDULE_TOPIC_XXXX', 2, 1)).toHaveLength(1)
  await client.leave('h')
  const dueMs = Date.now() + PENDING_MS
  await client.send('pg', 'b', 'pending level', 'level', 3)
  await client.send('pg', 'b', 'pending delay', 'delay', PENDING_MS)
  await client.send('pg', 'b', 'pending time', 'at', dueMs)
  const theirs = await client.send('pg', 'b', 'recalled by them', 'at', dueMs)
  await client.recall('pg', 'b', theirs.recallHandle)
  const ours = await client.send('pg', 'b', 'recalled by us', 'delay', RECALLED_MS)
  await client.send('pg', 'b', 'next 0')
  await client.send('pg', 'b', 'next 1')
  return { dueMs, retryDueMs: failedMs + FIRST_RETRY_MS, recallHandle: ours.recallHandle }
}

/** What a consumer of PocketMQ was given, and when. */
type Seen = { readonly message: MessageView; readonly seenMs: number }

/** A consumer and a producer of the same groups, until everything has come. */
async function consume(mq: PocketMQ, { recallHandle }: Left): Promise<{ seen: Seen[]; asked: string[] }> {
  const asked: string[] = []
  const producer = mq.producer({
    group: 'pg',
    checker: ({ body }) => {
      asked.push(body.toString())
      return body.toString() === 'transaction rolled back' ? 'rollback' : 'commit'
    },
  })
  expect(await producer.recall(recallHandle)).toMatchObject({ status: 'recalled' })
  const seen: Seen[] = []
  const missing = new Set(EXPECTED)
  await new Promise<void>((resolve, reject) => {
    const messageListener = (message: MessageView): void => {
      seen.push({ message, seenMs: Date.now() })
      missing.delete(message.body.toString())
      if (missing.size === 0) resolve()
    }
    mq.pushConsumer({ consumerGroup: 'h', subscriptions: { b: '*' }, messageListener }).catch(reject)
  })
  await mq.admin.waitUntilEmpty('h')
  return { seen, asked }
}

function expectOnTime(seen: readonly Seen[], { dueMs, retryDueMs }: Left, sinceMs: number): void {
  const earliest = new Map([
    ['pending level', dueMs],
    ['pending delay', dueMs - SLOT_MS],
    ['pending time', dueMs - SLOT_MS],
    ['fails', retryDueMs],
  ])
  for (const { message, seenMs } of seen) {
    const body = message.body.toString()
    // Where a broker was killed, the first delivery of this one may be repeated.
    if (body === 'fails' && message.deliveryAttempt === 1) continue
    const fromMs = earliest.get(body) ?? 0
    expect(seenMs, body).toBeGreaterThanOrEqual(fromMs)
    expect(seenMs, body).toBeLessThan(Math.max(fromMs, sinceMs) + LATE_MS_MAX)
    expect(message.topic, body).toBe('b')
  }
}

describe.skipIf(NO_BROKER !== undefined)('PocketMQ', { timeout: 180_000 }, () => {
  it.each(['closed', 'killed'] as const)(
    "goes on where RocketMQ's broker was %s: what is next, delayed, retried, dead and undecided",
    async end => {
      const root = temporaryFolder()
      const dir = join(root, 'store')
      const home = join(root, 'home')
      mkdirSync(home)
      const settings = { ...BROKER_SIZES, transactionCheckInterval: 60_000 }
      const broker = await WholeBroker.open(dir, home, settings)
      const client = await JavaClient.start(home, broker.nameServer)
      const left = await leave(broker, client)
      if (end === 'closed') await client.close()
      await (end === 'closed' ? broker.close() : broker.kill())

      const sinceMs = Date.now()
      const mq = await PocketMQ.open(dir, { logger: silentLogger, transactionTimeoutMs: 1 })
      expect(mq.recovery).toMatchObject({ clean: end === 'closed', damaged: [] })
      expect((await mq.admin.deadLetters('h')).map(({ body }) => body.toString())).toEqual(['dead'])
      const { seen, asked } = await consume(mq, left)
      const bodies = seen.map(({ message }) => message.body.toString())
      expect(seen.find(({ message }) => message.deliveryAttempt === 2)?.message.body.toString()).toBe('fails')
      expectOnTime(seen, left, sinceMs)
      if (end === 'closed') {
        const inOrder = seen.filter(({ message }) => message.deliveryAttempt === 1)
        expect(inOrder[0]?.message.body.toString()).toBe('next 0')
        expect([...bodies].sort()).toEqual([...EXPECTED].sort())
        expect(asked).toEqual(['transaction open'])
      } else {
        // A broker keeps offsets and decisions for some seconds before it writes them: those may repeat, and nothing else.
        const known = new Set([...EXPECTED, ...SETTLED, 'dead'])
        expect(bodies.filter(body => !known.has(body))).toEqual([])
      }
      expect((await mq.admin.verify()).findings).toEqual([])
      await mq.close()
    },
  )
})
