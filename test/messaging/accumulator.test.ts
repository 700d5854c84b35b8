import { expect, test } from 'vitest'
import type { Message } from '../../src/messaging/outgoing-message.ts'
import { splitBatch } from '../../src/messaging/split-batch.ts'
import { bodiesOf, messagesOf, openQueue } from './queue-on-disk.ts'

test('with linger, sends of a moment become one batch, each with its own receipt', async () => {
  const { mq, clock } = await openQueue()
  const producer = mq.producer({ linger: { ms: 5 } })
  const sends = Array.from({ length: 6 }, (_, i) => producer.send({ topic: 'a', body: `${i}` }))
  expect(mq.store.watermarks.appended).toBe(0)
  await clock.advance(5)
  const receipts = await Promise.all(sends)
  expect(new Set(receipts.map(receipt => receipt.messageId)).size).toBe(6)
  expect(new Set(receipts.map(receipt => receipt.queueId)).size).toBe(1)
  expect(await bodiesOf(mq, 'a')).toEqual(['0', '1', '2', '3', '4', '5'])
  expect((await messagesOf(mq, 'a'))[0]?.property('PMQ_UNIT')).toBe('1/6')
})

test('a full batch does not wait, and close sends what is gathered', async () => {
  const { mq } = await openQueue()
  const producer = mq.producer({ linger: { ms: 60_000, count: 3 } })
  await Promise.all([1, 2, 3].map(i => producer.send({ topic: 'a', body: `${i}` })))
  const late = producer.send({ topic: 'a', body: '4' })
  await producer.close()
  await late
  expect(await bodiesOf(mq, 'a')).toEqual(['1', '2', '3', '4'])
})

test('messages of one group keep their order, also past one that cannot be gathered', async () => {
  const { mq, clock } = await openQueue()
  const producer = mq.producer({ linger: { ms: 10 } })
  const sends = [
    producer.send({ topic: 'a', body: '1', messageGroup: 'g' }),
    producer.send({ topic: 'a', body: '2', messageGroup: 'g' }),
    producer.send({ topic: 'a', body: '3', messageGroup: 'g' }, { signal: new AbortController().signal }),
    producer.send({ topic: 'a', body: '4', messageGroup: 'g' }),
  ]
  await clock.advance(20)
  await Promise.all(sends)
  expect(await bodiesOf(mq, 'a')).toEqual(['1', '2', '3', '4'])
})

test('messages of two groups and two topics are no batch', async () => {
  const { mq, clock } = await openQueue()
  const producer = mq.producer({ linger: { ms: 1 } })
  const sends = ['g', 'h'].flatMap(messageGroup =>
    ['a', 'b'].map(topic => producer.send({ topic, body: messageGroup, messageGroup })),
  )
  await clock.advance(1)
  await Promise.all(sends)
  expect((await bodiesOf(mq, 'a')).sort()).toEqual(['g', 'h'])
  expect((await bodiesOf(mq, 'b')).sort()).toEqual(['g', 'h'])
})

test('a batch that is refused rejects everyone in it', async () => {
  const { mq, clock } = await openQueue({ commitLogSegmentBytes: 4096 })
  const producer = mq.producer({ linger: { ms: 1 } })
  const sends = Array.from({ length: 10 }, () => producer.send({ topic: 'a', body: Buffer.alloc(1000) }))
  const outcomes = Promise.allSettled(sends)
  await clock.advance(1)
  for (const outcome of await outcomes)
    expect(outcome).toMatchObject({ reason: { code: 'POCKETMQ_MESSAGE_TOO_LARGE' } })
})

test('splitBatch cuts a list into batches that are accepted, in order', async () => {
  const { mq } = await openQueue({ commitLogSegmentBytes: 16 * 1024 * 1024 })
  const messages: Message[] = Array.from({ length: 12 }, (_, i) => ({ topic: 'a', body: Buffer.alloc(1024 * 1024, i) }))
  const batches = splitBatch([...messages, { topic: 'b', body: 'x' }, { topic: 'b', body: 'x', messageGroup: 'g' }])
  expect(batches.map(batch => batch.length)).toEqual([3, 3, 3, 3, 1, 1])
  for (const batch of batches) await mq.producer().sendBatch(batch)
  expect((await messagesOf(mq, 'a')).length).toBe(12)
  expect(splitBatch([])).toEqual([])
})
