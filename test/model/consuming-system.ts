/** A queue with consumers whose handlers do what the test says, on a disk that can be killed and cut. */
import { expect } from 'vitest'
import { isErrorNamed } from '../../src/base/errors.ts'
import { silentLogger } from '../../src/base/logger.ts'
import { nextTurn } from '../../src/base/turns.ts'
import { javaHashCode } from '../../src/codec/java-hash.ts'
import type { GroupProgress } from '../../src/messaging/core-types.ts'
import type { MessageView } from '../../src/messaging/message-view.ts'
import { PocketMQ } from '../../src/messaging/pocket-mq.ts'
import type { PushConsumer } from '../../src/messaging/push-consumer.ts'
import type { SimpleConsumer } from '../../src/messaging/simple-consumer.ts'
import type { ManualClock } from '../../src/testing/manual-clock.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import { BroadcastAudience } from './broadcast-audience.ts'
import type { ConsumingModel, InHand } from './consuming-model.ts'
import { RETRIES_MAX } from './consuming-model.ts'
import { PullAudience } from './pull-audience.ts'
import { TailAudience } from './tail-audience.ts'
import { TransactionBook } from './transaction-book.ts'

const FOLDER = '/queue'
const GROUP = 'billing'
const SIZES = {
  commitLogSegmentBytes: 1024 * 1024,
  consumeQueueSegmentEntries: 1000,
  indexSlots: 100,
  indexEntries: 1000,
}
export const CONSUME_TIMEOUT_MS = 60_000
export const INVISIBLE_MS = 20_000
const CONCURRENCY = 2

type Live = {
  readonly name: string
  readonly kind: 'push' | 'simple'
  readonly consumer: PushConsumer | SimpleConsumer
}

/** The system under test. */
export class ConsumingSystem {
  readonly model: ConsumingModel
  readonly clock: ManualClock
  disk: SimulatedDisk
  mq: PocketMQ
  members: Live[] = []
  /** What a check within a handler found. */
  readonly wrong: unknown[] = []
  /** Another group, that broadcasts, and a third one, that pulls. */
  readonly screens: BroadcastAudience
  readonly replay = new PullAudience()
  /** Those who only look, and who sends what is not decided yet. */
  readonly tails: TailAudience
  readonly shop: TransactionBook
  isCut = false
  /** A planted bug: a kill loses the private offset table, and with it what was acknowledged since the last flush. */
  forgets = false
  /** A planted bug: a tail loses the last message of what it reads. */
  cutsTails = false
  #names = 0
  /** Handlers of a killed process must not speak to the model any more. */
  #life = 0

  private constructor(model: ConsumingModel, disk: SimulatedDisk, mq: PocketMQ) {
    this.model = model
    this.clock = model.clock
    this.disk = disk
    this.mq = mq
    this.screens = new BroadcastAudience(this.wrong)
    this.tails = new TailAudience(this.wrong)
    this.shop = new TransactionBook(model)
    this.shop.open(mq)
  }

  static async open(model: ConsumingModel, seed: number): Promise<ConsumingSystem> {
    const disk = new SimulatedDisk({ seed })
    return new ConsumingSystem(model, disk, await openOn(disk, model.clock, SIZES, 0))
  }

  async send(group: number): Promise<void> {
    const body = this.model.nextBody()
    const messageGroup = `g${group}`
    // A delivery may come before the promise of the send resolves.
    const { queueId, queueOffset } = await this.#sent(body, messageGroup)
    const message = this.model.sent.find(one => one.body === body)
    if (message === undefined) return
    message.queueId = queueId
    message.queueOffset = queueOffset
  }

  /** By milliseconds, or by one of RocketMQ's levels. */
  async sendDelayed(ms: number): Promise<void> {
    const body = this.model.nextBody()
    this.model.wasSent(body, '', 0, -1, this.clock.nowMs() + ms)
    const delay = ms === 10_000 ? { delayLevel: 3 } : { delay: ms }
    await this.mq.producer().send({ topic: 'orders', body, ...delay })
  }

  async #sent(body: string, messageGroup: string): Promise<{ readonly queueId: number; readonly queueOffset: number }> {
    const ends = new Map(this.mq.store.queues().map(range => [range.queueId + range.topic, range.maxQueueOffset]))
    const queueId = Math.abs(javaHashCode(messageGroup)) % 2
    this.model.wasSent(body, messageGroup, queueId, ends.get(`${queueId}orders`) ?? 0)
    return await this.mq.producer().send({ topic: 'orders', body, messageGroup })
  }

  async join(kind: 'push' | 'simple'): Promise<void> {
    const name = `${kind}-${this.#names++}`
    const { order } = this.model
    // Nothing is taken from a member before its time is over: the model knows no other end.
    const drain = order === 'queue' ? { drainTimeout: 2 * CONSUME_TIMEOUT_MS + 120_000 } : {}
    const common = { consumerGroup: GROUP, subscriptions: { orders: '*' }, maxAttempts: RETRIES_MAX, ...drain }
    if (kind === 'simple') {
      const consumer = await this.mq.simpleConsumer({ ...common, awaitDuration: 0 })
      this.members.push({ name, kind, consumer })
      return
    }
    const life = this.#life
    const consumer = await this.mq.pushConsumer({
      ...common,
      concurrency: CONCURRENCY,
      consumeTimeout: CONSUME_TIMEOUT_MS,
      orderly: order === 'none' ? false : order === 'queue' ? true : 'group',
      onExhausted: 'dlq',
      messageListener: message => (life === this.#life ? this.#handle(name, message) : new Promise(() => undefined)),
    })
    this.members.push({ name, kind, consumer })
  }

  /** A member goes without finishing what it has. */
  async close(index: number): Promise<void> {
    const [member] = this.members.splice(index, 1)
    if (member === undefined) return
    for (const hand of this.model.inHand) if (hand.member === member.name) this.model.released(hand)
    await member.consumer.close({ drainMs: 0 })
  }

  async receive(index: number, count: number): Promise<void> {
    const { name, consumer } = this.members[index] as Live
    const messages = await (consumer as SimpleConsumer).receive(count, INVISIBLE_MS)
    for (const message of messages) {
      const end = async (outcome: 'ack' | 'fail'): Promise<void> => (outcome === 'ack' ? message.ack() : message.nack())
      this.model.delivered(message, name, { kind: 'simple', deadlineMs: this.clock.nowMs() + INVISIBLE_MS, end })
    }
  }

  async end(hand: InHand, outcome: 'ack' | 'fail'): Promise<void> {
    this.model.ended(hand, outcome)
    await hand.end(outcome)
  }

  async advance(ms: number): Promise<void> {
    await this.clock.advance(ms)
    this.model.expireOverdue()
  }

  async kill(): Promise<void> {
    const disk = this.disk.kill()
    await this.#end()
    const offsets = disk.paths().filter(path => path.includes('/pocketmq/offsets/'))
    if (this.forgets) for (const path of offsets) await disk.remove(path)
    await this.#reopen(disk)
    this.model.killed()
    this.replay.gone(this.mq, false)
  }

  async powerCut(seed: number): Promise<void> {
    this.isCut = true
    const disk = this.disk.powerCut(seed)
    await this.#end(true)
    await this.#reopen(disk)
    this.replay.gone(this.mq, true)
    const ends = new Map(this.mq.store.queues().map(range => [`${range.topic}/${range.queueId}`, range.maxQueueOffset]))
    this.model.powerCut(queueId => ends.get(`orders/${queueId}`) ?? 0)
  }

  async reopen(): Promise<void> {
    for (const hand of this.model.inHand) this.model.released(hand)
    this.model.killed()
    await this.#end()
    await this.#reopen(this.disk)
    this.replay.gone(this.mq, false)
  }

  /** Lets everything happen that needs no time, and checks what has to hold at all times. */
  async check(): Promise<void> {
    for (let turn = 0; turn < 8; turn++) await nextTurn()
    if (this.wrong.length > 0) throw this.wrong[0]
    this.replay.check(this.mq)
    this.tails.check(this.mq)
    for (const queueId of [0, 1]) {
      const place = { group: GROUP, topic: 'orders', queueId }
      this.model.checkCommitted(queueId, this.mq.core.delivery.queryOffset({ clientId: 'model' }, place) ?? 0)
    }
  }

  /** Everything that was sent ends, and nothing is left. */
  async drain(): Promise<void> {
    await this.join('push')
    for (let round = 0; round < 200; round++) {
      await this.check()
      const hands = this.model.inHand
      for (const hand of hands) await this.end(hand, 'ack')
      const isShowing = await this.screens.finish(this.mq)
      for (const [index, { kind }] of this.members.entries()) if (kind === 'simple') await this.close(index)
      if (hands.length === 0 && !isShowing) {
        const isEnded = this.model.sent.every(message => message.state !== 'open' || message.mayBeLost)
        const isOver = isEnded && !this.shop.isOpen
        if (isOver && (await this.#progress()).lagMessages === 0) return await this.#checkEnd()
        await this.advance(10_000)
      }
    }
    const open = this.model.sent
      .filter(message => message.state === 'open')
      .map(({ body, queueId, queueOffset }) => ({ body, queueId, queueOffset }))
    throw new Error(`never delivered: ${JSON.stringify(open)}, ${JSON.stringify(await this.#progress())}`)
  }

  /** Everybody has everything, and no topic has more or less than it must. */
  async #checkEnd(): Promise<void> {
    await this.replay.finish(this.mq)
    this.screens.expectSeen(this.model.sent.filter(message => !message.mayBeLost).map(({ body }) => body))
    if (this.isCut) return
    const count = (topic: string): number =>
      this.mq.store.queues().reduce((sum, range) => sum + (range.topic === topic ? range.maxQueueOffset : 0), 0)
    const counts = { orders: count('orders'), retries: count(`%RETRY%${GROUP}`), dead: count(`%DLQ%${GROUP}`) }
    expect(counts, 'records in each topic').toEqual(this.model.counts)
  }

  /** What is left of a process on a disk that nobody looks at any more. */
  async #end(isPowerCut = false): Promise<void> {
    this.#life++
    this.screens.gone(isPowerCut)
    this.shop.gone(isPowerCut)
    await this.mq.close({ drainMs: 0 })
    await this.tails.gone()
  }

  async #progress(): Promise<Pick<GroupProgress, 'queues' | 'lagMessages'>> {
    try {
      return await this.mq.admin.groupProgress(GROUP)
    } catch (error) {
      if (isErrorNamed(error, 'GROUP_NOT_FOUND')) return { queues: [], lagMessages: 0 }
      throw error
    }
  }

  #handle(name: string, view: MessageView): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const end = async (outcome: 'ack' | 'fail'): Promise<void> => {
        if (outcome === 'ack') resolve(undefined)
        else reject(new Error('the model says so'))
      }
      try {
        this.model.delivered(view, name, { kind: 'push', deadlineMs: this.clock.nowMs() + CONSUME_TIMEOUT_MS, end })
      } catch (error) {
        this.wrong.push(error)
      }
    })
  }

  async #reopen(disk: SimulatedDisk): Promise<void> {
    this.members = []
    this.disk = disk
    this.mq = await openOn(disk, this.clock, {}, this.#life)
    this.shop.open(this.mq)
    if (this.cutsTails) cutTails(this.mq)
  }
}

/** A process: on a clock that stands still it is by what is random that its message ids are no other's. */
async function openOn(fileSystem: SimulatedDisk, clock: ManualClock, sizes: object, life: number): Promise<PocketMQ> {
  const random = seededRandom(7 + life)
  return await PocketMQ.open(FOLDER, {
    ...sizes,
    fileSystem,
    clock,
    logger: silentLogger,
    random: () => random.next(),
    topicQueues: 2,
    // Nothing of this depends on when it is flushed but a power cut, and there `flush` is a step.
    flushIntervalMs: 60_000,
  })
}

/** Plants a bug. */
export function cutTails({ core: { delivery } }: PocketMQ): void {
  const pull = delivery.pull.bind(delivery)
  delivery.pull = async (ctx, request, signal) => {
    const result = await pull(ctx, request, signal)
    return ctx.clientId === 'tail' ? { ...result, messages: result.messages.slice(0, -1) } : result
  }
}
