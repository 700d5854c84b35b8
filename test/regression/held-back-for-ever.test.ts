/**
 * Retention that may not drop its oldest bytes refuses new messages. What holds it may be a message that waits for its time, its next
 * try or its decision, and each of these comes by an append: refused too, nothing was ever appended again.
 */
import { expect, it } from 'vitest'
import type { MessageListener } from '../../src/messaging/consumer-options.ts'
import type { PocketMQ } from '../../src/messaging/pocket-mq.ts'
import { openQueue } from '../messaging/queue-on-disk.ts'

const SEGMENT_BYTES = 16 * 1024
const WAIT_MS = 60_000
const retention = { bytes: 2 * SEGMENT_BYTES, freeBytesMin: 0 }
const options = { commitLogSegmentBytes: SEGMENT_BYTES, topicQueues: 1, retention, transactionTimeoutMs: 10 * WAIT_MS }

/** Each parks one message that retention has to keep; answers what brings it to its topic once its time has come. */
const PARKED: Record<string, (mq: PocketMQ) => Promise<() => Promise<unknown>>> = {
  'a delayed message': async mq => {
    await mq.producer().send({ topic: 'orders', body: 'parked', delay: WAIT_MS })
    return async () => undefined
  },
  'a message of a delay level': async mq => {
    await mq.producer().send({ topic: 'orders', body: 'parked', delayLevel: 5 })
    return async () => undefined
  },
  'a message whose handler failed': async mq => {
    await mq.producer().send({ topic: 'orders', body: 'fails once' })
    return async () => undefined
  },
  'an undecided transaction': async mq => {
    const producer = mq.producer({ group: 'shop' })
    const transaction = producer.beginTransaction()
    await producer.send({ topic: 'orders', body: 'parked' }, transaction)
    return () => transaction.commit()
  },
}

it.each(Object.keys(PARKED))('%s holds retention back, comes nevertheless, and sends go on', async name => {
  const { mq, clock } = await openQueue(options)
  const handled: string[] = []
  const messageListener: MessageListener = ({ body, deliveryAttempt }) => {
    if (body.toString() === 'fails once' && deliveryAttempt === 1) return 'retry'
    return handled.push(body.toString())
  }
  const subscriptions = { orders: '*' }
  await mq.pushConsumer({ consumerGroup: 'billing', subscriptions, retryBackoff: [WAIT_MS], messageListener })
  const release = await (PARKED[name] as (mq: PocketMQ) => Promise<() => Promise<unknown>>)(mq)
  let sent = 0
  const fill = async (): Promise<void> => {
    for (; sent < 100; sent++) {
      await mq.producer().send({ topic: 'others', body: 'b'.repeat(700) })
      await mq.store.applyRetention()
    }
  }
  const filled = fill()
  await clock.advance(WAIT_MS / 2)
  expect(sent).toBeLessThan(60)
  await clock.advance(WAIT_MS)
  const released = release()
  await clock.advance(WAIT_MS)
  expect(handled).toHaveLength(1)
  expect(sent).toBe(100)
  await Promise.all([filled, released])
})
