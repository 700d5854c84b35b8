/** better-sqlite3: one table in WAL mode, one transaction for each insert. https://github.com/WiseLibs/better-sqlite3 */
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { measureAppends, measurePasses } from '../support/loops.ts'
import { bodyOf, keyOf, messagesToRead, RARE_ONE_IN, RARE_TAG } from '../support/messages.ts'
import type { Answer, Request } from '../support/protocol.ts'
import { serve } from '../support/protocol.ts'
import { measureQueue } from '../support/queue-loops.ts'

/** Rows fetched at once: faster than a row at a time. */
const READ_BATCH = 256

/** WAL as its documentation says; synchronous OFF survives a kill, FULL a power cut. */
function openDatabase({ folder, durability }: Request): Database.Database {
  const database = new Database(join(folder, 'bench.db'))
  database.pragma('journal_mode = WAL')
  database.pragma(`synchronous = ${durability === 'memory' ? 'OFF' : 'FULL'}`)
  database.exec('CREATE TABLE IF NOT EXISTS messages (id INTEGER PRIMARY KEY, body BLOB NOT NULL)')
  return database
}

async function append(request: Request): Promise<Answer> {
  const database = openDatabase(request)
  const insert = database.prepare('INSERT INTO messages (body) VALUES (?)')
  const body = bodyOf(request.size)
  const put = (): void => {
    insert.run(body)
  }
  const answer = await measureAppends(request, { put, send: async () => put() })
  database.close()
  return { ...answer, configuration: configurationOf(request) }
}

async function read(request: Request): Promise<Answer> {
  let database = openDatabase({ ...request, durability: 'memory' })
  const messages = messagesToRead(request.size)
  const insert = database.prepare('INSERT INTO messages (body) VALUES (?)')
  const body = bodyOf(request.size)
  database.transaction(() => {
    for (let i = 0; i < messages; i++) insert.run(body)
  })()
  const selectFrom = (opened: Database.Database) =>
    opened.prepare<[number, number], { id: number; body: Buffer }>(
      'SELECT id, body FROM messages WHERE id > ? ORDER BY id LIMIT ?',
    )
  let select = selectFrom(database)
  const pass = (): number => {
    let read = 0
    for (let last = 0; ; ) {
      const rows = select.all(last, READ_BATCH)
      for (const { body } of rows) if (body.length === request.size) read++
      last = rows.at(-1)?.id ?? 0
      if (rows.length < READ_BATCH) return read
    }
  }
  const answer = await measurePasses(request, pass, () => {
    database.close()
    database = openDatabase({ ...request, durability: 'memory' })
    select = selectFrom(database)
  })
  database.close()
  return { ...answer, configuration: configurationOf(request) }
}

/** A consumer selects some rows, handles them and deletes them in one statement. */
async function queue(request: Request): Promise<Answer> {
  const database = openDatabase(request)
  const insert = database.prepare('INSERT INTO messages (body) VALUES (?)')
  const select = database.prepare<[number], { id: number; body: Buffer }>(
    'SELECT id, body FROM messages ORDER BY id LIMIT ?',
  )
  const remove = database.prepare('DELETE FROM messages WHERE id <= ?')
  let isWoken = false
  const answer = await measureQueue(request, async handle => {
    const take = (): void => {
      isWoken = false
      const rows = select.all(READ_BATCH)
      for (const { body } of rows) handle(body)
      if (rows.length > 0) remove.run((rows.at(-1) as { id: number }).id)
      if (rows.length === READ_BATCH) wake()
    }
    const wake = (): void => {
      if (isWoken) return
      isWoken = true
      setImmediate(take)
    }
    return {
      send: async body => {
        insert.run(body)
        wake()
      },
      close: async () => undefined,
    }
  })
  // A last turn that was asked for still runs.
  setImmediate(() => database.close())
  return { ...answer, configuration: `${configurationOf(request)}; up to ${READ_BATCH} rows, deleted when handled` }
}

/** One row in a hundred matches; tag and key have an index each. */
async function select(request: Request): Promise<Answer> {
  const database = openDatabase({ ...request, durability: 'memory' })
  database.exec(
    'ALTER TABLE messages ADD COLUMN tag TEXT; ALTER TABLE messages ADD COLUMN key TEXT; ALTER TABLE messages ADD COLUMN amount INT',
  )
  const stored = messagesToRead(request.size)
  const insert = database.prepare('INSERT INTO messages (body, tag, key, amount) VALUES (?, ?, ?, ?)')
  database.transaction(() => {
    for (let i = 0; i < stored; i++) {
      const isRare = i % RARE_ONE_IN === 0
      insert.run(bodyOf(request.size), isRare ? RARE_TAG : 'TagA', keyOf(i), isRare ? 101 : 7)
    }
  })()
  database.exec('CREATE INDEX by_tag ON messages (tag); CREATE INDEX by_key ON messages (key)')
  const { by } = request.settings
  const where = by === 'tag' ? 'tag = ?' : by === 'key' ? 'key = ?' : 'amount > ?'
  const query = database.prepare<[string | number], { body: Buffer }>(`SELECT body FROM messages WHERE ${where}`)
  let i = 0
  const answer = await measurePasses(request, () => {
    if (by !== 'key') return query.all(by === 'tag' ? RARE_TAG : 100).length * RARE_ONE_IN
    for (let n = 0; n < READ_BATCH; n++) {
      i = (i + 7919) % stored
      if (query.all(keyOf(i)).length !== 1) throw new Error(`key ${i} was not found`)
    }
    return READ_BATCH
  })
  database.close()
  return {
    ...answer,
    configuration: `${configurationOf(request)}; ${by === 'sql' ? 'no index on amount' : `an index by ${by}`}`,
  }
}

function configurationOf({ durability }: Request): string {
  return `WAL, synchronous ${durability === 'memory' ? 'OFF' : 'FULL'}, a prepared insert each; blocks the event loop`
}

await serve({ append, read, select, queue })
