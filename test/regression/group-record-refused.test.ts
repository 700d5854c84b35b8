/** Was: a group whose record a full device had refused joined with the next try, and the record was never written: a kill forgot it. */
import { expect, it } from 'vitest'
import type { PocketMQ } from '../../src/messaging/pocket-mq.ts'
import { openQueue } from '../messaging/queue-on-disk.ts'

const join = (mq: PocketMQ) => mq.simpleConsumer({ consumerGroup: 'billing', subscriptions: { orders: 'paid' } })

it('a group that joins after a device had refused its record is known after a kill', async () => {
  const { mq, disk, clock } = await openQueue()
  await mq.admin.createTopic({ topic: 'orders' })
  const full = disk.inject({ operation: 'any', path: /groups\.json/, times: 1, fault: { errno: 'ENOSPC' } })
  await expect(join(mq)).rejects.toMatchObject({ code: 'POCKETMQ_DISK_FULL' })
  expect(full.hits).toBe(1)
  await join(mq)
  const next = await openQueue({}, { disk: disk.kill(), clock })
  expect(await next.mq.admin.groups()).toMatchObject([{ group: 'billing', subscriptionVersion: 1 }])
})
