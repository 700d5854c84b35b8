import { expect, test } from 'vitest'
import { bodiesOf, openQueue } from './queue-on-disk.ts'

test("a second message with the same key is not stored, and its sender gets the first one's receipt", async () => {
  const { mq } = await openQueue()
  const producer = mq.producer()
  const first = await producer.send({ topic: 'a', body: '1', dedupeKey: 'order-1' })
  expect(first.duplicate).toBeUndefined()
  const { durability: _level, ...place } = first
  expect(await producer.send({ topic: 'a', body: '2', dedupeKey: 'order-1' })).toMatchObject({
    ...place,
    duplicate: true,
  })
  await producer.send({ topic: 'a', body: '3', dedupeKey: 'order-2' })
  await producer.send({ topic: 'b', body: '4', dedupeKey: 'order-1' })
  expect(await bodiesOf(mq, 'a')).toEqual(['1', '3'])
  expect(await bodiesOf(mq, 'b')).toEqual(['4'])
})

test('sends with one key at the same time store one message', async () => {
  const { mq } = await openQueue()
  const producer = mq.producer()
  const receipts = await Promise.all(
    Array.from({ length: 10 }, () => producer.send({ topic: 'a', body: 'x', dedupeKey: 'k' })),
  )
  expect(new Set(receipts.map(receipt => receipt.messageId)).size).toBe(1)
  expect(await bodiesOf(mq, 'a')).toEqual(['x'])
})

test('a key is forgotten after its window, and the oldest ones beyond their number', async () => {
  const { mq, clock } = await openQueue({ dedupeWindowMs: 1_000, dedupeKeysMax: 2 })
  const producer = mq.producer()
  const send = async (dedupeKey: string): Promise<boolean> =>
    (await producer.send({ topic: 'a', body: dedupeKey, dedupeKey })).duplicate === true
  expect(await send('k')).toBe(false)
  await clock.advance(1_000)
  expect(await send('k')).toBe(true)
  await clock.advance(1)
  expect(await send('k')).toBe(false)
  expect(await send('l')).toBe(false)
  expect(await send('m')).toBe(false)
  expect(await send('k')).toBe(false)
})

test('after a kill the keys of the window are known again, and older ones are not', async () => {
  const { mq, disk, clock } = await openQueue({ dedupeWindowMs: 60_000 })
  const producer = mq.producer()
  await producer.send({ topic: 'a', body: 'old', dedupeKey: 'old' })
  await clock.advance(50_000)
  const first = await producer.send({ topic: 'a', body: 'new', dedupeKey: 'new' })
  const parked = await producer.send({ topic: 'a', body: 'parked', dedupeKey: 'parked', delay: 3_600_000 })
  await mq.store.dispatched(mq.store.watermarks.appended)
  const killed = disk.kill()
  await clock.advance(20_000)
  const { mq: after } = await openQueue({ dedupeWindowMs: 60_000 }, { disk: killed, clock })
  const again = after.producer()
  expect(await again.send({ topic: 'a', body: 'new', dedupeKey: 'new' })).toMatchObject({
    messageId: first.messageId,
    duplicate: true,
  })
  expect(await again.send({ topic: 'a', body: 'x', dedupeKey: 'parked', delay: 9 })).toMatchObject({
    messageId: parked.messageId,
    duplicate: true,
  })
  expect((await again.send({ topic: 'a', body: 'old', dedupeKey: 'old' })).duplicate).toBeUndefined()
})

test('what was acknowledged before a power cut is recognised after it', async () => {
  for (let seed = 0; seed < 20; seed++) {
    const { mq, disk, clock } = await openQueue()
    const receipt = await mq.producer().send({ topic: 'a', body: 'x', dedupeKey: 'k' }, { durability: 'disk' })
    const { mq: after } = await openQueue({}, { disk: disk.powerCut(seed), clock })
    expect(await after.producer().send({ topic: 'a', body: 'x', dedupeKey: 'k' })).toMatchObject({
      messageId: receipt.messageId,
      duplicate: true,
    })
    await after.close()
    await mq.close()
  }
})
