/** Was: a recall that a full device did not take had forgotten the delayed message all the same; it came at the next open only. */
import { expect, it } from 'vitest'
import { messagesOf, openQueue } from '../messaging/queue-on-disk.ts'

it('a delayed message whose recall a full device refuses comes when its time has come', async () => {
  const { mq, disk, clock } = await openQueue()
  const producer = mq.producer()
  const { recallHandle } = await producer.send({ topic: 'orders', body: 'later', delay: 3000 })
  await mq.store.flush()
  const full = disk.inject({ operation: 'write', times: Number.POSITIVE_INFINITY, fault: { errno: 'ENOSPC' } })
  await expect(producer.recall(recallHandle as string)).rejects.toMatchObject({ code: 'POCKETMQ_DISK_FULL' })
  full.remove()
  await clock.advance(5000)
  expect((await messagesOf(mq, 'orders')).map(message => message.body.toString())).toEqual(['later'])
})
