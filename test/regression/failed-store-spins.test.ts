/** Was: in a store that had failed, a delayed message whose time had come was tried again at once, and again, with all of the processor. */
import { expect, it } from 'vitest'
import { openQueue } from '../messaging/queue-on-disk.ts'

it('a delayed message that is due in a failed store is left until the folder is opened again', async () => {
  const { mq, disk, clock } = await openQueue()
  const producer = mq.producer()
  await producer.send({ topic: 'orders', body: 'later', delay: 2000 })
  disk.inject({ operation: 'flush', times: Number.POSITIVE_INFINITY, fault: { errno: 'EIO' } })
  await expect(producer.send({ topic: 'orders', body: 'now' }, { durability: 'disk' })).rejects.toMatchObject({
    code: 'POCKETMQ_STORE_FAILED',
  })
  let tries = 0
  const stop = disk.watch(() => {
    tries++
  })
  // It would never resolve.
  await clock.advance(10_000)
  stop()
  expect(tries).toBeLessThan(10)
})
