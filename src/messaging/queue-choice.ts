/** Which queue of a topic a message goes to.   RocketMQ: SelectMessageQueueByHash, MessageQueueSelector. */
import { PocketMQError } from '../base/errors.ts'
import { javaHashCode } from '../codec/java-hash.ts'
import { sipHash24Mod } from '../codec/sip-hash.ts'

/** How a message group finds its queue. One of them is part of a topic's config, so that two processes never disagree. */
export const QUEUE_CHOICES = ['javaHash', 'sip24'] as const

/** `javaHash`: as RocketMQ's Java remoting client. `sip24`: as its gRPC client for Node. */
export type GroupQueueChoice = (typeof QUEUE_CHOICES)[number]

/** A topic's queue, as a caller's own choice sees it. */
export type QueueChoice = { readonly topic: string; readonly queueId: number }

/** The queue of a message group: the same for the same group, count and choice, in every process and in RocketMQ's client. */
export function queueOfGroup(messageGroup: string, queues: number, choice: GroupQueueChoice = 'javaHash'): number {
  if (choice === 'sip24') return sipHash24Mod(messageGroup, queues)
  return Math.abs(javaHashCode(messageGroup) % queues)
}

/** Round robin over each topic's queues, from a random start, so that producers that send little do not all send to queue 0. */
export class RoundRobin {
  readonly #random: () => number
  readonly #next = new Map<string, number>()
  /** The topic asked for before, which is mostly the next one too. */
  #lastTopic = ''
  #lastNext = 0

  constructor(random: () => number) {
    this.#random = random
  }

  /** The queue for the topic's next message. */
  next(topic: string, queues: number): number {
    if (topic !== this.#lastTopic) this.#switchTo(topic, queues)
    const queueId = this.#lastNext < queues ? this.#lastNext : 0
    this.#lastNext = queueId + 1
    return queueId
  }

  #switchTo(topic: string, queues: number): void {
    if (this.#lastTopic !== '') this.#next.set(this.#lastTopic, this.#lastNext)
    this.#lastTopic = topic
    this.#lastNext = this.#next.get(topic) ?? Math.floor(this.#random() * queues)
  }
}

/** A queue the caller named himself. @throws INVALID_ARGUMENT where the topic has no such queue to write to */
export function checkedQueueId(queueId: unknown, topic: string, queues: number): number {
  if (typeof queueId === 'number' && Number.isInteger(queueId) && queueId >= 0 && queueId < queues) return queueId
  throw new PocketMQError('INVALID_ARGUMENT', `topic ${topic} has no queue ${String(queueId)} to write to`, {
    hint: `Choose one from 0 to ${queues - 1}.`,
    details: { field: 'queueId', limit: queues - 1, actual: String(queueId), topic },
  })
}
