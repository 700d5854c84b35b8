/**
 * Pull: the caller says which queues and from where, and commits when he means it.   RocketMQ: DefaultLitePullConsumer.
 */
import { asError, PocketMQError } from '../base/errors.ts'
import type { Alarm } from './alarms.ts'
import type { PullConsumerOptions } from './consumer-options.ts'
import type { ConsumerParts } from './consumer-parts.ts'
import { consumerContext } from './consumer-parts.ts'
import type { PullSettings } from './consumer-settings.ts'
import { pullRegistration, resolvePull, startOf } from './consumer-settings.ts'
import type { ClientContext, QueueAddress } from './core-types.ts'
import { queueKey } from './group-offsets.ts'
import { checkTopicName } from './limits.ts'
import type { MessageView } from './message-view.ts'
import { viewOf } from './message-view.ts'

const POLL_MESSAGES = 10
const POLL_MESSAGES_MAX = 10_000
const POLL_TIMEOUT_MS = 5000

/** One assigned queue. `position` is what `poll` reads next, `polled` what the caller has been given. */
type Assigned = QueueAddress & { position: number | undefined; isPaused: boolean; isSought: boolean }

/** How {@link PullConsumer.poll} asks. */
export type PollOptions = {
  readonly maxMessageNum?: number
  /** Milliseconds to wait when there is nothing. */
  readonly timeout?: number
  readonly signal?: AbortSignal | undefined
}

/** A consumer that owns its position. */
export class PullConsumer {
  readonly group: string
  readonly clientId: string
  readonly #parts: ConsumerParts
  readonly #settings: PullSettings
  readonly #ctx: ClientContext
  readonly #assigned = new Map<string, Assigned>()
  readonly #stop = new AbortController()
  #firstInTurn = 0
  #autoCommit: Alarm | undefined
  #isClosed = false

  private constructor(parts: ConsumerParts, settings: PullSettings, ctx: ClientContext, group: string) {
    this.#parts = parts
    this.#settings = settings
    this.#ctx = ctx
    this.group = group
    this.clientId = ctx.clientId
  }

  /** Resolves once it has joined its group. @throws SUBSCRIPTION_MISMATCH beside push or simple consumers, INSTANCE_ID_IN_USE */
  static async open(parts: ConsumerParts, options: PullConsumerOptions): Promise<PullConsumer> {
    const settings = resolvePull(options)
    const ctx = consumerContext(parts, settings.consumerGroup, settings.instanceName)
    const { group } = await parts.core.join(ctx, pullRegistration(settings))
    const consumer = new PullConsumer(parts, settings, ctx, group)
    consumer.#commitLater()
    return consumer
  }

  /** These queues from now on, each from where the group is, else from `startFrom`. Queues that stay keep their position. */
  assign(queues: readonly QueueAddress[]): void {
    this.#checkOpen()
    const wanted = new Map(queues.map(queue => [keyOf(queue), queue]))
    for (const key of this.#assigned.keys()) if (!wanted.has(key)) this.#assigned.delete(key)
    for (const [key, { topic, queueId }] of wanted) {
      if (this.#assigned.has(key)) continue
      this.#assigned.set(key, { topic, queueId, position: undefined, isPaused: false, isSought: false })
    }
  }

  /** The assigned queues. */
  assignment(): QueueAddress[] {
    return [...this.#assigned.values()].map(({ topic, queueId }) => ({ topic, queueId }))
  }

  /** `poll` goes on at this offset. @throws INVALID_ARGUMENT outside the queue, or where it is not assigned */
  seek(queue: QueueAddress, queueOffset: number): void {
    const { min, max } = this.#range(queue)
    if (!Number.isSafeInteger(queueOffset) || queueOffset < min || queueOffset > max) {
      throw new PocketMQError(
        'INVALID_ARGUMENT',
        `offset ${queueOffset} is not in queue ${queue.topic}/${queue.queueId}: ${min} to ${max}`,
        {
          hint: 'Seek inside the queue, or use seekToBegin and seekToEnd.',
          details: { ...queue, offset: queueOffset, minQueueOffset: min, maxQueueOffset: max },
        },
      )
    }
    this.#seek(queue, queueOffset)
  }

  seekToBegin(queue: QueueAddress): void {
    this.#seek(queue, this.#range(queue).min)
  }

  seekToEnd(queue: QueueAddress): void {
    this.#seek(queue, this.#range(queue).max)
  }

  /** The first message stored at or after a time; the queue's end where there is none. */
  async offsetForTimestamp({ topic, queueId }: QueueAddress, timestamp: Date | number): Promise<number> {
    return await this.#parts.core.searchOffset(this.#ctx, { topic, queueId, timestampMs: Number(timestamp) })
  }

  /** What the group has committed; undefined where it has nothing. */
  committed({ topic, queueId }: QueueAddress): number | undefined {
    return this.#parts.core.queryOffset(this.#ctx, { group: this.group, topic, queueId })
  }

  /** What `poll` reads next. */
  async position(queue: QueueAddress): Promise<number> {
    return await this.#positionOf(this.#get(queue))
  }

  pause(queues: readonly QueueAddress[]): void {
    for (const queue of queues) this.#get(queue).isPaused = true
  }

  resume(queues: readonly QueueAddress[]): void {
    for (const queue of queues) this.#get(queue).isPaused = false
  }

  /** The next messages of the assigned queues, in order within each; none when the time is over. */
  async poll(options: PollOptions = {}): Promise<MessageView[]> {
    const { maxMessageNum = POLL_MESSAGES, timeout = POLL_TIMEOUT_MS, signal } = options
    checkPoll(maxMessageNum, timeout)
    this.#checkOpen()
    const { alarms } = this.#parts
    const deadlineMs = alarms.nowMs() + timeout
    const both = signal === undefined ? this.#stop.signal : AbortSignal.any([signal, this.#stop.signal])
    try {
      for (;;) {
        const messages = await this.#read(maxMessageNum)
        const waitMs = deadlineMs - alarms.nowMs()
        if (messages.length > 0 || waitMs <= 0) return messages
        const queues: (QueueAddress & { queueOffset: number })[] = []
        for (const queue of this.#active()) {
          queues.push({ topic: queue.topic, queueId: queue.queueId, queueOffset: await this.#positionOf(queue) })
        }
        if (!(await this.#parts.core.hasMessage(this.#ctx, { queues, waitMs }, both))) return []
      }
    } catch (error) {
      // Closing while somebody waits is no failure of his.
      if (this.#isClosed && signal?.aborted !== true) return []
      throw error
    }
  }

  /** Everything that was polled is done; it survives the process when this resolves. */
  async commit(): Promise<void> {
    const queues: (QueueAddress & { queueOffset: number; isSought: boolean })[] = []
    for (const queue of this.#assigned.values()) {
      const { topic, queueId, position, isSought } = queue
      if (position === undefined) continue
      queues.push({ topic, queueId, queueOffset: position, isSought })
      queue.isSought = false
    }
    this.#parts.core.commit(this.#ctx, { group: this.group, queues })
  }

  /** Idempotent. With `autoCommitMs`, what was polled is committed first. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#stop.abort()
    this.#parts.alarms.cancel(this.#autoCommit)
    if (this.#settings.autoCommitMs > 0) await this.commit()
    this.#parts.core.leave(this.#ctx, this.group)
    this.#parts.onClose(this)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #read(maxMessageNum: number): Promise<MessageView[]> {
    const queues = this.#active()
    const messages: MessageView[] = []
    // Another queue comes first each time, so that none is starved by those before it.
    const first = queues.length === 0 ? 0 : this.#firstInTurn++ % queues.length
    for (let i = 0; i < queues.length && messages.length < maxMessageNum; i++) {
      const queue = queues[(first + i) % queues.length] as Assigned
      messages.push(...(await this.#readQueue(queue, maxMessageNum - messages.length)))
    }
    return messages
  }

  async #readQueue(queue: Assigned, maxMessages: number): Promise<MessageView[]> {
    const { topic, queueId } = queue
    const queueOffset = await this.#positionOf(queue)
    const { status, messages, nextQueueOffset } = await this.#parts.core.pull(this.#ctx, {
      ...{ topic, queueId, queueOffset, maxMessages, waitMs: 0, group: this.group },
    })
    // A seek while this was read holds.
    if (queue.position !== queueOffset || this.#assigned.get(keyOf(queue)) !== queue) return []
    if (status === 'offset-too-small') {
      const { group } = this
      const lost = nextQueueOffset - queueOffset
      this.#parts.events.emit('offset-gap', { group, topic, queueId, from: queueOffset, to: nextQueueOffset, lost })
    }
    if (status !== 'offset-too-big') queue.position = Math.max(queueOffset, nextQueueOffset)
    return messages.map(viewOf)
  }

  async #positionOf(queue: Assigned): Promise<number> {
    if (queue.position !== undefined) return queue.position
    const start = this.committed(queue) ?? (await this.#start(queue))
    queue.position ??= start
    return queue.position
  }

  async #start(queue: QueueAddress): Promise<number> {
    const from = startOf(this.#settings.startFrom)
    const { min, max } = this.#range(queue, false)
    if (from === 'first') return min
    return from === 'last' ? max : await this.offsetForTimestamp(queue, from)
  }

  #active(): Assigned[] {
    return [...this.#assigned.values()].filter(queue => !queue.isPaused)
  }

  #seek(queue: QueueAddress, queueOffset: number): void {
    const assigned = this.#get(queue)
    assigned.position = queueOffset
    assigned.isSought = true
  }

  #get(queue: QueueAddress): Assigned {
    this.#checkOpen()
    const assigned = this.#assigned.get(keyOf(queue))
    if (assigned !== undefined) return assigned
    throw new PocketMQError(
      'INVALID_ARGUMENT',
      `queue ${queue.topic}/${queue.queueId} is not assigned to this consumer`,
      {
        hint: 'Call assign with it first.',
        details: { topic: queue.topic, queueId: queue.queueId },
      },
    )
  }

  #range(queue: QueueAddress, isAssigned = true): { readonly min: number; readonly max: number } {
    if (isAssigned) this.#get(queue)
    checkTopicName(queue.topic)
    return this.#parts.core.queueBounds(this.#ctx, queue)
  }

  #commitLater(): void {
    const { autoCommitMs } = this.#settings
    if (autoCommitMs === 0) return
    this.#autoCommit = this.#parts.alarms.in(autoCommitMs, () => {
      this.commit().catch((error: unknown) => {
        this.#parts.events.emit('error', { where: `commit of group ${this.group}`, error: asError(error) })
      })
      this.#commitLater()
    })
  }

  #checkOpen(): void {
    if (!this.#isClosed) return
    throw new PocketMQError('STORE_CLOSED', 'this consumer is closed', { hint: 'Make another one.' })
  }
}

function keyOf({ topic, queueId }: QueueAddress): string {
  return queueKey(topic, queueId)
}

function checkPoll(maxMessageNum: number, timeout: number): void {
  const isCount = Number.isSafeInteger(maxMessageNum) && maxMessageNum >= 1 && maxMessageNum <= POLL_MESSAGES_MAX
  if (isCount && timeout >= 0) return
  throw new PocketMQError(
    'INVALID_ARGUMENT',
    `poll takes 1 to ${POLL_MESSAGES_MAX} messages and a timeout of 0 or more milliseconds`,
    {
      hint: 'For example poll({ maxMessageNum: 32, timeout: 5000 }).',
      details: { maxMessageNum, timeout },
    },
  )
}
