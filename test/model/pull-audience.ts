/**
 * Pull consumers that share a topic's queues. Each goes through its queues without a gap or a step back, from where the group has
 * committed. A queue that goes to another waits for what was polled of it, up to the drain time; what somebody commits of a queue that
 * is another's by then counts for nothing.
 */
import { expect } from 'vitest'
import type { PocketMQ } from '../../src/messaging/pocket-mq.ts'
import type { PullConsumer } from '../../src/messaging/pull-consumer.ts'
import { mustBe } from './must-be.ts'

const GROUP = 'replay'
const MEMBERS_MAX = 3

const DRAIN_MS = 15_000

/** Where a member is in a queue, as its owner since `epoch`; it loses the queue for good at `overMs`. */
type Place = { readonly epoch: number; readonly next: number; isCommitted: boolean; overMs: number | undefined }
type Member = { readonly consumer: PullConsumer; readonly places: Map<number, Place> }

/** The members of one group. */
export class PullAudience {
  polled = 0
  stale = 0
  /** Commits of queues that were on their way to another. */
  late = 0
  #members: Member[] = []
  #committed = new Map<number, number>()

  async join(mq: PocketMQ): Promise<void> {
    if (this.#members.length >= MEMBERS_MAX) return
    const subscriptions = { orders: '*' }
    const consumer = await mq.pullConsumer({ consumerGroup: GROUP, subscriptions, drainTimeout: DRAIN_MS })
    this.#members.push({ consumer, places: new Map() })
  }

  async leave(which: number): Promise<void> {
    const [member] = this.#members.splice(which % Math.max(1, this.#members.length), 1)
    await member?.consumer.close()
  }

  async poll(mq: PocketMQ, which: number, maxMessageNum: number): Promise<number> {
    const member = this.#members[which % Math.max(1, this.#members.length)]
    if (member === undefined) return 0
    const epochs = owned(mq, member)
    const messages = await member.consumer.poll({ maxMessageNum, timeout: 0 })
    for (const { queueId, queueOffset, body } of messages) {
      const epoch = epochs.get(queueId)
      expect(epoch, `${body} of queue ${queueId} comes to its owner`).toBeDefined()
      const place = member.places.get(queueId)
      const expected = place?.epoch === epoch ? place?.next : (this.#committed.get(queueId) ?? 0)
      mustBe(queueOffset, expected, `${body} is the next one of queue ${queueId}`)
      const here: Place = { epoch: epoch as number, next: queueOffset + 1, isCommitted: false, overMs: undefined }
      member.places.set(queueId, here)
    }
    this.polled += messages.length
    return messages.length
  }

  async commit(mq: PocketMQ, which: number): Promise<void> {
    const member = this.#members[which % Math.max(1, this.#members.length)]
    if (member === undefined) return
    const epochs = owned(mq, member)
    for (const [queueId, place] of member.places) {
      const isOwned = epochs.get(queueId) === place.epoch
      const isLate = !isOwned && place.overMs !== undefined && mq.store.clock.nowMs() < place.overMs
      if (isOwned || isLate) this.#committed.set(queueId, Math.max(place.next, this.#committed.get(queueId) ?? 0))
      else this.stale++
      if (isLate) this.late++
      place.isCommitted = true
      if (!isOwned) member.places.delete(queueId)
    }
    await member.consumer.commit()
    this.check(mq)
  }

  /** Everybody is gone. A power cut may have taken commits, and the messages they spoke of. */
  gone(mq: PocketMQ, isPowerCut: boolean): void {
    this.#members = []
    for (const [queueId, before] of isPowerCut ? [...this.#committed] : []) {
      const now = committed(mq, queueId) ?? 0
      expect(now, `a power cut moves queue ${queueId} back at most`).toBeLessThanOrEqual(before)
      this.#committed.set(queueId, now)
    }
    this.check(mq)
  }

  /** The group is where its members have committed, and no queue is two members'. */
  check(mq: PocketMQ): void {
    for (const [queueId, expected] of this.#committed) {
      mustBe(committed(mq, queueId) ?? 0, expected, `what is committed of queue ${queueId}`)
    }
    const all = this.#members.flatMap(member => [...owned(mq, member).keys()])
    mustBe(new Set(all).size, all.length, 'each queue has one owner')
    for (const member of this.#members) this.#noteLosses(mq, member, all)
  }

  /** Who has nothing of a queue loses it at once; else it is nobody's until he has committed or his time is over. */
  #noteLosses(mq: PocketMQ, member: Member, all: readonly number[]): void {
    const epochs = owned(mq, member)
    const nowMs = mq.store.clock.nowMs()
    for (const [queueId, place] of member.places) {
      if (epochs.get(queueId) === place.epoch) place.overMs = undefined
      else if (place.isCommitted) member.places.delete(queueId)
      else place.overMs ??= nowMs + DRAIN_MS
      const isWaitedFor = place.overMs !== undefined && nowMs < place.overMs
      if (isWaitedFor) expect(all, `queue ${queueId} waits for what was polled of it`).not.toContain(queueId)
    }
  }

  /** Somebody reads everything that is left. */
  async finish(mq: PocketMQ): Promise<void> {
    while (this.#members.length > 0) await this.leave(0)
    await this.join(mq)
    while ((await this.poll(mq, 0, 32)) > 0);
    await this.commit(mq, 0)
    for (const { topic, queueId, maxQueueOffset } of mq.store.queues()) {
      if (topic === 'orders') expect(committed(mq, queueId)).toBe(maxQueueOffset)
    }
  }
}

function owned(mq: PocketMQ, { consumer: { clientId } }: Member): Map<number, number> {
  const { queues } = mq.core.delivery.assignment({ clientId }, GROUP)
  return new Map(queues.filter(({ topic }) => topic === 'orders').map(({ queueId, epoch }) => [queueId, epoch]))
}

function committed(mq: PocketMQ, queueId: number): number | undefined {
  return mq.core.delivery.queryOffset({ clientId: 'model' }, { group: GROUP, topic: 'orders', queueId })
}
