/**
 * Whose the queues of one group are, where queues have owners, and how one goes to another member: who had it ends what he has of it
 * within his drain time, and the next one goes on where that is committed. What push consumers have, leases know: their queue gives
 * out nothing until it is ended or taken away. What a pull consumer has polled and not committed is noted here: its queue stays its own,
 * to commit but not to read, until it has committed.
 */
import type { Logger } from '../base/logger.ts'
import type { Alarm, Alarms } from './alarms.ts'
import type { AssignmentContext } from './assignment.ts'
import type { AssignmentView, ClientEvent } from './core-types.ts'
import type { Events } from './events.ts'
import { GroupAssignment } from './group-assignment.ts'
import type { Cursor } from './hand-out.ts'
import type { Member } from './member.ts'

/** What {@link QueueOwners} needs of its group. */
export type QueueOwnersOptions = AssignmentContext & {
  readonly group: string
  readonly events: Events
  readonly logger: Logger
  readonly alarms: Alarms
  /** Leaves an event for a client. */
  readonly tellClient: (clientId: string, event: ClientEvent) => void
  readonly cursors: () => readonly Cursor[]
  readonly members: () => readonly Member[]
  /** Queues are there before the member that they come for. */
  readonly isSomebodyJoining: () => boolean
  readonly areWholeQueuesOrdered: boolean
  /** Its drain time is over: what the member has of the queue goes out again. */
  readonly takeAway: (member: Member, cursor: Cursor) => void
}

/** What a pull consumer has of a queue: polled below `end`, and not committed. */
type Polled = { readonly member: Member; readonly end: number; drain: Alarm | undefined }

/** Owners of one group's queues. */
export class QueueOwners {
  readonly #options: QueueOwnersOptions
  readonly #assignment: GroupAssignment<Cursor>
  readonly #polled = new Map<Cursor, Polled>()
  /** Somebody or a queue came or went since queues were assigned. */
  #isDue = false
  #isClosed = false

  constructor(options: QueueOwnersOptions) {
    this.#options = options
    this.#assignment = new GroupAssignment(options)
  }

  ownerOf(cursor: Cursor): Member | undefined {
    this.#assignNow()
    return this.#assignment.ownerOf(cursor)
  }

  /** Whether the queue is the client's, and has been since that epoch where one is given. */
  isOwnedBy(clientId: string, cursor: Cursor, epoch?: number): boolean {
    if (this.ownerOf(cursor)?.clientId !== clientId) return false
    return epoch === undefined || this.#assignment.epochOf(cursor) === epoch
  }

  /** The queues of a member, with the epochs it got them in; not those that it only has to end. */
  of(member: Member): AssignmentView {
    this.#assignNow()
    const queues = this.#assignment.queuesOf(member).map(cursor => {
      return { topic: cursor.topic, queueId: cursor.queueId, epoch: this.#assignment.epochOf(cursor) }
    })
    return { epoch: this.#assignment.epoch, queues }
  }

  /** Many queues come together: they are assigned once. */
  assignSoon(): void {
    if (this.#isDue || !this.#hasOwners) return
    this.#isDue = true
    queueMicrotask(() => this.#assignNow())
  }

  /** A pull consumer is about to be given messages below `end`. False where the queue is not its to read. */
  polled(clientId: string, cursor: Cursor, epoch: number, end: number): boolean {
    const member = this.ownerOf(cursor)
    if (member === undefined || !this.isOwnedBy(clientId, cursor, epoch) || this.#assignment.isLeaving(cursor))
      return false
    if (end > 0) this.#polled.set(cursor, { member, end, drain: undefined })
    return true
  }

  /** Its owner has committed: everything below `queueOffset`, or, where it has sought, whatever it had before. */
  committed(cursor: Cursor, queueOffset: number, isSought: boolean): void {
    const polled = this.#polled.get(cursor)
    if (polled !== undefined && (isSought || queueOffset >= polled.end)) this.#over(cursor, polled)
  }

  /** The queue was moved: what anybody has of it counts no longer. */
  moved(cursor: Cursor): void {
    const polled = this.#polled.get(cursor)
    if (polled !== undefined) this.#over(cursor, polled)
  }

  left(member: Member): void {
    for (const [cursor, polled] of this.#polled) {
      if (polled.member !== member) continue
      this.#options.alarms.cancel(polled.drain)
      this.#polled.delete(cursor)
    }
  }

  close(): void {
    this.#isClosed = true
  }

  get #hasOwners(): boolean {
    const { areWholeQueuesOrdered, members } = this.#options
    return areWholeQueuesOrdered || members().some(isPulling)
  }

  #assignNow(): void {
    if (!this.#isDue || this.#isClosed) return
    this.#isDue = false
    const { cursors, members, isSomebodyJoining } = this.#options
    const live = members()
    const stays = (cursor: Cursor, from: Member): boolean =>
      live.includes(from) && from.registration.drainMs > 0 && this.#polled.get(cursor)?.member === from
    const given = new Map<Member, Cursor[]>()
    for (const { queue, from } of this.#assignment.update(cursors(), live, isSomebodyJoining(), stays)) {
      if (live.includes(from)) given.set(from, [...(given.get(from) ?? []), queue])
    }
    for (const [member, queues] of given) this.#revoke(member, queues)
  }

  /** Ends a member's time with queues that are another's: now where it has nothing of them, else when its drain time is over. */
  #revoke(member: Member, cursors: readonly Cursor[]): void {
    const { alarms, tellClient, group, takeAway } = this.#options
    const { drainMs } = member.registration
    const { epoch } = this.#assignment
    const queues = cursors.map(({ topic, queueId }) => ({ topic, queueId }))
    tellClient(member.clientId, { kind: 'revoked', group, epoch, drainMs, queues })
    for (const cursor of cursors) {
      const polled = this.#polled.get(cursor)
      if (polled !== undefined && this.#assignment.isLeaving(cursor)) {
        alarms.cancel(polled.drain)
        polled.drain = alarms.in(drainMs, () => {
          if (this.#assignment.isLeaving(cursor)) this.#over(cursor, polled)
        })
      } else if (cursor.inFlight.size > 0) {
        alarms.in(drainMs, () => {
          if (this.ownerOf(cursor) !== member) takeAway(member, cursor)
        })
      }
    }
  }

  /** Nothing polled of the queue is waited for any more: where it has to go to another, it goes. */
  #over(cursor: Cursor, polled: Polled): void {
    if (this.#polled.get(cursor) !== polled) return
    this.#options.alarms.cancel(polled.drain)
    this.#polled.delete(cursor)
    if (!this.#assignment.isLeaving(cursor)) return
    this.#isDue = true
    this.#assignNow()
    const { members, tellClient, group } = this.#options
    for (const { clientId } of members()) tellClient(clientId, { kind: 'ids-changed', group })
  }
}

function isPulling({ registration }: Member): boolean {
  return registration.kind === 'pull'
}
