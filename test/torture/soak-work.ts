/** The mixed work of a soak: everything a program may do for a long time, at a steady rate, in one process. */
import { silentLogger } from '../../src/base/logger.ts'
import { PocketMQ } from '../../src/messaging/pocket-mq.ts'
import type { Producer } from '../../src/messaging/producer.ts'
import type { SimpleConsumer } from '../../src/messaging/simple-consumer.ts'
import type { SeededRandom } from '../../src/testing/seeded-random.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'

const MIB = 1024 * 1024
const TICK_MS = 100
const TOPICS = ['orders', 'audit', 'telemetry'] as const
const DELAY_MS_MAX = 10_000
const LEAK_BYTES = 16 * 1024
/** How often consumers come and go, and the odd jobs are done. */
const CHORES_TICKS = 50

/** What the work is given. */
export type SoakParts = {
  readonly dir: string
  readonly seed: number
  /** Messages a second. */
  readonly rate: number
  /** A planted bug: with every message that was handled a buffer is kept. */
  readonly isLeaking: boolean
}

/** Runs until it is stopped. */
export class SoakWork {
  readonly #parts: SoakParts
  readonly #random: SeededRandom
  readonly #mq: PocketMQ
  readonly #producer: Producer
  readonly #stop = new AbortController()
  readonly #kept: Buffer[] = []
  readonly errors = new Map<string, number>()
  #loops: Promise<unknown> = Promise.resolve()
  sent = 0
  ended = 0

  private constructor(parts: SoakParts, mq: PocketMQ) {
    this.#parts = parts
    this.#random = seededRandom(parts.seed)
    this.#mq = mq
    const checker = (): 'commit' => 'commit'
    this.#producer = mq.producer({ group: 'shop', checker })
  }

  static async start(parts: SoakParts): Promise<SoakWork> {
    const mq = await PocketMQ.open(parts.dir, {
      ...{ logger: silentLogger, commitLogSegmentBytes: 2 * MIB, consumeQueueSegmentEntries: 5_000 },
      ...{ indexSlots: 5_000, indexEntries: 20_000, transactionTimeoutMs: 2_000, transactionCheckIntervalMs: 2_000 },
      ...{ dedupeWindowMs: 10_000, retention: { bytes: 16 * MIB, freeBytesMin: 0 } },
    })
    const work = new SoakWork(parts, mq)
    mq.on('error', ({ where, error }) => work.#failed(where, error))
    await work.#consume()
    work.#loops = Promise.all([work.#produce(), work.#receive()])
    return work
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#loops
    await this.#mq.close()
  }

  async #consume(): Promise<void> {
    const messageListener = (): unknown => this.#handle()
    const common = { retryBackoff: [1000], maxAttempts: 3, messageListener }
    const all = Object.fromEntries(TOPICS.map(topic => [topic, '*']))
    await this.#mq.pushConsumer({ ...common, consumerGroup: 'billing', subscriptions: all })
    await this.#mq.pushConsumer({
      ...{ ...common, consumerGroup: 'ordered', subscriptions: { grouped: '*' }, orderly: 'group', onExhausted: 'dlq' },
    })
    await this.#mq.pushConsumer({ ...common, consumerGroup: 'dead', subscriptions: { '%DLQ%billing': '*' } })
  }

  async #handle(): Promise<unknown> {
    if (this.#random.chance(0.02)) return 'retry'
    if (this.#parts.isLeaking) this.#kept.push(Buffer.alloc(LEAK_BYTES))
    this.ended++
    return undefined
  }

  /** So many each tick; what is behind is left out. */
  async #produce(): Promise<void> {
    for (let tick = 1; !this.#stop.signal.aborted; tick++) {
      const count = Math.round((this.#parts.rate * TICK_MS) / 1000)
      await Promise.all(Array.from({ length: count }, () => this.#send().catch(error => this.#failed('send', error))))
      if (tick % CHORES_TICKS === 0) await this.#chores(tick).catch(error => this.#failed('chores', error))
      await this.#mq.store.clock.sleep(TICK_MS)
    }
  }

  async #send(): Promise<void> {
    const random = this.#random
    const body = Buffer.alloc(50 + random.below(random.chance(0.02) ? 20_000 : 400), 'm')
    const topic = TOPICS[random.below(TOPICS.length)] as string
    const kind = random.below(50)
    this.sent++
    if (kind < 8) await this.#producer.send({ topic: 'grouped', body, messageGroup: `customer-${random.below(1000)}` })
    else if (kind < 12) await this.#producer.send({ topic, body, delay: random.below(DELAY_MS_MAX) })
    else if (kind < 13) await this.#producer.send({ topic, body, delayLevel: 1 + random.below(3) })
    else if (kind < 15) await this.#producer.sendBatch([0, 1, 2].map(() => ({ topic, body })))
    else if (kind < 16) await this.#transact(topic, body)
    else if (kind < 18) await this.#producer.send({ topic, body, dedupeKey: `key-${this.sent}` })
    else await this.#producer.send({ topic, body, tag: `tag-${kind}`, keys: [`order-${this.sent}`] })
  }

  async #transact(topic: string, body: Buffer): Promise<void> {
    const transaction = this.#producer.beginTransaction()
    await this.#producer.send({ topic, body }, transaction)
    const choice = this.#random.below(4)
    if (choice < 2) await transaction.commit()
    else if (choice === 2) await transaction.rollback()
  }

  /** A simple consumer that comes and goes. */
  async #receive(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      const subscriptions = { telemetry: '*' }
      const consumer = await this.#mq.simpleConsumer({ consumerGroup: 'metrics', subscriptions, awaitDuration: 500 })
      for (let i = 0; i < 100 && !signal.aborted; i++) {
        await this.#receiveSome(consumer).catch(error => this.#failed('receive', error))
      }
      await consumer.close()
    }
  }

  async #receiveSome(consumer: SimpleConsumer): Promise<void> {
    for (const message of await consumer.receive(32)) {
      if (this.#random.chance(0.02)) await message.nack()
      else await message.ack()
      this.ended++
    }
    await this.#mq.store.clock.sleep(TICK_MS / 2)
  }

  /** What is done now and then: other clients, topics that come and go, questions, readers without a group. */
  async #chores(tick: number): Promise<void> {
    const mq = this.#mq
    const producer = mq.producer()
    await producer.send({ topic: 'temporary', body: 'short' })
    await producer.close()
    if (tick % (4 * CHORES_TICKS) === 0) await mq.admin.deleteTopic('temporary')
    await mq.admin.stats()
    await mq.admin.groupProgress('billing')
    await mq.admin.queryByKey('orders', `order-${this.sent}`)
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(200)])
    let read = 0
    try {
      for await (const _message of mq.tail('orders', { from: 'last', signal })) if (++read >= 10) break
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }

  #failed(where: string, error: unknown): void {
    if (this.#stop.signal.aborted) return
    const name = `${where}: ${String((error as Error).message).slice(0, 200)}`
    if (this.errors.size < 100) this.errors.set(name, (this.errors.get(name) ?? 0) + 1)
  }
}
