import { expect, test } from 'vitest'
import type { OutboxDatabase } from '../../src/messaging/outbox.ts'
import { outbox } from '../../src/messaging/outbox.ts'
import { bodiesOf, messagesOf, openQueue } from './queue-on-disk.ts'

type Row = { id: number; message_id: string; message: string; attempts: number }

/** What an outbox asks of SQLite, in memory; Node 20 has no SQLite of its own. */
class Table implements OutboxDatabase {
  rows: Row[] = []
  #next = 1
  /** Thrown by the next DELETE: a crash between the send and the end of its row. */
  failingDelete: Error | undefined

  exec(): void {}

  prepare(sql: string): ReturnType<OutboxDatabase['prepare']> {
    const run = (...values: (string | number)[]): void => {
      if (sql.startsWith('INSERT')) {
        this.rows.push({ id: this.#next++, message_id: String(values[0]), message: String(values[1]), attempts: 0 })
      } else if (sql.startsWith('UPDATE')) {
        for (const row of this.rows) if (row.id === values[0]) row.attempts++
      } else if (sql.startsWith('DELETE')) {
        if (this.failingDelete !== undefined) throw this.failingDelete
        this.rows = this.rows.filter(row => row.id !== values[0])
      }
    }
    return { run, all: () => this.rows.slice(0, 100).map(row => ({ ...row })) }
  }
}

test('what is enqueued is sent in order, as it was given, and its rows are gone', async () => {
  const { mq } = await openQueue()
  const table = new Table()
  const box = outbox(mq, table)
  const id = box.enqueue({
    topic: 'a',
    body: Buffer.from([0, 255, 1]),
    tag: 't',
    properties: new Map([['p', 'v']]),
    messageGroup: 'g',
  })
  box.enqueue({ topic: 'a', body: 'second', messageGroup: 'g' })
  expect(await bodiesOf(mq, 'a')).toEqual([])
  expect(await box.relay()).toBe(2)
  const [first, second] = await messagesOf(mq, 'a')
  expect([...(first?.body ?? [])]).toEqual([0, 255, 1])
  expect(first?.uniqueKey).toBe(id)
  expect(first?.tag).toBe('t')
  expect(first?.property('p')).toBe('v')
  expect(second?.body.toString()).toBe('second')
  expect(table.rows).toEqual([])
  expect(await box.relay()).toBe(0)
})

test('a crash between the send and the end of its row does not send it twice, however much later', async () => {
  const { mq, disk, clock } = await openQueue()
  const table = new Table()
  const box = outbox(mq, table)
  box.enqueue({ topic: 'a', body: 'now' })
  box.enqueue({ topic: 'a', body: 'later', delay: 7 * 3_600_000 })
  table.failingDelete = new Error('crashed')
  await expect(box.relay()).rejects.toThrow('crashed')
  const killed = disk.kill()
  await clock.advance(3_600_000)
  const { mq: after } = await openQueue({}, { disk: killed, clock })
  table.failingDelete = undefined
  await outbox(after, table).relay()
  expect(await bodiesOf(after, 'a')).toEqual(['now'])
  expect(table.rows).toEqual([])
  await clock.advance(8 * 3_600_000)
  expect(await bodiesOf(after, 'a')).toEqual(['now', 'later'])
})

test('what cannot be sent is refused when it is enqueued', async () => {
  const { mq } = await openQueue()
  const table = new Table()
  const box = outbox(mq, table)
  expect(() => box.enqueue({ topic: 'a', body: '' })).toThrow(
    expect.objectContaining({ code: 'POCKETMQ_INVALID_ARGUMENT' }),
  )
  expect(() => box.enqueue({ topic: 'a', body: 'x', tag: '|' })).toThrow(
    expect.objectContaining({ code: 'POCKETMQ_INVALID_ARGUMENT' }),
  )
  expect(table.rows).toEqual([])
  expect(() => outbox(mq, {} as OutboxDatabase)).toThrow(expect.objectContaining({ code: 'POCKETMQ_INVALID_ARGUMENT' }))
})

test('a started outbox looks for rows by itself, and reports what fails', async () => {
  const { mq, clock } = await openQueue()
  const table = new Table()
  const failures: string[] = []
  mq.on('error', ({ where }) => failures.push(where))
  await using box = outbox(mq, table, { intervalMs: 100 })
  box.start()
  await clock.advance(0)
  box.enqueue({ topic: 'a', body: 'x' })
  await clock.advance(100)
  await clock.advance(0)
  expect(await bodiesOf(mq, 'a')).toEqual(['x'])
  table.rows.push({ id: 99, message_id: 'x', message: 'nonsense', attempts: 0 })
  await clock.advance(100)
  expect(failures).toEqual(['the outbox'])
})
