/** A seeded workload on PocketMQ in a simulated disk: sends, batches, delays, transactions, acknowledgements; and what was promised. */
import { silentLogger } from '../../src/base/logger.ts'
import type { PocketMQOptions } from '../../src/messaging/pocket-mq.ts'
import { PocketMQ } from '../../src/messaging/pocket-mq.ts'
import type { Producer } from '../../src/messaging/producer.ts'
import type { SimpleConsumer, SimpleMessageView } from '../../src/messaging/simple-consumer.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import type { SeededRandom } from '../../src/testing/seeded-random.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import type { DiskEvent } from '../../src/testing/simulated-disk.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import type { Activity, CutClass } from './cut-tally.ts'
import { classOf } from './cut-tally.ts'

export const DIR = '/store'
export const GROUP = 'billing'
export const TOPIC = 'orders'
const MESSAGES = 25

/** What has been promised of one message, by its body. */
export type Fate = {
  readonly kind: 'plain' | 'delayed' | 'committed' | 'rolled-back' | 'undecided' | 'dead'
  /** Its promise at `disk` has resolved: it is in the log, with its decision where it has one. */
  isKept: boolean
  /** Its consumer has acknowledged it, and a file that says so has reached the device. */
  isSettled: boolean
}

export type QueueImage = {
  readonly disk: SimulatedDisk
  readonly cutClass: CutClass
  readonly fates: ReadonlyMap<string, Fate>
  readonly depth: number
}

export function queueOptions(fileSystem: SimulatedDisk, clock: ManualClock): PocketMQOptions {
  return {
    ...{ fileSystem, clock, logger: silentLogger, durability: 'disk', flushIntervalMs: 100, topicQueues: 2 },
    ...{ commitLogSegmentBytes: 16_384, consumeQueueSegmentEntries: 20, indexSlots: 16, indexEntries: 48 },
    retention: { freeBytesMin: 0 },
    random: seededRandom(7).next,
  }
}

type Tell = (cutClass: CutClass, cut: () => QueueImage) => void

/** A seed's workload: `onMoment` is called at every flush and at some other changes. */
export class QueueWorkload {
  readonly #seed: number
  readonly #random: SeededRandom
  readonly #clock = new ManualClock()
  readonly #disk: SimulatedDisk
  readonly #fates = new Map<string, Fate>()
  readonly #acknowledged: Fate[] = []
  readonly #onMoment: Tell
  #activity: Activity = 'recovery'
  /** Acknowledged when the flush of the private table that is under way began. */
  #flushing = 0

  constructor(seed: number, onMoment: Tell) {
    this.#seed = seed
    this.#random = seededRandom(seed)
    this.#disk = new SimulatedDisk({ seed, clock: this.#clock })
    this.#onMoment = onMoment
  }

  async run(): Promise<void> {
    const random = this.#random
    const stop = this.#disk.watch(event => this.#onEvent(event))
    const mq = await PocketMQ.open(DIR, queueOptions(this.#disk, this.#clock))
    this.#activity = undefined
    const producer = mq.producer({ group: 'shop', durability: 'disk' })
    const subscriptions = { [TOPIC]: '*' }
    const consumer = await mq.simpleConsumer({ consumerGroup: GROUP, subscriptions, awaitDuration: 0 })
    for (let i = 0; i < MESSAGES; i++) {
      await this.#send(producer, `${this.#seed}:${i}:${'b'.repeat(random.below(400))}`)
      if (random.chance(0.4)) for (const message of await consumer.receive(8)) await this.#settle(consumer, message)
      if (random.chance(0.4)) await this.#clock.advance(random.below(3000))
      if (random.chance(0.1)) await mq.store.flush()
    }
    this.#activity = 'close'
    await mq.close({ drainMs: 0 })
    stop()
  }

  async #send(producer: Producer, name: string): Promise<void> {
    const random = this.#random
    const kind = random.below(9)
    if (kind < 3) await this.#keep(name, 'plain', () => producer.send({ topic: TOPIC, body: name }))
    else if (kind < 4) {
      const bodies = [0, 1, 2].map(part => `${name}/${part}`)
      const send = (): Promise<unknown> => producer.sendBatch(bodies.map(body => ({ topic: TOPIC, body })))
      const first = send()
      await Promise.all(bodies.map(body => this.#keep(body, 'plain', () => first)))
    } else if (kind < 6) {
      const when = random.chance(0.5) ? { delayLevel: 1 } : { delay: 500 + random.below(3000) }
      await this.#keep(name, 'delayed', () => producer.send({ topic: TOPIC, body: name, ...when }))
    } else await this.#transact(producer, name)
  }

  async #keep(body: string, kind: Fate['kind'], send: () => Promise<unknown>): Promise<void> {
    const fate: Fate = { kind, isKept: false, isSettled: false }
    this.#fates.set(body, fate)
    await send()
    fate.isKept = true
  }

  async #transact(producer: Producer, body: string): Promise<void> {
    const kind = (['committed', 'rolled-back', 'undecided'] as const)[this.#random.below(3)] as Fate['kind']
    await this.#keep(body, kind, async () => {
      const transaction = producer.beginTransaction()
      await producer.send({ topic: TOPIC, body }, transaction)
      if (kind === 'committed') await transaction.commit()
      if (kind === 'rolled-back') await transaction.rollback()
    })
  }

  async #settle(consumer: SimpleConsumer, message: SimpleMessageView): Promise<void> {
    if (this.#random.chance(0.2)) return await message.nack()
    if (this.#random.chance(0.1)) return await consumer.deadLetter(message)
    await message.ack()
    const fate = this.#fates.get(message.body.toString())
    if (fate !== undefined) this.#acknowledged.push(fate)
  }

  #onEvent({ operation, path, phase, flushes }: DiskEvent): void {
    if (operation === 'flush' && path.includes('/pocketmq/offsets/')) {
      if (phase === 'before') this.#flushing = this.#acknowledged.length
      else for (const fate of this.#acknowledged.slice(0, this.#flushing)) fate.isSettled = true
    }
    const isFlush = operation === 'flush' || operation === 'flush-folder'
    if (!isFlush && !this.#random.chance(0.1)) return
    const event = { operation, path, phase, flushes }
    const cutClass = classOf(event, this.#activity, { isBatch: false, isRoll: false })
    this.#onMoment(cutClass, () => {
      const fates = new Map([...this.#fates].map(([body, fate]) => [body, { ...fate }]))
      return { disk: this.#disk.powerCut(this.#random.below(2 ** 31)), cutClass, fates, depth: 0 }
    })
  }
}

/** Opens what a cut left, takes everything out by a consumer, and answers what is wrong. */
export async function checkQueueImage({ disk, fates, depth }: QueueImage, onFlush: () => void): Promise<string[]> {
  const complaints: string[] = []
  const clock = new ManualClock(1_700_000_100_000)
  const stop = depth < 2 ? disk.onFlush(onFlush) : () => undefined
  const mq = await PocketMQ.open(DIR, queueOptions(disk, clock))
  stop()
  for (const path of disk.paths().filter(path => /\/config\/.*\.json$/.test(path))) {
    if (disk.contentOf(path).length === 0) complaints.push(`${path} is empty`)
  }
  const checker = (): 'commit' => 'commit'
  mq.producer({ group: 'shop', checker })
  const consumer = await mq.simpleConsumer({
    ...{ consumerGroup: GROUP, subscriptions: { [TOPIC]: '*' }, awaitDuration: 0 },
  })
  const received = await takeAll(consumer, clock)
  const stored = await copiesOf(mq, TOPIC)
  const dead = await copiesOf(mq, `%DLQ%${GROUP}`)
  const retried = await copiesOf(mq, `%RETRY%${GROUP}`)
  for (const [body, fate] of fates) {
    const name = body.slice(0, 24)
    const copies = stored.get(body) ?? 0
    const wanted = fate.kind === 'rolled-back' ? 0 : 1
    if (fate.isKept && copies !== wanted) complaints.push(`${fate.kind} ${name} is there ${copies} times`)
    if (copies > 1) complaints.push(`${fate.kind} ${name} was stored ${copies} times`)
    if ((dead.get(body) ?? 0) > 1) complaints.push(`${name} has two dead letters`)
    const times = received.get(body) ?? 0
    if (times > 1) complaints.push(`${name} came ${times} times, each time acknowledged`)
    if (fate.isSettled && times > 0 && !retried.has(body))
      complaints.push(`${name} comes again after its acknowledgement was kept`)
  }
  for (const [body, copies] of stored)
    if (!fates.has(body)) complaints.push(`${body.slice(0, 24)} was never sent (${copies})`)
  await mq.close({ drainMs: 0 })
  return complaints
}

/** Receives and acknowledges until nothing comes, delayed and retried ones included. Answers how often each came. */
async function takeAll(consumer: SimpleConsumer, clock: ManualClock): Promise<Map<string, number>> {
  const received = new Map<string, number>()
  for (let idle = 0; idle < 3; ) {
    const messages = await consumer.receive(32)
    for (const message of messages) {
      const body = message.body.toString()
      received.set(body, (received.get(body) ?? 0) + 1)
      await message.ack()
    }
    if (messages.length > 0) continue
    idle++
    await clock.advance(40_000)
  }
  return received
}

async function copiesOf(mq: PocketMQ, topic: string): Promise<Map<string, number>> {
  const copies = new Map<string, number>()
  for (const { queueId, minQueueOffset } of mq.store.queues().filter(range => range.topic === topic)) {
    for (let queueOffset = minQueueOffset; ; ) {
      const { messages, nextQueueOffset } = await mq.store.read({ topic, queueId, queueOffset, maxMessages: 32 })
      for (const message of messages)
        copies.set(message.body.toString(), (copies.get(message.body.toString()) ?? 0) + 1)
      if (nextQueueOffset <= queueOffset) break
      queueOffset = nextQueueOffset
    }
  }
  return copies
}
