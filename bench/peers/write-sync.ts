/** A bare `writeSync` for each message: length and body in one buffer, straight to the page cache. */
import { openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { measureAppends } from '../support/loops.ts'
import { bodyOf } from '../support/messages.ts'
import type { Answer, Request } from '../support/protocol.ts'
import { serve, Unsupported } from '../support/protocol.ts'

async function append(request: Request): Promise<Answer> {
  if (request.durability === 'disk') throw new Unsupported('it flushes nothing')
  const file = openSync(join(request.folder, 'log'), 'a')
  const body = bodyOf(request.size)
  const record = Buffer.alloc(4 + body.length)
  const answer = await measureAppends(request, {
    put: () => {
      record.writeUInt32BE(body.length)
      body.copy(record, 4)
      writeSync(file, record)
    },
  })
  return { ...answer, configuration: 'length and body, no checksum, no queues' }
}

await serve({ append })
