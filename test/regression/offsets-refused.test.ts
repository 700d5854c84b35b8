/**
 * Was: when a device had refused the log of offsets, flushing it said that all was well. Groups began where a power cut would not
 * find them, a clean close forgot acknowledgements, and what had been acknowledged last was written only with the next
 * acknowledgement.
 */
import { expect, it } from 'vitest'
import type { PocketMQ } from '../../src/messaging/pocket-mq.ts'
import type { InjectedFault } from '../../src/testing/fault-rules.ts'
import type { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import { openQueue } from '../messaging/queue-on-disk.ts'

const refuseOffsets = (disk: SimulatedDisk): InjectedFault =>
  disk.inject({ operation: 'write', path: 'offsets/*', times: Number.POSITIVE_INFINITY, fault: { errno: 'ENOSPC' } })

const consumer = (mq: PocketMQ, consumerGroup = 'billing') =>
  mq.simpleConsumer({ consumerGroup, subscriptions: { orders: '*' }, awaitDuration: 0 })

it('an acknowledgement that the device refused is kept by itself soon after there is room', async () => {
  const { mq, disk, clock } = await openQueue()
  await mq.producer().send({ topic: 'orders', body: 'done' })
  const [message] = await (await consumer(mq)).receive(1)
  const full = refuseOffsets(disk)
  await message?.ack()
  await clock.advance(20_000)
  full.remove()
  await clock.advance(5000)
  await mq.store.flush()
  const next = await openQueue({}, { disk: disk.kill(), clock })
  expect(await (await consumer(next.mq)).receive(1)).toEqual([])
})

it('a group whose beginning the device refuses has not joined, and joins when there is room', async () => {
  const { mq, disk } = await openQueue()
  await mq.producer().send({ topic: 'orders', body: 'x' })
  const full = refuseOffsets(disk)
  await expect(consumer(mq)).rejects.toMatchObject({ code: 'POCKETMQ_DISK_FULL' })
  await expect(consumer(mq)).rejects.toMatchObject({ code: 'POCKETMQ_DISK_FULL' })
  expect(await mq.admin.consumers('billing')).toEqual([])
  full.remove()
  expect(await (await consumer(mq)).receive(1)).toHaveLength(1)
})

it('a close that could not keep acknowledgements says so', async () => {
  const { mq, disk } = await openQueue()
  await mq.producer().send({ topic: 'orders', body: 'done' })
  const [message] = await (await consumer(mq)).receive(1)
  refuseOffsets(disk)
  await message?.ack()
  await expect(mq.close()).rejects.toMatchObject({ code: 'POCKETMQ_DISK_FULL' })
})
