import { describe, expect, test } from 'vitest'
import { decodeTimerCheck } from '../../src/codec/timer-check.ts'
import { parseRecallHandle } from '../../src/messaging/recall-handle.ts'
import { TIMER_TOPIC } from '../../src/messaging/topics.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import { bodiesOf, messagesOf, openQueue } from './queue-on-disk.ts'

describe('delay and deliveryTimestamp', () => {
  test('a delayed message comes at its millisecond, not before, with what it was sent with', async () => {
    const { mq, clock } = await openQueue()
    const producer = mq.producer()
    const start = clock.nowMs()
    await producer.send({ topic: 'a', body: 'by delay', delay: 1_500, tag: 't', keys: ['k'] })
    await producer.send({ topic: 'a', body: 'by date', deliveryTimestamp: new Date(start + 700) })
    await producer.send({ topic: 'a', body: 'by number', deliveryTimestamp: start + 700 })
    await clock.advance(699)
    expect(await bodiesOf(mq, 'a')).toEqual([])
    await clock.advance(1)
    expect(await bodiesOf(mq, 'a')).toEqual(['by date', 'by number'])
    await clock.advance(799)
    expect((await bodiesOf(mq, 'a')).length).toBe(2)
    await clock.advance(1)
    const delivered = (await messagesOf(mq, 'a')).find(message => message.body.toString() === 'by delay')
    expect(delivered?.tag).toBe('t')
    expect(delivered?.keys).toEqual(['k'])
    expect(delivered?.property('TIMER_DELIVER_MS')).toBe(String(start + 1_500))
    expect(delivered?.property('PMQ_SETTLES')).toBe('CID_PMQ_TIMER@rmq_sys_wheel_timer@0@0')
    expect(delivered?.storeTimestamp).toBe(start + 1_500)
  })

  test('parked as RocketMQ parks it: exact time, its slot, and where it belongs', async () => {
    const { mq, clock } = await openQueue()
    const start = clock.nowMs()
    await mq.producer().send({ topic: 'a', body: 'x', delay: 1_500 }, { queueId: 3 })
    await mq.producer().send({ topic: 'a', body: 'x', delay: 2_000 }, { queueId: 3 })
    const [parked, even] = await messagesOf(mq, TIMER_TOPIC)
    expect(parked?.property('TIMER_DELIVER_MS')).toBe(String(start + 1_500))
    expect(parked?.property('TIMER_OUT_MS')).toBe(String(start + 1_000))
    expect(parked?.property('REAL_TOPIC')).toBe('a')
    expect(parked?.property('REAL_QID')).toBe('3')
    // On a whole second RocketMQ takes the slot before.
    expect(even?.property('TIMER_OUT_MS')).toBe(String(start + 1_000))
  })

  test('a date in the past delivers at once', async () => {
    const { mq, clock } = await openQueue()
    const receipt = await mq.producer().send({ topic: 'a', body: 'x', deliveryTimestamp: clock.nowMs() - 5 })
    expect(receipt.recallHandle).toBeUndefined()
    expect(await bodiesOf(mq, 'a')).toEqual(['x'])
    expect(await messagesOf(mq, TIMER_TOPIC)).toEqual([])
  })

  test('messages due at one time come in the order they were sent', async () => {
    const { mq, clock } = await openQueue()
    const producer = mq.producer()
    const dueMs = clock.nowMs() + 1_000
    for (let i = 0; i < 200; i++) await producer.send({ topic: 'a', body: `${i}`, deliveryTimestamp: dueMs })
    await clock.advance(1_000)
    await clock.advance(0)
    expect(await bodiesOf(mq, 'a')).toEqual(Array.from({ length: 200 }, (_, i) => `${i}`))
  })

  test('the wall clock decides: stepped forward they come, stepped back they wait', async () => {
    const { mq, clock } = await openQueue()
    await mq.producer().send({ topic: 'a', body: 'x', delay: 3_600_000 })
    clock.stepWallClock(-1_000)
    await clock.advance(3_600_000)
    expect(await bodiesOf(mq, 'a')).toEqual([])
    clock.stepWallClock(1_000)
    await clock.advance(60_000)
    expect(await bodiesOf(mq, 'a')).toEqual(['x'])
  })

  test('beyond the number that may wait, send waits for room', async () => {
    const { mq, clock } = await openQueue({ pendingTimersMax: 2 })
    const producer = mq.producer()
    await producer.send({ topic: 'a', body: '1', delay: 1_000 })
    await producer.send({ topic: 'a', body: '2', delay: 1_000 })
    await mq.store.dispatched(mq.store.watermarks.appended)
    let isSent = false
    const third = producer.send({ topic: 'a', body: '3', delay: 5_000 }).then(() => {
      isSent = true
    })
    await clock.advance(999)
    expect(isSent).toBe(false)
    await clock.advance(2)
    await third
    await clock.advance(5_000)
    expect(await bodiesOf(mq, 'a')).toEqual(['1', '2', '3'])
  })
})

describe('recall', () => {
  test('is as durable as what its producer sends', async () => {
    const { mq, disk, clock } = await openQueue({ durability: 'interval', flushIntervalMs: 60_000 })
    const producer = mq.producer({ durability: 'disk' })
    const { recallHandle } = await producer.send({ topic: 'a', body: 'recalled', delay: 1_000 })
    await producer.recall(recallHandle as string)
    const again = await openQueue({}, { disk: disk.powerCut(1), clock })
    await clock.advance(3_000)
    expect(await bodiesOf(again.mq, 'a')).toEqual([])
  })

  test('a recalled message never comes, also after a reopen', async () => {
    const { mq, clock, disk } = await openQueue()
    const producer = mq.producer()
    const receipt = await producer.send({ topic: 'a', body: 'recalled', delay: 1_000 })
    await producer.send({ topic: 'a', body: 'stays', delay: 1_000 })
    expect(await producer.recall(receipt.recallHandle as string)).toEqual({
      messageId: receipt.messageId,
      status: 'recalled',
    })
    expect(await producer.recall(receipt.recallHandle as string)).toMatchObject({ status: 'tooLate' })
    const killed = disk.kill()
    await clock.advance(1_000)
    expect(await bodiesOf(mq, 'a')).toEqual(['stays'])
    const { mq: after } = await openQueue({}, { disk: killed, clock })
    await clock.advance(1_000)
    expect(await bodiesOf(after, 'a')).toEqual(['stays'])
  })

  test("the handle is RocketMQ's, and its record lies in the message's slot", async () => {
    const { mq, clock } = await openQueue()
    const producer = mq.producer()
    const { recallHandle, messageId } = await producer.send({ topic: 'a', body: 'x', delay: 1_500 })
    expect(parseRecallHandle(recallHandle)).toEqual({
      topic: 'a',
      brokerName: 'pocketmq',
      deliverAtMs: clock.nowMs() + 1_001,
      uniqueKey: messageId,
    })
    expect(await producer.recallMessage('a', recallHandle as string)).toMatchObject({ status: 'recalled' })
    const [parked, recall] = await messagesOf(mq, TIMER_TOPIC)
    expect(recall?.property('TIMER_DEL_UNIQKEY')).toBe(messageId)
    expect(recall?.property('TIMER_OUT_MS')).toBe(parked?.property('TIMER_OUT_MS'))
  })

  test('a delivered message is too late; a handle of nothing, and nonsense, are refused', async () => {
    const { mq, clock } = await openQueue()
    const producer = mq.producer()
    const { recallHandle } = await producer.send({ topic: 'a', body: 'x', delay: 100 })
    await clock.advance(100)
    expect(await producer.recall(recallHandle as string)).toMatchObject({ status: 'tooLate' })
    const nobody = Buffer.from(`v1 a pocketmq ${clock.nowMs() + 9_000} NOBODY`).toString('base64url')
    await expect(producer.recall(nobody)).rejects.toMatchObject({ code: 'POCKETMQ_INVALID_ARGUMENT' })
    await expect(producer.recall('nonsense')).rejects.toMatchObject({ code: 'POCKETMQ_INVALID_ARGUMENT' })
    await expect(producer.recallMessage('b', recallHandle as string)).rejects.toMatchObject({
      code: 'POCKETMQ_INVALID_ARGUMENT',
    })
  })
})

describe('reopening', () => {
  test('what waited at a clean close waits again, and comes once', async () => {
    const { mq, clock, disk } = await openQueue()
    const producer = mq.producer()
    for (let i = 1; i <= 20; i++) await producer.send({ topic: 'a', body: `${i}`, delay: i * 1_000 })
    await clock.advance(5_500)
    await mq.close()
    const { mq: after } = await openQueue({}, { disk: disk.kill(), clock })
    expect((await bodiesOf(after, 'a')).length).toBe(5)
    await clock.advance(3_000)
    expect((await bodiesOf(after, 'a')).length).toBe(8)
    await clock.advance(60_000)
    expect(await bodiesOf(after, 'a')).toEqual(Array.from({ length: 20 }, (_, i) => `${i + 1}`))
  })

  test('after a kill nothing is lost and nothing comes twice', async () => {
    let { mq, disk, clock } = await openQueue()
    const random = seededRandom(11)
    let sent = 0
    for (let round = 0; round < 12; round++) {
      const producer = mq.producer()
      for (let i = 0; i < 10; i++)
        await producer.send({ topic: 'a', body: `${sent++}`, delay: 1 + random.below(4_000) })
      await clock.advance(random.below(1_500))
      const killed = disk.kill()
      ;({ mq, disk } = await openQueue({}, { disk: killed, clock }))
    }
    await clock.advance(10_000)
    const bodies = await bodiesOf(mq, 'a')
    expect([...bodies].map(Number).sort((a, b) => a - b)).toEqual(Array.from({ length: sent }, (_, i) => i))
  })

  test('after a power cut everything acknowledged on the device comes, and nothing comes twice', async () => {
    for (let seed = 0; seed < 25; seed++) {
      const { mq, disk, clock } = await openQueue()
      const producer = mq.producer()
      const random = seededRandom(seed)
      for (let i = 0; i < 30; i++) {
        await producer.send({ topic: 'a', body: `${i}`, delay: 1 + random.below(3_000) }, { durability: 'disk' })
        await clock.advance(random.below(100))
      }
      const { mq: after } = await openQueue({}, { disk: disk.powerCut(seed), clock })
      await clock.advance(10_000)
      const bodies = (await bodiesOf(after, 'a')).map(Number).sort((a, b) => a - b)
      expect(bodies).toEqual(Array.from({ length: 30 }, (_, i) => i))
      await after.close()
      await mq.close()
    }
  })

  test('without the record of what is delivered, the copies in the log show it', async () => {
    const { mq, clock, disk } = await openQueue()
    const producer = mq.producer()
    await producer.send({ topic: 'a', body: 'delivered', delay: 100 })
    const { recallHandle } = await producer.send({ topic: 'a', body: 'recalled', delay: 100 })
    await producer.recall(recallHandle as string)
    await producer.send({ topic: 'a', body: 'pending', delay: 5_000 })
    await clock.advance(200)
    await mq.close()
    const bare = disk.kill()
    for (const path of bare.paths())
      if (/pocketmq\/timers|timercheck|timerwheel|timerlog/.test(path)) await bare.remove(path)
    const { mq: after } = await openQueue({}, { disk: bare, clock })
    await clock.advance(5_000)
    expect(await bodiesOf(after, 'a')).toEqual(['delivered', 'pending'])
  })

  test("with its own record gone, RocketMQ's three files say what is pending", async () => {
    const { mq, clock, disk } = await openQueue()
    const producer = mq.producer()
    await producer.send({ topic: 'a', body: 'delivered', delay: 100 })
    for (let i = 0; i < 5; i++) await producer.send({ topic: 'a', body: `pending ${i}`, delay: 5_000 + i * 300 })
    const { recallHandle } = await producer.send({ topic: 'a', body: 'recalled', delay: 100_000 })
    await producer.recall(recallHandle as string)
    await clock.advance(200)
    await mq.close()
    const taken = disk.kill()
    await taken.remove('/queue/pocketmq/timers')
    const { mq: after } = await openQueue({}, { disk: taken, clock })
    await clock.advance(4_799)
    expect(await bodiesOf(after, 'a')).toEqual(['delivered'])
    await clock.advance(200_000)
    expect(await bodiesOf(after, 'a')).toEqual(['delivered', ...[0, 1, 2, 3, 4].map(i => `pending ${i}`)])
  })
})

describe('what a broker finds', () => {
  test("with nothing pending there is only the check, and both its offsets are the queue's end", async () => {
    const { mq, clock, disk } = await openQueue()
    await mq.producer().send({ topic: 'a', body: 'x', delay: 100 })
    await clock.advance(100)
    await mq.close()
    expect(disk.paths().filter(path => /timerwheel|timerlog/.test(path))).toEqual([])
    const check = decodeTimerCheck(disk.contentOf('/queue/config/timercheck'))
    expect(check).toMatchObject({ timerQueueOffset: 1, masterQueueOffset: 1 })
  })

  test("the wheel and the log have their full lengths, and the log ends with the queue's last record", async () => {
    const { mq, disk } = await openQueue()
    const producer = mq.producer()
    await producer.send({ topic: 'a', body: 'pending', delay: 60_000 })
    const { recallHandle } = await producer.send({ topic: 'a', body: 'recalled', delay: 60_000 })
    await producer.recall(recallHandle as string)
    const last = (await messagesOf(mq, TIMER_TOPIC)).at(-1)
    await mq.close()
    expect((await disk.stat('/queue/timerwheel'))?.sizeBytes).toBe(38_707_200)
    expect((await disk.stat('/queue/timerlog/00000000000000000000'))?.sizeBytes).toBe(104_857_600)
    const check = decodeTimerCheck(disk.contentOf('/queue/config/timercheck'))
    expect(check.timerLogFlushed).toBe(2 * 52)
    const unit = disk.contentOf('/queue/timerlog/00000000000000000000', 52, 104)
    expect(Number(unit.readBigInt64BE(28))).toBe(last?.physicalOffset)
    // Its slot is one that the wheel has been read past.
    expect(Number(unit.readBigInt64BE(16)) + unit.readInt32BE(24)).toBeLessThan(check.lastReadTimestamp)
  })
})
