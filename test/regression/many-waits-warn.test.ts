/** Node warns of a leak where a signal has more than ten listeners; waiting for many things at once is none. */
import { expect, onTestFinished, test } from 'vitest'
import { settled } from '../messaging/consuming-bench.ts'
import { openQueue } from '../messaging/queue-on-disk.ts'

const MANY = 20

test('many waits at once, and many workers of one consumer, print no warning', async () => {
  const warnings: string[] = []
  const warned = (warning: Error): void => void warnings.push(warning.message)
  process.on('warning', warned)
  onTestFinished(() => void process.off('warning', warned))
  const { mq } = await openQueue()
  const group = { consumerGroup: 'billing', subscriptions: { orders: '*' } }
  const ordered = { orderly: true, onExhausted: 'block', concurrency: MANY } as const
  await mq.pushConsumer({ ...group, ...ordered, messageListener: () => new Promise(() => undefined) })
  const simple = await mq.simpleConsumer({ consumerGroup: 'office', subscriptions: { orders: '*' } })
  const receives = Array.from({ length: MANY }, () => simple.receive())
  await mq.producer().send({ topic: 'orders', body: '1' })
  await settled()
  const waits = Array.from({ length: MANY }, () => mq.admin.waitUntilEmpty('billing'))
  const ended = Promise.allSettled(waits)
  await settled()
  await mq.close({ drainMs: 0 })
  expect((await ended).map(({ status }) => status)).toEqual(waits.map(() => 'rejected'))
  await Promise.all(receives)
  await settled()
  expect(warnings).toEqual([])
})
