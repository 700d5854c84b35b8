/** Reading through queues: every status, filters, bounds, cold bytes, and entries that lie. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CONSUME_QUEUE_ENTRY_BYTES, PRE_BLANK_SIZE_BYTES } from '../../src/codec/consume-queue-entry.ts'
import { javaHashCode } from '../../src/codec/java-hash.ts'
import type { ReaderRig } from './reader-rig.ts'
import { readerRig } from './reader-rig.ts'

const ORDERS = { topic: 'orders', queueId: 0 }
const QUEUE_FILE = '/store/consumequeue/orders/0/00000000000000000000'

/** A rig with so many messages in `orders`, all dispatched. */
async function rigWith(count: number, options: Parameters<typeof readerRig>[0] = {}): Promise<ReaderRig> {
  const rig = await readerRig(options)
  for (let i = 0; i < count; i++)
    rig.log.put({ ...ORDERS, body: Buffer.from(`body ${i}`), properties: { TAGS: `t${i % 3}` } })
  await rig.dispatcher.drain()
  return rig
}

test('whoever reads a queue in order is given the bytes that were read ahead for him, not copies of them', async () => {
  const RUN_BYTES = 1024 * 1024
  const rig = await readerRig({ segmentBytes: 16 * RUN_BYTES, segments: 1, entriesPerFile: 20_000 })
  for (let i = 0; i < 10_000; i++) rig.log.put({ ...ORDERS, body: Buffer.alloc(1024, i) })
  await rig.dispatcher.drain()
  rig.log.hotFrom = rig.log.end
  const reader = rig.coldReader()
  let copied = 0
  let read = 0
  while (read < 10_000) {
    const { messages } = await reader.read({ ...ORDERS, queueOffset: read, maxMessages: 256 })
    expect(messages[0]?.queueOffset).toBe(read)
    copied += messages.filter(message => message.batchBytes.length < RUN_BYTES).length
    read += messages.length
  }
  expect(copied).toBeLessThan(1500)
})

describe('get and read answer alike', () => {
  const WAYS = ['get', 'read'] as const

  test.each(WAYS)('%s: found', async way => {
    const { reader } = await rigWith(10)
    const result = await reader[way]({ ...ORDERS, queueOffset: 3, maxMessages: 4 })
    expect(result).toMatchObject({ status: 'found', nextQueueOffset: 7, minQueueOffset: 0, maxQueueOffset: 10 })
    expect(result.messages.map(message => String(message.body))).toEqual(['body 3', 'body 4', 'body 5', 'body 6'])
  })

  test.each(WAYS)('%s: no-matched-logic-queue', async way => {
    const { reader } = await rigWith(1)
    const result = await reader[way]({ topic: 'orders', queueId: 9, queueOffset: 5, maxMessages: 1 })
    expect(result).toMatchObject({
      status: 'no-matched-logic-queue',
      nextQueueOffset: 0,
      minQueueOffset: 0,
      maxQueueOffset: 0,
    })
  })

  test.each(WAYS)('%s: no-message-in-queue', async way => {
    const { reader, queues } = await rigWith(1)
    queues.obtain('orders', 9)
    const result = await reader[way]({ topic: 'orders', queueId: 9, queueOffset: 5, maxMessages: 1 })
    expect(result).toMatchObject({ status: 'no-message-in-queue', nextQueueOffset: 0 })
  })

  test.each(WAYS)('%s: offset-too-small, offset-overflow-one, offset-overflow-badly', async way => {
    const { reader, queues, log } = await rigWith(10)
    const third = log.places[3]?.start as number
    queues.correctMin(third)
    log.minOffset = third
    expect(await reader[way]({ ...ORDERS, queueOffset: 1, maxMessages: 1 })).toMatchObject({
      status: 'offset-too-small',
      nextQueueOffset: 3,
    })
    expect(await reader[way]({ ...ORDERS, queueOffset: 10, maxMessages: 1 })).toMatchObject({
      status: 'offset-overflow-one',
      nextQueueOffset: 10,
    })
    expect(await reader[way]({ ...ORDERS, queueOffset: 11, maxMessages: 1 })).toMatchObject({
      status: 'offset-overflow-badly',
      nextQueueOffset: 10,
    })
  })

  test.each(WAYS)(
    '%s: no-matched-message goes on behind what it looked at, and looks at 800 entries at least',
    async way => {
      const { reader } = await rigWith(1500, { segmentBytes: 1 << 20, entriesPerFile: 10_000 })
      const tagsCodes = new Set([javaHashCode('nobody')])
      const first = await reader[way]({ ...ORDERS, queueOffset: 0, maxMessages: 1, tagsCodes })
      expect(first.status).toBe('no-matched-message')
      expect(first.nextQueueOffset).toBeGreaterThan(0)
      let next = 0
      let calls = 0
      for (; next < 1500; calls++)
        next = (await reader[way]({ ...ORDERS, queueOffset: next, maxMessages: 1, tagsCodes })).nextQueueOffset
      expect(next).toBe(1500)
      expect(calls).toBeLessThan(12)
    },
  )

  test.each(WAYS)('%s: message-was-removing where the log is gone and the queue does not know yet', async way => {
    const { reader, log } = await rigWith(10)
    log.minOffset = log.places[4]?.start as number
    const result = await reader[way]({ ...ORDERS, queueOffset: 0, maxMessages: 7 })
    expect(result).toMatchObject({ status: 'found', nextQueueOffset: 7 })
    expect(result.messages.map(message => message.queueOffset)).toEqual([4, 5, 6])
    log.minOffset = log.end
    expect(await reader[way]({ ...ORDERS, queueOffset: 2, maxMessages: 32 })).toMatchObject({
      status: 'message-was-removing',
      nextQueueOffset: 10,
    })
  })

  test('a slot that was filled up holds no message and is passed over', async () => {
    const { reader, queues, log, dispatcher } = await rigWith(2)
    queues.obtain('orders', 0).put(2, log.end, PRE_BLANK_SIZE_BYTES, 0)
    log.put({ topic: 'x' })
    dispatcher.wake()
    expect(reader.get({ ...ORDERS, queueOffset: 2, maxMessages: 5 })).toMatchObject({
      status: 'message-was-removing',
      nextQueueOffset: 3,
    })
    expect(reader.get({ ...ORDERS, queueOffset: 0, maxMessages: 5 })).toMatchObject({
      status: 'found',
      nextQueueOffset: 3,
    })
  })

  test('offset-found-null where the file of the entries is missing: on to the next file', async () => {
    const rig = await rigWith(50, { entriesPerFile: 20 })
    await rig.queues.flush()
    await rig.disk.remove('/store/consumequeue/orders/0/00000000000000000400')
    const again = await readerRig({ disk: rig.disk, entriesPerFile: 20 })
    const result = again.reader.get({ ...ORDERS, queueOffset: 25, maxMessages: 3 })
    expect(result).toMatchObject({ status: 'offset-found-null', nextQueueOffset: 40, messages: [] })
    expect(await again.reader.read({ ...ORDERS, queueOffset: 25, maxMessages: 3 })).toMatchObject({
      status: 'offset-found-null',
    })
  })

  test('cold where the device would have to be asked; read asks it', async () => {
    const rig = await rigWith(10)
    const reader = rig.coldReader()
    const request = { ...ORDERS, queueOffset: 2, maxMessages: 3 }
    expect(reader.get(request)).toMatchObject({ status: 'cold', nextQueueOffset: 2, messages: [] })
    const result = await reader.read(request)
    expect(result).toMatchObject({ status: 'found', nextQueueOffset: 5 })
    expect(result.messages.map(message => String(message.body))).toEqual(['body 2', 'body 3', 'body 4'])
    expect(rig.log.syncReads).toBe(0)
  })
})

describe('filters and bounds', () => {
  test('tag hashes let through what matches, and entries that hold no hash', async () => {
    const { reader, log, dispatcher } = await rigWith(9)
    log.put({ topic: 'SCHEDULE_TOPIC_XXXX', properties: { DELAY: '1', TAGS: 'other' } })
    dispatcher.wake()
    const tagsCodes = new Set([javaHashCode('t1')])
    const result = reader.get({ ...ORDERS, queueOffset: 0, maxMessages: 100, tagsCodes })
    expect(result.messages.map(message => message.queueOffset)).toEqual([1, 4, 7])
    expect(result.nextQueueOffset).toBe(9)
    const scheduled = reader.get({
      topic: 'SCHEDULE_TOPIC_XXXX',
      queueId: 0,
      queueOffset: 0,
      maxMessages: 1,
      tagsCodes,
    })
    expect(scheduled.status).toBe('found')
  })

  test('maxBytes bounds a read, but one message always fits', async () => {
    const { reader, log } = await rigWith(10)
    const sizeBytes = (log.places[1]?.start ?? 0) - (log.places[0]?.start ?? 0)
    const read = (maxBytes: number): number =>
      reader.get({ ...ORDERS, queueOffset: 0, maxMessages: 100, maxBytes }).messages.length
    expect([read(1), read(sizeBytes), read(2 * sizeBytes - 1), read(2 * sizeBytes), read(1e9)]).toEqual([
      1, 1, 1, 2, 10,
    ])
  })

  test('nothing is shown that is not dispatched', async () => {
    const rig = await rigWith(3)
    const place = rig.log.put(ORDERS)
    expect(rig.reader.get({ ...ORDERS, queueOffset: 3, maxMessages: 1 }).status).toBe('offset-overflow-one')
    expect(await rig.reader.readAt(place.start)).toBeUndefined()
    rig.dispatcher.wake()
    expect(await rig.reader.readAt(place.start)).toMatchObject({ queueOffset: 3 })
  })

  test('what is returned is a copy: writing into it changes no other reader and no log', async () => {
    const { reader } = await rigWith(3)
    const [first] = reader.get({ ...ORDERS, queueOffset: 0, maxMessages: 1 }).messages
    first?.body.fill('x')
    const [again] = reader.get({ ...ORDERS, queueOffset: 0, maxMessages: 1 }).messages
    expect(String(again?.body)).toBe('body 0')
  })
})

describe('cold reading', () => {
  test('a backlog is read in blocks, ahead of its reader, and comes out whole', async () => {
    const rig = await readerRig({ segmentBytes: 1 << 20, segments: 4, entriesPerFile: 10_000 })
    for (let i = 0; i < 3000; i++) rig.log.put({ topic: 'orders', queueId: i % 3, body: Buffer.alloc(700, i) })
    await rig.dispatcher.drain()
    const reader = rig.coldReader()
    const bodies: number[] = []
    for (let queueOffset = 0; queueOffset < 1000; ) {
      const result = await reader.read({ topic: 'orders', queueId: 1, queueOffset, maxMessages: 32 })
      expect(result.status).toBe('found')
      for (const message of result.messages) {
        expect(message.body.every(byte => byte === message.body[0])).toBe(true)
        bodies.push(message.body[0] as number)
      }
      queueOffset = result.nextQueueOffset
    }
    expect(bodies).toEqual(Array.from({ length: 1000 }, (_, i) => (3 * i + 1) & 0xff))
    // 2.4 MB in blocks of 256 KiB, not a read a message.
    expect(rig.log.reads).toBeLessThan(20)
  })

  test('many readers at once get their own messages, whatever blocks they share', async () => {
    const rig = await readerRig({ segmentBytes: 1 << 20, segments: 8, entriesPerFile: 10_000 })
    for (let i = 0; i < 6000; i++) rig.log.put({ topic: 'orders', queueId: i % 20, body: Buffer.alloc(1000, i % 20) })
    await rig.dispatcher.drain()
    const reader = rig.coldReader()
    const drain = async (queueId: number): Promise<number> => {
      let count = 0
      for (let queueOffset = 0; queueOffset < 300; ) {
        const result = await reader.read({ topic: 'orders', queueId, queueOffset, maxMessages: 10 })
        for (const message of result.messages) if (message.body.every(byte => byte === queueId)) count++
        queueOffset = result.nextQueueOffset
      }
      return count
    }
    expect(await Promise.all(Array.from({ length: 20 }, (_, queueId) => drain(queueId)))).toEqual(Array(20).fill(300))
  })

  test('a record longer than a block is read whole', async () => {
    const rig = await readerRig({ segmentBytes: 4 << 20, segments: 1 })
    rig.log.put({ ...ORDERS, body: Buffer.alloc(1_000_000, 7) })
    rig.log.put({ ...ORDERS, body: Buffer.alloc(10, 8) })
    await rig.dispatcher.drain()
    const result = await rig.coldReader().read({ ...ORDERS, queueOffset: 0, maxMessages: 2 })
    expect(result.messages.map(message => message.body.length)).toEqual([1_000_000, 10])
  })

  test('what the disk fails to give is the failure of the call that asked', async () => {
    const rig = await rigWith(3)
    const reader = rig.coldReader()
    rig.log.read = () => Promise.reject(new Error('EIO'))
    await expect(reader.read({ ...ORDERS, queueOffset: 0, maxMessages: 1 })).rejects.toThrow('EIO')
  })
})

describe('an entry that lies', () => {
  /** Changes the entry of a slot behind the queue's back. */
  async function spoil(rig: ReaderRig, slot: number, change: (entry: Buffer) => void): Promise<ReaderRig> {
    await rig.queues.flush()
    const path = QUEUE_FILE
    const bytes = rig.disk.contentOf(path)
    change(bytes.subarray(slot * CONSUME_QUEUE_ENTRY_BYTES, (slot + 1) * CONSUME_QUEUE_ENTRY_BYTES))
    rig.disk.place(path, bytes)
    const again = await readerRig({ disk: rig.disk })
    // The other process's log.
    again.log.bytes.set(rig.log.bytes)
    again.log.end = rig.log.end
    again.log.written.advance(rig.log.end)
    again.dispatcher.dispatched.advance(rig.log.end)
    return again
  }

  test.each([
    ['to the record after', (entry: Buffer, end: number) => entry.writeBigInt64BE(BigInt(end), 0)],
    ['into a record', (entry: Buffer) => entry.writeBigInt64BE(entry.readBigInt64BE(0) + 8n, 0)],
    ['beyond the log', (entry: Buffer) => entry.writeBigInt64BE(1n << 50n, 0)],
    ['below it', (entry: Buffer) => entry.writeBigInt64BE(-5n, 0)],
    ['with another size', (entry: Buffer) => entry.writeInt32BE(entry.readInt32BE(8) + 1, 8)],
    ['with a size below 0', (entry: Buffer) => entry.writeInt32BE(-1, 8)],
    ['and is not there at all', (entry: Buffer) => entry.fill(0)],
  ])('%s is mended from the log, and told of', async (_, change) => {
    const before = await rigWith(10)
    await before.queues.flush()
    const clean = before.disk.contentOf(QUEUE_FILE)
    const rig = await spoil(before, 4, entry => change(entry, before.log.places[4]?.end as number))
    expect(rig.reader.get({ ...ORDERS, queueOffset: 4, maxMessages: 1 }).status).toBe('cold')
    const result = await rig.reader.read({ ...ORDERS, queueOffset: 0, maxMessages: 10 })
    expect(result).toMatchObject({ status: 'found', nextQueueOffset: 4 })
    const mended = await rig.reader.read({ ...ORDERS, queueOffset: 4, maxMessages: 10 })
    expect(mended.messages.map(message => message.queueOffset)).toEqual([4])
    const rest = await rig.reader.read({ ...ORDERS, queueOffset: 5, maxMessages: 10 })
    expect(rest.messages.map(message => message.queueOffset)).toEqual([5, 6, 7, 8, 9])
    expect(rig.events.map(event => event.name)).toEqual(['queue-entry-mended'])
    await rig.queues.flush()
    expect(rig.disk.contentOf(QUEUE_FILE)).toEqual(clean)
  })

  test('to the same slot of another topic, or of another queue, is mended', async () => {
    const rig = await readerRig()
    const places = ['orders', 'others'].map(topic => rig.log.put({ topic, body: Buffer.from(topic) }))
    const third = rig.log.put({ topic: 'orders', queueId: 1 })
    await rig.dispatcher.drain()
    for (const wrong of [places[1], third]) {
      rig.queues.obtain('orders', 0).put(0, wrong?.start ?? 0, (wrong?.end ?? 0) - (wrong?.start ?? 0), 0)
      const { messages } = await rig.reader.read({ ...ORDERS, queueOffset: 0, maxMessages: 1 })
      expect(messages.map(message => `${message.topic}/${message.queueId}`)).toEqual(['orders/0'])
    }
    expect(rig.events.map(event => event.name)).toEqual(['queue-entry-mended', 'queue-entry-mended'])
  })

  test('about a record that is damaged is passed over, told of once, and not looked for again', async () => {
    const rig = await rigWith(10)
    const bad = rig.log.places[4] as { start: number; end: number }
    rig.log.bytes.fill(0, bad.start, bad.start + 40)
    const first = await rig.reader.read({ ...ORDERS, queueOffset: 0, maxMessages: 10 })
    expect(first).toMatchObject({ status: 'found', nextQueueOffset: 4 })
    const second = await rig.reader.read({ ...ORDERS, queueOffset: 4, maxMessages: 10 })
    expect(second.messages.map(message => message.queueOffset)).toEqual([5, 6, 7, 8, 9])
    expect(rig.events.map(event => event.name)).toEqual(['queue-entry-lost'])
    const reads = rig.log.reads
    const lost = { status: 'message-was-removing', nextQueueOffset: 5 }
    expect(rig.reader.get({ ...ORDERS, queueOffset: 4, maxMessages: 1 })).toMatchObject(lost)
    expect(rig.log.reads).toBe(reads)
  })

  test('in any way never shows a message of another queue or slot, and never ends the reading', async () => {
    const world = await rigWith(60)
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(59), fc.nat(19), fc.nat(255)), { minLength: 1, maxLength: 30 }),
        async changes => {
          const rig = await spoil(world, 0, () => undefined)
          const path = QUEUE_FILE
          const clean = rig.disk.contentOf(path)
          const bytes = Buffer.from(clean)
          for (const [slot, at, value] of changes) bytes[slot * CONSUME_QUEUE_ENTRY_BYTES + at] = value
          rig.disk.place(path, bytes)
          const seen: number[] = []
          const max = rig.queues.queue('orders', 0)?.maxQueueOffset ?? 0
          for (let queueOffset = rig.queues.queue('orders', 0)?.minQueueOffset ?? 0; queueOffset < max; ) {
            const result = await rig.reader.read({ ...ORDERS, queueOffset, maxMessages: 7 })
            for (const message of result.messages) {
              expect(String(message.body)).toBe(`body ${message.queueOffset}`)
              seen.push(message.queueOffset)
            }
            expect(result.nextQueueOffset).toBeGreaterThan(queueOffset)
            queueOffset = result.nextQueueOffset
          }
          expect(seen).toEqual([...new Set(seen)].sort((a, b) => a - b))
          rig.disk.place(path, clean)
        },
      ),
      { numRuns: 60 },
    )
  })
})

describe('by place, time and key', () => {
  test('readAt gives the record that starts there, and nothing anywhere else', async () => {
    const { reader, log } = await rigWith(5)
    expect(await reader.readAt(log.places[2]?.start as number)).toMatchObject({ queueOffset: 2 })
    for (const place of [-1, 1, 0.5, log.end, log.end + 100, Number.NaN, 2 ** 60])
      expect(await reader.readAt(place)).toBeUndefined()
  })

  test('queueOffsetUpTo counts the messages that end at or below a place', async () => {
    const { reader, log } = await rigWith(20)
    for (const [i, { start, end }] of log.places.entries()) {
      expect(reader.queueOffsetUpTo('orders', 0, start)).toBe(i)
      expect(reader.queueOffsetUpTo('orders', 0, end - 1)).toBe(i)
      expect(reader.queueOffsetUpTo('orders', 0, end)).toBe(i + 1)
    }
    expect(reader.queueOffsetUpTo('orders', 0, 1e12)).toBe(20)
    expect(reader.queueOffsetUpTo('nobody', 0, 1e12)).toBe(0)
  })

  test('offsetByTimestamp finds the first at or after, or the last at or before, also among equal times', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(3), { maxLength: 40 }),
        fc.integer({ min: -2, max: 60 }),
        fc.nat(30),
        async (steps, at, gone) => {
          const rig = await readerRig()
          const stored: number[] = []
          for (const step of steps) stored.push((stored.at(-1) ?? 1_700_000_000_000) + step)
          rig.log.storedAt = count => stored[count] as number
          for (const _ of steps) rig.log.put(ORDERS)
          await rig.dispatcher.drain()
          const min = Math.min(gone, Math.max(0, steps.length - 1))
          rig.queues.correctMin(rig.log.places[min]?.start ?? 0)
          const timestamp = 1_700_000_000_000 + at
          const lower = stored.findIndex((time, i) => i >= min && time >= timestamp)
          const upper = stored.findLastIndex((time, i) => i >= min && time <= timestamp)
          const length = steps.length
          expect(await rig.reader.offsetByTimestamp('orders', 0, timestamp)).toBe(lower < 0 ? length : lower)
          expect(await rig.reader.offsetByTimestamp('orders', 0, timestamp, 'upper')).toBe(
            upper < 0 ? (length === 0 ? 0 : min) : upper,
          )
        },
      ),
      { numRuns: 60 },
    )
  })

  test('queryByKey compares keys: a hash that collides finds nothing of another key', async () => {
    const { log, dispatcher, reader } = await readerRig()
    // Java's hash of both keys is the same.
    log.put({ topic: 'orders', properties: { KEYS: 'AaAa x' } })
    log.put({ topic: 'orders', properties: { KEYS: 'y BBBB', UNIQ_KEY: 'u1' } })
    log.put({ topic: 'other', properties: { KEYS: 'AaAa' } })
    dispatcher.wake()
    const find = async (key: string): Promise<number[]> =>
      (await reader.queryByKey('orders', key)).map(message => message.physicalOffset)
    expect(await find('AaAa')).toEqual([0])
    expect(await find('BBBB')).toEqual([log.places[1]?.start])
    expect(await find('u1')).toEqual([log.places[1]?.start])
    expect(await find('Aa')).toEqual([])
    expect(await find('AaAa x')).toEqual([])
  })

  test('queryByKey answers newest first, 64 at most unless asked otherwise, within times', async () => {
    const { log, dispatcher, reader } = await readerRig({ segmentBytes: 1 << 20 })
    for (let i = 0; i < 200; i++) log.put({ topic: 'orders', properties: { KEYS: 'k' } })
    await dispatcher.drain()
    const find = async (query = {}): Promise<number[]> =>
      (await reader.queryByKey('orders', 'k', query)).map(message => message.queueOffset)
    expect(await find()).toEqual(Array.from({ length: 64 }, (_, i) => 199 - i))
    expect(await find({ max: 3 })).toEqual([199, 198, 197])
    expect(await find({ max: 1000 })).toHaveLength(200)
    const [from, to] = [1_700_000_000_010, 1_700_000_000_012]
    expect(await find({ from, to })).toEqual([12, 11, 10])
  })

  test('where the index cannot be read the log is searched, and that is said', async () => {
    const { disk, log } = await readerRig()
    disk.place('/store/index/20260101000000000', Buffer.alloc(1000))
    const rig = await readerRig({ disk })
    for (let i = 0; i < 100; i++)
      rig.log.put({ topic: 'orders', properties: { KEYS: `k${i % 10}`, UNIQ_KEY: `u${i}` } })
    await rig.dispatcher.drain()
    expect((await rig.reader.queryByKey('orders', 'k3')).map(message => message.queueOffset)).toEqual([
      93, 83, 73, 63, 53, 43, 33, 23, 13, 3,
    ])
    expect((await rig.reader.queryByKey('orders', 'u55')).map(message => message.queueOffset)).toEqual([55])
    expect(rig.events.map(event => event.name)).toContain('key-search-in-log')
    expect(log.reads).toBe(0)
  })

  test('messages of a deleted topic are found neither by place nor by key', async () => {
    let isGone = false
    const { log, dispatcher, reader } = await readerRig({ isDropped: () => isGone })
    const place = log.put({ topic: 'orders', properties: { KEYS: 'k' } })
    dispatcher.wake()
    expect(await reader.queryByKey('orders', 'k')).toHaveLength(1)
    isGone = true
    expect(await reader.queryByKey('orders', 'k')).toEqual([])
    expect(await reader.readAt(place.start)).toBeUndefined()
  })
})
