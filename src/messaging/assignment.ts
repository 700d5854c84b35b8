/**
 * Which queue belongs to whom, for ordered and for pull delivery. Pure: everybody who asks with the same lists gets the same answer.
 * RocketMQ: AllocateMessageQueueStrategy.
 */
import { createHash } from 'node:crypto'
import { asError, PocketMQError } from '../base/errors.ts'
import type { Assignment, QueueAddress } from './core-types.ts'
import { isGroupTopic } from './limits.ts'
import type { Member } from './member.ts'

/**
 * A strategy of a user's own: who gets which of a topic's queues. `queues` are by id and `members` are client ids (instance name,
 * `@`, group), both sorted. Each queue has to be given to exactly one of the members; else it is not followed, and an `error` event
 * says why. It has to answer the same to the same lists.
 */
export type AssignmentFunction = (
  queues: readonly QueueAddress[],
  members: readonly string[],
) => ReadonlyMap<string, readonly QueueAddress[]> | Readonly<Record<string, readonly QueueAddress[]>>

/** What assigning needs beside queues and members. */
export type AssignmentContext = {
  readonly brokerName: string
  /** Functions by the name that registrations know them by. */
  readonly functionOf: (name: string) => AssignmentFunction | undefined
}

/** Owners by queue. A queue that is not in it has none. */
export type Owners<Q> = {
  readonly owners: ReadonlyMap<Q, Member>
  /** Why a function was not followed; its queues are averaged then. */
  readonly problem: PocketMQError | undefined
}

/** Points on the ring for each member. RocketMQ: AllocateMessageQueueConsistentHash. */
const VIRTUAL_NODES = 10

/**
 * Owners of a group's queues: topic by topic, over the members that subscribe to it, by the strategy they have agreed on.
 * Retries are everybody's.
 */
export function assignQueues<Q extends QueueAddress>(
  queues: readonly Q[],
  members: readonly Member[],
  context: AssignmentContext,
): Owners<Q> {
  const live = sortedById(members.filter(member => !member.isFenced))
  const owners = new Map<Q, Member>()
  let problem: PocketMQError | undefined
  for (const [topic, ofTopic] of byTopic(queues)) {
    const isOfGroup = isGroupTopic(topic)
    const candidates = isOfGroup ? live : live.filter(member => member.topics.has(topic))
    const strategy = candidates[0]?.registration.assignment
    if (strategy === undefined) continue
    try {
      const shared = isOfGroup ? averaged(ofTopic, candidates) : share(strategy, ofTopic, candidates, context)
      for (const [queue, member] of shared) owners.set(queue, member)
    } catch (thrown) {
      problem = thrown instanceof PocketMQError ? thrown : notFollowed(asError(thrown).message, { topic }, thrown)
      for (const [queue, member] of averaged(ofTopic, candidates)) owners.set(queue, member)
    }
  }
  return { owners, problem }
}

/**
 * Contiguous shares of the queues; the first `queues mod members` members get one more.
 * Both lists sorted by their owners' rule; more members than queues leaves some without.   RocketMQ: AllocateMessageQueueAveragely.
 */
export function averaged<Q, M>(queues: readonly Q[], members: readonly M[]): Map<Q, M> {
  const owners = new Map<Q, M>()
  if (members.length === 0) return owners
  const size = Math.floor(queues.length / members.length)
  const more = queues.length % members.length
  let at = 0
  members.forEach((member, i) => {
    const count = size + (i < more ? 1 : 0)
    for (const queue of queues.slice(at, at + count)) owners.set(queue, member)
    at += count
  })
  return owners
}

/** Queue i to member i mod members.   RocketMQ: AllocateMessageQueueAveragelyByCircle. */
export function circle<Q, M>(queues: readonly Q[], members: readonly M[]): Map<Q, M> {
  const owners = new Map<Q, M>()
  if (members.length === 0) return owners
  queues.forEach((queue, i) => {
    owners.set(queue, members[i % members.length] as M)
  })
  return owners
}

/** Each queue to the next member on a ring of hashes: who comes or goes moves few queues.   RocketMQ: ConsistentHashRouter. */
export function consistentHash<Q, M>(
  queues: readonly Q[],
  members: readonly M[],
  keys: { readonly ofQueue: (queue: Q) => string; readonly ofMember: (member: M) => string },
): Map<Q, M> {
  const ring = members.flatMap(member =>
    Array.from({ length: VIRTUAL_NODES }, (_, i) => ({ at: md5Hash(`${keys.ofMember(member)}-${i}`), member })),
  )
  ring.sort((a, b) => a.at - b.at)
  const owners = new Map<Q, M>()
  for (const queue of queues) {
    const hash = md5Hash(keys.ofQueue(queue))
    const node = ring.find(({ at }) => at >= hash) ?? ring[0]
    if (node !== undefined) owners.set(queue, node.member)
  }
  return owners
}

/** Each queue to the member that names it; what nobody names is nobody's.   RocketMQ: AllocateMessageQueueByConfig. */
export function manual<Q extends QueueAddress>(queues: readonly Q[], members: readonly Member[]): Map<Q, Member> {
  const owners = new Map<Q, Member>()
  for (const queue of queues) {
    const member = members.find(({ registration }) => listed(registration.assignment).some(one => isSame(one, queue)))
    if (member !== undefined) owners.set(queue, member)
  }
  return owners
}

/** A queue that two members list: it could only be one's. */
export function listedByBoth(one: Assignment, other: Assignment): QueueAddress | undefined {
  return listed(one).find(queue => listed(other).some(another => isSame(queue, another)))
}

/** Whether two members of one group may have these side by side. */
export function isSameStrategy(one: Assignment, other: Assignment): boolean {
  if (one.kind !== 'custom' || other.kind !== 'custom') return one.kind === other.kind
  return one.name === other.name
}

function share<Q extends QueueAddress>(
  strategy: Assignment,
  queues: readonly Q[],
  members: readonly Member[],
  { brokerName, functionOf }: AssignmentContext,
): Map<Q, Member> {
  switch (strategy.kind) {
    case 'averaged':
      return averaged(queues, members)
    case 'circle':
      return circle(queues, members)
    case 'consistent-hash':
      return consistentHash(queues, members, {
        // RocketMQ: MessageQueue.toString
        ofQueue: ({ topic, queueId }) => `MessageQueue [topic=${topic}, brokerName=${brokerName}, queueId=${queueId}]`,
        ofMember: member => member.clientId,
      })
    case 'manual':
      return manual(queues, members)
    default:
      return byFunction(functionOf(strategy.name), queues, members)
  }
}

/** @throws INVALID_ARGUMENT where a queue is not given to exactly one member */
function byFunction<Q extends QueueAddress>(
  assign: AssignmentFunction | undefined,
  queues: readonly Q[],
  members: readonly Member[],
): Map<Q, Member> {
  const topic = queues[0]?.topic
  if (assign === undefined) throw notFollowed('it is not known here', { topic })
  const addresses = queues.map(({ topic: name, queueId }) => ({ topic: name, queueId }))
  const given = assign(
    addresses,
    members.map(member => member.clientId),
  )
  const owners = new Map<Q, Member>()
  for (const [clientId, list] of given instanceof Map ? given : Object.entries(given)) {
    const member = members.find(one => one.clientId === clientId)
    if (member === undefined) throw notFollowed(`it names ${clientId}, who is no member`, { topic, clientId })
    for (const wanted of list as readonly QueueAddress[]) {
      const queue = queues.find(one => isSame(one, wanted))
      if (queue === undefined) throw notFollowed('it names a queue that is not there', { ...wanted })
      if (owners.has(queue)) throw notFollowed(`it gives queue ${queue.queueId} to two members`, { ...wanted })
      owners.set(queue, member)
    }
  }
  const left = queues.find(queue => !owners.has(queue))
  if (left !== undefined)
    throw notFollowed(`it gives queue ${left.queueId} to nobody`, { topic, queueId: left.queueId })
  return owners
}

function notFollowed(why: string, details: Readonly<Record<string, unknown>>, cause?: unknown): PocketMQError {
  return new PocketMQError('INVALID_ARGUMENT', `the assignment function is not followed: ${why}`, {
    hint: 'Return each queue for exactly one of the members; until then queues are averaged.',
    details: { field: 'assignment', ...details },
    cause,
  })
}

function listed(assignment: Assignment): readonly QueueAddress[] {
  return assignment.kind === 'manual' ? assignment.queues : []
}

function isSame(one: QueueAddress, other: QueueAddress): boolean {
  return one.topic === other.topic && one.queueId === other.queueId
}

function sortedById(members: readonly Member[]): Member[] {
  return [...members].sort((a, b) => Buffer.compare(Buffer.from(a.clientId), Buffer.from(b.clientId)))
}

function byTopic<Q extends QueueAddress>(queues: readonly Q[]): Map<string, Q[]> {
  const topics = new Map<string, Q[]>()
  for (const queue of queues) {
    const others = topics.get(queue.topic)
    if (others === undefined) topics.set(queue.topic, [queue])
    else others.push(queue)
  }
  for (const ofTopic of topics.values()) ofTopic.sort((a, b) => a.queueId - b.queueId)
  return topics
}

/** The first four bytes of the MD5, as one unsigned number. RocketMQ: ConsistentHashRouter.MD5Hash. */
function md5Hash(text: string): number {
  return createHash('md5').update(text).digest().readUInt32BE(0)
}
