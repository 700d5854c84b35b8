/** A record whose write failed was acknowledged as flushed when a later record took its place. */
import { expect, it } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import { MessageStore } from '../../src/store/message-store.ts'
import { SimulatedDisk } from '../../src/testing/testing.ts'

it('whoever waits for a record that the disk did not take is told so, at every level', async () => {
  const disk = new SimulatedDisk()
  const store = await MessageStore.open('/store', { fileSystem: disk, logger: silentLogger })
  const put = (body: string) => {
    const { physicalOffset, sizeBytes } = store.put({ topic: 'orders', queueId: 0, body: Buffer.from(body) })
    return physicalOffset + sizeBytes
  }
  disk.inject({ operation: 'write', path: 'commitlog/*', fault: { errno: 'ENOSPC' } })
  const end = put('lost')
  const full = { code: 'POCKETMQ_DISK_FULL' }
  const told = Promise.all([
    expect(store.written(end)).rejects.toMatchObject(full),
    expect(store.flushed(end)).rejects.toMatchObject(full),
    expect(store.dispatched(end)).rejects.toMatchObject(full),
  ])
  await expect(store.written(end)).rejects.toMatchObject(full)
  expect(put('kept')).toBe(end)
  await store.flushed(end)
  await told
  const { messages } = await store.read({ topic: 'orders', queueId: 0, queueOffset: 0, maxMessages: 10 })
  expect(messages.map(({ body }) => body.toString())).toEqual(['kept'])
  await store.close()
})
