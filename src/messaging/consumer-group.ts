/**
 * A consumer group at work: its members, its place in every queue, who waits for messages and who has which.
 * Everything here happens in one turn of the event loop; only reading what is cold, and copies of failed messages, take longer.
 */
import { abortError } from '../base/errors.ts'
import type { MessageStore, StoredMessage } from '../store/message-store.ts'
import type { Alarms } from './alarms.ts'
import type { AssignmentContext } from './assignment.ts'
import type {
  ChangeInvisibleRequest,
  ChangeInvisibleResult,
  ClientEvent,
  ConsumerRegistration,
  ReceiveRequest,
  ReceiveResult,
  SettleEntry,
  SettleStatus,
} from './core-types.ts'
import type { Events } from './events.ts'
import type { FairTurns } from './fair-turns.ts'
import type { GroupOffsets } from './group-offsets.ts'
import { queueKey } from './group-offsets.ts'
import type { Cursor, HandOut, HandOutGroup } from './hand-out.ts'
import { MessageGroupHandOut, MessageHandOut, QueueHandOut } from './hand-out.ts'
import type { AllHands } from './in-hand.ts'
import { Hands } from './in-hand.ts'
import type { Lease } from './leases.ts'
import { Leases } from './leases.ts'
import { Member } from './member.ts'
import { isInHand, MessageEndings } from './message-endings.ts'
import type { ReadAhead } from './queue-cursor.ts'
import { QueueCursor } from './queue-cursor.ts'
import { QueueOwners } from './queue-owners.ts'
import { QueueReader, READ_MESSAGES } from './queue-reader.ts'
import { readAgain } from './read-again.ts'
import type { Receipt } from './receipt-handle.ts'
import { parseReceipt } from './receipt-handle.ts'
import { formOf, originTopicOf } from './retry-topics.ts'
import type { Settled, Settler } from './settle.ts'
import type { CompiledSubscription } from './subscription-expression.ts'
import type { GivenBatch, WaitingReceive } from './waiting-receives.ts'
import { WaitingReceives } from './waiting-receives.ts'

/** What a group needs of its surroundings. */
export type ConsumerGroupOptions = {
  /** As the group is called; copies of failed messages go to its retry topic. */
  readonly group: string
  /** Under which name its offsets are kept: its own, or for broadcasting one instance's. */
  readonly offsetsName: string
  readonly order: ConsumerRegistration['order']
  readonly model: ConsumerRegistration['model']
  readonly store: MessageStore
  readonly offsets: GroupOffsets
  readonly alarms: Alarms
  readonly settler: Settler
  readonly events: Events
  readonly memory: ReadAhead
  readonly memoryBytesMax: number
  /** What consumers that acknowledge for themselves have in hand, in all groups of the store. */
  readonly hands: AllHands
  /** Shared by all groups and consumers: however many there are, the event loop turns in time. */
  readonly turns: FairTurns
  readonly brokerName: string
  /** Assignment functions, by the name registrations know them by. */
  readonly functionOf: AssignmentContext['functionOf']
  /** Leaves an event for a client. */
  readonly tellClient: (clientId: string, event: ClientEvent) => void
}

/** One entry's outcome: a status for each message, and the copies that are on their way. */
export type EntrySettled = { readonly statuses: readonly SettleStatus[]; readonly copies: readonly Promise<Settled>[] }

/** With more queues in turn, each is read only as far as somebody waits: else thousands would keep what they had read ahead. */
const READ_AHEAD_QUEUES = 16

/** A group at work. */
export class ConsumerGroup {
  readonly group: string
  readonly options: ConsumerGroupOptions
  readonly leases: Leases
  /** Under ordered delivery of whole queues, and for pull consumers that subscribe. */
  readonly owners: QueueOwners
  readonly #members = new Map<string, Member>()
  readonly #cursors = new Map<string, Cursor>()
  readonly #reader: QueueReader
  readonly #handOut: HandOut
  readonly #endings: MessageEndings
  readonly #waiting: WaitingReceives
  /** Queues that may have something to hand out, in turn. */
  readonly #active = new Set<Cursor>()
  /** Members on their way in, whose queues are there before them. */
  joining = 0
  /** Members subscribe to different topics: who gets a message depends on its topic. */
  #hasOwnTopics = false
  #isPumping = false
  #isPumpDue = false
  #isClosed = false

  constructor(options: ConsumerGroupOptions) {
    const { group, store, alarms, brokerName } = options
    this.group = group
    this.options = options
    this.#waiting = new WaitingReceives(alarms)
    this.owners = new QueueOwners({
      ...options,
      logger: store.logger,
      cursors: () => [...this.#cursors.values()],
      members: () => this.members,
      isSomebodyJoining: () => this.joining > 0,
      areWholeQueuesOrdered: options.order === 'queue',
      takeAway: (member, cursor) => this.#takeAway(member, cursor),
    })
    this.#reader = new QueueReader({
      ...options,
      wanted: () => (this.#active.size < READ_AHEAD_QUEUES ? READ_MESSAGES : this.#waiting.room),
      onReady: cursor => this.wake(cursor),
      onIdle: () => this.#pumpSoon(),
    })
    const nowMs = (): number => store.clock.nowMs()
    const onExpired = (lease: Lease, queueOffsets: readonly number[]): void =>
      this.#endings.expired(lease, queueOffsets)
    this.leases = new Leases({ alarms, nowMs, brokerName, onExpired })
    this.#handOut = handOutOf(options.order, this.#handOutGroup())
    const wake = (cursor: Cursor): void => this.wake(cursor)
    this.#endings = new MessageEndings({ ...options, leases: this.leases, handOut: this.#handOut, wake })
  }

  // ------------------------------------------------------------------------------------------ members

  get members(): readonly Member[] {
    return [...this.#members.values()]
  }

  member(clientId: string): Member | undefined {
    return this.#members.get(clientId)
  }

  /** What the group wants of each topic. */
  subscribe(subscriptions: ReadonlyMap<string, CompiledSubscription>): void {
    for (const [topic, subscription] of subscriptions) this.#reader.subscribe(topic, subscription)
  }

  join(clientId: string, registration: ConsumerRegistration): Member {
    const hands = registration.kind === 'simple' ? new Hands(this.options.hands, () => this.#pumpSoon()) : undefined
    const member = new Member(clientId, registration, this.options.store.clock.nowMs(), hands)
    this.#members.set(clientId, member)
    this.#membersChanged()
    return member
  }

  /** Its messages go to the others at once; its receives are answered. Those in hand count no attempt. */
  leave(clientId: string): void {
    const member = this.#members.get(clientId)
    if (member === undefined) return
    this.#members.delete(clientId)
    this.owners.left(member)
    this.#waiting.end('fenced', member)
    for (const lease of this.leases.of(member)) {
      for (const queueOffset of this.leases.open(lease)) this.#endings.end(lease, queueOffset, { kind: 'release' }, [])
    }
    this.#membersChanged()
  }

  /** It gets no more messages, because another subscription has become the group's. */
  fence(member: Member): void {
    member.isFenced = true
    this.#waiting.end('fenced', member)
    this.#membersChanged()
  }

  #membersChanged(): void {
    this.owners.assignSoon()
    const sets = new Set([...this.#members.values()].map(member => [...member.topics].sort().join('\n')))
    this.#hasOwnTopics = sets.size > 1
    for (const cursor of this.#cursors.values()) if (cursor.hasMore) this.#active.add(cursor)
    this.#pumpSoon()
  }

  // ------------------------------------------------------------------------------------------ queues

  cursor(topic: string, queueId: number): Cursor | undefined {
    return this.#cursors.get(queueKey(topic, queueId))
  }

  get cursors(): IterableIterator<Cursor> {
    return this.#cursors.values()
  }

  /** Reads this queue from now on; `start` is where, if the group has no offset there. */
  addQueue(topic: string, queueId: number, endOffset: number, start: () => number): Cursor {
    const { offsets, offsetsName, memory } = this.options
    const known = this.cursor(topic, queueId)
    if (known !== undefined) return known
    const entry = offsets.obtain(offsetsName, topic, queueId, start)
    const cursor: Cursor = new QueueCursor<Lease>(entry, endOffset, memory)
    this.#cursors.set(queueKey(topic, queueId), cursor)
    this.owners.assignSoon()
    if (cursor.hasMore) this.wake(cursor)
    return cursor
  }

  /** Reads this topic no longer. */
  removeTopic(topic: string): void {
    for (const [key, cursor] of this.#cursors) {
      if (cursor.topic !== topic) continue
      this.restart(cursor)
      this.#cursors.delete(key)
      this.#active.delete(cursor)
    }
    this.owners.assignSoon()
  }

  /** The queue has grown; its last message lies there in the log. */
  grew(cursor: Cursor, endOffset: number, physicalOffset: number, sizeBytes: number): void {
    if (cursor.grewTo(endOffset, physicalOffset, sizeBytes)) this.#active.add(cursor)
    if (this.#waiting.size > 0) this.#pumpSoon()
  }

  /** The queue may have something to hand out. */
  wake(cursor: Cursor): void {
    this.#active.add(cursor)
    if (this.#waiting.size > 0) this.#pumpSoon()
  }

  /** After a reset of its offset: what is in hand is nobody's. */
  restart(cursor: Cursor): void {
    for (const lease of new Set(cursor.inFlight.values())) if (isInHand(lease)) this.leases.forget(lease)
    this.#handOut.restart(cursor)
    cursor.restart()
    this.owners.moved(cursor)
    this.wake(cursor)
  }

  #takeAway(member: Member, cursor: Cursor): void {
    for (const lease of this.leases.of(member)) {
      if (lease.cursor !== cursor) continue
      for (const queueOffset of this.leases.open(lease)) this.#endings.end(lease, queueOffset, { kind: 'release' }, [])
    }
  }

  // ------------------------------------------------------------------------------------------ receive

  /** Answers at once where it can; else resolves once: found, the wait is over, or no member any more. Rejects with AbortError. */
  receive(member: Member, request: ReceiveRequest, signal?: AbortSignal): ReceiveResult | Promise<ReceiveResult> {
    if (member.isFenced || this.#isClosed) return { status: 'fenced', batches: [] }
    if (signal?.aborted) return Promise.reject(abortError(signal))
    const had = this.#had(member, request)
    if (had.length > 0) return this.#repeat(had)
    let result: ReceiveResult | undefined
    let resolve: ((result: ReceiveResult) => void) | undefined
    const receive = this.#waiting.add(member, request, (status, given) => {
      result = { status, batches: given.map(batch => this.#batch(batch)) }
      resolve?.(result)
    })
    this.pump()
    if (result !== undefined) return result
    const isLook = request.waitMs <= 0
    if (isLook && !this.#reader.isBusy) {
      this.#waiting.remove(receive)
      return { status: 'none', batches: [] }
    }
    if (isLook) this.#waiting.look(receive)
    return new Promise((found, reject) => {
      const waitMs = isLook ? Number.POSITIVE_INFINITY : request.waitMs
      const stopWaiting = this.#waiting.limit(receive, waitMs, signal, reject)
      resolve = answer => {
        stopWaiting()
        found(answer)
      }
    })
  }

  /** Hands out what can be handed out. */
  pump(): void {
    if (this.#isPumping || this.#isClosed) return
    this.#isPumping = true
    let unwanted = 0
    while (this.#waiting.size > 0 && this.#active.size > unwanted) {
      const [cursor] = this.#active as Set<Cursor> & Iterable<Cursor>
      if (cursor === undefined) break
      this.#active.delete(cursor)
      const served = this.#handOut.serve(cursor)
      if (served === 'empty') continue
      this.#active.add(cursor)
      unwanted = served === 'unwanted' ? unwanted + 1 : 0
    }
    this.#isPumping = false
    this.#waiting.answerGiven()
    if (!this.#reader.isBusy) this.#waiting.endLooks()
  }

  #pumpSoon(): void {
    if (this.#isPumpDue || this.#waiting.size === 0) return
    this.#isPumpDue = true
    const turn = this.options.turns.next()
    if (turn === undefined) queueMicrotask(this.#pumpDue)
    else void turn.then(this.#pumpDue)
  }

  readonly #pumpDue = (): void => {
    this.#isPumpDue = false
    this.pump()
  }

  /** What an earlier receive of the same attempt took in order, and the member still has. */
  #had(member: Member, { attemptId }: ReceiveRequest): Lease[] {
    const isOrdered = this.options.order !== 'none'
    return isOrdered && attemptId !== undefined ? this.leases.ofAttempt(member, attemptId) : []
  }

  /** The same messages again, by the same receipts; their time starts anew. */
  async #repeat(leases: readonly Lease[]): Promise<ReceiveResult> {
    for (const lease of leases) this.leases.extend(lease)
    const given = await Promise.all(leases.map(lease => readAgain(this.options.store, this.leases, lease)))
    const batches = given.filter(batch => batch.messages.length > 0).map(batch => this.#batch(batch))
    return { status: batches.length > 0 ? 'found' : 'none', batches }
  }

  #batch({ lease, messages }: GivenBatch): ReceiveResult['batches'][number] {
    const { topic, queueId } = lease.cursor
    const receipt = this.leases.receipt(lease, formOf(this.group, topic))
    return { queueTopic: topic, queueId, messages, receipt, visibleAtMs: lease.popTimeMs + lease.invisibleMs }
  }

  #give(receive: WaitingReceive, cursor: Cursor, message: StoredMessage, isAgain: boolean): void {
    let batch = receive.batches.at(-1)
    // What was in hand before needs a pop time of its own; fresh messages may go along with it.
    if (batch === undefined || batch.lease.cursor !== cursor || (isAgain && !batch.isAgain)) {
      const lease = this.leases.begin(receive.member, cursor, receive.request, isAgain)
      batch = { lease, messages: [], isAgain }
      receive.batches.push(batch)
    }
    const { queueOffset, physicalOffset, sizeBytes, reconsumeTimes, batchBytes: bytes, batchStart: start } = message
    this.leases.add(batch.lease, queueOffset, sizeBytes)
    const failures = cursor.failures.size > 0 ? (cursor.failures.get(queueOffset) ?? 0) : 0
    const deliveryAttempt = Math.max(reconsumeTimes, failures) + 1
    if (reconsumeTimes > failures && this.options.order !== 'none') cursor.failures.set(queueOffset, reconsumeTimes)
    batch.messages.push({ bytes, start, sizeBytes, queueOffset, physicalOffset, deliveryAttempt })
    this.#waiting.gave(receive)
  }

  #handOutGroup(): HandOutGroup {
    const { memory, memoryBytesMax } = this.options
    return {
      ...{ memory, memoryBytesMax, waiting: this.#waiting },
      fetch: cursor => this.#reader.fetch(cursor),
      fetchAt: (cursor, waiting) => this.#reader.fetchAt(cursor, waiting),
      give: (receive, cursor, message, isAgain) => this.#give(receive, cursor, message, isAgain),
      topicOf: message => this.#topicOf(message),
      ownerOf: cursor => this.owners.ownerOf(cursor),
      takeBack: (cursor, queueOffsets) => this.#takeBack(cursor, queueOffsets),
    }
  }

  #takeBack(cursor: Cursor, queueOffsets: readonly number[]): void {
    for (const queueOffset of queueOffsets) {
      const lease = cursor.inFlight.get(queueOffset)
      if (lease !== undefined) this.#endings.end(lease, queueOffset, { kind: 'release' }, [])
    }
  }

  #topicOf(message: StoredMessage): string | undefined {
    if (!this.#hasOwnTopics) return undefined
    const topic = originTopicOf(this.group, message)
    // A retry of a topic that nobody subscribes to any more is everybody's.
    return this.members.some(member => member.topics.has(topic)) ? topic : undefined
  }

  // ------------------------------------------------------------------------------------------ settle

  /** Ends messages of one batch. @throws INVALID_RECEIPT_HANDLE for what is no receipt at all */
  settle(entry: SettleEntry): EntrySettled {
    const receipt = parseReceipt(entry.receipt)
    const cursor = this.cursor(entry.queueTopic, receipt.queueId)
    const statuses: SettleStatus[] = []
    const copies: Promise<Settled>[] = []
    for (const queueOffset of entry.queueOffsets) {
      const lease = cursor === undefined ? undefined : this.leases.find(cursor, queueOffset, receipt.popTimeMs)
      if (lease !== undefined) this.#endings.end(lease, queueOffset, entry.outcome, copies)
      statuses.push(lease === undefined ? this.#statusOf(receipt) : 'ok')
    }
    return { statuses, copies }
  }

  /** Its time starts anew, under a new receipt. */
  changeInvisible(request: ChangeInvisibleRequest): ChangeInvisibleResult {
    const receipt = parseReceipt(request.receipt)
    const cursor = this.cursor(request.queueTopic, receipt.queueId)
    const { queueOffset } = receipt
    const lease = cursor === undefined ? undefined : this.leases.find(cursor, queueOffset, receipt.popTimeMs)
    if (cursor === undefined || lease === undefined) {
      return { status: this.#statusOf(receipt), receipt: '', visibleAtMs: 0 }
    }
    const next = this.leases.renew(lease, queueOffset, request.invisibleMs, request.isGivenBack === true)
    const visibleAtMs = next.popTimeMs + next.invisibleMs
    return { status: 'ok', receipt: this.leases.receipt(next, formOf(this.group, cursor.topic)), visibleAtMs }
  }

  /** A copy that settles the message, and ends at `copyEnd`, has become visible. */
  settledByCopy(cursor: Cursor, queueOffset: number, copyEnd: number): void {
    const lease = cursor.inFlight.get(queueOffset)
    if (lease === undefined) {
      cursor.entry.settledBy(copyEnd, queueOffset)
      return
    }
    if (isInHand(lease)) this.leases.drop(lease, queueOffset)
    cursor.settledBy(copyEnd, queueOffset)
    if (this.#handOut.ended(cursor, queueOffset)) this.wake(cursor)
  }

  #statusOf(receipt: Receipt): SettleStatus {
    const isOver = receipt.popTimeMs + receipt.invisibleMs <= this.options.store.clock.nowMs()
    return isOver ? 'expired' : 'invalid-handle'
  }

  /** Nobody is left: what was read ahead is let go. Which messages failed, and until when they wait, stays. */
  rest(): void {
    for (const cursor of this.#cursors.values()) {
      this.#handOut.letGoOfRecords(cursor)
      cursor.dropReady()
    }
  }

  /** Receives are answered, nothing more is handed out. What is in hand can still be settled. */
  close(): void {
    this.#isClosed = true
    this.owners.close()
    this.#reader.close()
    this.#waiting.end('fenced')
  }
}

function handOutOf(order: ConsumerRegistration['order'], group: HandOutGroup): HandOut {
  if (order === 'queue') return new QueueHandOut(group)
  return order === 'group' ? new MessageGroupHandOut(group) : new MessageHandOut(group)
}
