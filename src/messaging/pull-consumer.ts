/**
 * Pull: the caller polls, from queues he names (`assign`) or that his group shares out (`subscribe`), and commits when he means it.
 * RocketMQ: DefaultLitePullConsumer.
 */
import { asError, isErrorNamed, PocketMQError } from '../base/errors.ts'
import type { Alarm } from './alarms.ts'
import type { PullConsumerOptions, Subscriptions } from './consumer-options.ts'
import type { ConsumerParts } from './consumer-parts.ts'
import { consumerContext } from './consumer-parts.ts'
import type { PullSettings } from './consumer-settings.ts'
import { autoCommitMsOf, pullRegistration, resolvePull, startOf, subscriptionEntries } from './consumer-settings.ts'
import type { ClientContext, ClientEvent, PullRequest, QueueAddress } from './core-types.ts'
import { queueKey } from './group-offsets.ts'
import { checkTopicName, isGroupTopic } from './limits.ts'
import type { MessageView } from './message-view.ts'
import { viewOf } from './message-view.ts'
import { checkOptionNames } from './option-names.ts'

const POLL_MESSAGES = 10
const POLL_MESSAGES_MAX = 10_000
const POLL_TIMEOUT_MS = 5000

/** One assigned queue. */
type Assigned = QueueAddress & {
  /** What `poll` reads next. */
  position: number | undefined
  /** Everything below has been given to the caller. */
  polled: number | undefined
  /** Everything below had been given when he last asked for more: he is done with it. */
  handled: number | undefined
  isPaused: boolean
  isSought: boolean
  /** Of the group's assignment, where the group shares out. */
  readonly epoch: number | undefined
}

type Filter = NonNullable<PullRequest['filter']>

/** How {@link PullConsumer.poll} asks. */
export type PollOptions = {
  readonly maxMessageNum?: number
  /** Milliseconds to wait when there is nothing. */
  readonly timeout?: number
  readonly signal?: AbortSignal | undefined
}

/** A consumer that owns its position. */
export class PullConsumer {
  readonly clientId: string
  readonly #parts: ConsumerParts
  readonly #settings: PullSettings
  readonly #ctx: ClientContext
  readonly #assigned = new Map<string, Assigned>()
  /** Queues that go to another, with what was polled of them: it can still be committed, while its group waits for that. */
  readonly #leaving = new Map<string, Assigned>()
  readonly #stop = new AbortController()
  /** Polls that wait: they look again when something has changed. */
  readonly #waits = new Set<AbortController>()
  /** Counts what it was told. */
  #news = 0
  #group: string
  /** What it wants of each topic it subscribes to; undefined where it names its queues itself. */
  #filters: ReadonlyMap<string, Filter> | undefined
  /** The group's assignment that was last taken over. */
  #epoch = -1
  #isFenced = false
  #firstInTurn = 0
  #autoCommit: Alarm | undefined
  #isClosed = false

  private constructor(parts: ConsumerParts, settings: PullSettings, ctx: ClientContext, group: string) {
    this.#parts = parts
    this.#settings = settings
    this.#ctx = ctx
    this.#group = group
    this.clientId = ctx.clientId
    this.#filters = filtersOf(settings.subscriptions)
  }

  /** Resolves once it has joined its group. @throws SUBSCRIPTION_MISMATCH beside push or simple consumers, INSTANCE_ID_IN_USE */
  static async open(parts: ConsumerParts, options: PullConsumerOptions): Promise<PullConsumer> {
    const settings = resolvePull(options)
    const ctx = consumerContext(parts, settings.consumerGroup, settings.instanceName)
    const { group } = await parts.core.join(ctx, pullRegistration(settings), settings.signal)
    const consumer = new PullConsumer(parts, settings, ctx, group)
    consumer.#listen()
    consumer.#commitLater()
    return consumer
  }

  get group(): string {
    return this.#group
  }

  /**
   * From now on the group shares out the queues of these topics among its pull consumers that subscribe; which ones are this
   * one's is looked up by each `poll`. Takes the place of an earlier subscription.
   * @throws INVALID_ARGUMENT after `assign`, SUBSCRIPTION_MISMATCH where the group subscribes to something else
   */
  async subscribe(subscriptions: Subscriptions): Promise<void> {
    this.#checkOpen()
    if (this.#filters === undefined && this.#assigned.size > 0) throw mixed('subscribe', 'assign')
    const settings = resolvePull({ ...this.#settings, subscriptions } as PullConsumerOptions)
    const filters = filtersOf(subscriptions)
    if (filters === undefined) {
      throw new PocketMQError('INVALID_ARGUMENT', 'subscribe needs at least one topic', {
        hint: "For example subscribe({ orders: '*' }).",
        details: { option: 'subscriptions' },
      })
    }
    this.#parts.core.leave(this.#ctx, this.#group)
    this.#assigned.clear()
    this.#leaving.clear()
    this.#filters = undefined
    try {
      this.#group = await this.#join(settings)
      this.#filters = filters
    } catch (error) {
      await this.#join({ ...this.#settings, subscriptions: {} })
      throw error
    }
  }

  /**
   * These queues from now on, each from where the group is, else from `startFrom`. Queues that stay keep their position.
   * @throws INVALID_ARGUMENT after `subscribe`
   */
  assign(queues: readonly QueueAddress[]): void {
    this.#checkOpen()
    if (this.#filters !== undefined) throw mixed('assign', 'subscribe')
    const wanted = new Map(queues.map(queue => [keyOf(queue), queue]))
    for (const key of this.#assigned.keys()) if (!wanted.has(key)) this.#assigned.delete(key)
    for (const [key, { topic, queueId }] of wanted) {
      if (this.#assigned.has(key)) continue
      this.#assigned.set(key, assigned(topic, queueId))
    }
  }

  /** The assigned queues; for a group that shares out, as of now. */
  assignment(): QueueAddress[] {
    this.#takeShare()
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

  /**
   * The next messages of the assigned queues, in order within each; none when the time is over. Asking for more says that the
   * messages before are done: `autoCommit` commits those.
   * @throws INVALID_ARGUMENT, STORE_CLOSED, SUBSCRIPTION_MISMATCH once another subscription is the group's, AbortError
   */
  async poll(options: PollOptions = {}): Promise<MessageView[]> {
    checkOptionNames('poll', options, ['maxMessageNum', 'timeout', 'signal'])
    const { maxMessageNum = POLL_MESSAGES, timeout = POLL_TIMEOUT_MS, signal } = options
    checkPoll(maxMessageNum, timeout)
    this.#checkOpen()
    const { alarms } = this.#parts
    const deadlineMs = alarms.nowMs() + timeout
    this.#askedForMore()
    try {
      for (;;) {
        if (this.#isFenced) throw this.#fenced()
        const news = this.#news
        this.#takeShare()
        const messages = await this.#read(maxMessageNum)
        const waitMs = deadlineMs - alarms.nowMs()
        if (messages.length > 0 || waitMs <= 0) {
          for (const queue of this.#assigned.values()) queue.polled = queue.position
          return messages
        }
        if (news === this.#news && !(await this.#wait(waitMs, signal))) return []
      }
    } catch (error) {
      // Closing while somebody waits is no failure of his.
      if (this.#isClosed && signal?.aborted !== true) return []
      throw error
    }
  }

  /**
   * Everything that was polled is done; it survives the process when this resolves. A queue that goes to another consumer waits for
   * this, up to `drainTimeout`; of one that has gone nothing is committed: it comes again there.
   */
  async commit(): Promise<void> {
    this.#commit('polled')
  }

  /** Idempotent. With `autoCommit`, what was polled is committed first. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#stop.abort()
    this.#parts.alarms.cancel(this.#autoCommit)
    if (autoCommitMsOf(this.#settings) !== undefined) this.#commit('polled')
    this.#parts.core.leave(this.#ctx, this.group)
    this.#parts.onClose(this)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #join(settings: PullSettings): Promise<string> {
    this.#isFenced = false
    this.#epoch = -1
    const { group } = await this.#parts.core.join(this.#ctx, pullRegistration(settings), settings.signal)
    this.#listen()
    return group
  }

  /** Hears what the core has to tell this client, until it leaves its group. */
  #listen(): void {
    const hear = async (): Promise<void> => {
      for (;;) {
        const events = await this.#parts.core.nextEvents(this.#ctx, this.#stop.signal)
        if (events.length === 0) return
        for (const event of events) this.#told(event)
      }
    }
    hear().catch((error: unknown) => {
      if (this.#isClosed || isErrorNamed(error, 'STORE_CLOSED')) return
      this.#parts.events.emit('error', { where: `pull consumer of ${this.#group}`, error: asError(error) })
    })
  }

  #told(event: ClientEvent): void {
    if (event.kind === 'fenced') this.#isFenced = this.#filters !== undefined
    if (event.kind === 'reset-offset') {
      for (const { topic, queueId, queueOffset } of event.queues) {
        const queue = this.#assigned.get(queueKey(topic, queueId))
        if (queue !== undefined) goTo(queue, queueOffset)
      }
    }
    this.#news++
    for (const wait of this.#waits) wait.abort()
  }

  /** The queues that the group's assignment gives to this consumer. What it keeps goes on where it is. */
  #takeShare(): void {
    if (this.#filters === undefined || this.#isClosed) return
    const { epoch, queues } = this.#parts.core.assignment(this.#ctx, this.#group)
    if (epoch === this.#epoch) return
    this.#epoch = epoch
    const kept = new Map([...this.#leaving, ...this.#assigned])
    this.#assigned.clear()
    for (const queue of queues) {
      const { topic, queueId } = queue
      if (isGroupTopic(topic)) continue
      const known = kept.get(keyOf(queue))
      this.#assigned.set(keyOf(queue), known?.epoch === queue.epoch ? known : assigned(topic, queueId, queue.epoch))
      kept.delete(keyOf(queue))
    }
    this.#leaving.clear()
    for (const [key, queue] of kept) this.#leaving.set(key, queue)
  }

  /** Waits for a message or another assignment; false when the time is over. */
  async #wait(waitMs: number, signal: AbortSignal | undefined): Promise<boolean> {
    const queues: (QueueAddress & { queueOffset: number })[] = []
    for (const queue of this.#active()) {
      queues.push({ topic: queue.topic, queueId: queue.queueId, queueOffset: await this.#positionOf(queue) })
    }
    const changed = new AbortController()
    const signals = [changed.signal, this.#stop.signal, ...(signal === undefined ? [] : [signal])]
    this.#waits.add(changed)
    try {
      const newQueuesOf = [...(this.#filters?.keys() ?? [])]
      return await this.#parts.core.hasMessage(this.#ctx, { queues, newQueuesOf, waitMs }, AbortSignal.any(signals))
    } catch (error) {
      if (changed.signal.aborted && !this.#isClosed && signal?.aborted !== true) return true
      throw error
    } finally {
      this.#waits.delete(changed)
    }
  }

  #commit(what: 'polled' | 'handled'): void {
    const queues: (QueueAddress & { queueOffset: number; isSought: boolean; epoch?: number })[] = []
    for (const queue of [...this.#assigned.values(), ...this.#leaving.values()]) {
      const { topic, queueId, isSought, epoch } = queue
      const queueOffset = queue[what]
      if (queueOffset === undefined) continue
      queues.push({ topic, queueId, queueOffset, isSought, ...(epoch === undefined ? {} : { epoch }) })
      queue.isSought = false
    }
    this.#parts.core.commit(this.#ctx, { group: this.group, queues })
    for (const [key, queue] of this.#leaving) if (queue[what] === queue.polled) this.#leaving.delete(key)
  }

  /** The caller is done with what earlier polls gave him. */
  #askedForMore(): void {
    this.#takeShare()
    for (const queue of [...this.#assigned.values(), ...this.#leaving.values()]) queue.handled = queue.polled
    // Somebody waits for these.
    if (this.#leaving.size > 0 && autoCommitMsOf(this.#settings) !== undefined) this.#commit('handled')
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
    const filter = this.#filters?.get(topic)
    const request = { topic, queueId, queueOffset, maxMessages, waitMs: 0, group: this.group }
    const owned = queue.epoch === undefined ? request : { ...request, epoch: queue.epoch }
    const asked = filter === undefined ? owned : { ...owned, filter }
    const { status, messages, nextQueueOffset } = await this.#parts.core.pull(this.#ctx, asked)
    // A seek while this was read holds.
    if (status === 'stale' || queue.position !== queueOffset || this.#assigned.get(keyOf(queue)) !== queue) return []
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
    goTo(assigned, queueOffset)
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
        hint: 'Call assign with it first; with subscribe, see assignment().',
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
    const autoCommitMs = autoCommitMsOf(this.#settings)
    if (autoCommitMs === undefined) return
    this.#autoCommit = this.#parts.alarms.in(autoCommitMs, () => {
      this.#commit('handled')
      this.#commitLater()
    })
  }

  #fenced(): PocketMQError {
    return new PocketMQError(
      'SUBSCRIPTION_MISMATCH',
      `another subscription has become that of group '${this.#group}'`,
      {
        hint: 'Subscribe to the same, or use another group.',
        details: { group: this.#group, clientId: this.clientId },
      },
    )
  }

  #checkOpen(): void {
    if (!this.#isClosed) return
    throw new PocketMQError('STORE_CLOSED', 'this consumer is closed', { hint: 'Make another one.' })
  }
}

function assigned(topic: string, queueId: number, epoch?: number): Assigned {
  const nowhere = { position: undefined, polled: undefined, handled: undefined }
  return { topic, queueId, epoch, ...nowhere, isPaused: false, isSought: false }
}

/** Everything below the offset counts as handled. */
function goTo(queue: Assigned, queueOffset: number): void {
  queue.position = queueOffset
  queue.polled = queueOffset
  queue.handled = queueOffset
}

function filtersOf(subscriptions: Subscriptions): ReadonlyMap<string, Filter> | undefined {
  const entries = subscriptionEntries(subscriptions)
  return entries.length === 0
    ? undefined
    : new Map(entries.map(({ topic, type, expression }) => [topic, { type, expression }]))
}

function mixed(wanted: string, present: string): PocketMQError {
  return new PocketMQError('INVALID_ARGUMENT', `a consumer that uses ${present} cannot use ${wanted}`, {
    hint: 'Name the queues yourself (assign) or let the group share them out (subscribe), in two consumers if need be.',
    details: { wanted, present },
  })
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
