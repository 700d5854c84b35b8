/** Which queue belongs to whom, for ordered delivery. Pure: everybody who asks with the same lists gets the same answer. */

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
