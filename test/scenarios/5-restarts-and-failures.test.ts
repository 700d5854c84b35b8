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
import sqlite from 'node-sqlite3-wasm'
import { expect, onTestFinished, test } from 'vitest'
import { nextTurn } from '../../src/base/turns.ts'
import type { ListenerContext } from '../../src/messaging/consumer-options.ts'
import type { DedupeStore } from '../../src/messaging/dedupe.ts'
import { dedupe } from '../../src/messaging/dedupe.ts'
import { dedupeTable } from '../../src/messaging/dedupe-table.ts'
import { dedupeTopic } from '../../src/messaging/dedupe-topic.ts'
import type { MessageView } from '../../src/messaging/message-view.ts'
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

test('a process that dies between the effect of a message and its acknowledgement repeats no effect', async () => {
  let { mq, disk, clock } = await openQueue()
  const producer = mq.producer()
  for (let i = 0; i < 10; i++)
    await producer.send({ topic: 'orders', body: `${i}`, keys: [`order-${i}`] }, { durability: 'disk' })
  const effects: string[] = []
  let deliveries = 0
  for (let life = 0; life < 10; life++) {
    const topic = await dedupeTopic(mq, { name: 'billing' })
    // The folder as it is when the key has been noted: the process dies there, before it acknowledges.
    const died = new Promise<typeof disk>(resolve => {
      const store: DedupeStore = {
        has: (key, nowMs) => topic.has(key, nowMs),
        add: async (key, untilMs) => {
          await topic.add(key, untilMs)
          resolve(disk.kill())
          return new Promise(() => undefined) // Nothing more happens in this process.
        },
      }
      const effect = (message: { keys: readonly string[] }): void => void effects.push(message.keys[0] as string)
      const handler = dedupe(effect, { store, clock })
      const listen = (message: MessageView, context: ListenerContext): unknown => {
        deliveries++
        return handler(message, context)
      }
      void mq.pushConsumer({ ...BILLING, concurrency: 1, messageListener: listen })
    })
    ;({ mq, disk, clock } = await openQueue({}, { disk: await died, clock }))
  }
  expect(effects.sort()).toEqual(Array.from({ length: 10 }, (_, i) => `order-${i}`))
  expect(deliveries).toBeGreaterThan(10)
})

test('an effect in a database is there once, also where the process dies right after its transaction', async () => {
  const sqliteDatabase = new sqlite.Database(':memory:')
  onTestFinished(() => sqliteDatabase.close())
  const database = {
    exec: (sql: string) => sqliteDatabase.exec(sql),
    prepare: (sql: string) => ({
      run: (...values: (string | number)[]) => sqliteDatabase.run(sql, values),
      all: (...values: (string | number)[]) => sqliteDatabase.all(sql, values),
    }),
  }
  database.exec('CREATE TABLE payments (id TEXT)')
  const pay = database.prepare('INSERT INTO payments VALUES (?)')
  let { mq, disk, clock } = await openQueue()
  await mq.producer().send({ topic: 'orders', body: 'pay', keys: ['order-1'] }, { durability: 'disk' })
  for (let life = 0; life < 3; life++) {
    const died = new Promise<typeof disk>(resolve => {
      const handler = dedupe(
        (message, { withTransaction }) => {
          withTransaction(() => pay.run(message.keys[0] as string))
          resolve(disk.kill())
          return new Promise(() => undefined)
        },
        { store: dedupeTable(database), clock },
      )
      void mq.pushConsumer({ ...BILLING, messageListener: handler })
    })
    if (life > 0) {
      await turns()
      expect(await mq.admin.groupProgress('billing')).toMatchObject({ lagMessages: 0 })
      break
    }
    ;({ mq, disk, clock } = await openQueue({}, { disk: await died, clock }))
  }
  expect(database.prepare('SELECT id FROM payments').all()).toEqual([{ id: 'order-1' }])
})
