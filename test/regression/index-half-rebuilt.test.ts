/**
 * The power failed while recovery made the index anew from the log's beginning, because a file of it was missing. The next
 * recovery found the newest files whole and the checkpoint where it had been before, and started there: keys of messages whose
 * entries were in files that had not reached the device were found no more.
 */
import { expect, it } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import type { StoreOptions } from '../../src/store/message-store.ts'
import { MessageStore } from '../../src/store/message-store.ts'
import { ManualClock, SimulatedDisk } from '../../src/testing/testing.ts'

const DIR = '/store'
const MESSAGES = 40
const CUTS = 4

function optionsOf(fileSystem: SimulatedDisk): StoreOptions {
  return {
    ...{ fileSystem, clock: new ManualClock(), logger: silentLogger, indexSlots: 16, indexEntries: 12 },
    ...{ commitLogSegmentBytes: 65_536, consumeQueueSegmentEntries: 100, retention: { freeBytesMin: 0 } },
  }
}

/** A closed store, of whose index the newest file has gone. */
async function storeWithoutNewestIndexFile(): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk()
  const store = await MessageStore.open(DIR, optionsOf(disk))
  for (let i = 0; i < MESSAGES; i++) {
    store.put({ topic: 'orders', queueId: 0, body: Buffer.from(`${i}`), properties: { KEYS: `key-${i}` } })
  }
  await store.close()
  await disk.remove(disk.paths().findLast(path => path.includes('/index/')) as string)
  await disk.flushFolder(`${DIR}/index`)
  return disk
}

async function missingKeys(disk: SimulatedDisk): Promise<string[]> {
  const store = await MessageStore.open(DIR, optionsOf(disk))
  const missing: string[] = []
  for (let i = 0; i < MESSAGES; i++) {
    if ((await store.queryByKey('orders', `key-${i}`)).length === 0) missing.push(`key-${i}`)
  }
  await store.close()
  return missing
}

it('the power may fail while the index is made anew: every key finds its message afterwards', async () => {
  const disk = await storeWithoutNewestIndexFile()
  const cuts: SimulatedDisk[] = []
  disk.onFlush(({ flushes }) => {
    for (let i = 0; i < CUTS; i++) cuts.push(disk.powerCut(flushes * CUTS + i))
  })
  expect(await missingKeys(disk)).toEqual([])
  for (const [i, cut] of cuts.entries())
    expect({ cut: i, missing: await missingKeys(cut) }).toEqual({ cut: i, missing: [] })
  expect(cuts.length).toBeGreaterThan(30)
})
