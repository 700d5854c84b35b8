/** lmdb: one ordered database, records under their number. https://github.com/kriszyp/lmdb-js */
import { join } from 'node:path'
import { open as openLmdb } from 'lmdb'
import { measureAppends, measurePasses } from '../support/loops.ts'
import { bodyOf, messagesToRead } from '../support/messages.ts'
import type { Answer, Request } from '../support/protocol.ts'
import { serve } from '../support/protocol.ts'
import { measureQueue } from '../support/queue-loops.ts'

const TRANSACTION = 256

/** As its README says for speed: keys and values as they are; noSync where the page cache is enough. */
function openDatabase({ folder, durability }: Request) {
  return openLmdb<Buffer, number>({
    path: join(folder, 'db'),
    keyEncoding: 'uint32',
    encoding: 'binary',
    noMemInit: true,
    noSync: durability === 'memory',
  })
}

async function append(request: Request): Promise<Answer> {
  const database = openDatabase(request)
  const body = bodyOf(request.size)
  const isDisk = request.durability === 'disk'
  const answer = await measureAppends(request, {
    put: i => database.putSync(i, body),
    send: async i => {
      await database.put(i, body)
      if (isDisk) await database.flushed
    },
  })
  await database.close()
  return { ...answer, configuration: configurationOf(request) }
}

/** 256 records in one synchronous transaction. */
async function transactions(request: Request): Promise<Answer> {
  const database = openDatabase(request)
  const body = bodyOf(request.size)
  const inOne = (first: number): void => {
    database.transactionSync(() => {
      for (let i = 0; i < TRANSACTION; i++) database.putSync(first + i, body)
    })
  }
  const answer = await measureAppends({ ...request, outstanding: 0 }, { put: i => inOne(i * TRANSACTION) })
  await database.close()
  const operations = answer.operations * TRANSACTION
  return { ...answer, operations, bytes: operations * request.size, configuration: configurationOf(request) }
}

async function read(request: Request): Promise<Answer> {
  let database = openDatabase({ ...request, durability: 'memory' })
  const messages = messagesToRead(request.size)
  const body = bodyOf(request.size)
  for (let i = 0; i < messages; i += TRANSACTION) {
    database.transactionSync(() => {
      for (let j = i; j < Math.min(i + TRANSACTION, messages); j++) database.putSync(j, body)
    })
  }
  const pass = (): number => {
    let read = 0
    for (const { value } of database.getRange()) if (value.length === request.size) read++
    return read
  }
  const answer = await measurePasses(request, pass, async () => {
    await database.close()
    database = openDatabase({ ...request, durability: 'memory' })
  })
  await database.close()
  return { ...answer, configuration: configurationOf(request) }
}

/** Messages under their number; a consumer takes a range, handles it and removes it, one transaction for all. */
async function queue(request: Request): Promise<Answer> {
  const database = openDatabase(request)
  let next = 0
  let first = 0
  let isTaking = false
  let isClosed = false
  const answer = await measureQueue(request, async handle => {
    const take = async (): Promise<void> => {
      if (isTaking) return
      isTaking = true
      for (let taken = -1; taken !== 0 && !isClosed; ) {
        taken = 0
        let removed: Promise<boolean> | undefined
        for (const { key, value } of database.getRange({ start: first, limit: TRANSACTION })) {
          handle(value)
          removed = database.remove(key)
          first = key + 1
          taken++
        }
        await removed
      }
      isTaking = false
    }
    return {
      send: async body => {
        await database.put(next++, body)
        void take()
      },
      close: async () => {
        isClosed = true
      },
    }
  })
  await database.close()
  return { ...answer, configuration: `${configurationOf(request)}; ranges of ${TRANSACTION}, removed when handled` }
}

/** Writes `settings.bytes`, then closes, or goes on until it is killed. */
async function fill(request: Request): Promise<Answer> {
  const database = openDatabase(request)
  const body = bodyOf(request.size)
  const messages = Number(request.settings.bytes) / request.size
  const inOne = (i: number): void => {
    database.transactionSync(() => {
      for (let j = 0; j < TRANSACTION; j++) database.putSync(i + j, body)
    })
  }
  for (let i = 0; i < messages; i += TRANSACTION) inOne(i)
  if (request.settings.ends === 'closed') await database.close()
  else setInterval(inOne, 1, messages)
  return { operations: messages, seconds: 0, bytes: 0 }
}

async function open(request: Request): Promise<Answer> {
  const started = performance.now()
  const database = openDatabase(request)
  database.getCount({ limit: 1 })
  const openMs = performance.now() - started
  await database.close()
  return {
    operations: 1,
    seconds: openMs / 1000,
    bytes: 0,
    figures: { openMs },
    configuration: configurationOf(request),
  }
}

function configurationOf({ durability }: Request): string {
  return durability === 'memory' ? 'noSync, noMemInit, binary values' : 'noMemInit, binary values, await flushed'
}

await serve({ append, transactions, read, queue, fill, open })
