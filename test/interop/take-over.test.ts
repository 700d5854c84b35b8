/** A real broker goes on with what PocketMQ left pending, beside what is settled, and PocketMQ after it. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import { PocketMQ } from '../../src/messaging/pocket-mq.ts'
import { HALF_TOPIC } from '../../src/messaging/topics.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { NO_BROKER } from './broker.ts'
import { WholeBroker } from './whole-broker.ts'

const SIZES = { commitLogSegmentBytes: 1 << 20, consumeQueueSegmentEntries: 1000, indexSlots: 1000, indexEntries: 4000 }
const BROKER_SIZES = {
  mappedFileSizeCommitLog: 1 << 20,
  mappedFileSizeConsumeQueue: 20_000,
  maxHashSlotNum: 1000,
  maxIndexNum: 4000,
  brokerName: 'pocketmq',
  // Asks soon, so that the test sees it ask about the right ones.
  transactionCheckInterval: 2_000,
  transactionTimeOut: 1_000,
}
const PENDING_MS = 8_000

/** Leaves one of everything, and answers when the pending ones are due. */
async function leave(dir: string): Promise<number> {
  const mq = await PocketMQ.open(dir, { ...SIZES, logger: silentLogger })
  await mq.admin.createTopic({ topic: 'a', queues: 1 })
  const producer = mq.producer({ group: 'pg' })
  for (let i = 0; i < 3; i++) await producer.send({ topic: 'a', body: `plain ${i}` })
  await producer.send({ topic: 'a', body: 'settled level', delayLevel: 1 })
  await producer.send({ topic: 'a', body: 'settled time', delay: 300 })
  for (const decision of ['commit', 'rollback', undefined] as const) {
    const transaction = producer.beginTransaction()
    await producer.send({ topic: 'a', body: `transaction ${decision}` }, transaction)
    if (decision !== undefined) await transaction[decision]()
  }
  for await (const message of mq.tail('a', { from: 'first' })) if (message.body.toString() === 'settled level') break
  const dueMs = Date.now() + PENDING_MS
  await producer.send({ topic: 'a', body: 'pending level', delayLevel: 3 })
  await producer.send({ topic: 'a', body: 'pending time', deliveryTimestamp: dueMs })
  const { recallHandle = '' } = await producer.send({ topic: 'a', body: 'recalled', deliveryTimestamp: dueMs })
  await producer.recall(recallHandle)
  const consumer = await mq.simpleConsumer({ consumerGroup: 'g', subscriptions: { a: '*' } })
  for (const message of await consumer.receive(2)) await message.ack()
  await consumer.close()
  await mq.close()
  return dueMs
}

describe.skipIf(NO_BROKER !== undefined)('a whole RocketMQ broker', { timeout: 180_000 }, () => {
  it('delivers what was pending once and on time, repeats nothing, and hands back what is undecided', async () => {
    const root = temporaryFolder()
    const dir = join(root, 'store')
    mkdirSync(join(root, 'home'))
    const dueMs = await leave(dir)
    const broker = await WholeBroker.open(dir, join(root, 'home'), BROKER_SIZES)
    const before = ['plain 0', 'plain 1', 'plain 2', 'transaction commit', 'settled time', 'settled level']
    const held = await broker.messages('a', 0, before.length + 2)
    expect(held.slice(0, before.length).map(({ body }) => body)).toEqual(before)
    expect(
      held
        .slice(before.length)
        .map(({ body }) => body)
        .sort(),
    ).toEqual(['pending level', 'pending time'])
    // RocketMQ rounds down to its slot: at most a second early.
    for (const { body, storeTimestamp } of held) {
      if (body === 'pending time') expect(storeTimestamp).toBeGreaterThan(dueMs - 2_000)
    }
    expect(await broker.offset('g', 'a', 0)).toBe(2)
    // It asks about the undecided one alone: that one is stored again with each question.
    const halves = (await broker.messages(HALF_TOPIC, 0, 5)).slice(3)
    expect(new Set(halves.map(({ body }) => body))).toEqual(new Set(['transaction undefined']))
    expect((await broker.messages('a', 0)).length).toBe(before.length + 2)
    await broker.close()

    const mq = await PocketMQ.open(dir, { logger: silentLogger, transactionTimeoutMs: 1 })
    let asked = 0
    mq.producer({
      group: 'pg',
      checker: () => {
        asked++
        return 'commit'
      },
    })
    const seen: string[] = []
    const allThere = new Promise<void>(resolve => {
      void mq.pushConsumer({
        consumerGroup: 'g',
        subscriptions: { a: '*' },
        messageListener: message => {
          seen.push(message.body.toString())
          if (seen.includes('transaction undefined')) resolve()
        },
      })
    })
    await allThere
    await mq.admin.waitUntilEmpty('g')
    expect(asked).toBe(1)
    expect([...seen].sort()).toEqual(
      [...before.slice(2), 'pending level', 'pending time', 'transaction undefined'].sort(),
    )
    expect((await mq.admin.verify()).findings).toEqual([])
    await mq.close()
  })
})
