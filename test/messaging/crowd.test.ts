/** Many consumers of many groups on many topics in one process. How fast, and how long the event loop is kept: `npm run bench:crowd`. */
import { expect, test } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import type { MessageView } from '../../src/messaging/message-view.ts'
import { PocketMQ } from '../../src/messaging/pocket-mq.ts'
import { collectGarbage } from '../support/collect-garbage.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const CONSUMERS = 100
const GROUPS = 20
const TOPICS = 200
const MESSAGES = 20_000
const BODY_BYTES = 4_096
/** Half of all bodies: what is delivered must not be kept. */
const KEPT_BYTES_MAX = (MESSAGES * BODY_BYTES) / 2
const OUTSTANDING = 500

/** Bytes in use when nothing is left that could go. */
function bytesInUse(): number {
  collectGarbage()
  collectGarbage()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

const topicOf = (topic: number): string => `topic-${topic}`

/** Every tenth topic is everybody's, each other one a single group's. */
const hasTopic = (group: number, topic: number): boolean => topic % 10 === 0 || topic % GROUPS === group

test('a crowd of consumers gets every message once in each group, and keeps none', { timeout: 120_000 }, async () => {
  const mq = await PocketMQ.open(temporaryFolder(), { logger: silentLogger, durability: 'memory', topicQueues: 2 })
  const deliveries = Array.from({ length: GROUPS }, () => new Uint8Array(MESSAGES))
  for (let topic = 0; topic < TOPICS; topic++) await mq.admin.createTopic({ topic: topicOf(topic), queues: 2 })
  for (let i = 0; i < CONSUMERS; i++) {
    const group = i % GROUPS
    const times = deliveries[group] as Uint8Array
    const topics = Array.from({ length: TOPICS }, (_, topic) => topic).filter(topic => hasTopic(group, topic))
    await mq.pushConsumer({
      consumerGroup: `group-${group}`,
      subscriptions: Object.fromEntries(topics.map(topic => [topicOf(topic), '*'])),
      messageListener: ({ body }: MessageView) => {
        const n = body.readUInt32BE(0)
        times[n] = (times[n] as number) + 1
      },
    })
  }
  const before = bytesInUse()
  const producer = mq.producer()
  for (let n = 0; n < MESSAGES; n += OUTSTANDING) {
    const sends = Array.from({ length: OUTSTANDING }, (_, i) => {
      const body = Buffer.alloc(BODY_BYTES)
      body.writeUInt32BE(n + i, 0)
      return producer.send({ topic: topicOf((n + i) % TOPICS), body })
    })
    await Promise.all(sends)
  }
  for (let group = 0; group < GROUPS; group++) await mq.admin.waitUntilEmpty(`group-${group}`)
  expect(bytesInUse() - before).toBeLessThan(KEPT_BYTES_MAX)
  const wrong: string[] = []
  for (const [group, times] of deliveries.entries()) {
    for (const [n, count] of times.entries()) {
      const wanted = hasTopic(group, n % TOPICS) ? 1 : 0
      if (count !== wanted) wrong.push(`message ${n} came ${count} times to group ${group}`)
    }
  }
  expect(wrong).toEqual([])
  await mq.close()
})
