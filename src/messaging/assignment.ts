/** Which queue belongs to whom, for ordered delivery. Pure: everybody who asks with the same lists gets the same answer. */
import type { Member } from './member.ts'

/** A queue, as far as sharing out goes. */
type Queue = { readonly topic: string; readonly queueId: number }

/** Owners of a group's queues: topic by topic, over the members that subscribe to it, in the order of their ids. */
export function assignQueues<Q extends Queue>(queues: readonly Q[], members: readonly Member[]): Map<Q, Member> {
  const live = members.filter(member => !member.isFenced).sort((a, b) => (a.clientId < b.clientId ? -1 : 1))
  const byTopic = new Map<string, Q[]>()
  for (const queue of queues) {
    const others = byTopic.get(queue.topic)
    if (others === undefined) byTopic.set(queue.topic, [queue])
    else others.push(queue)
  }
  const owners = new Map<Q, Member>()
  for (const [topic, ofTopic] of byTopic) {
    ofTopic.sort((a, b) => a.queueId - b.queueId)
    const candidates = live.filter(member => member.topics.has(topic))
    // Retries are everybody's.
    for (const [queue, member] of averaged(ofTopic, candidates.length > 0 ? candidates : live))
      owners.set(queue, member)
  }
  return owners
}

/**
 * Contiguous shares of the queues; the first `queues mod members` members get one more.
 * Both lists sorted by their owners' rule; more members than queues leaves some without.   RocketMQ: AllocateMessageQueueAveragely.
 */
export function averaged<Q, M>(queues: readonly Q[], members: readonly M[]): Map<Q, M> {
  const owners = new Map<Q, M>()
  if (members.length === 0) return owners
  const share = Math.floor(queues.length / members.length)
  const more = queues.length % members.length
  let at = 0
  members.forEach((member, i) => {
    const count = share + (i < more ? 1 : 0)
    for (const queue of queues.slice(at, at + count)) owners.set(queue, member)
    at += count
  })
  return owners
}
