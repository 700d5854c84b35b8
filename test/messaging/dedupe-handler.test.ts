import sqlite from 'node-sqlite3-wasm'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { DedupeStore } from '../../src/messaging/dedupe.ts'
import { dedupe } from '../../src/messaging/dedupe.ts'
import { dedupeTable } from '../../src/messaging/dedupe-table.ts'
import { dedupeTopic } from '../../src/messaging/dedupe-topic.ts'
import type { OutboxDatabase } from '../../src/messaging/outbox.ts'
import type { PocketMQ } from '../../src/messaging/pocket-mq.ts'
import { settled } from './consuming-bench.ts'
import { openQueue } from './queue-on-disk.ts'

const BILLING = { consumerGroup: 'billing', subscriptions: { orders: '*' } }
const invalid = expect.objectContaining({ code: 'POCKETMQ_INVALID_ARGUMENT' })

/** Remembers in memory. */
function memory(): DedupeStore & { readonly keys: Map<string, number> } {
  const keys = new Map<string, number>()
  return {
    keys,
    has: (key, nowMs) => (keys.get(key) ?? 0) > nowMs,
    add: (key, untilMs) => void keys.set(key, untilMs),
  }
}

/** SQLite in memory, by the two functions that every driver has. */
function openDatabase(): OutboxDatabase & { readonly close: () => void } {
  const database = new sqlite.Database(':memory:')
  const open = {
    exec: (sql: string) => database.exec(sql),
    prepare: (sql: string) => ({
      run: (...values: (string | number)[]) => database.run(sql, values),
      all: (...values: (string | number)[]) => database.all(sql, values),
    }),
    close: () => database.close(),
  }
  onTestFinished(open.close)
  return open
}

async function send(mq: PocketMQ, key: string, count = 1): Promise<void> {
  const producer = mq.producer()
  for (let i = 0; i < count; i++) await producer.send({ topic: 'orders', body: key, keys: [key] })
  await settled()
}

describe('a deduped handler', () => {
  test('is called once for each key, and what is done before is acknowledged without it', async () => {
    const { mq, clock } = await openQueue()
    const seen: string[] = []
    const store = memory()
    await mq.pushConsumer({
      ...BILLING,
      concurrency: 1,
      messageListener: dedupe(message => void seen.push(`${message.body}`), { store, clock }),
    })
    await send(mq, 'a', 3)
    await send(mq, 'b')
    expect(seen).toEqual(['a', 'b'])
    expect(await mq.admin.groupProgress('billing')).toMatchObject({ lagMessages: 0 })
    expect([...store.keys]).toEqual([
      ['a', clock.nowMs() + 86_400_000],
      ['b', clock.nowMs() + 86_400_000],
    ])
  })

  test('is called again after it threw, or said so: that is not done', async () => {
    const { mq, clock } = await openQueue()
    const ends: (() => unknown)[] = [
      () => {
        throw new Error('no')
      },
      () => ({ retryAfter: 1000 }),
      () => 'done',
    ]
    const store = memory()
    let calls = 0
    const handler = (): unknown => ends[calls++]?.()
    await mq.pushConsumer({ ...BILLING, messageListener: dedupe(handler, { store, clock }) })
    await send(mq, 'a')
    expect([calls, store.keys.size]).toEqual([1, 0])
    await clock.advance(10_000)
    await settled()
    expect([calls, store.keys.size]).toEqual([2, 0])
    await clock.advance(1001)
    await settled()
    expect([calls, store.keys.size]).toEqual([3, 1])
  })

  test('does not run beside itself for one key, until its lease is over', async () => {
    const { mq, clock } = await openQueue()
    const started: number[] = []
    const begin = clock.nowMs()
    const hang = (): Promise<void> => {
      started.push(clock.nowMs() - begin)
      return new Promise(() => undefined)
    }
    await mq.pushConsumer({ ...BILLING, messageListener: dedupe(hang, { store: memory(), leaseMs: 60_000, clock }) })
    await send(mq, 'a', 2)
    expect(started).toEqual([0])
    await clock.advance(59_000)
    await settled()
    expect(started).toEqual([0])
    await clock.advance(2000)
    await settled()
    expect(started).toEqual([0, 60_000])
  })

  test('is not called for a message whose key is running: that waits for the first, and costs no attempt', async () => {
    const { mq, clock } = await openQueue()
    const events: string[] = []
    const handler = dedupe(
      async message => {
        events.push(`begins ${message.deliveryAttempt}`)
        await clock.sleep(5000)
        if (events.length === 1) throw new Error('the first time fails')
        events.push('done')
      },
      { store: memory(), clock },
    )
    await mq.pushConsumer({ ...BILLING, messageListener: handler })
    await send(mq, 'a', 2)
    await clock.advance(5000)
    await settled()
    expect(events).toEqual(['begins 1', 'begins 1'])
    await clock.advance(5000)
    await settled()
    expect(events).toEqual(['begins 1', 'begins 1', 'done'])
    await clock.advance(60_000)
    await mq.admin.waitUntilEmpty('billing')
    expect(events).toHaveLength(3)
  })

  test('is refused where handlers that have returned may be rolled back', async () => {
    const { mq, clock } = await openQueue()
    const messageListener = dedupe(() => undefined, { store: memory(), clock })
    const manual = { ...BILLING, messageListener, orderly: true, onExhausted: 'block', autoCommit: false } as const
    await expect(mq.pushConsumer(manual)).rejects.toEqual(invalid)
  })

  test('takes the key it is told, and forgets it after its time', async () => {
    const { mq, clock } = await openQueue()
    const seen: string[] = []
    const key = (message: { body: Buffer }): string => `${message.body}`
    const handler = dedupe(message => void seen.push(message.messageId), { store: memory(), key, ttlMs: 1000, clock })
    await mq.pushConsumer({ ...BILLING, messageListener: handler })
    const producer = mq.producer()
    for (const wait of [999, 1, 0]) {
      await producer.send({ topic: 'orders', body: 'same' })
      await settled()
      await clock.advance(wait)
    }
    expect(seen).toHaveLength(2)
  })

  test('needs a store, a handler of texts as keys, and for a transaction a store that has them', async () => {
    const { mq, clock } = await openQueue()
    expect(() => dedupe(() => undefined, {} as never)).toThrowError(invalid)
    expect(() => dedupe(() => undefined, { store: {} as never })).toThrowError(invalid)
    const errors: unknown[] = []
    mq.on('handler-failed', ({ error }) => errors.push(error))
    const store = memory()
    const handler = dedupe((_message, { withTransaction }) => withTransaction(() => 1), { store, clock })
    await mq.pushConsumer({ ...BILLING, messageListener: handler })
    const empty = dedupe(() => undefined, { store, key: () => '', clock })
    await mq.pushConsumer({ ...BILLING, consumerGroup: 'other', messageListener: empty })
    await send(mq, 'a')
    expect(errors).toEqual([invalid, invalid])
  })
})

describe('a dedupe topic', () => {
  test('remembers over a kill what was done, and only for its time', async () => {
    const { mq, disk, clock } = await openQueue()
    const store = await dedupeTopic(mq, { name: 'billing' })
    await store.add('old', clock.nowMs() + 1000)
    await store.add('a', clock.nowMs() + 10_000)
    await clock.advance(1000)
    const again = await openQueue({}, { disk: disk.kill(), clock })
    const reopened = await dedupeTopic(again.mq, { name: 'billing' })
    const known = ['old', 'a', 'b'].map(key => reopened.has(key, clock.nowMs()))
    expect([known, reopened.size]).toEqual([[false, true, false], 1])
    await expect(dedupeTopic(again.mq, { name: 'billing' })).rejects.toMatchObject({
      code: 'POCKETMQ_INSTANCE_ID_IN_USE',
    })
    await reopened.close()
    await (await dedupeTopic(again.mq, { name: 'billing' })).close()
  })

  test('remembers over a power cut, for it asks for the device', async () => {
    const { mq, disk, clock } = await openQueue()
    const store = await dedupeTopic(mq, { name: 'billing' })
    await store.add('a', clock.nowMs() + 10_000)
    const again = await openQueue({}, { disk: disk.powerCut(3), clock })
    expect((await dedupeTopic(again.mq, { name: 'billing' })).has('a', clock.nowMs())).toBe(true)
  })

  test('has a group that stands at the oldest key that counts', async () => {
    const { mq, clock } = await openQueue()
    const store = await dedupeTopic(mq, { name: 'billing', durability: 'memory' })
    for (let i = 0; i < 999; i++) await store.add(`${i}`, clock.nowMs() + (i < 500 ? 1000 : 60_000))
    await clock.advance(1000)
    await store.add('last', clock.nowMs() + 60_000)
    const { queues } = await mq.admin.groupProgress('dedupe_billing')
    expect([store.size, queues[0]?.committed, queues[0]?.lagMessages]).toEqual([500, 500, 500])
  })

  test('forgets the oldest where there are too many', async () => {
    const { mq, clock } = await openQueue()
    const store = await dedupeTopic(mq, { name: 'billing', keysMax: 2, durability: 'memory' })
    for (const key of ['a', 'b', 'c']) await store.add(key, clock.nowMs() + 1000)
    expect(['a', 'b', 'c'].map(key => store.has(key, clock.nowMs()))).toEqual([false, true, true])
    await expect(dedupeTopic(mq, { name: 'x', keysMax: 0 })).rejects.toEqual(invalid)
  })
})

describe('a dedupe table', () => {
  test('remembers a key until its time', async () => {
    const store = dedupeTable(openDatabase())
    await store.add('a', 1000)
    expect([store.has('a', 999), store.has('a', 1000), store.has('b', 0)]).toEqual([true, false, false])
    await store.add('a', 2000)
    expect(store.has('a', 1999)).toBe(true)
  })

  test('does the work of a transaction once, and notes it with it, both or neither', () => {
    const database = openDatabase()
    database.exec('CREATE TABLE effects (name TEXT)')
    const store = dedupeTable(database, { table: 'done' })
    const done = { key: 'a', nowMs: 0, untilMs: 10 }
    const insert = (): void => void database.prepare('INSERT INTO effects VALUES (?)').run('x')
    const fail = (): never => {
      insert()
      throw new Error('half way')
    }
    expect(() => store.withTransaction(done, fail)).toThrowError('half way')
    expect([store.has('a', 0), database.prepare('SELECT * FROM effects').all()]).toEqual([false, []])
    for (let i = 0; i < 2; i++) store.withTransaction(done, insert)
    expect([store.has('a', 0), database.prepare('SELECT * FROM effects').all()]).toEqual([true, [{ name: 'x' }]])
  })

  test('refuses what is no database, and a name that is none', () => {
    expect(() => dedupeTable({} as never)).toThrowError(invalid)
    expect(() => dedupeTable(openDatabase(), { table: 'a; DROP TABLE b' })).toThrowError(invalid)
  })

  test('takes no work that waits', async () => {
    const { mq, clock } = await openQueue()
    const database = openDatabase()
    const errors: unknown[] = []
    mq.on('handler-failed', ({ error }) => errors.push(error))
    const wait = dedupe((_message, { withTransaction }) => withTransaction(async () => 1), {
      store: dedupeTable(database),
      clock,
    })
    await mq.pushConsumer({ ...BILLING, messageListener: wait })
    await send(mq, 'a')
    expect([errors, database.prepare('SELECT * FROM pocketmq_done').all()]).toEqual([[invalid], []])
  })
})
