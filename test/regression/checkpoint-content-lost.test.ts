/**
 * A power cut in a young store kept the name of `checkpoint` and not its content. Its hash was not the one our state remembers,
 * so recovery took the folder for one that a broker had written: the torn tail became holes with messages behind them, of
 * append units that were not whole.
 */
import { expect, it } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import type { StoreOptions } from '../../src/store/message-store.ts'
import { MessageStore } from '../../src/store/message-store.ts'
import { ManualClock, SimulatedDisk } from '../../src/testing/testing.ts'

const LOG = '/store/commitlog/00000000000000000000'
const options = (fileSystem: SimulatedDisk): StoreOptions => ({
  ...{ fileSystem, clock: new ManualClock(), logger: silentLogger, retention: { freeBytesMin: 0 } },
})

it.each([0, 4096])('a torn tail is cut where the checkpoint has no content (%i bytes of zeros)', async sizeBytes => {
  const disk = new SimulatedDisk()
  const store = await MessageStore.open('/store', options(disk))
  const put = (name: string): number =>
    store.put({ topic: 'orders', queueId: 0, body: Buffer.from(name) }).physicalOffset
  put('flushed')
  await store.flush()
  const torn = put('torn')
  const behind = put('behind')
  await store.written(store.watermarks.appended)
  const cut = disk.kill().powerCut(0)
  const log = disk.contentOf(LOG, 0, behind + 300)
  await store.close()
  cut.place(LOG, log.fill(0, torn, behind))
  cut.place('/store/checkpoint', Buffer.alloc(sizeBytes))
  const again = await MessageStore.open('/store', options(cut))
  expect(again.recovery.damaged).toEqual([])
  expect(again.queueRange('orders', 0)?.maxQueueOffset).toBe(1)
  await again.close()
})
