/**
 * Each index file that was full kept its table of slots in memory, 2 MB with RocketMQ's sizes, until retention took the file. A soak of
 * an hour did not show it: its retention took them.
 */
import { expect, it } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import { nextTurn } from '../../src/base/turns.ts'
import { MessageStore } from '../../src/store/message-store.ts'
import { ManualClock, SimulatedDisk } from '../../src/testing/testing.ts'
import { collectGarbage } from '../support/collect-garbage.ts'

const INDEX_SLOTS = 1_000_000
const SLOT_BYTES = 4
const INDEX_ENTRIES = 20
const FILES = 20

async function bytesHeld(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    collectGarbage()
    await nextTurn()
  }
  return process.memoryUsage().arrayBuffers
}

it('an index file that is full holds no slots in memory once it is on the device', async () => {
  const store = await MessageStore.open('/store', {
    ...{ fileSystem: new SimulatedDisk(), clock: new ManualClock(), logger: silentLogger },
    ...{ commitLogSegmentBytes: 1024 * 1024, indexSlots: INDEX_SLOTS, indexEntries: INDEX_ENTRIES },
  })
  let count = 0
  const fill = async (): Promise<void> => {
    for (let i = 0; i < INDEX_ENTRIES; i++) {
      store.put({ topic: 'orders', queueId: 0, body: Buffer.from('x'), properties: { UNIQ_KEY: `id-${count++}` } })
    }
    await store.flush()
  }
  await fill()
  await fill()
  const before = await bytesHeld()
  for (let file = 0; file < FILES; file++) await fill()
  const grown = (await bytesHeld()) - before
  expect(grown).toBeLessThan((FILES * INDEX_SLOTS * SLOT_BYTES) / 2)
  await store.close()
})
