/**
 * How a message that was handed out ends: done, given back, tried again in place, or replaced by a copy that settles it.
 * What it means for the order of its queue or message group, the hand-out knows.
 */
import type { Alarms } from './alarms.ts'
import type { ConsumerRegistration, Outcome } from './core-types.ts'
import type { Events } from './events.ts'
import type { Cursor, HandOut } from './hand-out.ts'
import type { Lease, Leases } from './leases.ts'
import type { Member } from './member.ts'
import { retryWaitMs, TIMEOUT_RETRY_MS } from './retry-copy.ts'
import type { Settled, Settler } from './settle.ts'

/** Bounds of the wait before a message is tried again in place. RocketMQ: suspendCurrentQueueTimeMillis. */
const IN_PLACE_MS_MIN = 10
const IN_PLACE_MS_MAX = 30_000

/** Pop time of a message that is being copied: no receipt has it. */
const NOBODYS_POP_TIME = -1

/** What {@link MessageEndings} needs of its group. */
export type MessageEndingsOptions = {
  readonly group: string
  readonly order: ConsumerRegistration['order']
  readonly model: ConsumerRegistration['model']
  readonly events: Events
  readonly alarms: Alarms
  readonly settler: Settler
  readonly leases: Leases
  readonly handOut: HandOut
  /** The queue may have something to hand out. */
  readonly wake: (cursor: Cursor) => void
}

/** Ends the messages of one group. */
export class MessageEndings {
  readonly #options: MessageEndingsOptions

  constructor(options: MessageEndingsOptions) {
    this.#options = options
  }

  /** Ends one message of a lease; copies that it takes are added to `copies`. */
  end(lease: Lease, queueOffset: number, outcome: Outcome, copies: Promise<Settled>[]): void {
    const { leases, order, model, events } = this.#options
    const { cursor, member } = lease
    if (outcome.kind === 'hold') {
      this.#hold(lease, queueOffset)
      return
    }
    leases.drop(lease, queueOffset)
    if (outcome.kind === 'ack') {
      if (order === 'queue') leases.extend(lease)
      this.done(cursor, queueOffset)
    } else if (outcome.kind === 'release') {
      this.#again(cursor, queueOffset, outcome.afterMs)
    } else if (model === 'broadcasting') {
      if (outcome.kind === 'retry' && this.#failLocally(lease, queueOffset, outcome.afterMs)) return
      events.emit('broadcast-dropped', { ...this.#where(cursor), queueOffset })
      this.done(cursor, queueOffset)
    } else if (outcome.kind === 'dlq') {
      copies.push(this.#copy(cursor, queueOffset, member, 0, undefined))
    } else if (order === 'none') {
      copies.push(this.#copy(cursor, queueOffset, member, member.registration.maxReconsumeTimes, outcome.afterMs))
    } else {
      this.#failInPlace(lease, queueOffset, outcome.afterMs, copies)
    }
  }

  /** A message in flight, in nobody's hand, is done. */
  done(cursor: Cursor, queueOffset: number): void {
    cursor.done(queueOffset)
    if (this.#options.handOut.ended(cursor, queueOffset)) this.#options.wake(cursor)
  }

  /** The time of a lease is over. */
  expired(lease: Lease, queueOffsets: readonly number[]): void {
    const { order, events } = this.#options
    const { cursor, member } = lease
    events.emit('lease-expired', { ...this.#where(cursor), clientId: member.clientId, messages: queueOffsets.length })
    const isFailing = member.registration.kind === 'push'
    const outcome: Outcome = { kind: 'retry', afterMs: isFailing ? TIMEOUT_RETRY_MS : 0 }
    queueOffsets.forEach((queueOffset, i) => {
      // Of a queue handed out in order only the first was being worked on.
      const isWaiting = order === 'queue' && i > 0
      this.end(lease, queueOffset, isWaiting ? { kind: 'release' } : outcome, [])
    })
  }

  /** Ordered delivery: the same message again, after a wait, until its attempts are used up. */
  #failInPlace(lease: Lease, queueOffset: number, afterMs: number | undefined, copies: Promise<Settled>[]): void {
    const { cursor, member } = lease
    const { maxReconsumeTimes, onExhausted, retry } = member.registration
    const failures = (cursor.failures.get(queueOffset) ?? 0) + 1
    cursor.failures.set(queueOffset, failures)
    if (failures > maxReconsumeTimes && onExhausted === 'dlq') {
      copies.push(this.#copy(cursor, queueOffset, member, maxReconsumeTimes, undefined))
      return
    }
    if (failures === maxReconsumeTimes + 1) {
      this.#options.events.emit('message-blocks', { ...this.#where(cursor), queueOffset, attempts: failures })
    }
    const waitMs = Math.min(IN_PLACE_MS_MAX, Math.max(IN_PLACE_MS_MIN, afterMs ?? retryWaitMs(retry, failures)))
    this.#again(cursor, queueOffset, waitMs)
  }

  /** Broadcasting: the same instance has it again after a wait. False where that is not wanted, or its attempts are used up. */
  #failLocally({ member, cursor }: Lease, queueOffset: number, afterMs: number | undefined): boolean {
    const { maxReconsumeTimes, retry, retriesLocally = false } = member.registration
    const failures = (cursor.failures.get(queueOffset) ?? 0) + 1
    if (!retriesLocally || failures > maxReconsumeTimes) return false
    cursor.failures.set(queueOffset, failures)
    cursor.hold(queueOffset, nobodys(member, cursor, queueOffset))
    this.#againAfter(cursor, queueOffset, afterMs ?? retryWaitMs(retry, failures))
    return true
  }

  /** A copy takes its place; until the copy is visible the message is nobody's and not done. */
  #copy(
    cursor: Cursor,
    queueOffset: number,
    member: Member,
    maxReconsumeTimes: number,
    waitMs: number | undefined,
  ): Promise<Settled> {
    const { group, settler } = this.#options
    const { topic, queueId } = cursor
    const { epoch } = cursor.entry
    cursor.hold(queueOffset, nobodys(member, cursor, queueOffset))
    const failures = cursor.failures.get(queueOffset) ?? 0
    const failure = { maxReconsumeTimes, waitMs, retry: member.registration.retry, failures }
    const copied = settler.settle({ group, topic, queueId, queueOffset }, failure)
    const over = (settled: Settled): void => {
      if (settled === 'copied' || cursor.entry.epoch !== epoch || !cursor.inFlight.has(queueOffset)) return
      if (settled === 'gone') {
        this.done(cursor, queueOffset)
        return
      }
      this.#againAfter(cursor, queueOffset, IN_PLACE_MS_MAX)
    }
    // A rejection means that the store has closed: the message stays unfinished, and whoever settles it is told.
    void Promise.allSettled([copied]).then(([copy]) => (copy.status === 'fulfilled' ? over(copy.value) : undefined))
    return copied
  }

  /** What is nobody's meanwhile goes out again after a wait. */
  #againAfter(cursor: Cursor, queueOffset: number, waitMs: number): void {
    const { epoch } = cursor.entry
    this.#options.alarms.in(waitMs, () => {
      if (cursor.entry.epoch === epoch && cursor.inFlight.has(queueOffset)) this.#again(cursor, queueOffset)
    })
  }

  /** It was worked on and is not done: later ones of its queue may go out. */
  #hold(lease: Lease, queueOffset: number): void {
    const { leases, handOut, events, wake } = this.#options
    const { cursor } = lease
    leases.extend(lease)
    const held = handOut.hold(cursor, queueOffset)
    if (held === 'more') wake(cursor)
    else if (held === 'full') {
      events.emit('queue-paused', { ...this.#where(cursor), ackedRanges: cursor.entry.ranges.count })
    }
  }

  /** It is handed out again: at once, or in its place after a wait. */
  #again(cursor: Cursor, queueOffset: number, afterMs = 0): void {
    const { handOut, alarms, wake } = this.#options
    handOut.putBack(cursor, queueOffset)
    const { epoch } = cursor.entry
    const resume = (): void => {
      if (cursor.entry.epoch !== epoch) return
      handOut.resume(cursor, queueOffset)
      wake(cursor)
    }
    if (afterMs > 0) alarms.in(afterMs, resume)
    else resume()
  }

  #where(cursor: Cursor): { readonly group: string; readonly topic: string; readonly queueId: number } {
    return { group: this.#options.group, topic: cursor.topic, queueId: cursor.queueId }
  }
}

/** Whether somebody has the messages of a lease, and not only a copy on its way. */
export function isInHand(lease: Lease): boolean {
  return lease.popTimeMs !== NOBODYS_POP_TIME
}

function nobodys(member: Member, cursor: Cursor, queueOffset: number): Lease {
  const times = { popTimeMs: NOBODYS_POP_TIME, invisibleMs: 0, deadlineMs: 0, renewUntilMs: 0, attemptId: undefined }
  const never = { atMs: Number.POSITIVE_INFINITY, run: () => undefined, index: -1 }
  return { member, cursor, queueOffsets: [queueOffset], sizes: [], left: 1, ...times, ...never }
}
