/** `mq.admin`: what operators ask for. Topics, groups, single messages, and the folder as a whole. */
import { PocketMQError } from '../base/errors.ts'
import type { MessageStore } from '../store/message-store.ts'
import type {
  GroupProgress,
  GroupView,
  MemberView,
  PurgeRequest,
  ResetOffsetRequest,
  ResetOffsetResult,
} from './core-types.ts'
import type { DeadLetterFilter, RedriveOptions, RedriveResult } from './dead-letters.ts'
import { deadLetterAge, listDeadLetters, redriveDeadLetters } from './dead-letters.ts'
import type { Engine } from './engine.ts'
import { saveForSnapshot } from './engine.ts'
import { lagOf } from './health-watch.ts'
import { checkAnyGroupName, checkUserTopic, invalid, isGroupTopic, isSystemGroup, isSystemTopic } from './limits.ts'
import { MessageView } from './message-view.ts'
import { checkOptionNames } from './option-names.ts'
import { ParkedRetries } from './parked-retries.ts'
import type { PurgeResult } from './purged.ts'
import { messagesIn } from './purged.ts'
import { QueueIds } from './queue-ids.ts'
import { deadLetterTopicOf } from './retry-topics.ts'
import type { CreateTopicOptions, TopicConfig, UpdateTopicOptions } from './topics.ts'
import { topicNotFound } from './topics.ts'

/** Where a group is moved to: the oldest message, the end, an offset, or the first message at or after a time. */
export type OffsetTarget = 'first' | 'last' | number | Date

/** Which messages a look-up by key answers. Times are epoch milliseconds or dates. */
export type QueryOptions = { readonly from?: Date | number; readonly to?: Date | number; readonly max?: number }

/** A topic and where its queues are. RocketMQ: TopicRouteData. */
export type TopicRoute = {
  readonly topic: string
  readonly readQueues: number
  readonly writeQueues: number
  readonly perm: number
  readonly brokerName: string
  readonly queues: readonly {
    readonly queueId: number
    readonly minQueueOffset: number
    readonly maxQueueOffset: number
  }[]
}

/** How the queue is. */
export type Health = {
  /** `failed`: nothing can be stored until it is opened again. */
  readonly status: 'ok' | 'attention' | 'failed'
  /** Sentences for people. */
  readonly findings: readonly string[]
}

const HOUR_MS = 3_600_000
const LETTER_OPTIONS = ['max', 'filter', 'signal']

/** Administration of one queue object. */
export class Admin {
  readonly #engine: Engine
  readonly #store: MessageStore

  constructor(engine: Engine) {
    this.#engine = engine
    this.#store = engine.store
  }

  // ---- topics ------------------------------------------------------------------------------------------------------

  /** In `topics.json`, durably, when it resolves. Fine if it exists just so. @throws INVALID_ARGUMENT, TOPIC_EXISTS */
  createTopic(options: CreateTopicOptions): Promise<TopicConfig> {
    return this.#engine.topics.create(options)
  }

  /** Durable when it resolves. @throws INVALID_ARGUMENT, TOPIC_NOT_FOUND */
  updateTopic(options: UpdateTopicOptions): Promise<TopicConfig> {
    return this.#engine.topics.update(options)
  }

  /**
   * Its messages are gone, for every group, and so are delayed ones bound for it. Durable when it resolves. A topic created
   * again under that name goes on counting. @throws INVALID_ARGUMENT, TOPIC_NOT_FOUND
   */
  async deleteTopic(topic: string): Promise<void> {
    const { topics, delivery, dedupe } = this.#engine
    checkUserTopic(topic)
    if (topics.get(topic) === undefined) throw topicNotFound(topic)
    await this.#store.deleteTopic(topic)
    await delivery.topicDeleted(topic)
    dedupe.forgetTopic(topic)
    await topics.remove(topic)
  }

  /** By name; the system's own, and groups' retry and dead-letter topics, where `system` asks for them. */
  async topics(options: { readonly system?: boolean } = {}): Promise<TopicConfig[]> {
    checkOptionNames('topics', options, ['system'])
    const { system = false } = options
    const all = this.#engine.topics.all()
    return system ? all : all.filter(({ topic }) => !isSystemTopic(topic) && !isGroupTopic(topic))
  }

  /** @throws TOPIC_NOT_FOUND */
  async topicRoute(topic: string): Promise<TopicRoute> {
    const { readQueues, writeQueues, perm } = this.#topic(topic)
    const queues = new QueueIds(this.#engine.topics, this.#store).of(topic).map(queueId => {
      const { minQueueOffset = 0, maxQueueOffset = 0 } = this.#store.queueRange(topic, queueId) ?? {}
      return { queueId, minQueueOffset, maxQueueOffset }
    })
    return { topic, readQueues, writeQueues, perm, brokerName: this.#engine.settings.brokerName, queues }
  }

  /**
   * Empties a topic, or one queue of it: every group skips what it holds now, and groups that come later begin behind it, whatever
   * their `startFrom`. The messages stay in the log until retention takes them. On the device when it resolves. @throws TOPIC_NOT_FOUND
   */
  async purge(request: PurgeRequest): Promise<PurgeResult> {
    checkOptionNames('purge', request, ['topic', 'queueId'])
    const { topic, queueId } = request
    this.#topic(topic)
    return await this.#engine.delivery.purge(this.#context(), { topic, queueId })
  }

  // ---- groups ------------------------------------------------------------------------------------------------------

  /** Every group that has a subscription record, an offset or a member. */
  async groups(): Promise<GroupView[]> {
    return this.#engine.delivery.groups().filter(({ group }) => !isSystemGroup(group))
  }

  /** How far a group is, queue by queue. @throws GROUP_NOT_FOUND */
  async groupProgress(group: string): Promise<GroupProgress> {
    this.#group(group)
    return await this.#engine.delivery.progress(this.#context(), group)
  }

  /** Its live members. */
  async consumers(group: string): Promise<MemberView[]> {
    return this.#engine.delivery.consumers(group)
  }

  /** Forgets a group: its subscription record and its offsets. @throws INVALID_ARGUMENT while it has members, GROUP_NOT_FOUND */
  async deleteGroup(group: string): Promise<void> {
    this.#group(group)
    await this.#engine.delivery.deleteGroup(group)
  }

  /** Moves a group, with live members or without. @throws INVALID_ARGUMENT, TOPIC_NOT_FOUND, GROUP_NOT_FOUND */
  async resetOffset(request: {
    readonly group: string
    readonly topic: string
    readonly queueId?: number | undefined
    readonly to: OffsetTarget
  }): Promise<ResetOffsetResult> {
    checkOptionNames('resetOffset', request, ['group', 'topic', 'queueId', 'to'])
    const { group, topic, queueId } = request
    const to = targetOf(request.to)
    // A group to come begins where its `startFrom` says; a place noted for a misspelt name would move nobody.
    this.#group(group)
    this.#topic(topic)
    const queue = queueId === undefined ? {} : { queueId }
    return await this.#reset({ group, topic, ...queue, to })
  }

  /**
   * Resolves when the group has done everything there is: nothing unconsumed, nothing in hand, and no failed message that waits to be
   * tried again. Delayed messages count once their time has come. @throws GROUP_NOT_FOUND, AbortError, STORE_CLOSED
   */
  async waitUntilEmpty(group: string, options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    checkOptionNames('waitUntilEmpty', options, ['signal'])
    const { signal } = options
    this.#group(group)
    const { closing, offsets, levels, timers } = this.#engine
    const either = signal === undefined ? closing.signal : AbortSignal.any([signal, closing.signal])
    const parked = new ParkedRetries({ store: this.#store, levels, timers }, group)
    for (;;) {
      either.throwIfAborted()
      // Asked for before the look: what moves during it is not missed.
      const moved = Promise.allSettled([offsets.moved(either)])
      if ((await this.#isDone(group, either)) && !(await parked.any()) && (await this.#isDone(group, either))) return
      // An abort ends it too, and is thrown above.
      await moved
    }
  }

  /** The group's dead letters that were not sent back, the oldest first, with the topic they were sent to. */
  async deadLetters(group: string, which: DeadLetterFilter = {}): Promise<MessageView[]> {
    checkAnyGroupName(group)
    checkOptionNames('deadLetters', which, LETTER_OPTIONS)
    return await listDeadLetters(this.#deadLetterParts(), group, which)
  }

  /** Sends dead letters back to their group alone, as if they had never been tried. In the page cache when it resolves. @throws GROUP_NOT_FOUND */
  async redrive({ group, ...which }: RedriveOptions & { readonly group: string }): Promise<RedriveResult> {
    checkAnyGroupName(group)
    // A folder may have dead letters of a group that it knows nothing else of.
    if (this.#engine.topics.get(deadLetterTopicOf(group)) === undefined) this.#group(group)
    checkOptionNames('redrive', which, [...LETTER_OPTIONS, 'rate'])
    return await redriveDeadLetters(this.#deadLetterParts(), group, which)
  }

  // ---- single messages ---------------------------------------------------------------------------------------------

  /** Messages with this key, newest first. */
  async queryByKey(topic: string, key: string, options: QueryOptions = {}): Promise<MessageView[]> {
    checkOptionNames('queryByKey', options, ['from', 'to', 'max'])
    const { from, to, max } = options
    const found = await this.#store.queryByKey(topic, key, {
      ...(from === undefined ? {} : { from: Number(from) }),
      ...(to === undefined ? {} : { to: Number(to) }),
      ...(max === undefined ? {} : { max }),
    })
    return found.map(message => new MessageView(message))
  }

  /** By message id or offset message id. */
  async queryById(id: string, topic?: string): Promise<MessageView | undefined> {
    const found = await this.#store.queryById(id, topic)
    return found === undefined ? undefined : new MessageView(found)
  }

  /** The message at this place, without consuming it. */
  async peek(at: {
    readonly topic: string
    readonly queueId: number
    readonly queueOffset: number
  }): Promise<MessageView | undefined> {
    checkOptionNames('peek', at, ['topic', 'queueId', 'queueOffset'])
    const { messages } = await this.#store.read({ ...at, maxMessages: 1 })
    const message = messages.find(({ queueOffset }) => queueOffset === at.queueOffset)
    return message === undefined ? undefined : new MessageView(message)
  }

  // ---- the folder --------------------------------------------------------------------------------------------------

  /** A consistent copy of the live folder in a new one. */
  async snapshot(dir: string, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    await saveForSnapshot(this.#engine)
    await this.#store.snapshot(dir, options)
  }

  /** Audits every byte, read-only. */
  verify(options: Parameters<MessageStore['verify']>[0] = {}): ReturnType<MessageStore['verify']> {
    return this.#store.verify(options)
  }

  /** Counts and sizes, as plain values. */
  async stats(): Promise<Readonly<Record<string, number | string>>> {
    const { topics, delivery, timers, levels, transactions } = this.#engine
    return {
      ...this.#store.stats(),
      topics: topics.all().filter(({ topic }) => !isSystemTopic(topic) && !isGroupTopic(topic)).length,
      groups: delivery.groups().filter(({ group }) => !isSystemGroup(group)).length,
      delayed: timers.waiting.count + levels.count,
      undecidedTransactions: transactions.count,
    }
  }

  /** What somebody should look at. */
  async health(): Promise<Health> {
    const findings: string[] = []
    const failure = this.#failure()
    if (failure !== undefined) findings.push(failure)
    for (const { group, members } of await this.groups()) {
      const lag = this.#lagOf(group)
      if (members.length === 0 && lag > 0)
        findings.push(`group ${group} has ${lag} messages to consume and no live member`)
      const dead = await deadLetterAge(this.#deadLetterParts(), group)
      if (dead !== undefined) findings.push(deadFinding(group, dead))
    }
    for (const { topic } of await this.topics()) {
      const hasMessages = messagesIn(this.#store, this.#engine.offsets.entries, topic) > 0
      if (hasMessages && (await this.#groupsOf(topic)).length === 0)
        findings.push(`topic ${topic} has messages and no group consumes it`)
    }
    if (failure !== undefined) return { status: 'failed', findings }
    return { status: findings.length === 0 ? 'ok' : 'attention', findings }
  }

  #failure(): string | undefined {
    try {
      // Nothing is appended: an empty unit only asks whether one could be.
      this.#store.putAll([])
      return undefined
    } catch (error) {
      if (!(error instanceof PocketMQError) || error.code === 'POCKETMQ_INVALID_ARGUMENT') return undefined
      return `${error.code}: ${error.message}`
    }
  }

  #reset(request: ResetOffsetRequest): Promise<ResetOffsetResult> {
    return this.#engine.delivery.resetOffset(this.#context(), request)
  }

  /** Groups that consume a topic: by their record, or by an offset they have there. */
  async #groupsOf(topic: string): Promise<string[]> {
    const { offsets } = this.#engine
    const views = await this.groups()
    const isOf = (view: GroupView): boolean => {
      if (view.subscriptions.some(subscription => subscription.topic === topic)) return true
      return [...offsets.entries.ofGroup(view.group)].some(entry => entry.topic === topic)
    }
    return views.filter(isOf).map(({ group }) => group)
  }

  async #isDone(group: string, signal: AbortSignal): Promise<boolean> {
    await this.#store.dispatched(this.#store.watermarks.written, signal)
    return this.#lagOf(group) === 0
  }

  #lagOf(group: string): number {
    return lagOf(this.#store, this.#engine.offsets, group)
  }

  #topic(topic: string): TopicConfig {
    const known = this.#engine.topics.get(topic)
    if (known === undefined) throw topicNotFound(topic)
    return known
  }

  #group(group: string): void {
    checkAnyGroupName(group)
    const { delivery } = this.#engine
    if (delivery.groups().some(view => view.group === group)) return
    throw new PocketMQError('GROUP_NOT_FOUND', `there is no group ${group}`, {
      hint: 'Look at the groups with mq.admin.groups().',
      details: { field: 'group', group },
    })
  }

  #deadLetterParts(): { store: MessageStore; topics: Engine['topics']; offsets: Engine['offsets'] } {
    const { store, topics, offsets } = this.#engine
    return { store, topics, offsets }
  }

  #context(): { readonly clientId: string } {
    return { clientId: 'admin' }
  }
}

function deadFinding(
  group: string,
  { count, oldestMs }: { readonly count: number; readonly oldestMs: number },
): string {
  return `group ${group} has ${count} dead letters, the oldest for ${(oldestMs / HOUR_MS).toFixed(1)} hours`
}

function targetOf(to: OffsetTarget): ResetOffsetRequest['to'] {
  if (to === 'first' || to === 'last') return { kind: to }
  if (to instanceof Date && !Number.isNaN(to.getTime())) return { kind: 'timestamp', value: to.getTime() }
  if (typeof to === 'number' && Number.isSafeInteger(to) && to >= 0) return { kind: 'offset', value: to }
  throw invalid(
    'to',
    'to is no place in a queue',
    "Pass 'first', 'last', an offset or a Date.",
    'first, last, offset, Date',
    String(to),
  )
}
