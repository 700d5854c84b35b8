/** A messaging workload whose calls may fail or wait: nothing is awaited for ever, and what each call promised is noted. */
import { isErrorNamed } from '../../src/base/errors.ts'
import { PocketMQ } from '../../src/messaging/pocket-mq.ts'
import type { Producer } from '../../src/messaging/producer.ts'
import type { SimpleConsumer } from '../../src/messaging/simple-consumer.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import type { SeededRandom } from '../../src/testing/seeded-random.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import type { Fate, Kind } from './queue-fates.ts'
import { newFate } from './queue-fates.ts'
import type { QueueImage, Versions } from './queue-workload.ts'
import { DIR, GROUP, queueOptions, TOPIC } from './queue-workload.ts'

const ROUNDS = 2
/** Nothing is thrown away. */
const KEEP_HOURS = 1000
/** Turns of the event loop, by a clock that moves as little: longer than any call takes that does not wait for the device. */
const CALL_STEPS = 12
const STEP_MS = 5
/** Longer than anything waits before it tries again. */
const RESUME_MS = 30_000

/** What came of a run. */
export type FaultyRun = {
  readonly disk: SimulatedDisk
  /** Of calls that were refused. */
  readonly errors: readonly unknown[]
  /** What `disk` is held against. */
  readonly image: (disk: SimulatedDisk) => QueueImage
  /** What was acknowledged and does not read, now. */
  readonly reads: () => Promise<string[]>
  /** After the fault: calls that waited end, and new ones succeed. */
  readonly resumes: () => Promise<string[]>
  /** Closes, and answers the folder that this leaves; none where the store never opened. */
  readonly closed: () => Promise<QueueImage[]>
  /** Ends the process's loops where the device may not take anything any more. */
  readonly abandon: () => Promise<void>
}

type Session = { readonly mq: PocketMQ; readonly producer: Producer; consumer: SimpleConsumer | undefined }

/** One seed's workload on a disk of its own. */
export class FaultyWorkload {
  readonly disk: SimulatedDisk
  readonly #seed: number
  readonly #random: SeededRandom
  readonly #clock = new ManualClock()
  readonly #fates = new Map<string, Fate>()
  readonly #topics = new Map<string, Versions>()
  readonly #errors: unknown[] = []
  readonly #waiting = new Set<Promise<void>>()
  #sends = 0

  constructor(seed: number) {
    this.#seed = seed
    this.#random = seededRandom(seed)
    this.disk = new SimulatedDisk({ seed, clock: this.#clock })
  }

  /** `onOpenFailure`: the store did not open; after it, it has to. */
  async run({ onOpenFailure }: { onOpenFailure?: () => void } = {}): Promise<FaultyRun> {
    let mq = await this.#open()
    if (mq === undefined) {
      onOpenFailure?.()
      mq = await this.#open()
    }
    if (mq === undefined) return this.#runOf(undefined)
    const session = { mq, producer: mq.producer({ group: 'shop', durability: 'disk' }), consumer: undefined }
    for (let round = 0; round < ROUNDS; round++) await this.#round(session)
    return this.#runOf(session)
  }

  async #open(): Promise<PocketMQ | undefined> {
    const opened = { seed: this.#seed, disk: this.disk, clock: this.#clock, ground: undefined }
    try {
      return await PocketMQ.open(DIR, queueOptions(opened, KEEP_HOURS))
    } catch (error) {
      this.#errors.push(error)
      return undefined
    }
  }

  async #round(session: Session): Promise<void> {
    const { mq, producer } = session
    const topic = TOPIC
    session.consumer ??= await this.#joined(mq)
    await this.#send('plain', body => producer.send({ topic, body }))
    await this.#send('keyed', body => producer.send({ topic, body, dedupeKey: body }))
    await this.#send('delayed', body => producer.send({ topic, body, delayLevel: 1 }))
    await this.#send('delayed', body => producer.send({ topic, body, delay: 700 }))
    await this.#sendAndRecall(producer)
    for (const kind of ['committed', 'rolled-back', 'undecided'] as const) await this.#transact(producer, kind)
    await this.#call(() => this.#receive(session))
    await this.#changeTopic(mq)
    await this.#clock.advance(1500)
  }

  async #joined(mq: PocketMQ): Promise<SimpleConsumer | undefined> {
    let consumer: SimpleConsumer | undefined
    const subscriptions = { [TOPIC]: '*' }
    await this.#call(async () => {
      consumer = await mq.simpleConsumer({ consumerGroup: GROUP, subscriptions, awaitDuration: 0 })
    })
    return consumer
  }

  /** Waits for a call as long as it goes on by itself; one that waits for the device is waited for in the end. */
  async #call(work: () => Promise<unknown>): Promise<void> {
    let isOver = false
    const over = work()
      .then(
        () => undefined,
        (error: unknown) => {
          this.#errors.push(error)
        },
      )
      .finally(() => {
        isOver = true
        this.#waiting.delete(over)
      })
    this.#waiting.add(over)
    for (let step = 0; step < CALL_STEPS && !isOver; step++) await this.#clock.advance(STEP_MS)
  }

  async #send(kind: Kind, send: (body: string) => Promise<unknown>): Promise<void> {
    const body = `${kind} ${this.#sends++}:${'b'.repeat(this.#random.below(300))}`
    const fate = newFate(kind, TOPIC, this.#clock.nowMs())
    this.#fates.set(body, fate)
    await this.#call(async () => {
      await send(body)
      fate.isStored = true
    })
  }

  async #sendAndRecall(producer: Producer): Promise<void> {
    let handle: string | undefined
    let fate: Fate | undefined
    await this.#send('recalled', async body => {
      fate = this.#fates.get(body)
      handle = (await producer.send({ topic: TOPIC, body, delay: 9000 })).recallHandle
    })
    await this.#call(async () => {
      if (fate === undefined || handle === undefined) return
      // Until it is known to be taken back it may come as well as not, and so where the store failed; one that was refused comes.
      fate.isRecalling = true
      try {
        await producer.recall(handle)
        fate.isRecalled = true
      } catch (error) {
        fate.isRecalling = isErrorNamed(error, 'STORE_FAILED')
        throw error
      }
    })
  }

  async #transact(producer: Producer, kind: 'committed' | 'rolled-back' | 'undecided'): Promise<void> {
    const transaction = producer.beginTransaction()
    const sent = this.#sends
    await this.#send(kind, body => producer.send({ topic: TOPIC, body }, transaction))
    // Nobody decides what was refused, or is not sent yet.
    const isSent = [...this.#fates.values()][sent]?.isStored === true
    if (!isSent) return
    if (kind === 'committed') await this.#call(() => transaction.commit())
    if (kind === 'rolled-back') await this.#call(() => transaction.rollback())
  }

  /** Acknowledges, gives back, and makes dead letters, in turn. */
  async #receive({ consumer }: Session): Promise<void> {
    for (const [i, message] of ((await consumer?.receive(8)) ?? []).entries()) {
      const fate = this.#fates.get(message.body.toString())
      if (fate === undefined) throw new Error(`received what was never sent: ${message.body}`)
      fate.isPassed = true
      if (i % 4 === 1) await this.#call(() => message.nack())
      else if (i % 4 === 2) {
        fate.isDying = true
        await this.#call(async () => consumer?.deadLetter(message))
      } else {
        fate.isAcknowledging = true
        await this.#call(() => message.ack())
      }
    }
  }

  async #changeTopic(mq: PocketMQ): Promise<void> {
    const topic = `side-${this.#topics.size}`
    const versions: { saved: string | undefined; begun: string | undefined } = { saved: undefined, begun: '2' }
    this.#topics.set(topic, versions)
    await this.#call(async () => {
      await mq.admin.createTopic({ topic, queues: 2 })
      versions.saved = '2'
    })
  }

  #runOf(session: Session | undefined): FaultyRun {
    const image = (disk: SimulatedDisk): QueueImage => ({
      ...{ disk, cutClass: 'other', former: 'nobody', depth: 0, ground: undefined, seed: this.#seed },
      ...{ fates: this.#fates, topics: this.#topics, groups: new Map(), nowMs: this.#clock.nowMs() },
    })
    const close = async (): Promise<boolean> => {
      let isClosed = false
      await this.#call(async () => {
        await session?.mq.close({ drainMs: 0 })
        isClosed = true
      })
      await this.#clock.advance(RESUME_MS)
      return isClosed
    }
    return {
      disk: this.disk,
      errors: this.#errors,
      image,
      reads: async () => (session === undefined ? [] : await this.#reads(session.mq)),
      resumes: async () => (session === undefined ? ['never opened'] : await this.#resumes(session)),
      closed: async () => ((await close()) ? [image(this.disk.kill())] : []),
      abandon: async () => {
        await close()
      },
    }
  }

  /** What was acknowledged and is nobody's yet can be read, whatever the device refuses. */
  async #reads(mq: PocketMQ): Promise<string[]> {
    const found = new Set<string>()
    for (const { topic, queueId, minQueueOffset } of mq.store.queues()) {
      for (let queueOffset = minQueueOffset; topic === TOPIC; ) {
        const read = await mq.store.read({ topic, queueId, queueOffset, maxMessages: 32 })
        for (const message of read.messages) found.add(message.body.toString())
        if (read.nextQueueOffset <= queueOffset) break
        queueOffset = read.nextQueueOffset
      }
    }
    const isPlain = ({ kind, isStored }: Fate): boolean => isStored && (kind === 'plain' || kind === 'keyed')
    return [...this.#fates].flatMap(([body, fate]) =>
      isPlain(fate) && !found.has(body) ? [`${body.slice(0, 12)} does not read while the device refuses`] : [],
    )
  }

  async #resumes(session: Session): Promise<string[]> {
    await this.#clock.advance(RESUME_MS)
    const before = this.#errors.length
    await this.#round(session)
    await this.#clock.advance(RESUME_MS)
    const complaints = this.#errors.slice(before).map(error => `writes do not resume: ${String(error)}`)
    if (this.#waiting.size > 0) complaints.push(`${this.#waiting.size} calls wait for ever`)
    return complaints
  }
}
