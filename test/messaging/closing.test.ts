import { expect, test } from 'vitest'
import { settled } from './consuming-bench.ts'
import { openQueue } from './queue-on-disk.ts'

const BILLING = { consumerGroup: 'billing', subscriptions: { orders: '*' } }

test('close waits for running handlers, which may send, and lets the folder go when the last has ended', async () => {
  const { mq, disk, clock } = await openQueue()
  const producer = mq.producer()
  let finish = (): void => undefined
  const allowed = new Promise<void>(resolve => {
    finish = resolve
  })
  await mq.pushConsumer({
    ...BILLING,
    messageListener: async () => {
      await allowed
      await producer.send({ topic: 'invoices', body: 'from a handler' })
    },
  })
  await producer.send({ topic: 'orders', body: '1' })
  await settled()
  const closed = mq.close()
  await settled()
  finish()
  await closed
  await expect(producer.send({ topic: 'orders', body: '2' })).rejects.toMatchObject({ code: 'POCKETMQ_STORE_CLOSED' })
  const { mq: again } = await openQueue({}, { disk, clock })
  expect(again.recovery.clean).toBe(true)
  expect((await again.admin.groupProgress('billing')).lagMessages).toBe(0)
  const sent = await again.tail('invoices', { from: 'first' }).next()
  expect(`${sent.value?.body}`).toBe('from a handler')
})

test.each([
  ['drainMs is over', (mq: Awaited<ReturnType<typeof openQueue>>) => mq.clock.advance(5000), 5000],
  ['its signal aborts', async () => undefined, 3_600_000],
])('close aborts handlers when %s, and what they had comes again', async (title, wait, drainMs) => {
  const bench = await openQueue()
  const { mq, disk, clock } = bench
  let reason: unknown
  await mq.pushConsumer({
    ...BILLING,
    messageListener: (_message, { signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          reason = signal.reason
          reject(signal.reason)
        })
      }),
  })
  await mq.producer().send({ topic: 'orders', body: '1' })
  await settled()
  const stop = new AbortController()
  const closed = mq.close({ drainMs, signal: stop.signal })
  await settled()
  expect(reason).toBeUndefined()
  if (title === 'its signal aborts') stop.abort()
  await wait(bench)
  await closed
  expect(reason).toMatchObject({ name: 'AbortError' })
  const { mq: again } = await openQueue({}, { disk, clock })
  expect([again.recovery.clean, (await again.admin.groupProgress('billing')).lagMessages]).toEqual([true, 1])
})
