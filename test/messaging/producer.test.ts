import { describe, expect, test } from 'vitest'
import type { PocketMQError } from '../../src/base/errors.ts'
import type { Message } from '../../src/messaging/outgoing-message.ts'
import { queueOfGroup } from '../../src/messaging/queue-choice.ts'
import { bodiesOf, messagesOf, openQueue } from './queue-on-disk.ts'

const coded = (name: string): unknown => expect.objectContaining({ code: `POCKETMQ_${name}` })

describe('send', () => {
  test('the receipt says where the message is, and there it is, with everything it was given', async () => {
    const { mq, clock } = await openQueue()
    const producer = mq.producer()
    const receipt = await producer.send({
      topic: 'orders',
      body: Buffer.from('hello'),
      tag: 'paid',
      keys: ['order-42', 'x'],
      properties: new Map([['region', 'eu']]),
      messageGroup: 'customer-7',
      flag: 5,
    })
    expect(receipt).toEqual({
      messageId: expect.stringMatching(/^[0-9A-F]{32}$/),
      offsetMessageId: '7F00000100002A9F0000000000000000',
      topic: 'orders',
      queueId: queueOfGroup('customer-7', 4),
      queueOffset: 0,
      physicalOffset: 0,
      sizeBytes: receipt.sizeBytes,
      storeTimestamp: clock.nowMs(),
      durability: 'interval',
    })
    const [stored] = await messagesOf(mq, 'orders')
    expect(stored?.body.toString()).toBe('hello')
    expect(stored?.sizeBytes).toBe(receipt.sizeBytes)
    expect(stored?.flag).toBe(5)
    expect(stored?.offsetMessageId).toBe(receipt.offsetMessageId)
    const { '__CRC32#': _crc, ...properties } = stored?.properties ?? {}
    expect(properties).toEqual({
      UNIQ_KEY: receipt.messageId,
      TAGS: 'paid',
      KEYS: 'order-42 x',
      __SHARDINGKEY: 'customer-7',
      region: 'eu',
    })
    expect((await mq.store.queryByKey('orders', 'order-42')).length).toBe(1)
    expect((await mq.store.queryById(receipt.messageId, 'orders'))?.physicalOffset).toBe(0)
  })

  test('offset message ids stay right across a block of 64 KiB', async () => {
    const { mq } = await openQueue()
    const producer = mq.producer()
    for (let i = 0; i < 40; i++) {
      const receipt = await producer.send({ topic: 'a', body: Buffer.alloc(5_000) })
      const stored = await mq.store.readAt(receipt.physicalOffset)
      expect(stored?.offsetMessageId).toBe(receipt.offsetMessageId)
    }
  })

  test('with disk durability it is on the device when the promise resolves', async () => {
    const { mq, disk } = await openQueue()
    const receipt = await mq.producer().send({ topic: 'a', body: 'x' }, { durability: 'disk' })
    expect(receipt.durability).toBe('disk')
    expect(mq.store.watermarks.flushed).toBeGreaterThanOrEqual(receipt.physicalOffset + receipt.sizeBytes)
    const { mq: after } = await openQueue({}, { disk: disk.powerCut(1) })
    expect(await bodiesOf(after, 'a')).toEqual(['x'])
  })

  test('messages without a group go round the queues, those with one stay in theirs', async () => {
    const { mq } = await openQueue()
    const producer = mq.producer()
    const spread = await Promise.all(Array.from({ length: 8 }, () => producer.send({ topic: 'a', body: 'x' })))
    expect([0, 1, 2, 3].map(id => spread.filter(receipt => receipt.queueId === id).length)).toEqual([2, 2, 2, 2])
    const grouped = await Promise.all(
      Array.from({ length: 5 }, () => producer.send({ topic: 'a', body: 'x', messageGroup: 'g' })),
    )
    expect(new Set(grouped.map(receipt => receipt.queueId))).toEqual(new Set([queueOfGroup('g', 4)]))
  })

  test('the caller may choose the queue, by number or by rule', async () => {
    const { mq } = await openQueue()
    const producer = mq.producer({ selectQueue: queues => queues[2] as { topic: string; queueId: number } })
    expect((await producer.send({ topic: 'a', body: 'x' })).queueId).toBe(2)
    expect((await producer.send({ topic: 'a', body: 'x' }, { queueId: 3 })).queueId).toBe(3)
    const selectQueue = (queues: readonly { topic: string; queueId: number }[], message: Message) =>
      queues[Number(message.tag)] as { topic: string; queueId: number }
    expect((await producer.send({ topic: 'a', body: 'x', tag: '1' }, { selectQueue })).queueId).toBe(1)
    await expect(producer.send({ topic: 'a', body: 'x' }, { queueId: 4 })).rejects.toThrow(coded('INVALID_ARGUMENT'))
    const nowhere = () => ({ topic: 'a', queueId: 9 })
    await expect(producer.send({ topic: 'a', body: 'x' }, { selectQueue: nowhere })).rejects.toThrow(
      coded('INVALID_ARGUMENT'),
    )
  })

  test.each<[string, unknown, string]>([
    ['no object', 'text', 'message'],
    ['a body that is an object', { topic: 'a', body: { id: 1 } }, 'body'],
    ['a body that is a number', { topic: 'a', body: 7 }, 'body'],
    ['no body', { topic: 'a' }, 'body'],
    ['an empty body', { topic: 'a', body: '' }, 'body'],
    ['no topic', { body: 'x' }, 'topic'],
    ['a system topic', { topic: 'SCHEDULE_TOPIC_XXXX', body: 'x' }, 'topic'],
    ['keys that are no array', { topic: 'a', body: 'x', keys: 7 }, 'keys'],
    ['a blank tag', { topic: 'a', body: 'x', tag: '' }, 'tag'],
    ['a property that is no text', { topic: 'a', body: 'x', properties: { n: 1 } }, 'properties'],
    ['two delays', { topic: 'a', body: 'x', delay: 5, delayLevel: 1 }, 'delay'],
    ['a negative delay', { topic: 'a', body: 'x', delay: -1 }, 'delay'],
    ['an invalid date', { topic: 'a', body: 'x', deliveryTimestamp: new Date(Number.NaN) }, 'deliveryTimestamp'],
    ['a delay beyond the limit', { topic: 'a', body: 'x', delay: 4 * 86_400_000 }, 'delay'],
    ['a broken level', { topic: 'a', body: 'x', delayLevel: 1.5 }, 'delayLevel'],
    ['a delayed message of a group', { topic: 'a', body: 'x', delay: 5, messageGroup: 'g' }, 'delay'],
  ])('%s is refused before anything is stored', async (_what, message, field) => {
    const { mq } = await openQueue()
    const refused = await mq
      .producer()
      .send(message as Message)
      .catch((error: unknown) => error as PocketMQError)
    expect(refused).toMatchObject({ code: 'POCKETMQ_INVALID_ARGUMENT', details: { field } })
    expect((refused as PocketMQError).hint).not.toBe('')
    expect(mq.store.watermarks.appended).toBe(0)
  })

  test('an object as body is refused with a hint at JSON.stringify', async () => {
    const { mq } = await openQueue()
    const message = { topic: 'a', body: { id: 1 } } as unknown as Message
    await expect(mq.producer().send(message)).rejects.toMatchObject({ hint: expect.stringContaining('JSON.stringify') })
  })

  test('an empty body is accepted where the producer allows it', async () => {
    const { mq } = await openQueue()
    await mq.producer({ allowEmptyBody: true }).send({ topic: 'a', body: '' })
    expect(await bodiesOf(mq, 'a')).toEqual([''])
  })

  test('large bodies are compressed where that makes them smaller, and small ones are left alone', async () => {
    const { mq } = await openQueue()
    const producer = mq.producer({ compression: 'zlib' })
    await producer.send({ topic: 'a', body: Buffer.alloc(10_000, 'a') }, { queueId: 0 })
    await producer.send({ topic: 'a', body: Buffer.alloc(100, 'a') }, { queueId: 0 })
    const [large, small] = await messagesOf(mq, 'a')
    expect(large?.sysFlag).toBe(0x301)
    expect(large?.body.length).toBeLessThan(200)
    expect(small?.sysFlag).toBe(0)
    expect(small?.body.length).toBe(100)
  })
})

describe('abort', () => {
  test('a signal that is aborted before the call stores nothing', async () => {
    const { mq } = await openQueue()
    const signal = AbortSignal.abort()
    await expect(mq.producer().send({ topic: 'a', body: 'x' }, { signal })).rejects.toMatchObject({
      name: 'AbortError',
    })
    expect(mq.store.watermarks.appended).toBe(0)
  })

  test('a signal that aborts after the append rejects with the receipt, and the message is there', async () => {
    const { mq } = await openQueue()
    const stop = new AbortController()
    const sent = mq.producer().send({ topic: 'a', body: 'x' }, { durability: 'disk', signal: stop.signal })
    stop.abort()
    const error = await sent.catch((thrown: unknown) => thrown as PocketMQError)
    expect(error).toMatchObject({
      code: 'POCKETMQ_ABORTED_AFTER_APPEND',
      details: { receipt: { topic: 'a', queueOffset: 0, physicalOffset: 0 } },
    })
    expect(await bodiesOf(mq, 'a')).toEqual(['x'])
  })
})

describe('room', () => {
  const tight = { unflushedBytesMax: 64 * 1024, undispatchedBytesMax: 64 * 1024 }
  const body = Buffer.alloc(1000)

  test('send waits while the store has no room, and keeps the order of the calls', async () => {
    const { mq } = await openQueue(tight)
    const producer = mq.producer()
    const sends: Promise<{ queueOffset: number }>[] = []
    for (let i = 0; i < 500; i++)
      sends.push(producer.send({ topic: 'a', body: Buffer.concat([body, Buffer.from(`#${i}`)]), messageGroup: 'g' }))
    const receipts = await Promise.all(sends)
    expect(receipts.map(receipt => receipt.queueOffset)).toEqual(Array.from({ length: 500 }, (_, i) => i))
    const bodies = await bodiesOf(mq, 'a')
    expect(bodies.map(text => text.slice(text.indexOf('#')))).toEqual(Array.from({ length: 500 }, (_, i) => `#${i}`))
  })

  test('what a waiting message holds is what it was at the call', async () => {
    const { mq } = await openQueue(tight)
    const producer = mq.producer()
    const sends: Promise<unknown>[] = []
    for (let i = 0; i < 100; i++) sends.push(producer.send({ topic: 'a', body }))
    const mine = Buffer.from('before')
    sends.push(producer.send({ topic: 'b', body: mine }))
    mine.write('AFTER!')
    await Promise.all(sends)
    expect(await bodiesOf(mq, 'b')).toEqual(['before'])
  })

  test('a waiting send that is aborted stores nothing', async () => {
    const { mq } = await openQueue(tight)
    const producer = mq.producer()
    const sends: Promise<unknown>[] = []
    for (let i = 0; i < 100; i++) sends.push(producer.send({ topic: 'a', body }))
    const stop = new AbortController()
    const aborted = producer.send({ topic: 'b', body: 'x' }, { signal: stop.signal })
    stop.abort()
    await expect(aborted).rejects.toMatchObject({ name: 'AbortError' })
    await Promise.all(sends)
    expect(await messagesOf(mq, 'b')).toEqual([])
  })

  test('sends beyond the waiting bytes are refused, retryably', async () => {
    const { mq } = await openQueue(tight)
    const producer = mq.producer({ waitingBytesMax: 5_000 })
    const sends = Array.from({ length: 100 }, () => producer.send({ topic: 'a', body }))
    const outcomes = await Promise.allSettled(sends)
    const refused = outcomes.filter(outcome => outcome.status === 'rejected')
    expect(refused.length).toBeGreaterThan(0)
    for (const { reason } of refused) expect(reason).toMatchObject({ code: 'POCKETMQ_BACKPRESSURE', retryable: true })
    expect((await messagesOf(mq, 'a')).length).toBe(100 - refused.length)
  })

  test('sendOneway throws BACKPRESSURE beyond the bounds, or drops where it was told to', async () => {
    const { mq } = await openQueue(tight)
    const producer = mq.producer()
    let refused: unknown
    for (let i = 0; i < 100 && refused === undefined; i++) {
      try {
        producer.sendOneway({ topic: 'a', body })
      } catch (error) {
        refused = error
      }
    }
    expect(refused).toMatchObject({ code: 'POCKETMQ_BACKPRESSURE' })
    const careless = mq.producer({ onBackpressure: 'drop' })
    for (let i = 0; i < 10; i++) careless.sendOneway({ topic: 'a', body })
    expect(careless.dropped).toBe(10)
  })

  test('a full device is tried again, so often and not for ever', async () => {
    const { mq, disk, clock } = await openQueue({ retention: { freeBytesMin: 0 } })
    const producer = mq.producer({ maxAttempts: 3, retryDelayMs: 100 })
    await producer.send({ topic: 'a', body: 'before' })
    const fault = disk.inject({
      operation: 'write',
      path: /commitlog/,
      times: Number.POSITIVE_INFINITY,
      fault: { errno: 'ENOSPC' },
    })
    const sent = producer.send({ topic: 'a', body: 'x' }).catch((error: unknown) => error)
    for (let i = 0; i < 10; i++) await clock.advance(100)
    expect(await sent).toMatchObject({ code: 'POCKETMQ_DISK_FULL' })
    fault.remove()
  })
})

describe('sendBatch', () => {
  test('a batch lies contiguously in one queue, each with a receipt of its own', async () => {
    const { mq } = await openQueue()
    const receipts = await mq.producer().sendBatch([
      { topic: 'a', body: '1', keys: ['k1'] },
      { topic: 'a', body: '2' },
      { topic: 'a', body: '3' },
    ])
    expect(new Set(receipts.map(receipt => receipt.queueId)).size).toBe(1)
    expect(receipts.map(receipt => receipt.queueOffset)).toEqual([0, 1, 2])
    expect(receipts[1]?.physicalOffset).toBe((receipts[0]?.physicalOffset ?? 0) + (receipts[0]?.sizeBytes ?? 0))
    expect(new Set(receipts.map(receipt => receipt.messageId)).size).toBe(3)
    expect(await bodiesOf(mq, 'a')).toEqual(['1', '2', '3'])
  })

  test('a batch is all there or not at all, wherever the power fails', async () => {
    const { mq, disk } = await openQueue()
    const producer = mq.producer()
    await producer.send({ topic: 'a', body: 'first' }, { durability: 'disk', queueId: 0 })
    await producer.sendBatch(
      Array.from({ length: 5 }, (_, i) => ({ topic: 'a', body: `batch ${i}` })),
      { queueId: 0 },
    )
    for (let seed = 0; seed < 40; seed++) {
      const { mq: after } = await openQueue({}, { disk: disk.powerCut(seed) })
      expect([1, 6]).toContain((await bodiesOf(after, 'a')).length)
      await after.close()
    }
  })

  test.each<[string, readonly unknown[]]>([
    ['no messages', []],
    [
      'two topics',
      [
        { topic: 'a', body: 'x' },
        { topic: 'b', body: 'x' },
      ],
    ],
    [
      'two message groups',
      [
        { topic: 'a', body: 'x', messageGroup: 'g' },
        { topic: 'a', body: 'x', messageGroup: 'h' },
      ],
    ],
    [
      'a delayed message',
      [
        { topic: 'a', body: 'x' },
        { topic: 'a', body: 'x', delay: 5 },
      ],
    ],
    [
      'a message with a level',
      [
        { topic: 'a', body: 'x' },
        { topic: 'a', body: 'x', delayLevel: 2 },
      ],
    ],
    ['a dedupe key', [{ topic: 'a', body: 'x', dedupeKey: 'k' }]],
    [
      'a broken message',
      [
        { topic: 'a', body: 'x' },
        { topic: 'a', body: 5 },
      ],
    ],
  ])('a batch with %s is refused and stores nothing', async (_what, messages) => {
    const { mq } = await openQueue()
    await expect(mq.producer().sendBatch(messages as Message[])).rejects.toThrow(coded('INVALID_ARGUMENT'))
    expect(mq.store.watermarks.appended).toBe(0)
  })

  test('a batch beyond 4 MiB is refused with the way out', async () => {
    const { mq } = await openQueue({ commitLogSegmentBytes: 16 * 1024 * 1024 })
    const messages = Array.from({ length: 5 }, () => ({ topic: 'a', body: Buffer.alloc(1024 * 1024) }))
    await expect(mq.producer().sendBatch(messages)).rejects.toMatchObject({
      code: 'POCKETMQ_MESSAGE_TOO_LARGE',
      hint: expect.stringContaining('splitBatch'),
    })
  })
})

describe('topics and types', () => {
  test('a topic is created by the first send, with 4 queues, for messages of every kind', async () => {
    const { mq, disk } = await openQueue()
    await mq.producer().send({ topic: 'a', body: 'x' })
    await mq.close()
    const { topicConfigTable } = JSON.parse(disk.contentOf('/queue/config/topics.json').toString())
    expect(topicConfigTable.a).toMatchObject({
      readQueueNums: 4,
      writeQueueNums: 4,
      perm: 6,
      attributes: { 'message.type': 'MIXED' },
    })
  })

  test('where topics are not created by sends, an unknown one is TOPIC_NOT_FOUND', async () => {
    const { mq } = await openQueue({ autoCreateTopics: false })
    await expect(mq.producer().send({ topic: 'a', body: 'x' })).rejects.toThrow(coded('TOPIC_NOT_FOUND'))
  })

  test('a closed producer takes nothing, and close waits for what it has', async () => {
    const { mq } = await openQueue()
    const producer = mq.producer()
    const sent = producer.send({ topic: 'a', body: 'x' })
    await producer.close()
    await sent
    await expect(producer.send({ topic: 'a', body: 'x' })).rejects.toThrow(coded('STORE_CLOSED'))
    await mq.close()
    expect(() => mq.producer()).toThrow(coded('STORE_CLOSED'))
  })
})
