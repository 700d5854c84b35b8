import { expect, test } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import type { StoreOptions } from '../../src/store/message-store.ts'
import { MessageStore } from '../../src/store/message-store.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'

const HOUR_MS = 3_600_000
const SEGMENT_BYTES = 8192

type Opened = { store: MessageStore; clock: ManualClock; events: string[] }

async function openFilled(retention: StoreOptions['retention'] = {}, count = 100): Promise<Opened> {
  const clock = new ManualClock()
  const store = await MessageStore.open('/store', {
    fileSystem: new SimulatedDisk({ clock }),
    clock,
    logger: silentLogger,
    commitLogSegmentBytes: SEGMENT_BYTES,
    consumeQueueSegmentEntries: 10,
    indexSlots: 100,
    indexEntries: 40,
    retention,
  })
  const events: string[] = []
  store.onEvent((name, { reason }) => events.push(reason === undefined ? name : `${name} ${String(reason)}`))
  for (let i = 0; i < count; i++) {
    store.put({ topic: 'A', queueId: 0, body: Buffer.alloc(300, i), properties: { KEYS: `key${i}` } })
  }
  await store.flush()
  return { store, clock, events }
}

const firstRead = async (store: MessageStore): Promise<number | undefined> => {
  const { minQueueOffset } = store.queueRange('A', 0) ?? { minQueueOffset: -1 }
  const result = await store.read({ topic: 'A', queueId: 0, queueOffset: minQueueOffset, maxMessages: 1 })
  return result.messages[0]?.queueOffset
}

test('segments that were last written longer ago than the hours go, all but the newest', async () => {
  const { store, clock, events } = await openFilled({ hours: 2 })
  expect(await store.applyRetention()).toBe(0)
  await clock.advance(2 * HOUR_MS)
  const before = store.watermarks
  await store.applyRetention()
  const removed = Math.floor(before.appended / SEGMENT_BYTES)
  expect(store.watermarks.min).toBe(removed * SEGMENT_BYTES)
  expect(events).toEqual(Array.from({ length: removed }, () => 'segment-removed age'))
  const { minQueueOffset } = store.queueRange('A', 0) ?? { minQueueOffset: 0 }
  expect(minQueueOffset).toBeGreaterThan(0)
  expect(await firstRead(store)).toBe(minQueueOffset)
  await store.close()
})

test('the oldest segments go when the log takes more bytes than it may', async () => {
  const { store } = await openFilled({ bytes: 3 * SEGMENT_BYTES })
  await store.applyRetention()
  const { min, appended } = store.watermarks
  expect(Math.ceil((appended - min) / SEGMENT_BYTES)).toBe(3)
  await store.close()
})

test('what somebody still needs stays, and that is told', async () => {
  const { store, clock, events } = await openFilled({ hours: 1, bytes: SEGMENT_BYTES })
  store.keepFrom(() => 2 * SEGMENT_BYTES + 5)
  await clock.advance(5 * HOUR_MS)
  await store.applyRetention()
  expect(store.watermarks.min).toBe(2 * SEGMENT_BYTES)
  expect(events.at(-1)).toBe('retention-held-back')
  await store.close()
})

test('nothing goes that lies beyond the checkpoint', async () => {
  const { store, clock } = await openFilled({ hours: 1 }, 30)
  const { checkpointed } = store.watermarks
  for (let i = 0; i < 100; i++) store.put({ topic: 'A', queueId: 0, body: Buffer.alloc(300, i) })
  await clock.advance(0)
  await store.written(store.watermarks.appended)
  await clock.advance(5 * HOUR_MS)
  await store.applyRetention()
  expect(store.watermarks.min).toBeLessThanOrEqual(Math.max(checkpointed, store.watermarks.checkpointed))
  await store.close()
})

test('a store whose head was dropped opens clean and goes on at its queue offsets', async () => {
  const clock = new ManualClock()
  const fileSystem = new SimulatedDisk({ clock })
  const options = {
    fileSystem,
    clock,
    logger: silentLogger,
    commitLogSegmentBytes: SEGMENT_BYTES,
    retention: { hours: 1 },
  }
  const store = await MessageStore.open('/store', options)
  for (let i = 0; i < 100; i++) store.put({ topic: 'A', queueId: 0, body: Buffer.alloc(300, i) })
  await store.flush()
  await clock.advance(5 * HOUR_MS)
  await store.applyRetention()
  const range = store.queueRange('A', 0)
  await store.close()
  const again = await MessageStore.open('/store', { fileSystem, clock, logger: silentLogger })
  expect(again.recovery).toMatchObject({ clean: true, scannedBytes: 0 })
  expect(again.queueRange('A', 0)).toEqual(range)
  expect(again.put({ topic: 'A', queueId: 0, body: Buffer.from('next') }).queueOffset).toBe(100)
  await again.close()
})

test('a log that has all its bytes, all of them needed, refuses a put and lets a send wait until they are not', async () => {
  const { store, clock } = await openFilled({ bytes: 3 * SEGMENT_BYTES })
  let needed = 0
  store.keepFrom(() => needed)
  await store.applyRetention()
  const record = { topic: 'A', queueId: 0, body: Buffer.from('more') }
  expect(() => store.put(record)).toThrow(expect.objectContaining({ code: 'POCKETMQ_BACKPRESSURE', retryable: true }))
  expect(store.watermarks.min).toBe(0)
  let isAdmitted = false
  const admitted = store.admitted(200).then(() => {
    isAdmitted = true
  })
  await clock.advance(500)
  expect(isAdmitted).toBe(false)
  needed = store.watermarks.appended
  await clock.advance(500)
  await admitted
  expect(store.put(record).queueOffset).toBe(100)
  expect(store.watermarks.min).toBeGreaterThan(0)
  await store.close()
})

test('a send that waits for retention gives up when its signal says so, or the store closes', async () => {
  const { store } = await openFilled({ bytes: 3 * SEGMENT_BYTES })
  store.keepFrom(() => 0)
  await store.applyRetention()
  await expect(store.admitted(200, AbortSignal.abort())).rejects.toMatchObject({ name: 'AbortError' })
  await store.close()
})
