/** A store whose very first records were torn by a power cut did not open: recovery flushed an index folder that was never made. */
import { expect, it } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import { MessageStore } from '../../src/store/message-store.ts'
import { SimulatedDisk } from '../../src/testing/testing.ts'

it('a folder whose first append unit was torn opens, is empty, and takes messages', async () => {
  const disk = new SimulatedDisk({ writeBackChance: 0 })
  const options = { logger: silentLogger, durability: 'disk' } as const
  const store = await MessageStore.open('/store', { ...options, fileSystem: disk })
  const record = (key: string) => ({ topic: 'orders', queueId: 0, body: Buffer.from('x'), properties: { KEYS: key } })
  const unit = store.putAll([record('a'), record('b'), record('c')])
  const last = unit.at(-1)
  const tornAt = last === undefined ? 0 : last.physicalOffset + 8
  const torn = disk.kill()
  const log = await torn.open('/store/commitlog/00000000000000000000', 'write', 0)
  await log.write(await written(store, disk, tornAt), 0)
  const again = await MessageStore.open('/store', { ...options, fileSystem: torn })
  const { status } = await again.read({ topic: 'orders', queueId: 0, queueOffset: 0, maxMessages: 10 })
  expect(status).not.toBe('found')
  const { physicalOffset, queueOffset, sizeBytes } = again.put(record('d'))
  expect([physicalOffset, queueOffset]).toEqual([0, 0])
  await again.flushed(physicalOffset + sizeBytes)
  await again.close()
  await store.close()
})

/** The log's bytes up to `end`, once they are written. */
async function written(store: MessageStore, disk: SimulatedDisk, end: number): Promise<Buffer> {
  await store.written(end)
  return disk.contentOf('/store/commitlog/00000000000000000000', 0, end)
}
