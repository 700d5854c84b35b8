/**
 * A flush began with a full segment to flush and records in the active one. While the device had the first, the active one was full too, and
 * the log rolled on: the flush then took the newest segment's start for that of the one it had begun with, left that out, and said that its
 * records were on the device. A power cut before the next flush lost them. Torture found it, on a disk that was busy.
 */
import { expect, it } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import { MessageStore } from '../../src/store/message-store.ts'
import { ManualClock, SimulatedDisk } from '../../src/testing/testing.ts'

const SEGMENT_BYTES = 4096
const CUTS = 40

function openOn(fileSystem: SimulatedDisk): Promise<MessageStore> {
  const options = { commitLogSegmentBytes: SEGMENT_BYTES, flushIntervalMs: 600_000, logger: silentLogger }
  return MessageStore.open('/store', { ...options, fileSystem, clock: new ManualClock() })
}

it('what a flush says is on the device is there, also where the log rolls while it flushes', async () => {
  const disk = new SimulatedDisk()
  const store = await openOn(disk)
  let end = 0
  let sent = 0
  const putInto = (segment: number): void => {
    while (store.watermarks.appended < segment * SEGMENT_BYTES + SEGMENT_BYTES / 2) {
      const put = store.put({ topic: 'orders', queueId: 0, body: Buffer.alloc(300, 'b') })
      end = put.physicalOffset + put.sizeBytes
      sent++
    }
  }
  putInto(1)
  await store.written(end)
  const [promised, count] = [end, sent]
  const stop = disk.onFlush(({ path }) => {
    if (path.endsWith('/00000000000000000000')) putInto(2)
  })
  await store.flushed(promised)
  const images = Array.from({ length: CUTS }, (_, seed) => disk.powerCut(seed))
  stop()
  expect(store.watermarks.appended).toBeGreaterThan(2 * SEGMENT_BYTES)
  for (const image of images) {
    const again = await openOn(image)
    expect(again.queueRange('orders', 0)?.maxQueueOffset).toBeGreaterThanOrEqual(count)
    await again.close()
  }
})
