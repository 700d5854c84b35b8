import { expect, test } from 'vitest'
import { PocketMQError } from '../../src/base/errors.ts'
import { Alarms } from '../../src/messaging/alarms.ts'
import { WaitingSends } from '../../src/messaging/waiting-sends.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { latch, settled } from './consuming-bench.ts'
import { openQueue } from './queue-on-disk.ts'

const timeout = { code: 'POCKETMQ_TIMEOUT', retryable: true, details: { field: 'requestTimeout', limit: 250 } }

test('a send that finds no room in its time is refused, retryably, and never appended; each has a time of its own', async () => {
  const clock = new ManualClock()
  const alarms = new Alarms(clock, 'monotonic', error => expect(error).toBeUndefined())
  const room = latch()
  const times = { maxAttempts: 3, retryDelayMs: 100, timeoutMs: 250 }
  const waiting = new WaitingSends({ ...times, clock, alarms, bytesMax: 100, admitted: () => room.promise })
  const appended: string[] = []
  const send = (name: string): Promise<unknown> => {
    const append = (): string => {
      if (!isRoom) throw new PocketMQError('BACKPRESSURE', 'no room', { hint: 'Wait.' })
      appended.push(name)
      return name
    }
    return waiting.add(10, append).catch((error: unknown) => error)
  }
  let isRoom = false
  const early = [send('a'), send('b')]
  await clock.advance(249)
  const late = send('c')
  await clock.advance(1)
  expect(await Promise.all(early)).toMatchObject([timeout, timeout])
  isRoom = true
  room.open()
  await settled()
  expect([await late, appended, waiting.isEmpty]).toEqual(['c', ['c'], true])
  await clock.advance(10_000)
})

test('a producer takes a requestTimeout from one millisecond on, which a send that finds room never meets', async () => {
  const { mq } = await openQueue()
  await mq.producer({ requestTimeout: 1 }).send({ topic: 'a', body: 'x' })
  expect(() => mq.producer({ requestTimeout: 0 })).toThrowError(
    expect.objectContaining({ code: 'POCKETMQ_INVALID_ARGUMENT' }),
  )
})
