/**
 * Whose the queues of one group are, where queues have owners: computed anew when a member or a queue comes or goes, under a new epoch.
 * Says what is wrong with it: queues without an owner, members without a queue, a user's function that cannot be followed.
 */
import type { Logger } from '../base/logger.ts'
import type { AssignmentContext, Owners } from './assignment.ts'
import { assignQueues } from './assignment.ts'
import type { QueueAddress } from './core-types.ts'
import type { Events } from './events.ts'
import { queueKey } from './group-offsets.ts'
import { isGroupTopic } from './limits.ts'
import type { Member } from './member.ts'

/** A queue that goes from a member to another, or to nobody. */
export type HandOver<Q> = { readonly queue: Q; readonly from: Member; readonly epoch: number }

/** What a {@link GroupAssignment} needs of its surroundings. */
export type GroupAssignmentOptions = AssignmentContext & {
  readonly group: string
  readonly events: Events
  readonly logger: Logger
}

/** Owners of one group's queues. */
export class GroupAssignment<Q extends QueueAddress> {
  readonly #options: GroupAssignmentOptions
  #owners: ReadonlyMap<Q, Member> = new Map()
  /** Queues that are to be another's, once their owner is done with them. */
  #leaving: ReadonlySet<Q> = new Set()
  /** The assignment in which a queue got its present owner. */
  readonly #since = new Map<Q, number>()
  /** Queues without an owner, and members without a queue, as far as was said. */
  #unassigned = new Set<string>()
  #idle = ''
  #epoch = 0

  constructor(options: GroupAssignmentOptions) {
    this.#options = options
  }

  /** Counts the assignments that changed anything. */
  get epoch(): number {
    return this.#epoch
  }

  ownerOf(queue: Q): Member | undefined {
    return this.#owners.get(queue)
  }

  /** The epoch in which the queue got its owner. What is done in an earlier one comes from somebody else. */
  epochOf(queue: Q): number {
    return this.#since.get(queue) ?? 0
  }

  /** Queues of a member, without those that are leaving it. */
  queuesOf(member: Member): Q[] {
    const all = [...this.#owners].filter(([queue, owner]) => owner === member && !this.#leaving.has(queue))
    return all.map(([queue]) => queue)
  }

  /** Whether its owner has it only to end what he has of it. */
  isLeaving(queue: Q): boolean {
    return this.#leaving.has(queue)
  }

  /** Assigns anew. Answers which queues their owners have to give up; `stays`: an owner has to end something of it first. */
  update(
    queues: readonly Q[],
    members: readonly Member[],
    isSomebodyJoining: boolean,
    stays: (queue: Q, owner: Member) => boolean,
  ): readonly HandOver<Q>[] {
    const { owners: wanted, problem } = assignQueues(queues, members, this.#options)
    const [before, leftBefore] = [this.#owners, this.#leaving]
    const leaving = new Map([...before].filter(([queue, owner]) => wanted.get(queue) !== owner && stays(queue, owner)))
    const owners = new Map([...wanted, ...leaving])
    const { group, events } = this.#options
    if (problem !== undefined) events.emit('error', { where: `the assignment of group ${group}`, error: problem })
    this.#leaving = new Set(leaving.keys())
    const isChanged =
      before.size !== owners.size ||
      [...owners].some(([queue, member]) => before.get(queue) !== member) ||
      [...owners.keys()].some(queue => leftBefore.has(queue) !== leaving.has(queue))
    if (isChanged) this.#take(owners)
    // Queues come before the member they come for.
    if (!isSomebodyJoining) {
      this.#tellUnassigned(queues, members)
      this.#warnOfIdle(queues, members)
    }
    if (!isChanged) return []
    const moved = [...before].filter(([queue, member]) => wanted.get(queue) !== member && !leftBefore.has(queue))
    return moved.map(([queue, from]) => ({ queue, from, epoch: this.#epoch }))
  }

  #take(owners: Owners<Q>['owners']): void {
    this.#epoch++
    for (const queue of this.#since.keys()) if (!owners.has(queue)) this.#since.delete(queue)
    for (const [queue, member] of owners) {
      if (this.#owners.get(queue) !== member) this.#since.set(queue, this.#epoch)
    }
    this.#owners = owners
  }

  /** Once for each queue, until it has had an owner. A group without any member is another event's. */
  #tellUnassigned(queues: readonly Q[], members: readonly Member[]): void {
    const unassigned = new Set<string>()
    if (members.some(member => !member.isFenced)) {
      for (const queue of queues) {
        if (this.#owners.has(queue) || isGroupTopic(queue.topic)) continue
        const { topic, queueId } = queue
        const key = queueKey(topic, queueId)
        unassigned.add(key)
        if (!this.#unassigned.has(key)) {
          this.#options.events.emit('queue-unassigned', { group: this.#options.group, topic, queueId })
        }
      }
    }
    this.#unassigned = unassigned
  }

  #warnOfIdle(queues: readonly Q[], members: readonly Member[]): void {
    const busy = new Set(this.#owners.values())
    const idle = members.filter(member => !member.isFenced && !busy.has(member)).map(member => member.clientId)
    const named = idle.sort().join()
    const isNews = named !== this.#idle
    this.#idle = named
    if (idle.length === 0 || queues.length === 0 || !isNews) return
    const { group, logger } = this.#options
    const fields = { group, queues: queues.length, members: members.length, idle }
    logger.warn(fields, `group ${group} has members without a queue: give its topics more queues, or use fewer members`)
  }
}
