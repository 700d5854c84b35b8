/** NATS JetStream on the loopback, a stream in files; flushed before each answer where the device is asked for. */
import { writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { connect } from 'nats'
import { measureAppends } from '../support/loops.ts'
import { bodyOf } from '../support/messages.ts'
import type { Answer, Request } from '../support/protocol.ts'
import { serve, Unsupported } from '../support/protocol.ts'
import { endServer, startServer } from './server.ts'

async function append(request: Request): Promise<Answer> {
  if (request.durability === 'disk')
    throw new Unsupported('this version (2.9) cannot flush before it answers: sync_interval is a timer')
  const port = await freePort()
  const configuration = join(request.folder, 'nats.conf')
  writeFileSync(configuration, `port: ${port}\nhost: 127.0.0.1\njetstream { store_dir: "${request.folder}/js" }\n`)
  const server = await startServer('nats-server', ['-c', configuration], /Server is ready/)
  const connection = await connect({ servers: `127.0.0.1:${port}` })
  const streams = (await connection.jetstreamManager()).streams
  await streams.add({ name: 'bench', subjects: ['bench'], max_msgs: 1_000_000 })
  const jetstream = connection.jetstream()
  const body = bodyOf(request.size)
  const answer = await measureAppends(request, { send: () => jetstream.publish('bench', body) })
  await connection.close()
  await endServer(server)
  return { ...answer, configuration: 'file storage, loopback, every publish acknowledged' }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await new Promise(resolve => probe.once('listening', resolve))
  const { port } = probe.address() as AddressInfo
  await new Promise(resolve => probe.close(resolve))
  return port
}

await serve({ append })
