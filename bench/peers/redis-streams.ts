/** Redis Streams over a Unix socket, the append-only file flushed each second, or before each answer. */
import { join } from 'node:path'
import { createClient } from 'redis'
import { measureAppends } from '../support/loops.ts'
import { bodyOf } from '../support/messages.ts'
import type { Answer, Request } from '../support/protocol.ts'
import { serve } from '../support/protocol.ts'
import { endServer, startServer } from './server.ts'

async function append(request: Request): Promise<Answer> {
  const appendfsync = request.durability === 'disk' ? 'always' : 'everysec'
  const socket = join(request.folder, 'redis.sock')
  const settings = { dir: request.folder, unixsocket: socket, port: '0', save: '', appendonly: 'yes', appendfsync }
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])
  const server = await startServer('redis-server', args, /accept connections/)
  const client = await createClient({ socket: { path: socket, tls: false } }).connect()
  const body = bodyOf(request.size)
  // It holds every message in memory, so a stream is kept to a length.
  const trim = { TRIM: { strategy: 'MAXLEN', strategyModifier: '~', threshold: 100_000 } } as const
  const answer = await measureAppends(request, { send: () => client.xAdd('bench', '*', { body }, trim) })
  client.destroy()
  await endServer(server)
  return { ...answer, configuration: `appendonly, appendfsync ${appendfsync}, Unix socket, pipelined by its client` }
}

await serve({ append })
