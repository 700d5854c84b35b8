/**
 * A seeded workload on PocketMQ in a simulated disk: sends, batches, delays and their recalls, transactions, acknowledgements,
 * retries, dead letters, topics and groups that come, change and go, retention; in several processes, one after another, in a
 * folder of its own or in one that a broker closed.
 */
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
import type { BrokersFolder } from './broker-ground.ts'
import type { Activity, CutClass, CutImage, Former } from './cut-tally.ts'
import { classOf, ENDINGS } from './cut-tally.ts'
import type { Fate, Kind } from './queue-fates.ts'
import { newFate } from './queue-fates.ts'

export const DIR = '/store'
export const GROUP = 'billing'
export const TOPIC = 'orders'
const SIDE_TOPICS = ['side-0', 'side-1'] as const
const SIDE_GROUPS = ['audit-0', 'audit-1'] as const
const SESSIONS = 2
const STEPS = 11
const HOUR_MS = 3_600_000

/** Something that is replaced as a whole: `begun` is under way, and one of the two is found. Undefined where there is none. */
export type Versions = { saved: string | undefined; begun: string | undefined }

/** What a cut is held against. */
export type QueuePromises = {
  readonly fates: ReadonlyMap<string, Fate>
  /** How many queues a topic has. */
  readonly topics: ReadonlyMap<string, Versions>
  /** What a group has subscribed to. */
  readonly groups: ReadonlyMap<string, Versions>
  readonly nowMs: number
  readonly seed: number
  /** The broker's folder that it began with. */
  readonly ground: BrokersFolder | undefined
}

export type QueueImage = QueuePromises & CutImage

/** What a seed's store is opened with. */
export type OpenedOn = {
  readonly seed: number
  readonly disk: SimulatedDisk
  readonly clock: ManualClock
  readonly ground: BrokersFolder | undefined
}

const SMALL = { commitLogSegmentBytes: 8192, consumeQueueSegmentEntries: 20, indexSlots: 16, indexEntries: 48 }

/** A store that shows nothing that is not on the device. */
export function isDiskStore(seed: number): boolean {
  return seed % 2 === 0
}

/** A seed's store; who only looks keeps everything for so many `hours`. */
export function queueOptions({ seed, disk, clock, ground }: OpenedOn, hours = 1): PocketMQOptions {
  const durability = isDiskStore(seed) ? 'disk' : 'interval'
  return {
    ...{
      fileSystem: disk,
      clock,
      logger: silentLogger,
      durability,
      flushIntervalMs: 1000,
      topicQueues: 2,
    },
    // A folder keeps the sizes that it was made with.
    ...(ground === undefined ? SMALL : {}),
    ...{ transactionTimeoutMs: 2000, transactionCheckIntervalMs: 1000, retention: { freeBytesMin: 0, hours } },
    random: seededRandom(7).next,
  }
}

/** A group's subscription as it is told. */
export function shownSubscriptions(list: readonly { readonly topic: string; readonly expression: string }[]): string {
  return list.map(({ topic, expression }) => `${topic}=${expression}`).join()
}

/** A message that was acknowledged, and where the record of it that was handed out begins: a copy, where it came again or late. */
type Acknowledged = { readonly fate: Fate; readonly physicalOffset: number }

type Tell = (cutClass: CutClass, cut: () => QueueImage) => void

/** One process's things. */
type Session = { readonly mq: PocketMQ; readonly producer: Producer; readonly consumer: SimpleConsumer }

/** A seed's workload: `onMoment` is called at every flush and at some other changes. */
export class QueueWorkload {
  readonly #seed: number
  readonly #random: SeededRandom
  readonly #ground: BrokersFolder | undefined
  readonly #clock: ManualClock
  #disk: SimulatedDisk
  #former: Former
  readonly #fates = new Map<string, Fate>()
  readonly #topics = new Map<string, Versions>()
  readonly #groups = new Map<string, Versions>()
  readonly #acknowledged: Acknowledged[] = []
  readonly #onMoment: Tell
  #activity: Activity = 'recovery'
  #isUnit = false
  #isRoll = false
  /** Acknowledged when the flush of the private table that is under way began, and when the last one that is over did. */
  #flushing = 0
  #tableFlushed = 0
  #mq: PocketMQ | undefined
  #sends = 0
  #stopWatching: () => void = () => undefined

  constructor(seed: number, onMoment: Tell, ground?: BrokersFolder) {
    this.#seed = seed
    this.#random = seededRandom(seed)
    this.#ground = ground
    this.#clock = new ManualClock(ground?.nowMs)
    this.#disk = ground === undefined ? new SimulatedDisk({ seed, clock: this.#clock }) : ground.diskOf(seed)
    this.#former = ground === undefined ? 'nobody' : 'broker'
    this.#onMoment = onMoment
  }

  async run(): Promise<void> {
    for (let session = 1; ; session++) {
      const running = await this.#open()
      for (let step = 0; step < STEPS; step++) await this.#step(running)
      await this.#end(running, session === SESSIONS ? 'close' : undefined)
      if (session === SESSIONS) return
    }
  }

  async #open(): Promise<Session> {
    this.#stopWatching = this.#disk.watch(event => this.#onEvent(event))
    this.#activity = 'recovery'
    const mq = await PocketMQ.open(DIR, queueOptions(this.#opened()))
    this.#mq = mq
    this.#activity = undefined
    const producer = mq.producer({ group: 'shop', durability: 'disk' })
    const subscriptions = { [TOPIC]: '*' }
    const consumer = await mq.simpleConsumer({ consumerGroup: GROUP, subscriptions, awaitDuration: 0 })
    this.#groups.set(GROUP, { saved: `${TOPIC}=*`, begun: `${TOPIC}=*` })
    return { mq, producer, consumer }
  }

  /** The process ends, one way or another; the next one opens what is there. */
  async #end({ mq }: Session, wanted: 'close' | undefined): Promise<void> {
    const way = wanted ?? (ENDINGS[this.#random.below(ENDINGS.length)] as Former)
    if (way === 'close') {
      this.#activity = 'close'
      await mq.close({ drainMs: 0 })
      for (const { fate } of this.#acknowledged) fate.isSettled = true
      for (let i = 0; i < 2; i++) this.#tell('close')
      this.#stopWatching()
      this.#former = 'close'
      return
    }
    this.#stopWatching()
    this.#former = way
    const former = this.#disk
    this.#disk = way === 'kill' ? former.kill() : former.powerCut(this.#random.below(2 ** 31))
    // What had not reached the device when the power failed is promised no more; what was, stays.
    this.#acknowledged.length = 0
    this.#flushing = 0
    this.#tableFlushed = 0
    // The former process is gone for the disk that counts; here its loops have to end.
    await mq.close({ drainMs: 0 })
  }

  async #step(session: Session): Promise<void> {
    const random = this.#random
    await this.#send(session, `${this.#seed}:${this.#sends++}:${'b'.repeat(random.below(400))}`)
    if (random.chance(0.5)) {
      for (const message of await session.consumer.receive(8)) await this.#settle(session.consumer, message)
    }
    if (random.chance(0.4)) await this.#clock.advance(random.below(3000))
    if (random.chance(0.1)) await session.mq.store.flush()
    if (random.chance(0.2)) await this.#changeTopic(session)
    if (random.chance(0.15)) await this.#changeGroup(session)
    if (random.chance(0.15)) await this.#retain(session)
  }

  async #send(session: Session, body: string): Promise<void> {
    const { producer } = session
    const random = this.#random
    const kind = random.below(12)
    const topic = TOPIC
    if (kind < 3) await this.#keep(body, 'plain', () => producer.send({ topic, body }))
    else if (kind < 4) await this.#keep(body, 'keyed', () => producer.send({ topic, body, dedupeKey: body }))
    else if (kind < 5) {
      const bodies = [0, 1, 2].map(part => `${body}/${part}`)
      const sending = this.#asUnit(() => producer.sendBatch(bodies.map(one => ({ topic, body: one }))))
      await Promise.all(bodies.map(one => this.#keep(one, 'plain', () => sending)))
    } else if (kind < 7) {
      const when = random.chance(0.5) ? { delayLevel: 1 } : { delay: 500 + random.below(3000) }
      await this.#keep(body, 'delayed', () => producer.send({ topic, body, ...when }))
    } else if (kind < 8) await this.#sendAndRecall(session, body)
    else if (kind < 9) await this.#sendHastily(producer, body)
    else await this.#transact(producer, body)
  }

  async #keep<T>(body: string, kind: Kind, send: () => Promise<T>, topic: string = TOPIC): Promise<T> {
    const fate = newFate(kind, topic, this.#clock.nowMs())
    this.#fates.set(body, fate)
    const sent = await send()
    fate.isStored = true
    return sent
  }

  /** Append units are under way meanwhile. */
  async #asUnit<T>(work: () => Promise<T>): Promise<T> {
    this.#isUnit = true
    try {
      return await work()
    } finally {
      this.#isUnit = false
    }
  }

  async #sendHastily(producer: Producer, body: string): Promise<void> {
    this.#fates.set(body, newFate('hasty', TOPIC, this.#clock.nowMs()))
    await producer.send({ topic: TOPIC, body }, { durability: 'memory' })
  }

  async #sendAndRecall({ mq, producer }: Session, body: string): Promise<void> {
    const delay = 12_000 + this.#random.below(3000)
    const sent = await this.#keep(body, 'recalled', () => producer.send({ topic: TOPIC, body, delay }))
    if (this.#random.chance(0.3)) await this.#clock.advance(this.#random.below(1500))
    const fate = this.#fates.get(body) as Fate
    fate.isRecalling = true
    await producer.recall(sent.recallHandle as string)
    // A recall reaches the level of the store.
    await mq.store.flush()
    fate.isRecalled = true
  }

  async #transact(producer: Producer, body: string): Promise<void> {
    const kind = (['committed', 'rolled-back', 'undecided'] as const)[this.#random.below(3)] as Kind
    const transaction = producer.beginTransaction()
    await this.#keep(body, kind, () => producer.send({ topic: TOPIC, body }, transaction))
    if (kind === 'committed') await this.#asUnit(() => transaction.commit())
    if (kind === 'rolled-back') await this.#asUnit(() => transaction.rollback())
  }

  async #settle(consumer: SimpleConsumer, message: SimpleMessageView): Promise<void> {
    const fate = this.#fates.get(message.body.toString())
    if (fate === undefined) throw new Error(`received what was never sent: ${message.body}`)
    fate.isPassed = true
    fate.isShown = isDiskStore(this.#seed) && !fate.isOld
    if (this.#random.chance(0.25)) return await this.#asUnit(() => message.nack())
    if (this.#random.chance(0.1)) {
      fate.isDying = true
      return await this.#asUnit(() => consumer.deadLetter(message))
    }
    fate.isAcknowledging = true
    await message.ack()
    this.#acknowledged.push({ fate, physicalOffset: message.physicalOffset })
  }

  /** A topic beside the one that is consumed is made, changed, sent to, or deleted. */
  async #changeTopic({ mq, producer }: Session): Promise<void> {
    const topic = SIDE_TOPICS[this.#random.below(SIDE_TOPICS.length)] as string
    const known = this.#topics.get(topic)
    if (known?.saved === undefined) {
      const queues = 1 + this.#random.below(3)
      await this.#change(this.#topics, topic, String(queues), () => mq.admin.createTopic({ topic, queues }))
    } else if (this.#random.chance(0.3)) {
      const queues = Number(known.saved) + 1
      await this.#change(this.#topics, topic, String(queues), () => mq.admin.updateTopic({ topic, queues }))
    } else if (this.#random.chance(0.4)) {
      const inIt = [...this.#fates.values()].filter(fate => fate.topic === topic)
      for (const fate of inIt) fate.isDeleting = true
      await this.#change(this.#topics, topic, undefined, () => mq.admin.deleteTopic(topic))
      for (const fate of inIt) fate.isDeleted = true
    }
    if (this.#topics.get(topic)?.saved === undefined) return
    const body = `${this.#seed}:${this.#sends++}:side`
    await this.#keep(body, 'plain', () => producer.send({ topic, body }), topic)
  }

  /** A group comes, subscribes to something else, or goes. */
  async #changeGroup({ mq }: Session): Promise<void> {
    const consumerGroup = SIDE_GROUPS[this.#random.below(SIDE_GROUPS.length)] as string
    if (this.#groups.get(consumerGroup)?.saved !== undefined && this.#random.chance(0.3)) {
      await this.#change(this.#groups, consumerGroup, undefined, () => mq.admin.deleteGroup(consumerGroup))
      return
    }
    const expression = `tag-${this.#random.below(5)}`
    await this.#change(this.#groups, consumerGroup, `${TOPIC}=${expression}`, async () => {
      const subscriptions = { [TOPIC]: expression }
      const consumer = await mq.simpleConsumer({
        ...{ consumerGroup, subscriptions, awaitDuration: 0, startFrom: 'last', onSubscriptionMismatch: 'replace' },
      })
      await consumer.close()
    })
  }

  async #change(
    all: Map<string, Versions>,
    name: string,
    value: string | undefined,
    change: () => Promise<unknown>,
  ): Promise<void> {
    const versions = all.get(name) ?? { saved: undefined, begun: undefined }
    all.set(name, versions)
    versions.begun = value
    await change()
    versions.saved = value
  }

  async #retain({ mq }: Session): Promise<void> {
    // A broker's messages would all be old at once.
    if (this.#ground !== undefined) return
    this.#activity = 'retention'
    this.#clock.stepWallClock(HOUR_MS)
    for (const fate of this.#fates.values()) {
      fate.isForgotten ||= fate.topic !== TOPIC || fate.isDying
      // Once it is acknowledged, any later retention may take it.
      fate.isOld = true
      fate.isShown = false
    }
    await mq.store.applyRetention()
    this.#activity = undefined
  }

  #onEvent(event: DiskEvent): void {
    const { operation, path, phase } = event
    if (operation === 'flush' && path.includes('/pocketmq/offsets/')) {
      if (phase === 'before') this.#flushing = this.#acknowledged.length
      else this.#tableFlushed = this.#flushing
    }
    this.#settleKept()
    if (path.includes('/commitlog/') && operation === 'truncate') this.#isRoll = true
    const isFlush = operation === 'flush' || operation === 'flush-folder'
    if (!isFlush && !this.#random.chance(0.1)) return
    this.#tell(classOf(event, this.#activity, { isBatch: this.#isUnit, isRoll: this.#isRoll }))
    if (path.includes('/commitlog/') && operation === 'flush' && phase === 'after') this.#isRoll = false
  }

  /** An acknowledgement holds when the table has it, and the log the record it is of: without that copy the original comes again. */
  #settleKept(): void {
    const flushed = this.#mq?.store.watermarks.flushed ?? 0
    for (const { fate, physicalOffset } of this.#acknowledged.slice(0, this.#tableFlushed))
      if (physicalOffset < flushed) fate.isSettled = true
  }

  #tell(cutClass: CutClass): void {
    this.#onMoment(cutClass, () => ({
      disk: this.#disk.powerCut(this.#random.below(2 ** 31)),
      cutClass,
      former: this.#former,
      depth: 0,
      fates: copyOf(this.#fates),
      topics: copyOf(this.#topics),
      groups: copyOf(this.#groups),
      nowMs: this.#clock.nowMs(),
      seed: this.#seed,
      ground: this.#ground,
    }))
  }

  #opened(): OpenedOn {
    return { seed: this.#seed, disk: this.#disk, clock: this.#clock, ground: this.#ground }
  }
}

function copyOf<T extends object>(map: ReadonlyMap<string, T>): Map<string, T> {
  return new Map([...map].map(([name, value]) => [name, { ...value }]))
}
