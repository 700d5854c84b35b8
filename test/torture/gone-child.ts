/** Sends to a folder whose device is taken away: says `ready`, waits for a line, then says the code of the error that it got. */
import { once } from 'node:events'
import { PocketMQError } from '../../src/base/errors.ts'
import { silentLogger } from '../../src/base/logger.ts'
import { PocketMQ } from '../../src/messaging/pocket-mq.ts'

const [dir = '', io] = process.argv.slice(2)

const mq = await PocketMQ.open(dir, {
  ...{ logger: silentLogger, commitLogSegmentBytes: 4 * 1024 * 1024, flushIntervalMs: 60_000 },
  ...{ io: io === 'mmap' ? 'mmap' : 'file', retention: { freeBytesMin: 0 } },
})
const producer = mq.producer({ maxAttempts: 1 })
await producer.send({ topic: 'orders', body: 'kept' }, { durability: 'disk' })
console.log('ready')
await once(process.stdin, 'data')
const body = Buffer.alloc(64 * 1024)
// At once, and nearly a segment: some of it is mapped where the page cache has nothing.
const sends = Array.from({ length: 60 }, () => producer.send({ topic: 'orders', body }, { durability: 'disk' }))
const failure: unknown = await Promise.all(sends).then(
  () => undefined,
  (error: unknown) => error,
)
if (failure !== undefined) console.log(failure instanceof PocketMQError ? failure.code : String(failure))
process.exit()
