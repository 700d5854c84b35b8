import { expect, test } from 'vitest'
import { MessageStore } from '../../src/store/message-store.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'

test('a record that was just dispatched is had from memory, as a copy of its own; one that is not written is not', async () => {
  const store = await MessageStore.open('/store', { fileSystem: new SimulatedDisk(), clock: new ManualClock() })
  const { physicalOffset, sizeBytes } = store.put({ topic: 't', queueId: 0, body: Buffer.from('abc'), properties: {} })
  expect(store.hot(physicalOffset, sizeBytes)).toBe(undefined)
  await store.dispatched(physicalOffset + sizeBytes)
  const [one, other] = [store.hot(physicalOffset, sizeBytes), store.hot(physicalOffset, sizeBytes)]
  one?.body.fill(0)
  expect([other?.body.toString(), other?.queueOffset, other?.topic]).toEqual(['abc', 0, 't'])
  await store.close()
})
