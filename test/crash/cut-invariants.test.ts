/**
 * What holds in the image of every power cut before anybody opens it, or as soon as somebody does: small workloads that are cut
 * often where it counts. The long runs of random ones seldom come by these places.
 */
import { dirname } from 'node:path'
import { expect, it } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import { decodeConsumerOffsets } from '../../src/codec/consumer-offset-json.ts'
import { decodeStatePage } from '../../src/codec/state-page.ts'
import { OP_TOPIC } from '../../src/messaging/topics.ts'
import type { StoreOptions } from '../../src/store/message-store.ts'
import { MessageStore } from '../../src/store/message-store.ts'
import { ManualClock, SimulatedDisk } from '../../src/testing/testing.ts'
import { bodiesOf, FOLDER, openQueue } from '../messaging/queue-on-disk.ts'
import { cutAtFlushes } from './cut-images.ts'

const SEGMENT_BYTES = 4096
const CUTS = 6
const TIMEOUT_MS = 120_000

function optionsOf(fileSystem: SimulatedDisk): StoreOptions {
  return {
    ...{ fileSystem, clock: new ManualClock(), logger: silentLogger, commitLogSegmentBytes: SEGMENT_BYTES },
    ...{ consumeQueueSegmentEntries: 16, indexSlots: 16, indexEntries: 64, flushIntervalMs: 60_000 },
    retention: { freeBytesMin: 0, keepUnconsumed: false, bytes: 2 * SEGMENT_BYTES },
  }
}

function put(store: MessageStore, topic: string, i: number): void {
  store.put({ topic, queueId: 0, body: Buffer.alloc(600, 97 + i), properties: { KEYS: `key-${i}` } })
}

/** All files but the lock's, whose content means nothing. */
function contentsOf(disk: SimulatedDisk): Map<string, string> {
  const paths = disk.paths().filter(path => path !== `${FOLDER}/lock`)
  return new Map(paths.map(path => [path, disk.contentOf(path).toString('latin1')]))
}

/** How many messages a topic has, to who opens the image and does nothing else. */
async function countsIn(image: SimulatedDisk, ...topics: string[]): Promise<number[]> {
  const store = await MessageStore.open(FOLDER, { fileSystem: image, clock: new ManualClock(), logger: silentLogger })
  const counts = topics.map(topic =>
    store
      .queues()
      .filter(range => range.topic === topic)
      .reduce((sum, range) => sum + range.maxQueueOffset, 0),
  )
  await store.close()
  return counts
}

it(
  'abort is gone only where everything else is as the closed folder has it',
  async () => {
    const disk = new SimulatedDisk()
    const store = await MessageStore.open(FOLDER, optionsOf(disk))
    for (let i = 0; i < 10; i++) put(store, 'orders', i)
    await store.flush()
    for (let i = 10; i < 20; i++) put(store, 'orders', i)
    const cut = cutAtFlushes(disk, CUTS)
    await store.close()
    const images = cut()
    const closed = contentsOf(disk)
    const unmarked = images.filter(image => !image.paths().includes(`${FOLDER}/abort`))
    expect(images.length).toBeGreaterThan(unmarked.length)
    expect(unmarked.length).toBeGreaterThan(0)
    for (const image of unmarked) {
      const differing = [...closed].filter(([path, content]) => contentsOf(image).get(path) !== content)
      expect(differing.map(([path]) => path)).toEqual([])
      expect(decodeStatePage(image.contentOf(`${FOLDER}/pocketmq/state`))?.isCleanClose).toBe(true)
    }
  },
  TIMEOUT_MS,
)

it(
  'no segment is missing that recovery would start in, and no queue counts from its beginning again',
  async () => {
    const disk = new SimulatedDisk()
    const store = await MessageStore.open(FOLDER, optionsOf(disk))
    const cut = cutAtFlushes(disk, CUTS)
    for (let round = 0; round < 3; round++) {
      put(store, 'rare', round)
      for (let i = 0; i < 20; i++) put(store, 'often', i)
      await store.flushed(store.watermarks.appended)
      await store.dispatched(store.watermarks.appended)
      await store.applyRetention()
      await store.flush()
      await store.applyRetention()
    }
    const images = cut()
    await store.close()
    let removed = 0
    for (const image of images) {
      const names = image.paths().flatMap(path => /\/commitlog\/(\d{20})$/.exec(path)?.[1] ?? [])
      const lowest = Math.min(...names.map(Number))
      if (names.length === 0 || lowest === 0) continue
      removed++
      const state = decodeStatePage(image.contentOf(`${FOLDER}/pocketmq/state`))
      expect(state?.checkpointed).toBeGreaterThanOrEqual(lowest)
      const [rare] = await countsIn(image, 'rare')
      expect(rare).toBeGreaterThan(0)
    }
    expect(removed).toBeGreaterThan(10)
  },
  TIMEOUT_MS,
)

it(
  'consumerOffset.json never points past what the same image has of a queue',
  async () => {
    const { mq, disk, clock } = await openQueue({ flushIntervalMs: 60_000, topicQueues: 1 })
    const subscriptions = { orders: '*' }
    const consumer = await mq.simpleConsumer({ consumerGroup: 'billing', subscriptions, awaitDuration: 0 })
    const producer = mq.producer()
    const cut = cutAtFlushes(disk, CUTS)
    for (let round = 0; round < 4; round++) {
      for (let i = 0; i < 5; i++) await producer.send({ topic: 'orders', body: `${round} ${i} ${'b'.repeat(500)}` })
      for (const message of await consumer.receive(8)) await message.ack()
      // Long enough for the offsets to be saved.
      await clock.advance(6000)
      if (round % 2 === 1) await mq.store.flush()
      await clock.advance(6000)
    }
    const images = cut()
    let saved = 0
    for (const image of images) {
      const path = `${FOLDER}/config/consumerOffset.json`
      if (!image.paths().includes(path)) continue
      const { offsets } = decodeConsumerOffsets(image.contentOf(path).toString())
      const [end = 0] = await countsIn(image, 'orders')
      for (const { queueOffset } of offsets.filter(one => one.topic === 'orders')) {
        saved = Math.max(saved, queueOffset)
        expect({ queueOffset, end, isPast: queueOffset > end }).toEqual({ queueOffset, end, isPast: false })
      }
    }
    expect(saved).toBeGreaterThan(5)
  },
  TIMEOUT_MS,
)

it(
  'an op message is never without its committed message, nor that without its op message',
  async () => {
    const { mq, disk } = await openQueue({ flushIntervalMs: 60_000, topicQueues: 1 })
    const producer = mq.producer({ group: 'shop' })
    // A small record is torn only where a sector ends within it.
    const cut = cutAtFlushes(disk, 24, '/commitlog/')
    for (let i = 0; i < 20; i++) {
      const transaction = producer.beginTransaction()
      await producer.send({ topic: 'orders', body: 'b'.repeat(60 + 47 * i) }, transaction, { durability: 'disk' })
      await transaction.commit()
    }
    const images = cut()
    let most = 0
    for (const image of images) {
      const [committed = 0, ops = 0] = await countsIn(image, 'orders', OP_TOPIC)
      expect({ committed, ops }).toEqual({ committed: ops, ops })
      most = Math.max(most, ops)
    }
    expect(most).toBeGreaterThan(10)
  },
  TIMEOUT_MS,
)

it(
  'queues that recovery makes again are whole before the state says so, wherever in that the power failed',
  async () => {
    const disk = new SimulatedDisk()
    const store = await MessageStore.open(FOLDER, { ...optionsOf(disk), retention: { freeBytesMin: 0 } })
    const topics = Array.from({ length: 8 }, (_, i) => `topic-${i}`)
    for (let i = 0; i < 40; i++) put(store, topics[i % 8] as string, i % 26)
    await store.close()
    const queues = [...contentsOf(disk)].filter(([path]) => path.includes('/consumequeue/'))
    for (const [path] of queues) {
      await disk.remove(path)
      await disk.flushFolder(dirname(path))
    }
    const whole = topics.map(() => 5)
    const cut = cutAtFlushes(disk, CUTS)
    expect(await countsIn(disk, ...topics)).toEqual(whole)
    const images = cut()
    expect(images.length).toBeGreaterThan(50)
    for (const image of images) {
      const contents = contentsOf(image)
      const isPartThere = queues.some(([path]) => contents.has(path))
      const isWhole = queues.every(([path, content]) => contents.get(path) === content)
      const state = decodeStatePage(image.contentOf(`${FOLDER}/pocketmq/state`))
      if (isPartThere && !isWhole) expect(state?.checkpointed).toBe(0)
      expect(await countsIn(image, ...topics)).toEqual(whole)
    }
  },
  TIMEOUT_MS,
)

it(
  'a checkpoint that somebody asked for and that failed is the last of its store',
  async () => {
    for (const folder of ['consumequeue', 'index']) {
      const disk = new SimulatedDisk()
      const store = await MessageStore.open(FOLDER, optionsOf(disk))
      put(store, 'orders', 1)
      await store.flushed(store.watermarks.appended)
      await store.dispatched(store.watermarks.appended)
      disk.inject({ operation: 'flush', path: new RegExp(`/${folder}/`), fault: { errno: 'EIO' } })
      await expect(store.flush()).rejects.toThrow()
      expect(() => put(store, 'orders', 2)).toThrow(expect.objectContaining({ code: 'POCKETMQ_STORE_FAILED' }))
      await expect(store.flush()).rejects.toThrow()
      await store.close().catch(() => undefined)
      expect(disk.paths()).toContain(`${FOLDER}/abort`)
    }
  },
  TIMEOUT_MS,
)

it(
  'a checkpoint that comes before its time, for much was dispatched, flushes the log first',
  async () => {
    const disk = new SimulatedDisk()
    const clock = new ManualClock()
    const sizes = { commitLogSegmentBytes: 64 * 1024 * 1024 }
    const store = await MessageStore.open(FOLDER, { ...optionsOf(disk), ...sizes, clock })
    const body = Buffer.alloc(1_000_000)
    for (let i = 0; i < 30; i++) store.put({ topic: 'orders', queueId: 0, body })
    await store.flushed(store.watermarks.appended)
    // Fewer bytes than a flush of the log begins at: nothing but the checkpoint puts them on the device.
    for (let i = 0; i < 5; i++) store.put({ topic: 'orders', queueId: 0, body })
    await store.dispatched(store.watermarks.appended)
    for (let i = 0; i < 500 && store.watermarks.checkpointed === 0; i++) await clock.advance(10)
    const { checkpointed, flushed } = store.watermarks
    expect(checkpointed).toBeGreaterThan(30_000_000)
    expect(flushed).toBeGreaterThanOrEqual(checkpointed)
    put(store, 'orders', 1)
    await store.close()
  },
  TIMEOUT_MS,
)

it(
  'offsets of the half queue leave behind only what is decided on the same device',
  async () => {
    const { mq, disk, clock } = await openQueue({ flushIntervalMs: 60_000, topicQueues: 1 })
    const producer = mq.producer({ group: 'shop' })
    const bodies = Array.from({ length: 6 }, (_, i) => `${i}`)
    const transactions = bodies.map(() => producer.beginTransaction())
    for (const [i, body] of bodies.entries()) await producer.send({ topic: 'orders', body }, transactions[i])
    await mq.store.flush()
    const cut = cutAtFlushes(disk, CUTS, '/pocketmq/')
    for (const transaction of transactions) await transaction.commit()
    for (let i = 0; i < 3; i++) await clock.advance(6000)
    const images = cut()
    expect(images.length).toBeGreaterThan(5)
    for (const image of images) {
      const next = await openQueue(
        { transactionTimeoutMs: 1000 },
        { disk: image, clock: new ManualClock(clock.nowMs()) },
      )
      next.mq.producer({ group: 'shop', checker: () => 'commit' })
      await next.clock.advance(10_000)
      expect((await bodiesOf(next.mq, 'orders')).sort()).toEqual(bodies)
      await next.mq.close({ drainMs: 0 })
    }
  },
  TIMEOUT_MS,
)

it(
  'a dead letter is never there beside a message that comes again, nor is one of the two missing',
  async () => {
    const subscriptions = { orders: '*' }
    const group = { consumerGroup: 'billing', subscriptions, awaitDuration: 0 }
    const { mq, disk, clock } = await openQueue({ flushIntervalMs: 60_000, topicQueues: 1 })
    const bodies = Array.from({ length: 6 }, (_, i) => `${i}:${'b'.repeat(97 * i)}`)
    for (const body of bodies) await mq.producer().send({ topic: 'orders', body })
    const consumer = await mq.simpleConsumer(group)
    const messages = await consumer.receive(8)
    await mq.store.flush()
    const cut = cutAtFlushes(disk, 2, '/commitlog/')
    for (const message of messages) {
      await consumer.deadLetter(message)
      await mq.store.flush()
    }
    const images = cut()
    let mostDead = 0
    for (const image of images) {
      const next = await openQueue({}, { disk: image, clock: new ManualClock(clock.nowMs()) })
      const again = await next.mq.simpleConsumer(group)
      const dead = await bodiesOf(next.mq, '%DLQ%billing')
      const received = (await again.receive(8)).map(message => `${message.body}`)
      expect([...dead, ...received].sort()).toEqual(bodies)
      mostDead = Math.max(mostDead, dead.length)
      await next.mq.close({ drainMs: 0 })
    }
    expect(mostDead).toBe(bodies.length)
  },
  TIMEOUT_MS,
)
