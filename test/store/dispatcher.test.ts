/** From the log to queues, keys and whoever waits. */
import { describe, expect, test, vi } from 'vitest'
import { nextTurn } from '../../src/base/turns.ts'
import { javaHashCode } from '../../src/codec/java-hash.ts'
import {
  BODY_OFFSET_IPV4,
  MAGIC_OFFSET,
  MAGIC_V2,
  PHYSICAL_OFFSET_OFFSET,
  TOTAL_SIZE_OFFSET,
} from '../../src/codec/record-layout.ts'
import { readerRig } from './reader-rig.ts'

const PREPARED = 0x4
const COMMIT = 0x8
const ROLLBACK = 0xc
const INNER_BATCH = 0x80

describe('the dispatcher', () => {
  test('makes a record readable before wake returns', async () => {
    const { log, dispatcher, reader, requests } = await readerRig()
    const place = log.put({ topic: 'orders', queueId: 3, properties: { TAGS: 'late', KEYS: 'a b', UNIQ_KEY: 'u1' } })
    dispatcher.wake()
    expect(dispatcher.dispatched.value).toBe(place.end)
    expect(reader.get({ topic: 'orders', queueId: 3, queueOffset: 0, maxMessages: 1 }).status).toBe('found')
    expect(requests).toEqual([
      expect.objectContaining({
        topic: 'orders',
        queueId: 3,
        queueOffset: 0,
        physicalOffset: 0,
        sizeBytes: place.end,
        tagsCode: javaHashCode('late'),
        sysFlag: 0,
        properties: expect.stringContaining('KEYS\u0001a b\u0002'),
      }),
    ])
  })

  test('goes no further than its limit', async () => {
    let limit = 0
    const { log, dispatcher } = await readerRig({ limit: () => limit })
    const first = log.put({ topic: 'orders' })
    log.put({ topic: 'orders' })
    dispatcher.wake()
    expect(dispatcher.dispatched.value).toBe(0)
    limit = first.end
    dispatcher.wake()
    expect(dispatcher.dispatched.value).toBe(first.end)
  })

  test('gives the event loop its turn when its slice is over, and goes on by itself', async () => {
    const { log, dispatcher, clock, requests } = await readerRig({ sliceMs: 0 })
    expect(clock.monotonicMs()).toBe(0)
    for (let i = 0; i < 200; i++) log.put({ topic: 'orders' })
    dispatcher.wake()
    expect(requests.length).toBe(64)
    dispatcher.wake()
    expect(requests.length).toBe(64)
    await nextTurn()
    expect(requests.length).toBe(128)
    await dispatcher.drain()
    expect(requests.length).toBe(200)
  })

  test('puts NONE and COMMIT into queues, PREPARED into the index alone, ROLLBACK into neither', async () => {
    const { log, dispatcher, queues, index, requests } = await readerRig()
    for (const [i, sysFlag] of [0, PREPARED, COMMIT, ROLLBACK].entries()) {
      log.put({ topic: 'orders', queueId: i, sysFlag, properties: { UNIQ_KEY: `u${i}` } })
    }
    dispatcher.wake()
    expect([0, 1, 2, 3].map(queueId => queues.queue('orders', queueId)?.maxQueueOffset)).toEqual([
      1,
      undefined,
      1,
      undefined,
    ])
    const found = await Promise.all(
      [0, 1, 2, 3].map(i => index.query('orders', `u${i}`, { fromMs: 0, toMs: Infinity, max: 9 })),
    )
    expect(found.map(places => places.length)).toEqual([1, 1, 1, 0])
    expect(requests.map(request => request.sysFlag)).toEqual([0, COMMIT])
  })

  test('passes over what belongs to a deleted topic', async () => {
    const isDropped = (topic: string, physicalOffset: number): boolean => topic === 'gone' && physicalOffset < 300
    const { log, dispatcher, queues, index, requests } = await readerRig({ isDropped })
    const places = [1, 2, 3, 4].map(i => log.put({ topic: 'gone', properties: { UNIQ_KEY: `u${i}` } }))
    dispatcher.wake()
    const kept = places.filter(place => place.start >= 300)
    expect(requests.map(request => request.physicalOffset)).toEqual(kept.map(place => place.start))
    expect(queues.queue('gone', 0)?.maxQueueOffset).toBe(4)
    expect(queues.queue('gone', 0)?.minQueueOffset).toBe(4 - kept.length)
    expect(await index.query('gone', 'u1', { fromMs: 0, toMs: Infinity, max: 9 })).toEqual([])
  })

  test('a delayed message of the schedule topic has its delivery time in place of a tag hash', async () => {
    const { log, dispatcher, requests } = await readerRig()
    log.put({ topic: 'SCHEDULE_TOPIC_XXXX', queueId: 2, properties: { DELAY: '3', TAGS: 'x' } })
    log.put({ topic: 'orders', properties: { DELAY: '3', TAGS: 'x' } })
    dispatcher.wake()
    expect(requests.map(request => request.tagsCode)).toEqual([1_700_000_000_000 + 10_000, javaHashCode('x')])
  })

  test('a record that names light queues is in each of them, at the offset it states', async () => {
    const { log, dispatcher, queues, reader } = await readerRig()
    const properties = { INNER_MULTI_DISPATCH: '%LMQ%a,%LMQ%b,other', INNER_MULTI_QUEUE_OFFSET: '0,7,0' }
    log.put({ topic: 'orders', queueId: 5, properties })
    log.put({ topic: '%RETRY%g', properties })
    log.put({ topic: 'orders', properties: { ...properties, INNER_MULTI_QUEUE_OFFSET: '1,x,1' } })
    log.put({ topic: 'orders', properties: { ...properties, INNER_MULTI_QUEUE_OFFSET: '1' } })
    dispatcher.wake()
    expect(queues.queue('%LMQ%a', 0)?.maxQueueOffset).toBe(2)
    const b = queues.queue('%LMQ%b', 0)
    expect([b?.minQueueOffset, b?.maxQueueOffset]).toEqual([7, 8])
    expect(queues.queue('other', 0)).toBeUndefined()
    const read = reader.get({ topic: '%LMQ%b', queueId: 0, queueOffset: 7, maxMessages: 5 })
    expect(read.messages.map(message => `${message.topic}/${message.queueId}`)).toEqual(['orders/5'])
  })

  test('a topic of inner batches is named, and the records around it are dispatched', async () => {
    const { log, dispatcher, queues, requests, events } = await readerRig()
    log.put({ topic: 'batches', sysFlag: INNER_BATCH, properties: { INNER_NUM: '3' } })
    log.put({ topic: 'batches' })
    log.put({ topic: 'orders' })
    dispatcher.wake()
    expect([...queues.batchTopics]).toEqual(['batches'])
    expect(requests.map(request => request.topic)).toEqual(['orders'])
    expect(events).toEqual([{ name: 'batch-topic', details: { topic: 'batches' } }])
  })

  test('a topic whose name is too long for a folder is told of once, and the records around it are dispatched', async () => {
    const { log, dispatcher, requests, events } = await readerRig()
    log.put({ topic: 'orders' })
    for (let i = 0; i < 2; i++) log.putBytes(recordOfTopic('x'.repeat(300), log.end))
    log.put({ topic: 'orders' })
    dispatcher.wake()
    expect(requests.map(request => request.topic)).toEqual(['orders', 'orders'])
    expect(events).toEqual([{ name: 'topic-unusable', details: { topic: 'x'.repeat(300) } }])
  })

  test('tells of damage and goes on behind it', async () => {
    const { log, dispatcher, requests, events } = await readerRig()
    const [, bad] = [1, 2, 3].map(() => log.put({ topic: 'orders' })) as [unknown, { start: number; end: number }]
    log.bytes.fill(0xff, bad.start + 4, bad.start + 8)
    dispatcher.wake()
    await dispatcher.drain()
    expect(requests.map(request => request.queueOffset)).toEqual([0, 2])
    const details = expect.objectContaining({ physicalOffset: bad.start, endPhysicalOffset: bad.end })
    expect(events).toContainEqual({ name: 'damaged-range', details })
    expect(events.map(event => event.name)).toEqual(['damaged-range', 'queue-gap'])
  })

  test('reads what is not in memory off the event loop', async () => {
    const { log, dispatcher, requests } = await readerRig()
    for (let i = 0; i < 2000; i++) log.put({ topic: 'orders', body: Buffer.alloc(300) })
    log.hotFrom = Number.POSITIVE_INFINITY
    dispatcher.wake()
    expect(requests).toHaveLength(0)
    await dispatcher.drain()
    expect(requests).toHaveLength(2000)
    expect(log.syncReads).toBe(0)
  })

  test('that has fallen behind catches up with whoever appends a mebibyte each turn', async () => {
    const { log, dispatcher } = await readerRig({ segmentBytes: 64 << 20, segments: 1 })
    log.hotFrom = Number.POSITIVE_INFINITY
    const append = (mebibytes: number): void => {
      for (let i = 0; i < mebibytes * 16; i++) log.put({ topic: 'orders', body: Buffer.alloc(65_000) })
    }
    append(24)
    dispatcher.wake()
    for (let turn = 0; turn < 24; turn++) {
      append(1)
      await nextTurn()
    }
    expect(log.end - dispatcher.dispatched.value).toBeLessThan(4 << 20)
    await dispatcher.drain()
  })

  test('a full disk holds back what memory cannot take, and nothing is lost when there is room again', async () => {
    const rig = await readerRig({ segmentBytes: 1 << 20, segments: 2, entriesPerFile: 10_000 })
    rig.disk.freeBytes = 0
    for (let i = 0; i < 5000; i++) rig.log.put({ topic: 'orders' })
    const isFull = vi.spyOn(rig.queues, 'isFull', 'get').mockImplementation(() => rig.queues.unwrittenBytes > 20_000)
    rig.dispatcher.wake()
    for (let turn = 0; turn < 100; turn++) await nextTurn()
    expect(rig.requests.length).toBeLessThan(1200)
    expect(rig.events.map(event => event.name)).toContain('disk-pressure')
    rig.disk.freeBytes = 1 << 20
    await rig.clock.advance(1000)
    await rig.dispatcher.drain()
    expect(isFull).toHaveBeenCalled()
    expect(rig.requests).toHaveLength(5000)
    expect(rig.failures).toEqual([])
  })

  test('what is dispatched is written out before memory is full', async () => {
    const { log, dispatcher, queues } = await readerRig({ segmentBytes: 1 << 20, segments: 2, entriesPerFile: 10_000 })
    vi.spyOn(queues, 'wantsWriting', 'get').mockImplementation(() => queues.unwrittenBytes > 20_000)
    for (let i = 0; i < 5000; i++) log.put({ topic: 'orders' })
    await dispatcher.drain()
    await dispatcher.stop()
    expect(queues.unwrittenBytes).toBeLessThan(20_000)
  })

  test('a device that fails fails the store', async () => {
    const rig = await readerRig({ segmentBytes: 1 << 20, segments: 2 })
    vi.spyOn(rig.queues, 'wantsWriting', 'get').mockReturnValue(true)
    rig.disk.inject({ operation: 'write', fault: { errno: 'EIO' } })
    rig.log.put({ topic: 'orders' })
    rig.dispatcher.wake()
    await rig.dispatcher.stop()
    expect(rig.failures).toEqual([expect.objectContaining({ code: 'POCKETMQ_IO' })])
  })

  test('what a listener throws fails the store and does not repeat', async () => {
    const { log, dispatcher, failures } = await readerRig({
      onDispatch: () => {
        throw new Error('a bug')
      },
    })
    log.put({ topic: 'orders' })
    dispatcher.wake()
    expect(failures.map(String)).toEqual(['Error: a bug'])
    dispatcher.wake()
    await nextTurn()
    expect(failures).toHaveLength(1)
  })

  test('stops where it is, and can be stopped twice', async () => {
    const { log, dispatcher, requests } = await readerRig({ sliceMs: 0 })
    for (let i = 0; i < 300; i++) log.put({ topic: 'orders' })
    dispatcher.wake()
    await dispatcher.stop()
    await dispatcher.stop()
    dispatcher.wake()
    await nextTurn()
    expect(requests).toHaveLength(64)
  })
})

/** A record of version 2 that our encoder would refuse to write. */
function recordOfTopic(topic: string, physicalOffset: number): Buffer {
  const bytes = Buffer.alloc(BODY_OFFSET_IPV4 + 2 + topic.length + 2)
  bytes.writeInt32BE(bytes.length, TOTAL_SIZE_OFFSET)
  bytes.writeInt32BE(MAGIC_V2, MAGIC_OFFSET)
  bytes.writeBigInt64BE(BigInt(physicalOffset), PHYSICAL_OFFSET_OFFSET)
  bytes.writeInt16BE(topic.length, BODY_OFFSET_IPV4)
  bytes.write(topic, BODY_OFFSET_IPV4 + 2)
  return bytes
}
