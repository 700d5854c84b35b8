/**
 * The groups at work in this process, and which queues each of them reads: joining, leaving, and queues that appear later.
 * For broadcasting every instance is a group of its own, with its own offsets.
 */
import { assert } from '../base/assert.ts'
import { asError } from '../base/errors.ts'
import type { MessageStore } from '../store/message-store.ts'
import type { ConsumerGroupOptions } from './consumer-group.ts'
import { ConsumerGroup } from './consumer-group.ts'
import type { ConsumerRegistration, StartFrom } from './core-types.ts'
import type { Member } from './member.ts'
import { instanceOffsetsName } from './offset-table.ts'
import { firstOffset } from './purged.ts'
import { QueueIds } from './queue-ids.ts'
import type { QueueWatches } from './queue-watches.ts'
import { popRetryTopics, retryTopicOf } from './retry-topics.ts'
import type { CompiledSubscription } from './subscription-expression.ts'
import type { Topics } from './topics.ts'

/** What groups at work share. */
export type WorkingGroupsOptions = Omit<ConsumerGroupOptions, 'group' | 'offsetsName' | 'order' | 'model'> & {
  readonly topics: Topics
  readonly watches: QueueWatches
}

/** A group at work and the queues it watches. */
type Work = { readonly group: ConsumerGroup; readonly watched: Map<string, (() => void)[]> }

/** What a join needs beside the registration. */
export type JoinDetails = {
  readonly instanceName: string
  /** Topics of the group's record before this join. */
  readonly knownTopics: ReadonlySet<string>
}

/** A consumer's place: the group at work it belongs to. */
export type Membership = { readonly group: ConsumerGroup; readonly member: Member }

/** Groups at work by the name of their offsets. */
export class WorkingGroups {
  readonly #options: WorkingGroupsOptions
  readonly #works = new Map<string, Work>()
  /** By client id, then by group. */
  readonly #memberships = new Map<string, Map<string, Membership>>()

  constructor(options: WorkingGroupsOptions) {
    this.#options = options
  }

  membership(clientId: string, group: string): Membership | undefined {
    return this.#memberships.get(clientId)?.get(group)
  }

  membershipsOf(clientId: string): readonly Membership[] {
    return [...(this.#memberships.get(clientId)?.values() ?? [])]
  }

  /** The group that shares its messages out, where it is at work. */
  shared(group: string): ConsumerGroup | undefined {
    return this.#works.get(group)?.group
  }

  /** All groups at work by this name: for broadcasting one per instance. */
  allOf(group: string): readonly ConsumerGroup[] {
    return this.all().filter(working => working.group === group)
  }

  all(): readonly ConsumerGroup[] {
    return [...this.#works.values()].map(work => work.group)
  }

  /** Live members of a group. */
  membersOf(group: string): readonly Member[] {
    return this.allOf(group).flatMap(working => working.members)
  }

  /** Puts a member to work. Its queues are attached, and the places where it starts are on their way to the disk. */
  async join(
    clientId: string,
    registration: ConsumerRegistration,
    subscriptions: ReadonlyMap<string, CompiledSubscription>,
    { instanceName, knownTopics }: JoinDetails,
  ): Promise<Membership> {
    const { group, model } = registration
    const offsetsName = model === 'broadcasting' ? instanceOffsetsName(group, instanceName) : group
    const work = this.#obtain(offsetsName, registration)
    assert(work.group.member(clientId) === undefined, `client ${clientId} is not in ${group} yet`)
    work.group.subscribe(subscriptions)
    const member = await this.#joinWork(work, clientId, registration, subscriptions, knownTopics)
    const membership = { group: work.group, member }
    let memberships = this.#memberships.get(clientId)
    if (memberships === undefined) {
      memberships = new Map()
      this.#memberships.set(clientId, memberships)
    }
    memberships.set(group, membership)
    return membership
  }

  /** Queues come before the member: meanwhile nobody is missed in them. */
  async #joinWork(
    work: Work,
    clientId: string,
    registration: ConsumerRegistration,
    subscriptions: ReadonlyMap<string, CompiledSubscription>,
    knownTopics: ReadonlySet<string>,
  ): Promise<Member> {
    const { group, model } = registration
    const ids = new QueueIds(this.#options.topics, this.#options.store)
    work.group.joining++
    try {
      for (const topic of subscriptions.keys()) {
        // A queue without an offset in a topic the group knows is one that came after the group did.
        await this.#attach(work, topic, ids, knownTopics.has(topic) ? 'first' : registration.startFrom)
      }
      if (model === 'clustering') {
        for (const topic of this.#retryTopics(group, subscriptions)) await this.#attach(work, topic, ids, 'first')
      }
    } finally {
      work.group.joining--
    }
    return work.group.join(clientId, registration)
  }

  /** Answers whether it was there. */
  leave(clientId: string, group: string): boolean {
    const memberships = this.#memberships.get(clientId)
    const membership = memberships?.get(group)
    if (memberships === undefined || membership === undefined) return false
    memberships.delete(group)
    if (memberships.size === 0) this.#memberships.delete(clientId)
    membership.group.leave(clientId)
    if (membership.group.members.length === 0) membership.group.rest()
    return true
  }

  /** The group's subscription no longer has these topics. */
  detach(group: string, keep: ReadonlySet<string>): void {
    for (const work of this.#works.values()) {
      if (work.group.group !== group) continue
      for (const topic of [...work.watched.keys()]) {
        if (keep.has(topic) || topic.startsWith('%')) continue
        this.#unwatch(work, topic)
        work.group.removeTopic(topic)
      }
    }
  }

  /** A topic was deleted: its queues are gone, and new ones may come under its name. */
  async topicDeleted(topic: string): Promise<void> {
    this.#options.watches.forget(topic)
    for (const work of this.#works.values()) {
      if (!work.watched.has(topic)) continue
      this.#unwatch(work, topic)
      work.group.removeTopic(topic)
      await this.#attach(work, topic, new QueueIds(this.#options.topics, this.#options.store), 'first')
    }
  }

  close(): void {
    for (const { group } of this.#works.values()) group.close()
  }

  #obtain(offsetsName: string, registration: ConsumerRegistration): Work {
    const { group, order, model } = registration
    const known = this.#works.get(offsetsName)
    if (known !== undefined && known.group.options.order === order && known.group.options.model === model) return known
    if (known !== undefined) {
      // Nobody is left in it (membership.ts sees to that), and its messages are delivered another way from now on.
      for (const topic of [...known.watched.keys()]) this.#unwatch(known, topic)
      known.group.close()
    }
    const working = new ConsumerGroup({ ...this.#options, group, offsetsName, order, model })
    const work: Work = { group: working, watched: new Map() }
    this.#works.set(offsetsName, work)
    return work
  }

  async #attach(work: Work, topic: string, ids: QueueIds, startFrom: StartFrom): Promise<void> {
    if (work.watched.has(topic)) return
    const { store, watches, events } = this.#options
    const stops: (() => void)[] = []
    work.watched.set(topic, stops)
    for (const queueId of ids.of(topic)) {
      const start = await this.#startOf(work, topic, queueId, startFrom)
      stops.push(this.#addQueue(work, topic, queueId, start))
    }
    // Whatever is in a queue that appears later came after the group did.
    stops.push(
      watches.watchTopic(topic, queueId => {
        if (work.group.cursor(topic, queueId) !== undefined) return
        try {
          stops.push(this.#addQueue(work, topic, queueId, minOf(store, topic, queueId)))
        } catch (error) {
          events.emit('error', { where: `a new queue of ${topic}`, error: asError(error) })
        }
      }),
    )
  }

  #addQueue(work: Work, topic: string, queueId: number, start: number): () => void {
    const { store, watches } = this.#options
    const end = store.queueRange(topic, queueId)?.maxQueueOffset ?? 0
    const cursor = work.group.addQueue(topic, queueId, end, () => start)
    return watches.watchQueue(topic, queueId, (endOffset, physicalOffset, sizeBytes) =>
      work.group.grew(cursor, endOffset, physicalOffset, sizeBytes),
    )
  }

  async #startOf(work: Work, topic: string, queueId: number, startFrom: StartFrom): Promise<number> {
    const { store, offsets } = this.#options
    if (offsets.get(work.group.options.offsetsName, topic, queueId) !== undefined) return 0
    const range = store.queueRange(topic, queueId)
    if (range === undefined) return 0
    const first = firstOffset(store, offsets, topic, queueId)
    if (startFrom === 'first') return first
    if (startFrom === 'last') return range.maxQueueOffset
    return Math.max(first, await firstAtOrAfter(store, topic, queueId, startFrom))
  }

  /** RocketMQ has three forms of a group's retry topic; ours writes the first, and reads all. */
  #retryTopics(group: string, subscriptions: ReadonlyMap<string, CompiledSubscription>): string[] {
    const ofPop = [...subscriptions.keys()].flatMap(topic => popRetryTopics(group, topic))
    const { topics, offsets } = this.#options
    // `%RETRY%a_b` is also what group `a_b` fails into, beside group `a` with topic `b`: a group that there is has it.
    const ofOthers = new Set(ofPop.length > 0 ? offsets.groups().map(retryTopicOf) : [])
    return [retryTopicOf(group), ...ofPop.filter(topic => topics.get(topic) !== undefined && !ofOthers.has(topic))]
  }

  #unwatch(work: Work, topic: string): void {
    for (const stop of work.watched.get(topic) ?? []) stop()
    work.watched.delete(topic)
  }
}

/** The first message stored at or after a time; the end of the queue where there is none. */
export async function firstAtOrAfter(
  store: MessageStore,
  topic: string,
  queueId: number,
  timestampMs: number,
): Promise<number> {
  const range = store.queueRange(topic, queueId)
  if (range === undefined) return 0
  return await store.offsetByTimestamp(topic, queueId, timestampMs, 'lower')
}

function minOf(store: MessageStore, topic: string, queueId: number): number {
  return store.queueRange(topic, queueId)?.minQueueOffset ?? 0
}
