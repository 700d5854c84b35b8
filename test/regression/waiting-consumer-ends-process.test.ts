/** A process whose only work was a push consumer ended at once, with exit code 0, and one that awaited `receive` with code 13. */
import { expect, test } from 'vitest'
import { nextTurn } from '../../src/base/turns.ts'
import { KeepAlive } from '../../src/messaging/keep-alive.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { openQueue } from '../messaging/queue-on-disk.ts'

test('an idle push consumer keeps the process alive until it is closed', async () => {
  const sleeps: boolean[] = []
  const clock = new ManualClock()
  const sleep = clock.sleep.bind(clock)
  clock.sleep = async (ms, options) => {
    const isForeground = options?.background !== true
    if (isForeground) sleeps.push(true)
    try {
      await sleep(ms, options)
    } finally {
      if (isForeground) sleeps.pop()
    }
  }
  const { mq } = await openQueue({}, { clock })
  expect(sleeps).toEqual([])
  const consumer = await mq.pushConsumer({
    consumerGroup: 'billing',
    subscriptions: { orders: '*' },
    messageListener: () => undefined,
  })
  await nextTurn()
  expect(sleeps).toEqual([true])
  await consumer.close()
  await nextTurn()
  await nextTurn()
  expect(sleeps).toEqual([])
})

test('waits that follow one another in a turn share one sleep', async () => {
  const clock = new ManualClock()
  const alive = new KeepAlive(clock)
  for (let i = 0; i < 3; i++) {
    await alive.during(Promise.resolve(i))
    expect(clock.sleepers).toBe(1)
  }
  await nextTurn()
  await nextTurn()
  expect(clock.sleepers).toBe(0)
})
