/** A folder whose owner was killed is opened by the other: PocketMQ's by RocketMQ's own store, RocketMQ's by PocketMQ. */
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import { MessageStore } from '../../src/store/message-store.ts'
import { readBack } from '../crash/reading.ts'
import { QUEUES, SIZES } from '../crash/workload.ts'
import { runWriter } from '../crash/writer.ts'
import { IO_MODES } from '../support/mmap-available.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import type { BrokerMessage, BrokerSettings } from './broker.ts'
import { Broker, brokerSizes, NO_BROKER } from './broker.ts'
import { differences, queryOffsets, readAll } from './shop.ts'

const BROKER_SIZES: BrokerSettings = {
  ...brokerSizes(SIZES),
  // After a crash it reads no more than the last ten segments, which are very small here.
  commitLogRecoverMaxNum: 1000,
}
const SEED = 3

describe.skipIf(NO_BROKER !== undefined)('after a kill', { timeout: 120_000 }, () => {
  it.each(IO_MODES)(
    'of PocketMQ (io %s), RocketMQ finds every acknowledged message; after a kill of RocketMQ, so does PocketMQ',
    async io => {
      const dir = join(temporaryFolder(), 'store')
      const orders = { dir, io, durability: 'memory' as const, seed: SEED, run: SEED, readFrom: [] }
      const run = await runWriter(orders, { afterOpenMs: 300 })
      expect(run.exitCode, run.errors).toBe(null)
      expect(run.count).toBeGreaterThan(100)

      const broker = await Broker.open(dir, BROKER_SIZES)
      expect(broker.opened).toMatchObject({ lastExit: 'abnormal', abortFile: true })
      const ours = (await broker.dump()).messages
      for (const [i, { topic, queueId }] of QUEUES.entries()) {
        expect(countOf(ours, topic, queueId)).toBeGreaterThanOrEqual(run.acknowledged[i] ?? 0)
      }
      await broker.append('orders', 1, 40, 'theirs')
      await broker.append('fresh', 0, 10, 'fresh')
      const both = (await broker.dump()).messages
      await broker.kill()

      const store = await MessageStore.open(dir, { logger: silentLogger, io })
      expect(store.recovery).toMatchObject({ clean: false, damaged: [] })
      expect(differences(await readAll(store), both)).toEqual([])
      expect(await queryOffsets(store, 'fresh', 'fresh-9')).toHaveLength(1)
      expect(await queryOffsets(store, 'orders', 'theirs-39')).toHaveLength(1)
      const { complaints } = await readBack(await MessageStore.openReadOnly(dir, { logger: silentLogger }), SEED, [])
      // The queue that RocketMQ appended to has other messages than the writer would have put.
      expect(complaints.filter(line => !line.startsWith('orders/1'))).toEqual([])
      await store.close()

      const last = await Broker.open(dir, BROKER_SIZES)
      expect(last.opened).toMatchObject({ lastExit: 'normal', abortFile: false })
      expect(differences((await last.dump()).messages, both)).toEqual([])
      await last.kill()
    },
  )
})

function countOf(messages: readonly BrokerMessage[], topic: string, queueId: number): number {
  return messages.filter(message => message.topic === topic && message.queueId === queueId).length
}
