/** One owner at a time, whoever it is. */
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import { MessageStore } from '../../src/store/message-store.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { Broker, NO_BROKER } from './broker.ts'
import { BROKER_SIZES, openShop, readAll, recordOf } from './shop.ts'

describe.skipIf(NO_BROKER !== undefined)('the lock of a folder', { timeout: 120_000 }, () => {
  it('keeps RocketMQ out while PocketMQ has the folder, and nothing is lost by its trying', async () => {
    const dir = join(temporaryFolder(), 'store')
    const store = await openShop(dir)
    for (let n = 0; n < 100; n++) store.put(recordOf('orders', n % 4, n, 100))
    await store.dispatched(store.watermarks.appended)
    await expect(Broker.open(dir, BROKER_SIZES)).rejects.toThrow(/[Ll]ock failed/)
    for (let n = 100; n < 200; n++) store.put(recordOf('orders', n % 4, n, 100))
    await store.close()
    const again = await openShop(dir)
    expect(await readAll(again)).toHaveLength(200)
    await again.close()
  })

  it('keeps PocketMQ out while RocketMQ has the folder, and frees it when RocketMQ is killed', async () => {
    const dir = join(temporaryFolder(), 'store')
    await (await openShop(dir)).close()
    const broker = await Broker.open(dir, BROKER_SIZES)
    await broker.append('orders', 0, 10, 'theirs')
    await expect(MessageStore.open(dir, { logger: silentLogger })).rejects.toMatchObject({
      code: 'POCKETMQ_STORE_LOCKED',
      details: { holder: expect.stringContaining('java') },
    })
    await broker.append('orders', 0, 10, 'more')
    await broker.kill()
    const store = await MessageStore.open(dir, { logger: silentLogger, lockWaitMs: 5000 })
    expect(store.queueRange('orders', 0)?.maxQueueOffset).toBe(20)
    await store.close()
  })
})
