/**
 * Two ways in which a deleted topic took what came after it along. A power cut could take records of the log and keep the
 * tombstone: messages appended in their place counted as deleted and were never shown. And a queue whose first messages were not
 * dispatched yet when its topic was deleted again began to count where it had before them.
 */
import { expect, it } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import type { StoreOptions } from '../../src/store/message-store.ts'
import { MessageStore } from '../../src/store/message-store.ts'
import { ManualClock, SimulatedDisk } from '../../src/testing/testing.ts'

const DIR = '/store'

function open(fileSystem: SimulatedDisk): Promise<MessageStore> {
  const options: StoreOptions = {
    ...{ fileSystem, clock: new ManualClock(), logger: silentLogger, commitLogSegmentBytes: 16_384 },
    retention: { freeBytesMin: 0 },
  }
  return MessageStore.open(DIR, options)
}

const put = (store: MessageStore, body: string) => store.put({ topic: 'orders', queueId: 0, body: Buffer.from(body) })

it('what is sent to a deleted topic after a power cut is there, although the cut took the records it was deleted with', async () => {
  const disk = new SimulatedDisk()
  const store = await open(disk)
  for (let i = 0; i < 5; i++) put(store, `${i}`)
  await store.deleteTopic('orders')
  const cuts = Array.from({ length: 20 }, (_, seed) => disk.powerCut(seed))
  await store.close()
  let shortened = 0
  for (const [cut, image] of cuts.entries()) {
    const again = await open(image)
    if (again.watermarks.appended === 0) shortened++
    const { queueOffset } = put(again, 'after')
    await again.flush()
    const { messages } = await again.read({ topic: 'orders', queueId: 0, queueOffset, maxMessages: 8 })
    expect({ cut, bodies: messages.map(message => message.body.toString()) }).toEqual({ cut, bodies: ['after'] })
    await again.close()
  }
  expect(shortened).toBeGreaterThan(3)
})

it('a topic that is deleted before its last messages are dispatched goes on counting behind them', async () => {
  const disk = new SimulatedDisk()
  const store = await open(disk)
  put(store, '0')
  await store.flush()
  await store.deleteTopic('orders')
  const { queueOffset } = put(store, '1')
  await store.deleteTopic('orders')
  await store.close()
  const again = await open(disk)
  expect(put(again, '2').queueOffset).toBe(queueOffset + 1)
  await again.close()
})
