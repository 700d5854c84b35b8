/** hypercore: a signed append-only log. https://github.com/holepunchto/hypercore */
import { join } from 'node:path'
import Hypercore from 'hypercore'
import { measureAppends, measurePasses } from '../support/loops.ts'
import { bodyOf, messagesToRead } from '../support/messages.ts'
import type { Answer, Request } from '../support/protocol.ts'
import { serve, Unsupported } from '../support/protocol.ts'

const BATCH = 256
/** It reads a block at a time, so a fraction of what the others hold is enough. */
const READ_SHARE = 0.1

async function append(request: Request): Promise<Answer> {
  if (request.durability === 'disk') throw new Unsupported('it does not flush what is appended to the device')
  const core = new Hypercore(join(request.folder, 'core'))
  await core.ready()
  const body = bodyOf(request.size)
  const answer = await measureAppends(request, { send: () => core.append(body) })
  await core.close()
  return { ...answer, configuration: 'defaults: every append is hashed into its tree and signed' }
}

async function read(request: Request): Promise<Answer> {
  let core = new Hypercore(join(request.folder, 'core'))
  await core.ready()
  const body = bodyOf(request.size)
  const messages = Math.floor(messagesToRead(request.size) * READ_SHARE)
  for (let i = 0; i < messages; i += BATCH) await core.append(Array.from({ length: BATCH }, () => body))
  const pass = async (): Promise<number> => {
    let read = 0
    for (let i = 0; i < core.length; i += BATCH) {
      const gets = Array.from({ length: Math.min(BATCH, core.length - i) }, (_, j) => core.get(i + j))
      for (const block of await Promise.all(gets)) if (block?.length === request.size) read++
    }
    return read
  }
  const answer = await measurePasses(request, pass, async () => {
    await core.close()
    core = new Hypercore(join(request.folder, 'core'))
    await core.ready()
  })
  await core.close()
  return { ...answer, configuration: `defaults, ${BATCH} gets at once` }
}

await serve({ append, read })
