import { expect, test } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import { PocketMQ } from '../../src/messaging/pocket-mq.ts'
import { SCHEDULE_TOPIC, TIMER_TOPIC } from '../../src/messaging/topics.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { messagesOf } from '../messaging/queue-on-disk.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { unpack } from './golden-stores.ts'

/** A moment after the golden broker was stopped. */
const STOPPED_MS = 1_795_242_630_000

async function openGolden(
  clock: ManualClock,
  dir = unpack('g4', temporaryFolder()),
): Promise<{ mq: PocketMQ; dir: string }> {
  return { mq: await PocketMQ.open(dir, { clock, logger: silentLogger }), dir }
}

async function delayed(mq: PocketMQ): Promise<{ body: string; ms: number }[]> {
  return (await messagesOf(mq, 'delay'))
    .filter(message => message.storeTimestamp > 1_795_242_620_000)
    .map(message => ({ body: message.body.toString(), ms: message.storeTimestamp }))
    .sort((a, b) => a.ms - b.ms)
}

test("a broker's folder goes on with exactly what it had pending, of every kind, each on time", async () => {
  const clock = new ManualClock(STOPPED_MS)
  const { mq } = await openGolden(clock)
  expect(await mq.admin.stats()).toMatchObject({ delayed: 5, undecidedTransactions: 0 })
  await clock.advance(4 * 3_600_000)
  // Not the four that were delivered before, and not the one that was recalled.
  expect(await delayed(mq)).toEqual([
    { body: 'delay level 16', ms: 1_795_244_258_844 },
    { body: 'delay level 17', ms: 1_795_246_058_846 },
    { body: 'timer 2', ms: 1_795_246_058_855 },
    { body: 'stays pending', ms: 1_795_246_078_896 },
    { body: 'delay level 18', ms: 1_795_249_658_848 },
  ])
  await mq.close()
})

test("a broker's folder that we closed and opened again still has what was pending", async () => {
  const clock = new ManualClock(STOPPED_MS)
  const first = await openGolden(clock)
  await clock.advance(1_000)
  await first.mq.close()
  const { mq } = await openGolden(clock, first.dir)
  expect(mq.store.queueRange(TIMER_TOPIC, 0)?.maxQueueOffset).toBe(23)
  expect(mq.store.queueRange(SCHEDULE_TOPIC, 15)?.maxQueueOffset).toBe(1)
  await clock.advance(4 * 3_600_000)
  expect((await delayed(mq)).map(({ body }) => body)).toEqual([
    'delay level 16',
    'delay level 17',
    'timer 2',
    'stays pending',
    'delay level 18',
  ])
  await mq.close()
})

test("a broker's topics and groups are as it left them", async () => {
  const clock = new ManualClock(STOPPED_MS)
  const { mq } = await openGolden(clock)
  const topics = new Map((await mq.admin.topics()).map(topic => [topic.topic, topic]))
  expect([...topics.keys()]).toEqual(expect.arrayContaining(['delay', 'fifo', 'normal', 'trans']))
  expect(topics.get('delay')).toMatchObject({ type: 'DELAY', writeQueues: 2 })
  expect(topics.get('trans')).toMatchObject({ type: 'TRANSACTION' })
  await expect(mq.producer().send({ topic: 'delay', body: 'x' })).rejects.toMatchObject({
    code: 'POCKETMQ_TOPIC_TYPE_MISMATCH',
  })
  const progress = await mq.admin.groupProgress('g_normal')
  expect(progress.queues.filter(queue => queue.topic === 'normal').map(queue => queue.committed)).toEqual([
    11, 15, 10, 10,
  ])
  expect((await mq.admin.deadLetters('g_fail')).map(letter => letter.topic)).toEqual(
    Array.from({ length: 7 }, () => 'normal'),
  )
  await mq.close()
})
