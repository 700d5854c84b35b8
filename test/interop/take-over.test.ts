/** A real broker takes over what PocketMQ left pending, beside what is settled; RocketMQ's client goes on; PocketMQ after it. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import { PocketMQ } from '../../src/messaging/pocket-mq.ts'
import type { Producer } from '../../src/messaging/producer.ts'
import { HALF_TOPIC } from '../../src/messaging/topics.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { NO_BROKER } from './broker.ts'
import type { Received } from './java-client.ts'
import { JavaClient } from './java-client.ts'
import { BROKER_SIZES, FIRST_RETRY_MS, LATE_MS_MAX, PENDING_MS, RECALLED_MS, SIZES, SLOT_MS } from './pending.ts'
import { WholeBroker } from './whole-broker.ts'

const BIG = `next 1 ${'compressed by the producer '.repeat(400)}`

/** A wait that is none of RocketMQ's levels. */
const WHILE_MS = 9_000

/** What the broker finds. */
type Left = {
  readonly dueMs: number
  readonly retryDueMs: number
  readonly recallHandle: string
  readonly nextId: string
  /** Where the group is. */
  readonly consumed: number
}

/** Leaves one of everything. */
async function leave(dir: string): Promise<Left> {
  const mq = await PocketMQ.open(dir, { ...SIZES, logger: silentLogger })
  await mq.admin.createTopic({ topic: 'a', queues: 1 })
  const producer = mq.producer({ group: 'pg' })
  await sendSettled(producer)
  const retryDueMs = await consumeAll(mq)
  const consumed = (await mq.admin.topicRoute('a')).queues[0]?.maxQueueOffset ?? 0
  const dueMs = Date.now() + PENDING_MS
  await producer.send({ topic: 'a', body: 'pending level', delayLevel: 3 })
  await producer.send({ topic: 'a', body: 'pending delay', delay: PENDING_MS })
  await producer.send({ topic: 'a', body: 'pending time', deliveryTimestamp: dueMs })
  const ours = await producer.send({ topic: 'a', body: 'recalled by us', deliveryTimestamp: dueMs })
  await producer.recall(ours.recallHandle ?? '')
  const theirs = await producer.send({ topic: 'a', body: 'recalled by them', delay: RECALLED_MS })
  const properties = { region: 'eu' }
  const next = await producer.send({ topic: 'a', body: 'next 0', tag: 'paid', keys: ['k1', 'k2'], properties })
  await producer.send({ topic: 'a', body: BIG })
  await mq.close()
  return { dueMs, retryDueMs, recallHandle: theirs.recallHandle ?? '', nextId: next.messageId, consumed }
}

async function sendSettled(producer: Producer): Promise<void> {
  for (const body of ['plain', 'fails', 'fails for a moment', 'fails for a while', 'dead'])
    await producer.send({ topic: 'a', body })
  await producer.send({ topic: 'a', body: 'settled level', delayLevel: 1 })
  await producer.send({ topic: 'a', body: 'settled delay', delay: 300 })
  for (const decision of ['commit', 'rollback', undefined] as const) {
    const transaction = producer.beginTransaction()
    await producer.send({ topic: 'a', body: `transaction ${decision ?? 'undecided'}` }, transaction)
    if (decision !== undefined) await transaction[decision]()
  }
}

/** Consumes what is due, with a retry that is done and one that waits; answers when the latter is due. */
async function consumeAll(mq: PocketMQ): Promise<number> {
  let retryDueMs = 0
  const settled = new Set(['plain', 'fails', 'fails for a moment', 'fails for a while', 'dead', 'transaction commit'])
  for (const body of ['settled level', 'settled delay']) settled.add(body)
  const consumer = await new Promise<{ close(): Promise<void> }>((resolve, reject) => {
    const joined = mq.pushConsumer({
      consumerGroup: 'g',
      subscriptions: { a: '*' },
      messageListener: ({ body, deliveryAttempt }) => {
        const text = body.toString()
        const isFirst = deliveryAttempt === 1
        if (text === 'fails for a moment' && isFirst) return { retryAfter: 100 }
        settled.delete(text)
        if (settled.size === 0) joined.then(resolve, reject)
        if (text === 'dead') return 'dlq'
        if (text === 'fails for a while') return { retryAfter: WHILE_MS }
        if (text === 'fails') retryDueMs = Date.now() + FIRST_RETRY_MS
        return text === 'fails' ? 'retry' : undefined
      },
    })
    joined.catch(reject)
  })
  await consumer.close()
  return retryDueMs
}

/** Everything that RocketMQ's client has still to be given, and nothing else. */
const RETRIED = ['fails', 'fails for a while']
const EXPECTED = ['next 0', BIG, 'pending level', 'pending delay', 'pending time', 'transaction undecided', ...RETRIED]

function expectOnTime(received: readonly Received[], { dueMs, retryDueMs }: Left, sinceMs: number): void {
  // RocketMQ rounds times down to its slot.
  const earliest = new Map([
    ['pending level', dueMs],
    ['pending delay', dueMs - SLOT_MS],
    ['pending time', dueMs - SLOT_MS],
    ['fails', retryDueMs],
    ['fails for a while', retryDueMs - FIRST_RETRY_MS + WHILE_MS - SLOT_MS],
  ])
  for (const { body, receivedMs } of received) {
    const fromMs = earliest.get(body) ?? 0
    expect(receivedMs, body).toBeGreaterThanOrEqual(fromMs)
    expect(receivedMs, body).toBeLessThan(Math.max(fromMs, sinceMs) + LATE_MS_MAX)
  }
}

/** A broker on the folder, and a consumer and a producer of RocketMQ's client. */
async function continueWithJava(dir: string, home: string, left: Left): Promise<void> {
  const broker = await WholeBroker.open(dir, home, BROKER_SIZES)
  const client = await JavaClient.start(home, broker.nameServer)
  expect(await broker.offset('g', 'a', 0)).toBe(left.consumed)
  await client.recall('pg', 'a', left.recallHandle)
  const sinceMs = Date.now()
  await client.consume('g', 'a')
  await client.answers('pg', 'COMMIT_MESSAGE')
  const received = await client.received('g', EXPECTED.length)
  expect(received.map(({ body }) => body).sort()).toEqual([...EXPECTED].sort())
  const next = { body: 'next 0', id: left.nextId, queueOffset: left.consumed, tag: 'paid', keys: 'k1 k2' }
  expect(received.find(({ attempt }) => attempt === 1)).toMatchObject(next)
  for (const message of received) {
    expect(message, message.body).toMatchObject({ topic: 'a', attempt: RETRIED.includes(message.body) ? 2 : 1 })
  }
  expectOnTime(received, left, sinceMs)
  // It asked about the undecided one alone: each question stores that one again.
  const halves = (await broker.messages(HALF_TOPIC, 0)).slice(3)
  expect(new Set(halves.map(({ body }) => body))).toEqual(new Set(['transaction undecided']))
  expect(await client.held('%DLQ%g', 1)).toMatchObject([{ body: 'dead', deadLetterOf: 'a' }])
  await broker.offset('g', '%RETRY%g', 0, 1 + RETRIED.length)
  await broker.offset('g', 'a', 0, left.consumed + EXPECTED.length - RETRIED.length)
  await client.leave('g')
  expect((await client.received('g', 0)).map(({ body }) => body).sort()).toEqual([...EXPECTED].sort())
  await client.close()
  await broker.close()
}

describe.skipIf(NO_BROKER !== undefined)("RocketMQ's broker and client", { timeout: 180_000 }, () => {
  it('go on where PocketMQ stopped: what is next, delayed, retried, dead and undecided, and nothing twice; then PocketMQ', async () => {
    const root = temporaryFolder()
    const dir = join(root, 'store')
    const home = join(root, 'home')
    mkdirSync(home)
    const left = await leave(dir)
    const readOnly = await PocketMQ.openReadOnly(dir)
    expect((await readOnly.admin.verify()).findings).toEqual([])
    await readOnly.close()
    await continueWithJava(dir, home, left)

    const mq = await PocketMQ.open(dir, { logger: silentLogger, transactionTimeoutMs: 1 })
    expect(mq.recovery.clean).toBe(true)
    expect((await mq.admin.verify()).findings).toEqual([])
    const asked: string[] = []
    const producer = mq.producer({
      group: 'pg',
      checker: ({ body }) => {
        asked.push(body.toString())
        return 'commit'
      },
    })
    expect((await mq.admin.deadLetters('g')).map(({ body }) => body.toString())).toEqual(['dead'])
    await producer.send({ topic: 'a', body: 'last' })
    const seen: string[] = []
    await new Promise<void>((resolve, reject) => {
      const messageListener = ({ body }: { readonly body: Buffer }): void => {
        seen.push(body.toString())
        if (seen.includes('last')) resolve()
      }
      mq.pushConsumer({ consumerGroup: 'g', subscriptions: { a: '*' }, messageListener }).catch(reject)
    })
    await mq.admin.waitUntilEmpty('g')
    expect({ seen, asked }).toEqual({ seen: ['last'], asked: [] })
    await mq.close()
  })
})
