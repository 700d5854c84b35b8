import { describe, expect, test } from 'vitest'
import { SCHEDULE_TOPIC } from '../../src/messaging/topics.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import { ManualClock } from '../../src/testing/testing.ts'
import { bodiesOf, messagesOf, openQueue } from './queue-on-disk.ts'

const MINUTE_MS = 60_000

describe('delay levels', () => {
  test.each([
    [1, 1_000],
    [2, 5_000],
    [3, 10_000],
    [5, MINUTE_MS],
    [18, 120 * MINUTE_MS],
    [99, 120 * MINUTE_MS],
  ])('level %i comes after %i ms, not before', async (delayLevel, ms) => {
    const { mq, clock } = await openQueue()
    await mq.producer().send({ topic: 'a', body: 'x', delayLevel, tag: 't' })
    await clock.advance(ms - 1)
    expect(await bodiesOf(mq, 'a')).toEqual([])
    await clock.advance(1)
    const [delivered] = await messagesOf(mq, 'a')
    expect(delivered?.tag).toBe('t')
    expect(delivered?.property('DELAY')).toBe(String(Math.min(delayLevel, 18)))
  })

  test('level 0 is no delay', async () => {
    const { mq } = await openQueue()
    await mq.producer().send({ topic: 'a', body: 'x', delayLevel: 0 })
    expect(await bodiesOf(mq, 'a')).toEqual(['x'])
  })

  test('parked as RocketMQ parks it: one queue a level, the due time in place of the tag hash', async () => {
    const { mq, clock } = await openQueue()
    await mq.producer().send({ topic: 'a', body: 'x', delayLevel: 3 }, { queueId: 2 })
    const [parked] = await messagesOf(mq, SCHEDULE_TOPIC)
    expect(parked).toMatchObject({ queueId: 2, queueOffset: 0 })
    expect(parked?.tagsCode).toBe(clock.nowMs() + 10_000)
    expect(parked?.property('REAL_TOPIC')).toBe('a')
    expect(parked?.property('REAL_QID')).toBe('2')
  })

  test('messages of one level keep their order', async () => {
    const { mq, clock } = await openQueue()
    const producer = mq.producer()
    for (let i = 0; i < 100; i++) {
      await producer.send({ topic: 'a', body: `${i}`, delayLevel: 1 })
      if (i % 10 === 0) await clock.advance(3)
    }
    await clock.advance(2_000)
    expect(await bodiesOf(mq, 'a')).toEqual(Array.from({ length: 100 }, (_, i) => `${i}`))
  })

  test('a wall clock that steps back holds nothing longer than its level, one that steps ahead ends the wait', async () => {
    const { mq, clock } = await openQueue()
    const producer = mq.producer()
    await producer.send({ topic: 'a', body: 'x', delayLevel: 4 })
    await clock.advance(10_000)
    clock.stepWallClock(-86_400_000)
    await producer.send({ topic: 'a', body: 'y', delayLevel: 4 })
    await clock.advance(19_999)
    expect(await bodiesOf(mq, 'a')).toEqual([])
    await clock.advance(1)
    expect(await bodiesOf(mq, 'a')).toEqual(['x'])
    await clock.advance(30_000)
    expect(await bodiesOf(mq, 'a')).toEqual(['x', 'y'])
    await producer.send({ topic: 'a', body: 'z', delayLevel: 18 })
    await clock.advance(1)
    clock.stepWallClock(2 * 86_400_000)
    await clock.advance(MINUTE_MS)
    expect((await bodiesOf(mq, 'a')).length).toBe(3)
  })

  test('delayOffset.json says at a clean close what is delivered, for a broker', async () => {
    const { mq, clock, disk } = await openQueue()
    const producer = mq.producer()
    for (const delayLevel of [1, 1, 2, 4]) await producer.send({ topic: 'a', body: 'x', delayLevel })
    await clock.advance(6_000)
    await mq.close()
    const { offsetTable, dataVersion } = JSON.parse(disk.contentOf('/queue/config/delayOffset.json').toString())
    expect(offsetTable).toEqual({ 1: 2, 2: 1, 4: 0 })
    expect(dataVersion).toMatchObject({ stateVersion: 0 })
  })

  test('after a broker moved delayOffset.json on, its place holds', async () => {
    const { mq, clock, disk } = await openQueue()
    const producer = mq.producer()
    for (let i = 0; i < 3; i++) await producer.send({ topic: 'a', body: `${i}`, delayLevel: 3 })
    await mq.close()
    const moved = JSON.stringify({ dataVersion: { counter: 9, stateVersion: 0, timestamp: 1 }, offsetTable: { 3: 2 } })
    const taken = disk.kill()
    taken.place('/queue/config/delayOffset.json', Buffer.from(moved.replace('"3":', '3:')))
    // It writes its checkpoint within a second.
    taken.flipBit('/queue/checkpoint', 7, 0)
    const { mq: after } = await openQueue({}, { disk: taken, clock })
    await clock.advance(10_000)
    expect(await bodiesOf(after, 'a')).toEqual(['2'])
  })

  test('where no broker was, a wrong digit in delayOffset.json repeats and never skips', async () => {
    const { mq, clock, disk } = await openQueue()
    const producer = mq.producer()
    for (let i = 0; i < 2; i++) await producer.send({ topic: 'a', body: `${i}`, delayLevel: 1 })
    await clock.advance(1500)
    for (let i = 2; i < 5; i++) await producer.send({ topic: 'a', body: `${i}`, delayLevel: 1 })
    await mq.close()
    const path = '/queue/config/delayOffset.json'
    const text = disk.contentOf(path).toString()
    expect(text).toContain('"1":2')
    for (const [digit, wanted] of [
      ['"1":9', ['0', '1', '2', '3', '4']],
      ['"1":4', ['0', '1', '2', '3', '4']],
      ['"1":0', ['0', '1', '0', '1', '2', '3', '4']],
      ['"1:0', ['0', '1', '2', '3', '4']],
    ] as const) {
      const damaged = disk.kill()
      damaged.place(path, Buffer.from(text.replace('"1":2', digit)))
      const later = new ManualClock(clock.nowMs())
      const { mq: after } = await openQueue({}, { disk: damaged, clock: later })
      await later.advance(5_000)
      expect([digit, await bodiesOf(after, 'a')]).toEqual([digit, wanted])
      await after.close()
    }
  })

  test('after kills nothing is lost and nothing comes twice', async () => {
    let { mq, disk, clock } = await openQueue()
    const random = seededRandom(5)
    let sent = 0
    for (let round = 0; round < 12; round++) {
      const producer = mq.producer()
      for (let i = 0; i < 8; i++)
        await producer.send({ topic: 'a', body: `${sent++}`, delayLevel: 1 + random.below(3) })
      await clock.advance(random.below(6_000))
      const killed = disk.kill()
      ;({ mq, disk } = await openQueue({}, { disk: killed, clock }))
    }
    await clock.advance(20_000)
    expect((await bodiesOf(mq, 'a')).map(Number).sort((a, b) => a - b)).toEqual(
      Array.from({ length: sent }, (_, i) => i),
    )
  })

  test('after power cuts everything acknowledged on the device comes, once', async () => {
    for (let seed = 0; seed < 25; seed++) {
      const { mq, disk, clock } = await openQueue()
      const producer = mq.producer()
      const random = seededRandom(seed)
      for (let i = 0; i < 20; i++) {
        await producer.send({ topic: 'a', body: `${i}`, delayLevel: 1 + random.below(2) }, { durability: 'disk' })
        await clock.advance(random.below(700))
      }
      const { mq: after } = await openQueue({}, { disk: disk.powerCut(seed), clock })
      await clock.advance(20_000)
      expect((await bodiesOf(after, 'a')).map(Number).sort((a, b) => a - b)).toEqual(
        Array.from({ length: 20 }, (_, i) => i),
      )
      await after.close()
      await mq.close()
    }
  })

  test('a message bound for a deleted topic does not bring it back', async () => {
    const { mq, clock } = await openQueue()
    const producer = mq.producer()
    await producer.send({ topic: 'gone', body: 'now' })
    await producer.send({ topic: 'gone', body: 'by level', delayLevel: 1 })
    await producer.send({ topic: 'gone', body: 'by time', delay: 1_000 })
    await mq.admin.deleteTopic('gone')
    await clock.advance(5_000)
    expect((await mq.admin.topics()).map(({ topic }) => topic)).toEqual([])
    expect(await bodiesOf(mq, 'gone')).toEqual([])
    await producer.send({ topic: 'gone', body: 'again', delay: 1_000 })
    await clock.advance(1_000)
    expect(await bodiesOf(mq, 'gone')).toEqual(['again'])
  })
})
