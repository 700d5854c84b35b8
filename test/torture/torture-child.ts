/** A process under torture: opens a folder, lists what is new in it, then sends and consumes until it is killed. See `lines.ts`. */
import { readFileSync, writeSync } from 'node:fs'
import { PocketMQError } from '../../src/base/errors.ts'
import { silentLogger } from '../../src/base/logger.ts'
import { PocketMQ } from '../../src/messaging/pocket-mq.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import { Consuming } from './consuming.ts'
import type { Orders } from './lines.ts'
import { SETTINGS, TOPIC_OF } from './lines.ts'
import { idOf, Producing } from './producing.ts'

const DRAIN_MS_MAX = 90_000
const USERS_TOPIC = new RegExp(`^(${Object.values(TOPIC_OF).join('|')}|%DLQ%.*)$`)

const orders = JSON.parse(process.argv[2] ?? '{}') as Orders

const say = (line: string): void => {
  writeSync(1, `${line}\n`)
}

const complain = (where: string, error: unknown): void => {
  const code = error instanceof PocketMQError ? error.code : /^POCKETMQ_\w+/.exec((error as Error).message)?.[0]
  if (code !== undefined) say(`! ${where} ${code.replace('POCKETMQ_', '')} ${errnoOf(error)}`)
  else say(`x ${where}: ${String((error as Error).stack).replaceAll('\n', ' | ')}`)
}

/** What the system said, at the bottom of all causes. */
function errnoOf(error: unknown): string {
  let errno = '-'
  for (let at = error; at instanceof Error; at = at.cause) {
    const { code } = at as NodeJS.ErrnoException
    if (code !== undefined && !code.startsWith('POCKETMQ_')) errno = code
  }
  return errno
}

/** Every message of every queue that users see, from the given offsets on. */
async function list(mq: PocketMQ, readFrom: Orders['readFrom']): Promise<void> {
  for (const { topic, queueId, minQueueOffset, maxQueueOffset } of mq.store.queues()) {
    if (!USERS_TOPIC.test(topic)) continue
    let queueOffset = Math.max(minQueueOffset, readFrom[`${topic}/${queueId}`] ?? 0)
    while (queueOffset < maxQueueOffset) {
      const result = await mq.store.read({ topic, queueId, queueOffset, maxMessages: 64 })
      if (result.status !== 'found') return say(`x ${topic}/${queueId}/${queueOffset}: ${result.status}`)
      const lines = result.messages.map(one => `= ${topic} ${queueId} ${one.queueOffset} ${idOf(one.body)}`)
      say(lines.join('\n'))
      queueOffset = result.nextQueueOffset
    }
  }
}

/** No group may be ahead of what there is. */
async function checkOffsets(mq: PocketMQ): Promise<void> {
  for (const { group } of await mq.admin.groups()) {
    const progress = await mq.admin.groupProgress(group)
    for (const { topic, queueId, committed, maxQueueOffset } of progress.queues) {
      if (committed > maxQueueOffset) say(`x ${group} is at ${committed} of ${maxQueueOffset} in ${topic}/${queueId}`)
    }
  }
}

async function drained(mq: PocketMQ, consuming: Consuming): Promise<void> {
  const wanted = JSON.parse(readFileSync(orders.wanted as string, 'utf8')) as Record<string, string[]>
  const untilMs = Date.now() + DRAIN_MS_MAX
  for (;;) {
    const missing = Object.entries(wanted).flatMap(([group, ids]) =>
      ids.filter(id => !consuming.hasGot(group, id)).map(id => `${group} never gets ${id}`),
    )
    // What nobody waits for has to come too: delayed messages, retries, and what checkers commit.
    const { delayed, undecidedTransactions } = await mq.admin.stats()
    await mq.store.dispatched(mq.store.watermarks.appended)
    const lags = await Promise.all(['push', 'simple', 'fifo'].map(group => mq.admin.groupProgress(group)))
    const lag = lags.reduce((sum, one) => sum + one.lagMessages, 0)
    if (missing.length === 0 && delayed === 0 && undecidedTransactions === 0 && lag === 0) return
    if (Date.now() > untilMs) {
      const left = `lag ${lag}, ${delayed} delayed, ${undecidedTransactions} undecided`
      return say(`x after ${DRAIN_MS_MAX} ms: ${missing.slice(0, 5).join(', ')}; ${left}`)
    }
    await mq.store.clock.sleep(50)
  }
}

const random = seededRandom(orders.seed)
const mq = await PocketMQ.open(orders.dir, {
  ...{ ...SETTINGS, io: orders.io, durability: orders.durability, logger: silentLogger },
  ...{ random: random.next },
}).catch((error: unknown) => complain('open', error))
if (mq !== undefined) await live(mq)

async function live(mq: PocketMQ): Promise<void> {
  mq.on('error', ({ where, error }) => complain(where.replaceAll(' ', '-'), error))
  mq.on('transaction-given-up', ({ transactionId }) => say(`x transaction ${transactionId} is given up`))
  await checkOffsets(mq)
  await list(mq, orders.readFrom)
  say(`O ${JSON.stringify({ recovery: mq.recovery })}`)
  const parts = { mq, orders, random, say, complain }
  const producing = new Producing(parts)
  const consuming = new Consuming(parts)
  if (orders.isConsuming) await consuming.start()
  if (orders.task === 'work') {
    // Also when everything is sent it stays, until it is killed.
    setInterval(() => {}, DRAIN_MS_MAX)
    return await producing.run(() => consuming.endedCount)
  }
  await drained(mq, consuming)
  await consuming.close()
  await list(mq, {})
  await mq.close()
  say('e')
}
