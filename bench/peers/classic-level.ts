/** classic-level: LevelDB, records under their number. https://github.com/Level/classic-level */
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { measureAppends, measurePasses } from '../support/loops.ts'
import { bodyOf, messagesToRead } from '../support/messages.ts'
import type { Answer, Request } from '../support/protocol.ts'
import { serve } from '../support/protocol.ts'

const BATCH = 1000

/** Bodies do not compress: compression would only cost. */
async function openDatabase({ folder }: Request): Promise<ClassicLevel<string, Buffer>> {
  const database = new ClassicLevel<string, Buffer>(join(folder, 'db'), { valueEncoding: 'buffer', compression: false })
  await database.open()
  return database
}

function keyOf(i: number): string {
  return i.toString(16).padStart(10, '0')
}

async function append(request: Request): Promise<Answer> {
  const database = await openDatabase(request)
  const body = bodyOf(request.size)
  const options = { sync: request.durability === 'disk' }
  const answer = await measureAppends(request, { send: i => database.put(keyOf(i), body, options) })
  await database.close()
  return { ...answer, configuration: `no compression, sync ${options.sync}` }
}

async function read(request: Request): Promise<Answer> {
  let database = await openDatabase(request)
  await fill(database, messagesToRead(request.size), bodyOf(request.size))
  const pass = async (): Promise<number> => {
    const iterator = database.iterator({ highWaterMarkBytes: 4 * 1024 * 1024 })
    let read = 0
    for (;;) {
      const entries = await iterator.nextv(BATCH)
      if (entries.length === 0) break
      for (const [, body] of entries) if (body.length === request.size) read++
    }
    await iterator.close()
    return read
  }
  const answer = await measurePasses(request, pass, async () => {
    await database.close()
    database = await openDatabase(request)
  })
  await database.close()
  return { ...answer, configuration: `no compression, nextv(${BATCH})` }
}

/** Writes `request.settings.bytes`, then closes, or goes on until it is killed. */
async function fillFolder(request: Request): Promise<Answer> {
  const database = await openDatabase(request)
  const body = bodyOf(request.size)
  const messages = Number(request.settings.bytes) / request.size
  await fill(database, messages, body)
  if (request.settings.ends === 'closed') await database.close()
  else setImmediate(() => void fill(database, Number.MAX_SAFE_INTEGER, body))
  return { operations: messages, seconds: 0, bytes: 0 }
}

async function open(request: Request): Promise<Answer> {
  const started = performance.now()
  const database = await openDatabase(request)
  const openMs = performance.now() - started
  await database.close()
  return { operations: 1, seconds: openMs / 1000, bytes: 0, figures: { openMs }, configuration: 'no compression' }
}

async function fill(database: ClassicLevel<string, Buffer>, messages: number, body: Buffer): Promise<void> {
  for (let i = 0; i < messages; i += BATCH) {
    await database.batch(
      Array.from({ length: BATCH }, (_, j) => ({ type: 'put' as const, key: keyOf(i + j), value: body })),
    )
  }
}

await serve({ append, read, fill: fillFolder, open })
