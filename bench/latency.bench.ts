/** From `send` to the handler in the same process, at a paced rate: what a message takes when nothing is in its way. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { silentLogger } from '../src/base/logger.ts'
import { PocketMQ } from '../src/messaging/pocket-mq.ts'
import { emitterHandOver, measureHandOver, writingHandOver } from './latency-floor.ts'
import { Histogram } from './support/histogram.ts'
import type { Row } from './support/rows.ts'
import { inTemporaryFolder } from './support/temporary-folder.ts'

const A_SECOND = 1_000
const WARM_UP_SECONDS = 2
/** Sent flat out before: a service has been running for minutes, and its code is compiled. */
const WARM_UP_MESSAGES = 50_000
const WARM_UP_OUTSTANDING = 64
const BODY_BYTES = 100
const NOT_COUNTED = 0xffffffff
const RECORD_BYTES = 320
const DURABILITIES = ['memory', 'interval', 'disk'] as const

type Paced = (total: number, send: (i: number) => Promise<void>) => Promise<void>

/**
 * 1,000 messages a second, for so many seconds in each durability; the first two seconds of each, and a warm-up flat out
 * before, do not count. Beside them,
 * at the same pace, what it takes this machine to hand anything over. Between two timers the processor sleeps and its caches
 * are others'; a loop that spins until the next message is due keeps both warm.
 */
export async function benchLatency(seconds: number): Promise<Row[]> {
  const rows: Row[] = []
  for (const durability of DURABILITIES) {
    rows.push(await inTemporaryFolder(folder => measure(folder, durability, seconds, paced)))
  }
  rows.push(await inTemporaryFolder(folder => measure(folder, 'memory', seconds, spinning)))
  rows.push(...(await floors(seconds, paced)), ...(await floors(seconds, spinning)))
  return rows
}

async function floors(seconds: number, pace: Paced): Promise<Row[]> {
  const total = (seconds + WARM_UP_SECONDS) * A_SECOND
  const warmUp = WARM_UP_SECONDS * A_SECOND
  const emitter = await measureHandOver(emitterHandOver(), total, warmUp, pace)
  const written = await inTemporaryFolder(async folder => {
    const { handOver, close } = writingHandOver(folder, RECORD_BYTES)
    const taken = await measureHandOver(handOver, total, warmUp, pace)
    close()
    return taken
  })
  return [
    rowOf('floor: an event emitter', pace, emitter, undefined),
    rowOf('floor: and one write', pace, written, undefined),
  ]
}

async function measure(
  folder: string,
  durability: (typeof DURABILITIES)[number],
  seconds: number,
  pace: Paced,
): Promise<Row> {
  const mq = await PocketMQ.open(folder, { durability, logger: silentLogger })
  const total = (seconds + WARM_UP_SECONDS) * A_SECOND
  const toHandler = new Histogram()
  const toReceipt = new Histogram()
  const startedAt = new Float64Array(total)
  let handled = 0
  await mq.admin.createTopic({ topic: 'latency', queues: 1 })
  const allHandled = new Promise<void>((resolve, reject) => {
    const messageListener = ({ body }: { readonly body: Buffer }): void => {
      const nowMs = performance.now()
      const i = body.readUInt32BE(0)
      if (i === NOT_COUNTED) return
      if (i >= WARM_UP_SECONDS * A_SECOND) toHandler.add((nowMs - (startedAt[i] as number)) * 1e6)
      if (++handled === total) resolve()
    }
    mq.pushConsumer({ consumerGroup: 'g', subscriptions: { latency: '*' }, messageListener }).catch(reject)
  })
  const producer = mq.producer()
  await warmUp(() => producer.send({ topic: 'latency', body: Buffer.alloc(BODY_BYTES, NOT_COUNTED) }))
  await pace(total, async i => {
    const body = Buffer.alloc(BODY_BYTES)
    body.writeUInt32BE(i, 0)
    const atMs = performance.now()
    startedAt[i] = atMs
    await producer.send({ topic: 'latency', body })
    if (i >= WARM_UP_SECONDS * A_SECOND) toReceipt.add((performance.now() - atMs) * 1e6)
  })
  await allHandled
  await mq.close()
  return rowOf(durability, pace, toHandler, toReceipt)
}

function rowOf(what: string, pace: Paced, toHandler: Histogram, toReceipt: Histogram | undefined): Row {
  const { p50, p99, p999, max } = toHandler.summary()
  const receipt = toReceipt?.summary()
  return {
    what,
    'messages/s': A_SECOND,
    pace: pace === paced ? 'timer' : 'spinning',
    'send to handler p50 us': p50,
    'p99 us': p99,
    'p99.9 us': p999,
    'max us': max,
    'send to receipt p50 us': receipt?.p50 ?? '',
    'receipt p99 us': receipt?.p99 ?? '',
  }
}

async function warmUp(send: () => Promise<unknown>): Promise<void> {
  for (let sent = 0; sent < WARM_UP_MESSAGES; sent += WARM_UP_OUTSTANDING) {
    await Promise.all(Array.from({ length: WARM_UP_OUTSTANDING }, send))
    await nextTurn()
  }
}

/** One call a millisecond: a timer is no finer. Where a tick came late, the calls that are due come one after another. */
async function paced(total: number, send: (i: number) => Promise<void>): Promise<void> {
  const startedMs = performance.now()
  const sends: Promise<void>[] = []
  for (let i = 0; i < total; ) {
    await new Promise(resolve => setTimeout(resolve, 1))
    const due = Math.min(total, Math.floor(((performance.now() - startedMs) * A_SECOND) / 1_000))
    while (i < due) sends.push(send(i++))
  }
  await Promise.all(sends)
}

/** The same, and the process never sleeps. */
async function spinning(total: number, send: (i: number) => Promise<void>): Promise<void> {
  const startedMs = performance.now()
  const sends: Promise<void>[] = []
  for (let i = 0; i < total; await nextTurn()) {
    const due = Math.min(total, Math.floor(((performance.now() - startedMs) * A_SECOND) / 1_000))
    while (i < due) sends.push(send(i++))
  }
  await Promise.all(sends)
}
