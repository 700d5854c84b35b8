/**
 * Production problem 5: restarts and failures around send and ack.
 *
 * In RocketMQ a failed message is sent back and its offset committed in two steps, and offsets are persisted every 5 s on the
 * client and again on the broker: a restart repeats up to 10 s of messages, and each restart in the middle of retries doubles
 * what is in retry.
 *
 * Here what repeats is bounded: messages that were in work when the process died, and nothing below them. A retry copy and
 * the mark that settles its original are one append unit, so a restart finds both or neither. An idempotent handler sees each
 * message's effect once.
 */
import { expect, test } from 'vitest'
import { nextTurn } from '../../src/base/turns.ts'
import { bodiesOf, openQueue } from '../messaging/queue-on-disk.ts'

const BILLING = { consumerGroup: 'billing', subscriptions: { orders: '*' } }

async function turns(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await nextTurn()
}

test('a message that fails and is sent back is there once, however often the process dies around it', async () => {
  let { mq, disk, clock } = await openQueue()
  await mq.producer().send({ topic: 'orders', body: 'poison' }, { durability: 'disk' })
  const attempts: number[] = []
  let alive = 0
  const listen = (life: number): Promise<unknown> =>
    mq.pushConsumer({
      ...BILLING,
      messageListener: message => {
        if (life !== alive) return new Promise(() => undefined) // A killed process does nothing more.
        attempts.push(message.deliveryAttempt)
        throw new Error('not today')
      },
    })
  for (let restart = 0; restart < 4; restart++) {
    await listen(alive)
    await turns()
    await clock.advance(5 * 60_000)
    alive++
    ;({ mq, disk, clock } = await openQueue({}, { disk: disk.kill(), clock }))
  }
  expect(attempts).toEqual([...attempts].sort((a, b) => a - b))
  expect(new Set(attempts).size).toBe(attempts.length)
  const waiting = (await bodiesOf(mq, '%RETRY%billing')).filter(body => body === 'poison')
  expect(waiting.length).toBe(Math.max(...attempts) - 1)
})

test('an idempotent handler sees the effect of each message once, over kills at any moment', async () => {
  let { mq, disk, clock } = await openQueue()
  const producer = mq.producer()
  for (let i = 0; i < 30; i++)
    await producer.send({ topic: 'orders', body: `${i}`, keys: [`order-${i}`] }, { durability: 'disk' })
  const effects = new Map<string, number>()
  let deliveries = 0
  for (let life = 0; life < 5; life++) {
    let left = 7
    await mq.pushConsumer({
      ...BILLING,
      concurrency: 3,
      messageListener: message => {
        if (left-- <= 0) return new Promise(() => undefined) // This process never gets further.
        deliveries++
        const key = message.keys[0] ?? message.messageId
        if (!effects.has(key)) effects.set(key, life)
      },
    })
    await turns()
    ;({ mq, disk, clock } = await openQueue({}, { disk: disk.kill(), clock }))
  }
  expect(effects.size).toBe(30)
  expect(deliveries).toBeLessThanOrEqual(30 + 5 * 3)
})
