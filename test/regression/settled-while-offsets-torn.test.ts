/**
 * Was, on a full device with `io: 'mmap'`: offsets could not be written, but records still could, into room that was taken ahead.
 * A message that failed meanwhile was settled by its retry copy in memory alone; the log of offsets then said that the copy's
 * mark had been applied, and after a kill both the message and its copy were delivered.
 */
import { expect, it } from 'vitest'
import type { PocketMQ } from '../../src/messaging/pocket-mq.ts'
import { openQueue } from '../messaging/queue-on-disk.ts'

const consumer = (mq: PocketMQ) =>
  mq.simpleConsumer({
    ...{ consumerGroup: 'billing', subscriptions: { orders: '*', paid: '*' }, awaitDuration: 0 },
    retryBackoff: [5],
  })

it('a message that failed while offsets had no room comes once more, not twice, after a kill', async () => {
  const { mq, disk, clock } = await openQueue({ topicQueues: 1 })
  const failures: string[] = []
  mq.on('error', ({ where }) => failures.push(where))
  const producer = mq.producer()
  for (const body of ['torn', 'while torn', 'fails']) await producer.send({ topic: 'orders', body })
  await producer.send({ topic: 'paid', body: 'afterwards' })
  const billing = await consumer(mq)
  const received = await billing.receive(16)
  const messages = new Map(received.map(message => [message.body.toString(), message]))
  const full = [
    disk.inject({ operation: 'write', path: 'offsets/*', times: Number.POSITIVE_INFINITY, fault: { errno: 'ENOSPC' } }),
    disk.inject({ operation: 'open', path: 'offsets/*', times: Number.POSITIVE_INFINITY, fault: { errno: 'ENOSPC' } }),
  ]
  await messages.get('torn')?.ack()
  await messages.get('while torn')?.ack()
  await messages.get('fails')?.nack()
  await mq.store.flush()
  await clock.advance(100)
  for (const rule of full) rule.remove()
  await messages.get('afterwards')?.ack()
  await mq.store.flush()
  await clock.advance(100)
  expect(new Set(failures)).toEqual(new Set(['writing offsets']))

  const next = await openQueue({}, { disk: disk.kill(), clock })
  const again: string[] = []
  for (const message of await (await consumer(next.mq)).receive(16)) again.push(message.body.toString())
  expect(again).toEqual(['fails'])
})
