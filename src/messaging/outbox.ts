/**
 * An outbox: messages written into a table of the user's own SQLite database, in the user's own transaction, and moved to the log
 * afterwards. A row has its message id from the start, so that one moved just before a crash is recognised and not sent twice.
 */
import { asError, PocketMQError } from '../base/errors.ts'
import { checkUserTopic, invalid } from './limits.ts'
import type { Message } from './outgoing-message.ts'
import { bodyOf, propertiesOf } from './outgoing-message.ts'
import type { PocketMQ } from './pocket-mq.ts'
import type { Producer } from './producer.ts'
import { SCHEDULE_TOPIC, TIMER_TOPIC } from './topics.ts'

/** The part of a SQLite database that is used: `node:sqlite` and `better-sqlite3` both have it. */
export type OutboxDatabase = {
  exec(sql: string): unknown
  prepare(sql: string): { run(...values: (string | number)[]): unknown; all(...values: (string | number)[]): unknown[] }
}

/** How an outbox works. */
export type OutboxOptions = {
  /** The table; created where it is missing. Default `pocketmq_outbox`. */
  readonly table?: string
  /** Rows moved at once. Default 100. */
  readonly batch?: number
  /** How often {@link Outbox.start} looks for rows. Default 1000 ms. */
  readonly intervalMs?: number
}

type Row = { readonly id: number; readonly message_id: string; readonly message: string; readonly attempts: number }
type StoredMessage = Omit<Message, 'body' | 'properties' | 'deliveryTimestamp'> & {
  readonly body: string
  readonly properties?: Readonly<Record<string, string>>
  readonly deliveryTimestamp?: number
}

/** Moves messages from a table into the log. */
export class Outbox {
  readonly #mq: PocketMQ
  readonly #database: OutboxDatabase
  readonly #producer: Producer
  readonly #table: string
  readonly #batch: number
  readonly #intervalMs: number
  readonly #stop = new AbortController()
  #relaying: Promise<number> | undefined
  #loop: Promise<void> | undefined

  constructor(
    mq: PocketMQ,
    database: OutboxDatabase,
    { table = 'pocketmq_outbox', batch = 100, intervalMs = 1000 }: OutboxOptions = {},
  ) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(table)) {
      throw invalid('table', `${table} is no table name`, 'Use letters, digits and _.', 'a plain name', table)
    }
    this.#mq = mq
    this.#database = database
    this.#table = table
    this.#batch = batch
    this.#intervalMs = intervalMs
    this.#producer = mq.producer()
    database.exec(
      `CREATE TABLE IF NOT EXISTS ${table} (id INTEGER PRIMARY KEY AUTOINCREMENT, message_id TEXT NOT NULL, message TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0)`,
    )
  }

  /** Writes the message into the table; it is sent once the transaction around this call has committed. Answers its id. */
  enqueue(message: Message): string {
    const messageId = this.#mq.newMessageId()
    // What cannot be sent is refused here, where the user's transaction can still be rolled back.
    checkUserTopic(message.topic)
    propertiesOf(message, messageId)
    const body = Buffer.from(bodyOf(message, false)).toString('base64')
    const { properties, deliveryTimestamp, ...rest } = message
    const stored = {
      ...rest,
      body,
      ...(properties instanceof Map ? { properties: Object.fromEntries(properties) } : { properties }),
      ...(deliveryTimestamp === undefined ? {} : { deliveryTimestamp: Number(deliveryTimestamp) }),
    }
    this.#database
      .prepare(`INSERT INTO ${this.#table} (message_id, message) VALUES (?, ?)`)
      .run(messageId, JSON.stringify(stored))
    return messageId
  }

  /** Moves what is committed, in the order it was enqueued. Resolves with how many rows, all of them on the device. */
  relay(): Promise<number> {
    this.#relaying ??= this.#relayAll().finally(() => {
      this.#relaying = undefined
    })
    return this.#relaying
  }

  /** Relays again and again until `close`; a failure is an `error` event, and tried again. */
  start(): void {
    this.#loop ??= this.#run()
  }

  /** Stops, after the row that is on its way. */
  async close(): Promise<void> {
    this.#stop.abort()
    await this.#loop
    if (this.#relaying !== undefined) await Promise.allSettled([this.#relaying])
    await this.#producer.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      await this.relay().catch((error: unknown) => this.#mq.report('the outbox', asError(error)))
      await this.#mq.store.clock.sleep(this.#intervalMs, { signal, background: true }).catch((error: unknown) => {
        if (!signal.aborted) throw error
      })
    }
  }

  async #relayAll(): Promise<number> {
    const select = this.#database.prepare(
      `SELECT id, message_id, message, attempts FROM ${this.#table} ORDER BY id LIMIT ${this.#batch}`,
    )
    let moved = 0
    for (;;) {
      const rows = select.all() as Row[]
      for (const row of rows) {
        if (this.#stop.signal.aborted) return moved
        await this.#move(row)
        moved++
      }
      if (rows.length < this.#batch) return moved
    }
  }

  async #move({ id, message_id: messageId, message, attempts }: Row): Promise<void> {
    const stored = JSON.parse(message) as StoredMessage
    if (attempts === 0 || !(await this.#isSent(messageId, stored.topic))) {
      // Marked first: after a crash this row is looked up in the log before it is sent again.
      this.#database.prepare(`UPDATE ${this.#table} SET attempts = attempts + 1 WHERE id = ?`).run(id)
      await this.#producer.send(
        { ...stored, body: Buffer.from(stored.body, 'base64') },
        { messageId, durability: 'disk' },
      )
    }
    this.#database.prepare(`DELETE FROM ${this.#table} WHERE id = ?`).run(id)
  }

  async #isSent(messageId: string, topic: string): Promise<boolean> {
    const { store } = this.#mq
    await store.dispatched(store.watermarks.written)
    for (const place of [topic, SCHEDULE_TOPIC, TIMER_TOPIC]) {
      if ((await store.queryById(messageId, place)) !== undefined) return true
    }
    return false
  }
}

/** An outbox in `database`, for `mq`. */
export function outbox(mq: PocketMQ, database: OutboxDatabase, options: OutboxOptions = {}): Outbox {
  if (typeof database?.prepare !== 'function' || typeof database.exec !== 'function') {
    throw new PocketMQError('INVALID_ARGUMENT', 'the outbox needs a SQLite database', {
      hint: 'Pass a DatabaseSync of node:sqlite or a database of better-sqlite3.',
      details: { field: 'database' },
    })
  }
  return new Outbox(mq, database, options)
}
