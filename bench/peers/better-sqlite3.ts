/** better-sqlite3: one table in WAL mode, one transaction for each insert. https://github.com/WiseLibs/better-sqlite3 */
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { measureAppends, measurePasses } from '../support/loops.ts'
import { bodyOf, messagesToRead } from '../support/messages.ts'
import type { Answer, Request } from '../support/protocol.ts'
import { serve } from '../support/protocol.ts'

/** Rows fetched at once: faster than a row at a time. */
const READ_BATCH = 256

/** WAL as its documentation says; synchronous OFF survives a kill, FULL a power cut. */
function openDatabase({ folder, durability }: Request): Database.Database {
  const database = new Database(join(folder, 'bench.db'))
  database.pragma('journal_mode = WAL')
  database.pragma(`synchronous = ${durability === 'memory' ? 'OFF' : 'FULL'}`)
  database.exec('CREATE TABLE messages (id INTEGER PRIMARY KEY, body BLOB NOT NULL)')
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
  const database = openDatabase({ ...request, durability: 'memory' })
  const messages = messagesToRead(request.size)
  const insert = database.prepare('INSERT INTO messages (body) VALUES (?)')
  const body = bodyOf(request.size)
  database.transaction(() => {
    for (let i = 0; i < messages; i++) insert.run(body)
  })()
  const select = database.prepare<[number, number], { id: number; body: Buffer }>(
    'SELECT id, body FROM messages WHERE id > ? ORDER BY id LIMIT ?',
  )
  const answer = await measurePasses(request, () => {
    let read = 0
    for (let last = 0; ; ) {
      const rows = select.all(last, READ_BATCH)
      for (const { body } of rows) if (body.length === request.size) read++
      last = rows.at(-1)?.id ?? 0
      if (rows.length < READ_BATCH) return read
    }
  })
  database.close()
  return { ...answer, configuration: configurationOf(request) }
}

function configurationOf({ durability }: Request): string {
  return `WAL, synchronous ${durability === 'memory' ? 'OFF' : 'FULL'}, a prepared insert each; blocks the event loop`
}

await serve({ append, read })
