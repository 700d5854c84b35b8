/** Opening that failed behind the folder's files left them open. */
import { expect, test } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import type { StoreOptions } from '../../src/store/message-store.ts'
import { MessageStore } from '../../src/store/message-store.ts'
import type { DiskOperation } from '../../src/testing/testing.ts'
import { ManualClock, SimulatedDisk } from '../../src/testing/testing.ts'

const OPERATIONS: readonly DiskOperation[] = [
  'open',
  'read',
  'write',
  'truncate',
  'flush',
  'list',
  'stat',
  'flush-folder',
]

function options(fileSystem: SimulatedDisk, clock: ManualClock): StoreOptions {
  const sizes = { commitLogSegmentBytes: 4096, consumeQueueSegmentEntries: 10, indexSlots: 10, indexEntries: 20 }
  return { ...sizes, fileSystem, clock, logger: silentLogger }
}

/** A folder of several segments, as a killed owner leaves it: opening has to recover. */
async function killed(): Promise<SimulatedDisk> {
  const clock = new ManualClock()
  const disk = new SimulatedDisk({ clock })
  const store = await MessageStore.open('/store', options(disk, clock))
  for (let i = 0; i < 60; i++)
    store.put({ topic: `t${i % 3}`, queueId: 0, body: Buffer.alloc(60), properties: { KEYS: `${i}` } })
  await store.saveConsumerOffsets(Buffer.from('{}'))
  await store.flush()
  const image = disk.kill()
  await store.close()
  expect(disk.openFiles).toBe(0)
  return image
}

test.each(OPERATIONS)('whichever %s fails at open, no file stays open and the lock is free', async operation => {
  const image = await killed()
  let failures = 0
  for (let nth = 1; ; nth++) {
    const disk = image.kill()
    const clock = new ManualClock()
    const fault = disk.inject({ operation, nth, fault: { errno: 'EIO' } })
    const opened = await MessageStore.open('/store', options(disk, clock)).catch(() => undefined)
    fault.remove()
    if (opened === undefined) {
      failures++
      expect([operation, nth, disk.openFiles]).toEqual([operation, nth, 0])
      expect(await disk.lockHolder('/store')).toBeUndefined()
      continue
    }
    await opened.close()
    expect([operation, nth, disk.openFiles]).toEqual([operation, nth, 0])
    if (fault.hits === 0) break
  }
  expect(failures).toBeGreaterThan(0)
})
