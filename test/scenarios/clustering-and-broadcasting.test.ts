/**
 * The two ways to consume of the RocketMQ books. Clustering: a group shares the messages. Broadcasting: every instance gets all.
 * RocketMQ shares queues, so that nine messages over three instances are three each only where the queues happen to be filled
 * evenly, and with fewer queues than instances somebody gets nothing. Here messages are shared, with any number of queues.
 */
import { describe, expect, test } from 'vitest'
import { nextTurn } from '../../src/base/turns.ts'
import { openQueue } from '../messaging/queue-on-disk.ts'

async function turns(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await nextTurn()
}

describe('clustering', () => {
  test.each([1, 4, 8])('9 messages over 3 instances are 3 each, with %i queues', async queues => {
    const { mq } = await openQueue()
    await mq.admin.createTopic({ topic: 'orders', queues, type: 'NORMAL' })
    const shares = [0, 0, 0]
    for (const i of shares.keys()) {
      await mq.pushConsumer({
        consumerGroup: 'billing',
        subscriptions: { orders: '*' },
        messageListener: async () => {
          shares[i] = (shares[i] ?? 0) + 1
          await new Promise(() => undefined)
        },
      })
    }
    const producer = mq.producer()
    for (let i = 0; i < 9; i++) await producer.send({ topic: 'orders', body: `${i}` })
    await turns()
    expect(shares).toEqual([3, 3, 3])
  })
})

describe('broadcasting', () => {
  test('every instance gets all 9, and each resumes from its own place', async () => {
    const { mq, disk, clock } = await openQueue()
    const names = ['north', 'south', 'east']
    const options = { consumerGroup: 'screens', subscriptions: { news: '*' }, mode: 'broadcasting' } as const
    const got = new Map<string, number>()
    for (const instanceName of names) {
      await mq.pushConsumer({
        ...options,
        instanceName,
        messageListener: () => void got.set(instanceName, (got.get(instanceName) ?? 0) + 1),
      })
    }
    for (let i = 0; i < 9; i++) await mq.producer().send({ topic: 'news', body: `${i}` })
    await turns()
    expect(Object.fromEntries(got)).toEqual({ north: 9, south: 9, east: 9 })
    await mq.close()
    const again = await openQueue({}, { disk, clock })
    for (let i = 9; i < 12; i++) await again.mq.producer().send({ topic: 'news', body: `${i}` })
    const late: string[] = []
    await again.mq.pushConsumer({
      ...options,
      instanceName: 'south',
      messageListener: message => void late.push(message.body.toString()),
    })
    await turns()
    expect(late.sort()).toEqual(['10', '11', '9'])
  })
})
