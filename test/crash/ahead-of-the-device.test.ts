/**
 * Files and consumers that must not be ahead of the log on the device: short workloads whose power fails where they might be. The
 * long runs of random ones seldom come by these places.
 */
import { expect, it } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import { decodeConsumerOffsets } from '../../src/codec/consumer-offset-json.ts'
import { decodeDelayOffsets } from '../../src/codec/delay-offset-json.ts'
import { MessageStore } from '../../src/store/message-store.ts'
import { ManualClock, SimulatedDisk } from '../../src/testing/testing.ts'
import { bodiesOf, FOLDER, openQueue } from '../messaging/queue-on-disk.ts'
import { cutAtFlushes } from './cut-images.ts'

const MIB = 1024 * 1024
const TIMEOUT_MS = 120_000

it('a store of durability disk shows consumers nothing that a power cut could take back', async () => {
  const disk = new SimulatedDisk()
  const options = { fileSystem: disk, clock: new ManualClock(), logger: silentLogger, commitLogSegmentBytes: 65_536 }
  const store = await MessageStore.open(FOLDER, { ...options, durability: 'disk' })
  const put = () => store.put({ topic: 'orders', queueId: 0, body: Buffer.alloc(600) })
  const early: number[] = []
  let shown = 0
  store.onDispatch(({ physicalOffset }) => {
    shown++
    if (physicalOffset >= store.watermarks.flushed) early.push(physicalOffset)
  })
  let left = 20
  // Each comes while a flush is on its way that does not cover it.
  disk.onFlush(({ path }) => {
    if (path.includes('/commitlog/') && left-- > 0) put()
  })
  put()
  while (left > 0) await store.flushed(store.watermarks.appended)
  await store.close()
  expect(early).toEqual([])
  expect(shown).toBe(21)
})

it(
  'consumerOffset.json is never ahead of our own offsets in the same image, which hold before it',
  async () => {
    const { mq, disk, clock } = await openQueue({ flushIntervalMs: 60_000, topicQueues: 1 })
    const group = { consumerGroup: 'billing', subscriptions: { orders: '*' }, awaitDuration: 0 }
    const consumer = await mq.simpleConsumer(group)
    for (let i = 0; i < 30; i++) await mq.producer().send({ topic: 'orders', body: `${i}` })
    await mq.store.flush()
    const cut = cutAtFlushes(disk, 12, '/config')
    for (let round = 0; round < 3; round++) {
      for (const message of await consumer.receive(8)) await message.ack()
      await clock.advance(30_000)
    }
    const images = cut()
    let most = 0
    for (const image of images) {
      const path = `${FOLDER}/config/consumerOffset.json`
      const text = image.paths().includes(path) ? image.contentOf(path).toString() : '{}'
      const saved = decodeConsumerOffsets(text).offsets.find(one => one.topic === 'orders')?.queueOffset ?? 0
      const next = await openQueue({}, { disk: image, clock: new ManualClock(clock.nowMs()) })
      const [queue] = (await next.mq.admin.groupProgress('billing')).queues.filter(one => one.topic === 'orders')
      expect(queue?.committed ?? 0).toBeGreaterThanOrEqual(saved)
      most = Math.max(most, saved)
      await next.mq.close({ drainMs: 0 })
    }
    expect(most).toBeGreaterThan(8)
  },
  TIMEOUT_MS,
)

it(
  'delayOffset.json leaves behind only what is delivered on the same device',
  async () => {
    const { mq, disk, clock } = await openQueue({ flushIntervalMs: 60_000, topicQueues: 1 })
    const bodies = Array.from({ length: 6 }, (_, i) => `${i}`)
    for (const body of bodies) await mq.producer().send({ topic: 'orders', body, delayLevel: 2 })
    await mq.store.flush()
    const cut = cutAtFlushes(disk, 12, '/config')
    for (let i = 0; i < 4; i++) await clock.advance(5000)
    const images = cut()
    let most = 0
    for (const image of images) {
      const path = `${FOLDER}/config/delayOffset.json`
      const text = image.paths().includes(path) ? image.contentOf(path).toString() : '{}'
      const delivered = decodeDelayOffsets(text).offsets.get(2) ?? 0
      const store = await MessageStore.open(FOLDER, {
        fileSystem: image,
        clock: new ManualClock(),
        logger: silentLogger,
      })
      expect(store.queueRange('orders', 0)?.maxQueueOffset ?? 0).toBeGreaterThanOrEqual(delivered)
      await store.close()
      most = Math.max(most, delivered)
    }
    expect(most).toBe(bodies.length)
  },
  TIMEOUT_MS,
)

it(
  'delayed messages are left out of what is saved of those that wait only where they are delivered on the same device',
  async () => {
    const { mq, disk, clock } = await openQueue({
      flushIntervalMs: 60_000,
      topicQueues: 1,
      commitLogSegmentBytes: 128 * MIB,
    })
    const producer = mq.producer()
    const bodies = Array.from({ length: 6 }, (_, i) => `${i}`)
    for (const body of bodies) await producer.send({ topic: 'orders', body, delay: 10_000 })
    const filler = Buffer.alloc(MIB)
    for (let i = 0; i < 63; i++) await producer.send({ topic: 'filler', body: filler })
    await mq.store.flush()
    const cut = cutAtFlushes(disk, 3, '/pocketmq')
    await clock.advance(10_000)
    // The snapshot comes each 64 MiB.
    for (let i = 0; i < 2; i++) await producer.send({ topic: 'filler', body: filler })
    for (let i = 0; i < 4; i++) await clock.advance(1000)
    const images = cut()
    expect(images.length).toBeGreaterThan(3)
    for (const image of images) {
      const next = await openQueue({}, { disk: image, clock: new ManualClock(clock.nowMs()) })
      await next.clock.advance(20_000)
      expect((await bodiesOf(next.mq, 'orders')).sort()).toEqual(bodies)
      await next.mq.close({ drainMs: 0 })
    }
  },
  TIMEOUT_MS,
)
