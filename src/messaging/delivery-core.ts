/**
 * The consuming half of the one messaging service: plain values in, plain values out, addressed by client id (core-types.ts).
 * It calls no listener: consumers of every kind are loops over `receive`, `settle` and `pull` on their client's side.
 */
import { PocketMQError } from '../base/errors.ts'
import type { DispatchRequest, MessageStore } from '../store/message-store.ts'
import type { Alarms } from './alarms.ts'
import { AssignmentFunctions } from './assignment-functions.ts'
import type { Clients } from './clients.ts'
import type * as core from './core-types.ts'
import type { Events } from './events.ts'
import { FairTurns } from './fair-turns.ts'
import { GroupMembership } from './group-membership.ts'
import { groupProgress } from './group-progress.ts'
import { GroupRecords } from './group-records.ts'
import { AllHands } from './in-hand.ts'
import { KeepAlive } from './keep-alive.ts'
import { keepFrom } from './keep-from.ts'
import { isSystemGroup } from './limits.ts'
import type { OffsetTable } from './offset-table.ts'
import { instanceOf } from './offset-table.ts'
import { PositionReads } from './position-reads.ts'
import type { PurgeResult } from './purged.ts'
import { firstOffset, purgeQueues } from './purged.ts'
import { queuesOf } from './queue-ids.ts'
import { QueueWatches } from './queue-watches.ts'
import { resetOffsets } from './reset-offsets.ts'
import { Settler } from './settle.ts'
import type { Topics } from './topics.ts'
import { SCHEDULE_TOPIC, TIMER_TOPIC } from './topics.ts'
import { WorkingGroups } from './working-groups.ts'

/** What a {@link DeliveryCore} is made of. */
export type DeliveryCoreOptions = {
  readonly store: MessageStore
  readonly topics: Topics
  readonly events: Events
  /** By the monotonic clock. */
  readonly alarms: Alarms
  readonly offsets: OffsetTable
  readonly clients: Clients
  /** Name in receipt handles, as a broker's would be. */
  readonly brokerName: string
  /** Bytes that all groups together read ahead. */
  readonly readAheadBytesMax?: number
}

const STALE = { status: 'stale', messages: [] } as const
const READ_AHEAD_BYTES_MAX = 64 * 1024 * 1024
/** How long groups and consumers go on within one turn of the event loop. */
const TURN_MS = 3

/** The consuming half of the service. */
export class DeliveryCore {
  readonly #options: DeliveryCoreOptions
  readonly clients: Clients
  readonly offsets: OffsetTable
  readonly records: GroupRecords
  readonly working: WorkingGroups
  /** Users' own assignment functions: in this process alone, for a registration can only name them. */
  readonly assignmentFunctions: AssignmentFunctions = new AssignmentFunctions()
  /** Shared by all groups, and by consumers of this process. */
  readonly turns: FairTurns
  readonly #watches: QueueWatches
  readonly #reads: PositionReads
  readonly #settler: Settler
  readonly #alive: KeepAlive
  readonly #membership: GroupMembership

  private constructor(options: DeliveryCoreOptions, records: GroupRecords) {
    const {
      store,
      topics,
      events,
      alarms,
      offsets,
      brokerName,
      readAheadBytesMax: memoryBytesMax = READ_AHEAD_BYTES_MAX,
    } = options
    this.#options = options
    this.#alive = new KeepAlive(options.store.clock)
    this.turns = new FairTurns(options.store.clock, TURN_MS)
    this.clients = options.clients
    this.offsets = offsets
    this.records = records
    this.#watches = new QueueWatches(maySettle)
    const obtainTopic = (topic: string): void => {
      topics.obtain(topic)
    }
    this.#settler = new Settler({ store, events, obtainTopic })
    const shared = {
      store,
      topics,
      events,
      alarms,
      offsets: offsets.entries,
      settler: this.#settler,
      watches: this.#watches,
      turns: this.turns,
      functionOf: (name: string) => this.assignmentFunctions.get(name),
      tellClient: (clientId: string, event: core.ClientEvent) => {
        this.clients.emit(clientId, event)
      },
    }
    this.working = new WorkingGroups({
      ...shared,
      memory: { bytes: 0 },
      memoryBytesMax,
      hands: new AllHands(),
      brokerName,
    })
    this.#reads = new PositionReads({ store, watches: this.#watches, alarms })
    const { clients, working } = this
    this.#membership = new GroupMembership({ store, events, clients, offsets, records, working })
  }

  /** Loads the groups' records. The offset table has been opened, and is closed, by whoever calls this. */
  static async open(options: DeliveryCoreOptions): Promise<DeliveryCore> {
    const core = new DeliveryCore(options, await GroupRecords.load(options.store))
    if (!options.store.isReadOnly) core.#membership.forgetInstances()
    return core
  }

  // ------------------------------------------------------------------------------------------ membership

  /**
   * Joins a group. The group's record is on the device when it resolves.
   * @throws SUBSCRIPTION_MISMATCH, INSTANCE_ID_IN_USE, INVALID_ARGUMENT, AbortError while it waits for others to leave
   */
  async join(
    ctx: core.ClientContext,
    registration: core.ConsumerRegistration,
    signal?: AbortSignal,
  ): Promise<core.JoinResult> {
    return await this.#membership.join(ctx, registration, signal)
  }

  /** Its messages go to the others at once. Fine if it is gone. */
  leave(ctx: core.ClientContext, group: string): void {
    this.#membership.leave(ctx, group)
  }

  /** Every client on a connection is gone. */
  connectionClosed(connectionId: string): void {
    for (const clientId of this.clients.onConnection(connectionId)) this.#membership.gone(clientId)
  }

  /** Sorted ids of a group's members. */
  consumerIds(_ctx: core.ClientContext, group: string): readonly string[] {
    return this.working
      .membersOf(group)
      .map(member => member.clientId)
      .sort()
  }

  /** Whether a queue is a member's now, where queues have owners: before it goes on to the next message of a batch. */
  owns({ clientId }: core.ClientContext, { group, topic, queueId }: core.OffsetQuery): boolean {
    const working = this.working.membership(clientId, group)?.group
    const cursor = working?.cursor(topic, queueId)
    return cursor !== undefined && working?.owners.isOwnedBy(clientId, cursor) === true
  }

  /** The queues that are a member's, where queues have owners. */
  assignment({ clientId }: core.ClientContext, group: string): core.AssignmentView {
    const membership = this.working.membership(clientId, group)
    return membership?.group.owners.of(membership.member) ?? { epoch: 0, queues: [] }
  }

  /** What a client has to be told. One caller per client. */
  nextEvents(ctx: core.ClientContext, signal?: AbortSignal): Promise<readonly core.ClientEvent[]> {
    return this.clients.nextEvents(ctx, signal)
  }

  // ------------------------------------------------------------------------------------------ receive and settle

  /** Resolves once: found, the wait is over, or no member (any more). Rejects with AbortError. */
  receive(ctx: core.ClientContext, request: core.ReceiveRequest, signal?: AbortSignal): Promise<core.ReceiveResult> {
    const membership = this.working.membership(ctx.clientId, request.group)
    if (membership === undefined) return Promise.resolve({ status: 'fenced', batches: [] })
    const answer = membership.group.receive(membership.member, request, signal)
    // Only who waits keeps the process alive.
    return answer instanceof Promise ? this.#alive.during(answer) : Promise.resolve(answer)
  }

  /**
   * Ends messages. What is acknowledged survives a kill when this turn's microtasks have run; copies of what failed are on
   * their way. @throws INVALID_RECEIPT_HANDLE
   */
  acknowledge(ctx: core.ClientContext, request: core.SettleRequest): core.SettleResult {
    const working = this.#groupOf(ctx, request.group)
    const statuses = request.entries.map(entry => {
      return working === undefined
        ? entry.queueOffsets.map(() => 'invalid-handle' as const)
        : working.settle(entry).statuses
    })
    return { statuses }
  }

  /** The same, and resolves when copies of what failed are in the log. */
  async settle(ctx: core.ClientContext, request: core.SettleRequest): Promise<core.SettleResult> {
    const working = this.#groupOf(ctx, request.group)
    const statuses: (readonly core.SettleStatus[])[] = []
    const copies: Promise<unknown>[] = []
    for (const entry of request.entries) {
      const settled = working?.settle(entry)
      statuses.push(settled?.statuses ?? entry.queueOffsets.map(() => 'invalid-handle'))
      copies.push(...(settled?.copies ?? []))
    }
    if (copies.length > 0) {
      await Promise.all(copies)
      await this.#options.store.written(this.#options.store.watermarks.appended)
    }
    return { statuses }
  }

  /** @throws INVALID_RECEIPT_HANDLE */
  changeInvisible(ctx: core.ClientContext, request: core.ChangeInvisibleRequest): core.ChangeInvisibleResult {
    const working = this.#groupOf(ctx, request.group)
    return working?.changeInvisible(request) ?? { status: 'invalid-handle', receipt: '', visibleAtMs: 0 }
  }

  // ------------------------------------------------------------------------------------------ by position

  async pull(ctx: core.ClientContext, request: core.PullRequest, signal?: AbortSignal): Promise<core.PullResult> {
    const result = await this.#reads.pull(request, signal)
    return this.#isItsToRead(ctx, request, result.messages.at(-1)?.queueOffset) ? result : { ...result, ...STALE }
  }

  /** Survives a kill when this turn's microtasks have run. */
  commit(ctx: core.ClientContext, { group, queues }: core.CommitRequest): core.CommitResult {
    const working = this.working.shared(group)
    const statuses = queues.map(({ topic, queueId, queueOffset, isSought = false, epoch }) => {
      const cursor = epoch === undefined ? undefined : working?.cursor(topic, queueId)
      const isStale = cursor === undefined || working?.owners.isOwnedBy(ctx.clientId, cursor, epoch) !== true
      if (epoch !== undefined && isStale) return 'stale'
      const entry = this.offsets.entries.obtain(group, topic, queueId, () => 0)
      if (isSought && queueOffset < entry.ranges.end) entry.reset(queueOffset)
      else entry.done(0, queueOffset)
      if (cursor !== undefined) working?.owners.committed(cursor, queueOffset, isSought)
      return 'ok'
    })
    return { statuses }
  }

  /** Waits until one of the queues has a message at its offset, or the topic a new queue. False when the wait is over. */
  hasMessage(_ctx: core.ClientContext, request: core.HasMessageRequest, signal?: AbortSignal): Promise<boolean> {
    return this.#alive.during(this.#reads.hasMessage(request, signal))
  }

  /** Undefined where the group has no offset there. */
  queryOffset(_ctx: core.ClientContext, { group, topic, queueId }: core.OffsetQuery): number | undefined {
    return this.offsets.offset(group, topic, queueId)
  }

  /** The queue's first message that was not purged, and one past its last; 0 and 0 where there was none. */
  queueBounds(
    _ctx: core.ClientContext,
    { topic, queueId }: core.QueueAddress,
  ): { readonly min: number; readonly max: number } {
    const { store } = this.#options
    const min = firstOffset(store, this.offsets.entries, topic, queueId)
    return { min, max: store.queueRange(topic, queueId)?.maxQueueOffset ?? 0 }
  }

  /** Exact: the first message at or after the time, or the last at or before it. */
  async searchOffset(_ctx: core.ClientContext, query: core.TimestampQuery): Promise<number> {
    const { topic, queueId, timestampMs, boundary } = query
    const { store } = this.#options
    if (store.queueRange(topic, queueId) === undefined) return 0
    const found = await store.offsetByTimestamp(topic, queueId, timestampMs, boundary)
    return Math.max(found, firstOffset(store, this.offsets.entries, topic, queueId))
  }

  // ------------------------------------------------------------------------------------------ administration

  /** On the device of the process when it resolves. @throws INVALID_ARGUMENT beyond the end, GROUP_NOT_FOUND */
  async resetOffset(_ctx: core.ClientContext, request: core.ResetOffsetRequest): Promise<core.ResetOffsetResult> {
    const { store, topics } = this.#options
    const result = await resetOffsets({ store, topics, offsets: this.offsets, working: this.working }, request)
    const queues = result.queues.map(({ topic, queueId, to }) => ({ topic, queueId, queueOffset: to }))
    this.#tellReset(request.group, queues)
    return result
  }

  /**
   * Empties queues: everybody skips what they hold now, and groups that come later begin behind it. On the device when it resolves.
   * @throws TOPIC_NOT_FOUND
   */
  async purge(_ctx: core.ClientContext, { topic, queueId }: core.PurgeRequest): Promise<PurgeResult> {
    const { store, topics } = this.#options
    const queueIds = queuesOf(topics, store, topic, queueId)
    const result = await purgeQueues({ store, offsets: this.offsets, working: this.working }, topic, queueIds)
    const places = (group: string): core.ResetQueue[] =>
      queueIds.map(id => ({ topic, queueId: id, queueOffset: this.offsets.offset(group, topic, id) ?? 0 }))
    for (const group of result.groups) this.#tellReset(group, places(group))
    return result
  }

  async progress(_ctx: core.ClientContext, group: string): Promise<core.GroupProgress> {
    return await groupProgress(
      this.#options.store,
      group,
      this.offsets.entries.ofGroup(group),
      this.working.shared(group),
    )
  }

  /** Every group that has a record, an offset or a member. */
  groups(): core.GroupView[] {
    const withOffsets = this.offsets.entries
      .groups()
      .filter(group => instanceOf(group) === undefined && !isSystemGroup(group))
    const names = new Set([...this.records.names(), ...withOffsets])
    return [...names].sort().map(group => this.#view(group))
  }

  consumers(group: string): core.MemberView[] {
    return this.working.membersOf(group).map(member => member.view())
  }

  /** Forgets a group: its record and offsets. @throws INVALID_ARGUMENT while it has members */
  async deleteGroup(group: string): Promise<void> {
    if (this.working.membersOf(group).length > 0) {
      throw new PocketMQError('INVALID_ARGUMENT', `group '${group}' has live members`, {
        hint: 'Close its consumers first.',
      })
    }
    this.offsets.remove({ group })
    await this.records.remove(group)
    // Else a power cut would bring its offsets back, and a group of that name would begin there.
    await this.offsets.saveJson()
  }

  /** Part of deleting a topic: after its tombstone is written. */
  async topicDeleted(topic: string): Promise<void> {
    await this.working.topicDeleted(topic)
    this.offsets.remove({ topic })
  }

  // ------------------------------------------------------------------------------------------ wiring

  /** The dispatcher's message: what it settles is applied, who waits for its queue is woken at the end of the turn. */
  onDispatch(request: DispatchRequest): void {
    if (this.#watches.dispatched(request)) this.#applySettlement(request)
    this.offsets.sawUpTo(request.physicalOffset + request.sizeBytes)
  }

  /** The lowest physicalOffset a registered group has not consumed; Infinity where retention need not care. */
  async keepFrom(): Promise<number> {
    return await keepFrom(
      this.#options.store,
      this.offsets.entries,
      this.records,
      group => this.working.membersOf(group).length > 0,
    )
  }

  /** Nobody joins any more; those who wait for others to leave are told. */
  stopJoining(): void {
    this.#membership.stop()
  }

  /** No more messages go out, waits end. Receipts can still be settled until `close`. */
  stop(): void {
    this.stopJoining()
    this.working.close()
    this.#reads.close()
  }

  /** Part of a clean close, after consumers have left: records are on the device when it resolves. The offset table closes later. */
  async close(): Promise<void> {
    this.stop()
    this.#settler.close()
    await this.#settler.idle()
    if (!this.#options.store.isReadOnly) await this.records.save()
  }

  // ------------------------------------------------------------------------------------------ insides

  #tellReset(group: string, queues: readonly core.ResetQueue[]): void {
    for (const { clientId } of this.working.membersOf(group)) {
      this.clients.emit(clientId, { kind: 'reset-offset', group, queues })
    }
  }

  /** Where its group shares out the queues: whether it may have what was read, up to `lastOffset`; it has it from here on. */
  #isItsToRead({ clientId }: core.ClientContext, request: core.PullRequest, lastOffset = -1): boolean {
    const { group, topic, queueId, epoch } = request
    if (group === undefined || epoch === undefined) return true
    const working = this.working.membership(clientId, group)?.group
    const cursor = working?.cursor(topic, queueId)
    return cursor !== undefined && working?.owners.polled(clientId, cursor, epoch, lastOffset + 1) === true
  }

  #groupOf({ clientId }: core.ClientContext, group: string): ReturnType<WorkingGroups['shared']> {
    return this.working.membership(clientId, group)?.group ?? this.working.shared(group)
  }

  #applySettlement(request: DispatchRequest): void {
    const settlement = this.offsets.settlementOf(request)
    if (settlement === undefined) return
    const { group, topic, queueId, queueOffset } = settlement
    const working = this.working.shared(group)
    const cursor = working?.cursor(topic, queueId)
    const copyEnd = request.physicalOffset + request.sizeBytes
    if (working !== undefined && cursor !== undefined) working.settledByCopy(cursor, queueOffset, copyEnd)
    else this.offsets.entries.get(group, topic, queueId)?.settledBy(copyEnd, queueOffset)
  }

  #view(group: string): core.GroupView {
    const record = this.records.get(group)
    return {
      group,
      subscriptionVersion: record?.version ?? 0,
      subscriptions: record?.subscriptions ?? [],
      setBy: record?.setBy ?? '',
      setAtMs: record?.setAtMs ?? 0,
      members: this.consumers(group),
    }
  }
}

function maySettle(topic: string): boolean {
  return topic.startsWith('%') || topic === SCHEDULE_TOPIC || topic === TIMER_TOPIC
}
