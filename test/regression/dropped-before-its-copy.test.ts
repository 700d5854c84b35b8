/**
 * A delayed message was delivered, a failed one was copied, a transaction was committed: from then on retention needed the record no more,
 * and dropped its segment for good while the copy was in the page cache alone. A power cut took that too, and the message was lost.
 */
import { expect, it } from 'vitest'
import type { PocketMQ } from '../../src/messaging/pocket-mq.ts'
import { openQueue } from '../messaging/queue-on-disk.ts'

const HOUR_MS = 3_600_000
const OPTIONS = {
  ...{ commitLogSegmentBytes: 8192, topicQueues: 1, flushIntervalMs: 600_000, transactionTimeoutMs: HOUR_MS },
  retention: { freeBytesMin: 0, hours: 1, keepUnconsumed: true },
}
const CUTS = 20
const ORDERS = { consumerGroup: 'billing', subscriptions: { orders: '*' }, awaitDuration: 0 }

/** Puts a message into the first segment; answers what appends its copy. */
const KINDS: Record<string, (mq: PocketMQ) => Promise<() => Promise<unknown>>> = {
  'a delayed message': async mq => {
    await mq.producer().send({ topic: 'orders', body: 'kept', delay: 1000 })
    return async () => undefined
  },
  'a message of a delay level': async mq => {
    await mq.producer().send({ topic: 'orders', body: 'kept', delayLevel: 1 })
    return async () => undefined
  },
  'a message that failed': async mq => {
    let fail: (result: 'retry') => void = () => undefined
    const messageListener = (): Promise<unknown> => new Promise(resolve => (fail = resolve))
    await mq.pushConsumer({ consumerGroup: 'billing', subscriptions: { orders: '*' }, messageListener })
    await mq.producer().send({ topic: 'orders', body: 'kept' })
    return async () => fail('retry')
  },
  'a transaction': async mq => {
    const producer = mq.producer({ group: 'shop' })
    const transaction = producer.beginTransaction()
    await producer.send({ topic: 'orders', body: 'kept' }, transaction)
    return () => transaction.commit()
  },
}

it.each(Object.keys(KINDS))(
  '%s is there after a power cut, also where retention has taken its first record',
  async name => {
    const { mq, disk, clock } = await openQueue(OPTIONS)
    const step = await (KINDS[name] as (typeof KINDS)[string])(mq)
    for (let i = 0; i < 30; i++) await mq.producer().send({ topic: 'others', body: 'b'.repeat(700) })
    await mq.store.flush()
    clock.stepWallClock(2 * HOUR_MS)
    await step()
    await clock.advance(2000)
    await mq.store.applyRetention()
    expect(mq.store.watermarks.min).toBeGreaterThan(0)
    for (let seed = 0; seed < CUTS; seed++) {
      const again = await openQueue(
        { retention: { freeBytesMin: 0, hours: 1000 } },
        { disk: disk.powerCut(seed), clock },
      )
      const messages: string[] = []
      const next = await again.mq.simpleConsumer(ORDERS)
      for (let i = 0; i < 3 && messages.length === 0; i++) {
        for (const message of await next.receive()) messages.push(message.body.toString())
        await clock.advance(30_000)
      }
      expect({ seed, messages }).toEqual({ seed, messages: ['kept'] })
      await again.mq.close({ drainMs: 0 })
    }
  },
)
