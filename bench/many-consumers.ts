/**
 * `npm run bench:crowd`: 100 consumers of 20 groups on 1,000 topics in one process, while 1,000,000 messages are sent.
 * Every message is to be delivered once to the group of its topic; memory is to stay bounded, the event loop free.
 * `--messages 100000 --topics 1000 --queues 4 --groups 20 --consumers 100` choose other sizes.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { silentLogger } from '../src/base/logger.ts'
import type { MessageView } from '../src/messaging/message-view.ts'
import { PocketMQ } from '../src/messaging/pocket-mq.ts'
import type { Row } from './support/rows.ts'
import { printRows } from './support/rows.ts'

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '1000000' },
    topics: { type: 'string', default: '1000' },
    queues: { type: 'string', default: '4' },
    groups: { type: 'string', default: '20' },
    consumers: { type: 'string', default: '100' },
    body: { type: 'string', default: '100' },
  },
})
const [messages, topics, queues, groups, consumers, bodyBytes] = [
  Number(values.messages),
  Number(values.topics),
  Number(values.queues),
  Number(values.groups),
  Number(values.consumers),
  Number(values.body),
]
/** Sends on their way at once. */
const OUTSTANDING = 1_000
const SAMPLE_MS = 50
const NOTHING_MS = 3_000
const MIB = 1024 * 1024

/** How often each message was delivered. */
const deliveries = new Uint8Array(messages)
let delivered = 0
let allDelivered = (): void => undefined

/** Processor time between two turns of the event loop, of all threads of the process: what a block is without other programs. */
class Turns {
  longestMs = 0
  #isOver = false
  #last = process.cpuUsage()

  constructor() {
    setImmediate(this.#turn)
  }

  stop(): void {
    this.#isOver = true
  }

  readonly #turn = (): void => {
    const { user, system } = process.cpuUsage(this.#last)
    this.longestMs = Math.max(this.longestMs, (user + system) / 1000)
    this.#last = process.cpuUsage()
    if (!this.#isOver) setImmediate(this.#turn)
  }
}

const folder = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), 'pocketmq-crowd-'))
try {
  const rows = await measure()
  printRows(`${consumers} consumers of ${groups} groups on ${topics} topics of ${queues} queues`, rows)
} finally {
  rmSync(folder, { recursive: true, force: true })
}

async function measure(): Promise<Row[]> {
  const mq = await PocketMQ.open(folder, { logger: silentLogger, durability: 'memory', topicQueues: queues })
  const rows: Row[] = []
  // What blocks here is the machine: other programs, and what it runs on.
  await inPhase('turns with nothing in them', rows, 0, () => new Promise(resolve => setTimeout(resolve, NOTHING_MS)))
  await inPhase('create topics', rows, 0, async () => {
    for (let topic = 0; topic < topics; topic++) await mq.admin.createTopic({ topic: topicOf(topic), queues })
  })
  await inPhase('join', rows, consumers, async () => {
    for (let i = 0; i < consumers; i++) await mq.pushConsumer(optionsOf(i % groups))
  })
  await inPhase('send and deliver', rows, messages, async () => {
    const done = new Promise<void>(resolve => {
      allDelivered = resolve
    })
    await sendAll(mq)
    await done
  })
  await inPhase('close', rows, 0, () => mq.close())
  return rows
}

function topicOf(topic: number): string {
  return `topic-${topic}`
}

/** Each topic is one group's. */
function optionsOf(group: number): Parameters<PocketMQ['pushConsumer']>[0] {
  const subscriptions: Record<string, string> = {}
  for (let topic = group; topic < topics; topic += groups) subscriptions[topicOf(topic)] = '*'
  return { consumerGroup: `group-${group}`, subscriptions, messageListener: handle }
}

function handle({ body }: MessageView): void {
  const i = body.readUInt32BE(0)
  deliveries[i] = (deliveries[i] as number) + 1
  delivered++
  if (delivered === messages) allDelivered()
}

async function sendAll(mq: PocketMQ): Promise<void> {
  const producer = mq.producer()
  let next = 0
  const sender = async (): Promise<void> => {
    while (next < messages) {
      const i = next++
      const body = Buffer.alloc(bodyBytes)
      body.writeUInt32BE(i, 0)
      await producer.send({ topic: topicOf(i % topics), body })
    }
  }
  await Promise.all(Array.from({ length: OUTSTANDING }, sender))
}

/** Runs one phase, and says what it took. */
async function inPhase(name: string, rows: Row[], count: number, work: () => Promise<void>): Promise<void> {
  const delay = monitorEventLoopDelay({ resolution: 1 })
  let gcMaxMs = 0
  let gcMs = 0
  const collecting = new PerformanceObserver(list => {
    for (const { duration } of list.getEntries()) {
      gcMs += duration
      gcMaxMs = Math.max(gcMaxMs, duration)
    }
  })
  let rssMax = 0
  let heapMax = 0
  const sample = (): void => {
    const { rss, heapUsed } = process.memoryUsage()
    rssMax = Math.max(rssMax, rss)
    heapMax = Math.max(heapMax, heapUsed)
  }
  const sampling = setInterval(sample, SAMPLE_MS)
  const turns = new Turns()
  collecting.observe({ entryTypes: ['gc'] })
  delay.enable()
  const startedMs = performance.now()
  await work()
  const seconds = (performance.now() - startedMs) / 1000
  delay.disable()
  clearInterval(sampling)
  collecting.disconnect()
  turns.stop()
  sample()
  const again = deliveries.reduce((sum, times) => sum + (times > 1 ? 1 : 0), 0)
  rows.push({
    phase: name,
    seconds: Math.round(seconds * 100) / 100,
    'a second': count === 0 ? '' : Math.round(count / seconds),
    delivered,
    'delivered again': again,
    'longest block ms': Math.round(delay.max / 1e5) / 10,
    'most processor ms in a turn': Math.round(turns.longestMs * 10) / 10,
    'p99.9 block ms': Math.round(delay.percentile(99.9) / 1e5) / 10,
    'longest GC ms': Math.round(gcMaxMs * 10) / 10,
    'GC %': Math.round(gcMs / seconds / 10),
    'rss max MiB': Math.round(rssMax / MIB),
    'heap max MiB': Math.round(heapMax / MIB),
  })
}
