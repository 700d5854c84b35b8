/**
 * A record that a full device does not take is taken back out of the log. What had been concluded from it in memory stayed: a
 * commit that was never stored counted as decided, a half message that was not there was asked about, and another message was
 * committed in its place; a message whose retry copy was not there never came again, a delayed one was never delivered.
 */
import { expect, it } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import { PocketMQ } from '../../src/messaging/pocket-mq.ts'
import { ManualClock, SimulatedDisk } from '../../src/testing/testing.ts'

async function rig() {
  const clock = new ManualClock()
  const disk = new SimulatedDisk({ clock })
  const mq = await PocketMQ.open('/store', {
    ...{ fileSystem: disk, clock, logger: silentLogger },
    retention: { freeBytesMin: 0 },
  })
  const failures: string[] = []
  mq.on('error', ({ where, error }) => failures.push(`${where}: ${error.message}`))
  const fill = () =>
    disk.inject({
      ...{ operation: 'write', path: 'commitlog/*', times: Number.POSITIVE_INFINITY },
      fault: { errno: 'ENOSPC' },
    })
  return { clock, mq, fill, failures }
}

const stored = (mq: PocketMQ, topic: string): number =>
  mq.store.queues().reduce((sum, one) => sum + (one.topic === topic ? one.maxQueueOffset : 0), 0)

it('a commit on a full device is stored when there is room, and says so only then', async () => {
  const { clock, mq, fill } = await rig()
  const producer = mq.producer({ group: 'shop' })
  const transaction = producer.beginTransaction()
  await producer.send({ topic: 'orders', body: 'paid' }, transaction)
  const full = fill()
  let isCommitted = false
  const commit = transaction.commit().then(() => {
    isCommitted = true
  })
  await clock.advance(3000)
  expect(isCommitted).toBe(false)
  full.remove()
  await clock.advance(3000)
  await commit
  await mq.store.dispatched(mq.store.watermarks.written)
  expect(stored(mq, 'orders')).toBe(1)
  await mq.close()
})

it('a half message that the device did not take is nobody’s transaction', async () => {
  const { clock, mq, fill, failures } = await rig()
  const producer = mq.producer({ group: 'shop', checker: () => 'commit', maxAttempts: 1 })
  const full = fill()
  const refused = producer.send({ topic: 'orders', body: 'refused' }, producer.beginTransaction())
  await expect(refused).rejects.toMatchObject({ code: 'POCKETMQ_DISK_FULL' })
  full.remove()
  await producer.send({ topic: 'orders', body: 'undecided' }, producer.beginTransaction())
  await clock.advance(120_000)
  expect(failures).toEqual([])
  expect(stored(mq, 'orders')).toBe(1)
  await mq.close()
})

it('a message that fails while the device is full comes again when there is room', async () => {
  const { clock, mq, fill } = await rig()
  await mq.producer().send({ topic: 'orders', body: 'again' })
  const subscriptions = { orders: '*' }
  const consumer = await mq.simpleConsumer({ consumerGroup: 'billing', subscriptions, awaitDuration: 0 })
  const [message] = await consumer.receive(1)
  const full = fill()
  const nack = message?.nack().catch((error: unknown) => error)
  await clock.advance(3000)
  full.remove()
  await clock.advance(10_000)
  await nack
  await mq.store.dispatched(mq.store.watermarks.written)
  const [again] = await consumer.receive(1)
  expect(again?.body.toString()).toBe('again')
  await mq.close()
})

it.each([{ delayLevel: 1 }, { delay: 1000 }])(
  'a message that is due while the device is full, %o, comes when there is room',
  async when => {
    const { clock, mq, fill } = await rig()
    await mq.producer().send({ topic: 'orders', body: 'due', ...when })
    await mq.store.dispatched(mq.store.watermarks.written)
    const full = fill()
    await clock.advance(10_000)
    full.remove()
    await clock.advance(10_000)
    await mq.store.dispatched(mq.store.watermarks.written)
    expect(stored(mq, 'orders')).toBe(1)
    await mq.close()
  },
)

it('no send or batch is acknowledged for a record that took its place', async () => {
  const { clock, mq, fill } = await rig()
  const producer = mq.producer({ group: 'shop', maxAttempts: 4, retryDelayMs: 100 })
  const acknowledged: string[] = []
  const sends: Promise<unknown>[] = []
  const track = (bodies: readonly string[], sent: Promise<unknown>): void => {
    sends.push(sent.then(() => acknowledged.push(...bodies)).catch((error: unknown) => error))
  }
  for (let i = 0; i < 40; i++) {
    const full = i % 4 < 3 ? fill() : undefined
    const bodies = [`${i}-a`, `${i}-b`]
    track(bodies, producer.sendBatch(bodies.map(body => ({ topic: 'orders', body }))))
    track([`${i}-c`], producer.send({ topic: 'orders', body: `${i}-c` }))
    await clock.advance(30)
    full?.remove()
  }
  await clock.advance(10_000)
  await producer.send({ topic: 'orders', body: 'x'.repeat(4000) })
  await Promise.all(sends)
  await mq.store.dispatched(mq.store.watermarks.written)
  const bodies = new Set<string>()
  for await (const message of mq.store.scan(0)) bodies.add(message.body.toString())
  expect(acknowledged.length).toBeGreaterThan(20)
  expect(acknowledged.filter(body => !bodies.has(body))).toEqual([])
  await mq.close()
})
