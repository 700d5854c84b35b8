/** Keys that are done, in a table of the user's own SQLite database: in the transaction of the effect itself, where that is there too. */
import { PocketMQError } from '../base/errors.ts'
import type { DedupeStore } from './dedupe.ts'
import { invalid } from './limits.ts'
import type { OutboxDatabase } from './outbox.ts'

/** How a dedupe table works. */
export type DedupeTableOptions = {
  /** The table; created where it is missing. One for each consumer group. Default `pocketmq_done`. */
  readonly table?: string
}

/** Questions between two clearings of old keys. */
const QUESTIONS_A_SWEEP = 1000

/** A table of keys that are done. It survives whatever its database survives. @throws INVALID_ARGUMENT */
export function dedupeTable(
  database: OutboxDatabase,
  { table = 'pocketmq_done' }: DedupeTableOptions = {},
): Required<DedupeStore> {
  if (typeof database?.prepare !== 'function' || typeof database.exec !== 'function') {
    throw new PocketMQError('INVALID_ARGUMENT', 'dedupeTable needs a SQLite database', {
      hint: 'Pass a DatabaseSync of node:sqlite or a database of better-sqlite3.',
      details: { field: 'database' },
    })
  }
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(table)) {
    throw invalid('table', `${table} is no table name`, 'Use letters, digits and _.', 'a plain name', table)
  }
  database.exec(`CREATE TABLE IF NOT EXISTS ${table} (key TEXT PRIMARY KEY, until_ms INTEGER NOT NULL)`)
  const select = database.prepare(`SELECT key FROM ${table} WHERE key = ? AND until_ms > ?`)
  const insert = database.prepare(`INSERT OR REPLACE INTO ${table} (key, until_ms) VALUES (?, ?)`)
  const sweep = database.prepare(`DELETE FROM ${table} WHERE until_ms <= ?`)
  let asked = 0
  const store: Required<DedupeStore> = {
    has: (key, nowMs) => {
      if (asked++ % QUESTIONS_A_SWEEP === 0) sweep.run(nowMs)
      return select.all(key, nowMs).length > 0
    },
    add: (key, untilMs) => {
      insert.run(key, untilMs)
    },
    withTransaction: ({ key, nowMs, untilMs }, work) => {
      database.exec('BEGIN IMMEDIATE')
      try {
        const isDone = store.has(key, nowMs) as boolean
        const result = isDone ? undefined : work()
        if (!isDone) insert.run(key, untilMs)
        database.exec('COMMIT')
        return result
      } catch (error) {
        database.exec('ROLLBACK')
        throw error
      }
    },
  }
  return store
}
