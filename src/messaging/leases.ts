/**
 * Messages in hand: whose they are, until when, and which receipt ends them. The only timer of the delivery core.
 * A lease is one hand-out of messages of one queue to one member; its receipt names the pop time, and a message that was
 * handed out again has another one, so that an old receipt ends nothing.
 */
import type { Alarm, Alarms } from './alarms.ts'
import type { ReceiveRequest } from './core-types.ts'
import type { Member } from './member.ts'
import type { QueueCursor } from './queue-cursor.ts'
import { formatReceipt, REVIVE_QUEUE_ORDERED } from './receipt-handle.ts'
import type { TopicForm } from './retry-topics.ts'

/** One hand-out, and the alarm for the end of its time. */
export type Lease = Alarm & {
  readonly member: Member
  readonly cursor: QueueCursor<Lease>
  readonly popTimeMs: number
  readonly invisibleMs: number
  /** Ascending; those that ended stay in the list. */
  readonly queueOffsets: number[]
  /** Bytes of each, where the member's hands are counted; else empty. */
  readonly sizes: number[]
  /** How many of them are still in hand. */
  left: number
  /** Monotonic milliseconds. */
  deadlineMs: number
  /** Until then its time starts anew each time it is over. Monotonic milliseconds; 0: never. */
  readonly renewUntilMs: number
  /** The receive that took it, as its caller calls it. */
  readonly attemptId: string | undefined
}

/** What a hand-out is to be like. */
export type LeaseTerms = Pick<ReceiveRequest, 'invisibleMs' | 'autoRenewMs' | 'attemptId'>

/** RocketMQ's proxy renews no longer. */
const AUTO_RENEW_MS_MAX = 3 * 3_600_000
/** RocketMQ spreads checkpoints over eight revive queues; ours go nowhere, the number is for the grammar. */
const REVIVE_QUEUES = 8
const NO_SIZES: number[] = []

/** What {@link Leases} needs of its surroundings. */
export type LeasesOptions = {
  /** By the monotonic clock. */
  readonly alarms: Alarms
  readonly nowMs: () => number
  readonly brokerName: string
  /** Its time is over, and these are still in hand. */
  readonly onExpired: (lease: Lease, queueOffsets: readonly number[]) => void
}

/** The leases of one group. */
export class Leases {
  readonly #options: LeasesOptions
  readonly #byMember = new WeakMap<Member, Set<Lease>>()

  constructor(options: LeasesOptions) {
    this.#options = options
  }

  /** A lease without messages yet. `isAgain`: its messages were in hand before. */
  begin(member: Member, cursor: QueueCursor<Lease>, terms: LeaseTerms, isAgain: boolean): Lease {
    const { invisibleMs, autoRenewMs = 0, attemptId } = terms
    const nowMs = this.#options.nowMs()
    const popTimeMs = Math.max(nowMs, cursor.lastPopTimeMs + (isAgain ? 1 : 0))
    cursor.lastPopTimeMs = popTimeMs
    const beganMs = this.#options.alarms.nowMs()
    const lease: Lease = {
      member,
      cursor,
      popTimeMs,
      invisibleMs,
      queueOffsets: [],
      sizes: member.hands === undefined ? NO_SIZES : [],
      left: 0,
      deadlineMs: beganMs + invisibleMs,
      renewUntilMs: autoRenewMs > 0 ? beganMs + Math.min(autoRenewMs, AUTO_RENEW_MS_MAX) : 0,
      attemptId,
      atMs: beganMs + invisibleMs,
      run: this.#ring,
      index: -1,
    }
    this.#options.alarms.set(lease)
    let leases = this.#byMember.get(member)
    if (leases === undefined) {
      leases = new Set()
      this.#byMember.set(member, leases)
    }
    leases.add(lease)
    return lease
  }

  /** Puts a message of so many bytes in hand. */
  add(lease: Lease, queueOffset: number, sizeBytes: number): void {
    const { hands } = lease.member
    if (hands !== undefined) {
      hands.took(lease.cursor, sizeBytes)
      lease.sizes.push(sizeBytes)
    }
    this.#hold(lease, queueOffset)
  }

  /**
   * One of its messages goes on under a lease of its own, whose time starts now. `isGivenBack`: nobody works on it meanwhile, and it
   * fills no hands.
   */
  renew(lease: Lease, queueOffset: number, invisibleMs: number, isGivenBack: boolean): Lease {
    const next = this.begin(lease.member, lease.cursor, { invisibleMs }, true)
    const sizeBytes = sizeOf(lease, queueOffset)
    this.drop(lease, queueOffset)
    if (sizeBytes === undefined || isGivenBack) this.#hold(next, queueOffset)
    else this.add(next, queueOffset, sizeBytes)
    return next
  }

  /** The lease that a receipt of this pop time holds the message by; undefined where it is nobody's, or somebody else's. */
  find(cursor: QueueCursor<Lease>, queueOffset: number, popTimeMs: number): Lease | undefined {
    const lease = cursor.inFlight.get(queueOffset)
    return lease !== undefined && lease.popTimeMs === popTimeMs ? lease : undefined
  }

  /** One of its messages is no longer in hand; what becomes of it is the caller's. */
  drop(lease: Lease, queueOffset: number): void {
    if (lease.sizes.length > 0) this.#free(lease, queueOffset)
    lease.left--
    lease.member.inFlight--
    if (lease.left === 0) this.#end(lease)
  }

  /** Its messages are worked on one after the other: the time of the next one starts now. */
  extend(lease: Lease): void {
    lease.deadlineMs = this.#options.alarms.nowMs() + lease.invisibleMs
  }

  /** Leases of a member. */
  of(member: Member): readonly Lease[] {
    return [...(this.#byMember.get(member) ?? [])]
  }

  /** What a receive of a member took and the member still has. */
  ofAttempt(member: Member, attemptId: string): Lease[] {
    return this.of(member).filter(lease => lease.attemptId === attemptId)
  }

  /** Messages of a lease that are still in hand by it. */
  open(lease: Lease): number[] {
    return lease.queueOffsets.filter(queueOffset => lease.cursor.inFlight.get(queueOffset) === lease)
  }

  /** The receipt of a lease's first message. */
  receipt(lease: Lease, topicType: TopicForm): string {
    const { cursor, popTimeMs, invisibleMs, queueOffsets, member } = lease
    const startOffset = queueOffsets[0] as number
    const isOrdered = member.registration.order !== 'none'
    const reviveQueueId = isOrdered ? REVIVE_QUEUE_ORDERED : cursor.queueId % REVIVE_QUEUES
    const { brokerName } = this.#options
    const { queueId } = cursor
    const shown = Number.isFinite(invisibleMs) ? invisibleMs : Number.MAX_SAFE_INTEGER
    return formatReceipt({
      startOffset,
      popTimeMs,
      invisibleMs: shown,
      reviveQueueId,
      topicType,
      brokerName,
      queueId,
      queueOffset: startOffset,
    })
  }

  /** Ends a lease whatever it still holds: its queue was reset. */
  forget(lease: Lease): void {
    for (const queueOffset of lease.sizes.length > 0 ? this.open(lease) : []) this.#free(lease, queueOffset)
    lease.member.inFlight -= lease.left
    lease.left = 0
    this.#end(lease)
  }

  #hold(lease: Lease, queueOffset: number): void {
    lease.queueOffsets.push(queueOffset)
    lease.left++
    lease.member.inFlight++
    lease.cursor.hold(queueOffset, lease)
  }

  #free(lease: Lease, queueOffset: number): void {
    lease.member.hands?.freed(lease.cursor, sizeOf(lease, queueOffset) as number)
  }

  #end(lease: Lease): void {
    this.#options.alarms.cancel(lease)
    this.#byMember.get(lease.member)?.delete(lease)
  }

  readonly #ring = (lease: Lease): void => {
    const nowMs = this.#options.alarms.nowMs()
    if (lease.deadlineMs <= nowMs && nowMs < lease.renewUntilMs) {
      lease.deadlineMs = Math.min(nowMs + lease.invisibleMs, lease.renewUntilMs)
    }
    const leftMs = lease.deadlineMs - nowMs
    if (leftMs > 0) {
      lease.atMs = lease.deadlineMs
      this.#options.alarms.set(lease)
      return
    }
    this.#options.onExpired(lease, this.open(lease))
  }
}

/** Undefined where it fills no hands. */
function sizeOf({ queueOffsets, sizes }: Lease, queueOffset: number): number | undefined {
  return sizes[queueOffsets.indexOf(queueOffset)]
}
