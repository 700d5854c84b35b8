/** lmdb: one ordered database, records under their number. https://github.com/kriszyp/lmdb-js */
import { join } from 'node:path'
import { open } from 'lmdb'
import { measureAppends, measurePasses } from '../support/loops.ts'
import { bodyOf, messagesToRead } from '../support/messages.ts'
import type { Answer, Request } from '../support/protocol.ts'
import { serve } from '../support/protocol.ts'

const TRANSACTION = 256

/** As its README says for speed: keys and values as they are; noSync where the page cache is enough. */
function openDatabase({ folder, durability }: Request) {
  return open<Buffer, number>({
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
  const database = openDatabase({ ...request, durability: 'memory' })
  const messages = messagesToRead(request.size)
  const body = bodyOf(request.size)
  for (let i = 0; i < messages; i += TRANSACTION) {
    database.transactionSync(() => {
      for (let j = i; j < Math.min(i + TRANSACTION, messages); j++) database.putSync(j, body)
    })
  }
  const answer = await measurePasses(request, () => {
    let read = 0
    for (const { value } of database.getRange()) if (value.length === request.size) read++
    return read
  })
  await database.close()
  return { ...answer, configuration: configurationOf(request) }
}

function configurationOf({ durability }: Request): string {
  return durability === 'memory' ? 'noSync, noMemInit, binary values' : 'noMemInit, binary values, await flushed'
}

await serve({ append, transactions, read })
