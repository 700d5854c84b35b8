/** A closed store whose log begins with a record of a deleted topic, with a key, and that has no other key, was not clean: its index was missed. */
import { expect, it } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import type { StoreOptions } from '../../src/store/message-store.ts'
import { MessageStore } from '../../src/store/message-store.ts'
import { ManualClock, SimulatedDisk } from '../../src/testing/testing.ts'

it('a store that lost its only keys with a deleted topic and a power cut opens clean after a clean close', async () => {
  const disk = new SimulatedDisk()
  const options = (fileSystem: SimulatedDisk): StoreOptions => ({
    ...{ fileSystem, clock: new ManualClock(), logger: silentLogger, retention: { freeBytesMin: 0 } },
  })
  const store = await MessageStore.open('/store', options(disk))
  store.put({ topic: 'gone', queueId: 0, body: Buffer.from('gone'), properties: { KEYS: 'key' } })
  await store.flushed(store.watermarks.appended)
  await store.deleteTopic('gone')
  store.put({ topic: 'kept', queueId: 0, body: Buffer.from('kept') })
  await store.flushed(store.watermarks.appended)
  const cut = disk.powerCut(1)
  for (const path of cut.paths()) if (path.includes('/index/')) await cut.remove(path)
  await store.close()
  await (await MessageStore.open('/store', options(cut))).close()
  const again = await MessageStore.open('/store', options(cut))
  expect(again.recovery).toMatchObject({ clean: true, scannedBytes: 0, notes: [] })
  await again.close()
})
