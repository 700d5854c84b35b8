/** Retention and what is parked: a message that waits for its time, or for its decision, is never too old. */
import { expect, test } from 'vitest'
import { bodiesOf, openQueue } from './queue-on-disk.ts'

const HOUR_MS = 3_600_000
const SEGMENT_BYTES = 8192

test('what waits for its time or its decision outlives retention, and what was before it goes', async () => {
  for (const parked of ['delayed', 'undecided'] as const) {
    const retention = { freeBytesMin: 0, hours: 1, keepUnconsumed: true }
    const sizes = { commitLogSegmentBytes: SEGMENT_BYTES, topicQueues: 1 }
    const { mq, clock } = await openQueue({ ...sizes, flushIntervalMs: 600_000, retention })
    const producer = mq.producer({ group: 'shop' })
    const fill = async (): Promise<void> => {
      for (let i = 0; i < 30; i++) await producer.send({ topic: 'others', body: 'b'.repeat(700) })
    }
    await fill()
    const before = mq.store.watermarks.appended
    const transaction = producer.beginTransaction()
    if (parked === 'delayed') await producer.send({ topic: 'orders', body: 'parked', delay: 3 * HOUR_MS })
    else await producer.send({ topic: 'orders', body: 'parked' }, transaction)
    await fill()
    await mq.store.flush()
    clock.stepWallClock(2 * HOUR_MS)
    await mq.store.applyRetention()
    expect(mq.store.watermarks.min, parked).toBe(before - (before % SEGMENT_BYTES))
    if (parked === 'delayed') await clock.advance(2 * HOUR_MS)
    else await transaction.commit()
    expect(await bodiesOf(mq, 'orders')).toEqual(['parked'])
    await mq.close({ drainMs: 0 })
  }
})
