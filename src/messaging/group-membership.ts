/**
 * Joining and leaving groups: under the group's record, one join after the other, with the places where a group starts on the
 * device before its first message goes out. What may join is decided in membership.ts.
 */
import { PocketMQError } from '../base/errors.ts'
import type { GroupRecord, SubscriptionRecord } from '../codec/groups-json.ts'
import type { MessageStore } from '../store/message-store.ts'
import { instanceNameOf, inUse } from './client-id.ts'
import type { Clients } from './clients.ts'
import type * as core from './core-types.ts'
import type { Events } from './events.ts'
import type { BrokerGroup, GroupRecords } from './group-records.ts'
import { checkGroupName, isGroupTopic, isSystemGroup } from './limits.ts'
import { admit, fits, shownSubscription } from './membership.ts'
import type { OffsetTable } from './offset-table.ts'
import { instanceOf } from './offset-table.ts'
import type { CompiledSubscription } from './subscription-expression.ts'
import { canonicalSubscriptions, compileSubscriptions } from './subscriptions.ts'
import type { WorkingGroups } from './working-groups.ts'

/** What a {@link GroupMembership} works on. */
export type GroupMembershipOptions = {
  readonly store: MessageStore
  readonly events: Events
  readonly clients: Clients
  readonly offsets: OffsetTable
  readonly records: GroupRecords
  readonly working: WorkingGroups
}

/** How long a named instance of a broadcasting group may be away and still resume. */
const INSTANCE_KEPT_MS = 7 * 24 * 3_600_000
/** What a broker is told of a group's handlers; push consumers keep their own time. */
const CONSUME_TIMEOUT_MS = 900_000

/** Who is in which group. */
export class GroupMembership {
  readonly #options: GroupMembershipOptions
  /** Joins of one group come one after the other: each sees the record the one before left. */
  readonly #joining = new Map<string, Promise<unknown>>()
  readonly #leaveWaiters = new Map<string, Set<() => void>>()
  /** Groups whose beginnings are not known to be on the device. */
  readonly #newStarts = new Set<string>()
  #isStopped = false

  constructor(options: GroupMembershipOptions) {
    this.#options = options
  }

  /** @throws SUBSCRIPTION_MISMATCH, INSTANCE_ID_IN_USE, INVALID_ARGUMENT, AbortError while it waits for others to leave */
  async join(
    ctx: core.ClientContext,
    registration: core.ConsumerRegistration,
    signal?: AbortSignal,
  ): Promise<core.JoinResult> {
    checkGroupName(registration.group)
    const subscriptions = compileSubscriptions(registration.subscriptions)
    for (;;) {
      const joined = await this.#serially(registration.group, () => this.#tryJoin(ctx, registration, subscriptions))
      if (joined !== undefined) return joined
      await this.#someoneLeft(registration.group, signal)
    }
  }

  /** Its messages go to the others at once. Fine if it is gone. */
  leave(ctx: core.ClientContext, group: string): void {
    const { clientId } = ctx
    if (!this.#options.working.leave(clientId, group)) return
    this.#options.records.seen(group)
    if (this.#options.working.membershipsOf(clientId).length === 0) this.#options.clients.unregister(clientId)
    this.#tellMembers(group)
    for (const waiter of this.#leaveWaiters.get(group) ?? []) waiter()
  }

  /** The client leaves every group. */
  gone(clientId: string): void {
    for (const { group } of this.#options.working.membershipsOf(clientId)) this.leave({ clientId }, group.group)
    this.#options.clients.unregister(clientId)
  }

  /** Nobody joins any more; those who wait for others to leave are told. */
  stop(): void {
    this.#isStopped = true
    for (const waiters of this.#leaveWaiters.values()) for (const waiter of waiters) waiter()
  }

  /** Offsets of broadcasting instances that had no name, or are gone for long, are nobody's. */
  forgetInstances(): void {
    const absentBeforeMs = this.#options.store.clock.nowMs() - INSTANCE_KEPT_MS
    for (const name of this.#options.offsets.entries.groups()) {
      const instance = isSystemGroup(name) ? undefined : instanceOf(name)
      if (instance === undefined) continue
      if (this.#options.records.hasInstance(instance.group, instance.instanceName, absentBeforeMs)) continue
      this.#options.records.removeInstance(instance.group, instance.instanceName)
      this.#options.offsets.remove({ group: name })
    }
  }

  async #tryJoin(
    ctx: core.ClientContext,
    given: core.ConsumerRegistration,
    subscriptions: ReadonlyMap<string, CompiledSubscription>,
  ): Promise<core.JoinResult | undefined> {
    if (this.#isStopped) throw new PocketMQError('STORE_CLOSED', 'the store is closing', { hint: 'Open it again.' })
    const wanted = canonicalSubscriptions(subscriptions)
    const registration = { ...given, subscriptions: wanted }
    const { group } = registration
    const live = this.#options.working.membersOf(group)
    const record = this.#options.records.get(group)
    if (live.some(member => member.clientId === ctx.clientId)) throw inUse(ctx.clientId, group)
    const admission = this.#admit({ registration, wanted, record, live })
    if (admission.kind === 'wait') return undefined
    if (admission.kind === 'isolate') return await this.#joinIsolated(ctx, registration, admission.group, subscriptions)
    if (admission.kind === 'record') await this.#newRecord(ctx, registration, admission.subscriptions)
    else if (registration.kind !== 'pull') await this.#options.records.tellBroker(forBroker(registration))
    const registered = { clientId: ctx.clientId, isNamed: registration.isNamed }
    const { connectionId } = ctx
    this.#options.clients.register(connectionId === undefined ? registered : { ...registered, connectionId })
    const instanceName = instanceNameOf(ctx.clientId)
    const isBroadcast = registration.model === 'broadcasting'
    const isNew = record === undefined || (isBroadcast && !this.#options.records.hasInstance(group, instanceName))
    const knownTopics = new Set(isNew ? [] : record.subscriptions.map(one => one.topic))
    await this.#options.working.join(ctx.clientId, registration, subscriptions, { instanceName, knownTopics })
    this.#options.records.seen(group, isBroadcast && registration.isNamed ? instanceName : undefined)
    if (isNew && isBroadcast) await this.#options.records.save()
    if (isNew || admission.kind === 'record') this.#newStarts.add(group)
    if (this.#newStarts.has(group)) await this.#keepStarts(ctx, group)
    this.#tellMembers(group)
    return { group, subscriptionVersion: this.#options.records.get(group)?.version ?? 0 }
  }

  /** Where a group begins has to outlive a power cut: who cannot be promised that has not joined. */
  async #keepStarts(ctx: core.ClientContext, group: string): Promise<void> {
    try {
      await this.#options.offsets.flush()
      this.#newStarts.delete(group)
    } catch (error) {
      this.leave(ctx, group)
      throw error
    }
  }

  #admit(request: Parameters<typeof admit>[0]): ReturnType<typeof admit> {
    try {
      return admit(request)
    } catch (error) {
      const { registration, wanted, record } = request
      const registered = shownSubscription(record?.subscriptions ?? [])
      this.#options.events.emit('subscription-mismatch', {
        group: registration.group,
        registered,
        refused: shownSubscription(wanted),
      })
      throw error
    }
  }

  /** A group of its own, which starts where its parent is. */
  async #joinIsolated(
    ctx: core.ClientContext,
    registration: core.ConsumerRegistration,
    group: string,
    subscriptions: ReadonlyMap<string, CompiledSubscription>,
  ): Promise<core.JoinResult | undefined> {
    for (const parent of this.#options.offsets.entries.ofGroup(registration.group)) {
      if (isGroupTopic(parent.topic)) continue
      this.#options.offsets.entries.obtain(group, parent.topic, parent.queueId, () => parent.ranges.committed)
    }
    const isolated = { ...registration, group, onSubscriptionMismatch: 'replace' } as const
    return await this.#serially(group, () => this.#tryJoin(ctx, isolated, subscriptions))
  }

  async #newRecord(
    { clientId }: core.ClientContext,
    registration: core.ConsumerRegistration,
    subscriptions: readonly SubscriptionRecord[],
  ): Promise<void> {
    const { group } = registration
    const before = this.#options.records.get(group)
    const setAtMs = this.#options.store.clock.nowMs()
    const version = (before?.version ?? 0) + 1
    const record: GroupRecord = { group, version, subscriptions, setBy: clientId, setAtMs, rest: before?.rest ?? {} }
    await this.#options.records.put(record, forBroker(registration))
    for (const working of this.#options.working.allOf(group)) {
      for (const member of working.members) {
        const isSame = fits(member.registration.subscriptions, subscriptions)
        if (isSame && (registration.topicSets === 'independent' || member.topics.size === subscriptions.length))
          continue
        working.fence(member)
        this.#options.clients.emit(member.clientId, {
          kind: 'fenced',
          group,
          reason: `subscription version ${version} by ${clientId}`,
        })
      }
    }
    this.#options.working.detach(group, new Set(subscriptions.map(one => one.topic)))
  }

  #serially<T>(group: string, work: () => Promise<T>): Promise<T> {
    const before = this.#joining.get(group) ?? Promise.resolve()
    const run = before.then(work, work)
    this.#joining.set(group, run)
    const ended = (): void => {
      if (this.#joining.get(group) === run) this.#joining.delete(group)
    }
    run.then(ended, ended)
    return run
  }

  #someoneLeft(group: string, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiters = this.#leaveWaiters.get(group) ?? new Set()
      this.#leaveWaiters.set(group, waiters)
      const waiter = (): void => {
        waiters.delete(waiter)
        signal?.removeEventListener('abort', onAbort)
        resolve()
      }
      const onAbort = (): void => {
        waiters.delete(waiter)
        reject(signal?.reason)
      }
      waiters.add(waiter)
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  #tellMembers(group: string): void {
    for (const { clientId } of this.#options.working.membersOf(group))
      this.#options.clients.emit(clientId, { kind: 'ids-changed', group })
  }
}

/** What a broker has to know of a group: as the consumer that came last has it. */
function forBroker({ group, order, maxReconsumeTimes }: core.ConsumerRegistration): BrokerGroup {
  return { group, isOrdered: order !== 'none', maxReconsumeTimes, consumeTimeoutMs: CONSUME_TIMEOUT_MS }
}
