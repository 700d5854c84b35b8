/**
 * What the writers of the kill tests append: every byte follows from the seed, the queue and the queueOffset,
 * so that a reader needs no list of what was written.
 */
import type { PutRecord, StoredMessage } from '../../src/store/message-store.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'

/** A queue that is written to. */
export type Queue = { readonly topic: string; readonly queueId: number }

/** The queues, in the order in which numbers about them are listed. */
export const QUEUES: readonly Queue[] = [
  { topic: 'orders', queueId: 0 },
  { topic: 'orders', queueId: 1 },
  { topic: 'orders', queueId: 2 },
  { topic: 'audit', queueId: 0 },
]

/** Segments small enough that a writer rolls over several before it is killed. */
export const SIZES = {
  commitLogSegmentBytes: 64 * 1024,
  consumeQueueSegmentEntries: 50,
  indexSlots: 100,
  indexEntries: 400,
} as const

/** Of every ten messages of a queue, the last three are put as one append unit. */
const UNIT_START = 7
const UNIT_COUNT = 3
const CYCLE = 10

/** How many messages go together from this queueOffset on. */
export function unitAt(queueOffset: number): number {
  return queueOffset % CYCLE === UNIT_START ? UNIT_COUNT : 1
}

/** Whether a queue that ends here ends inside an append unit. */
export function isInsideUnit(maxQueueOffset: number): boolean {
  return maxQueueOffset % CYCLE > UNIT_START
}

/** The record at a queueOffset. */
export function recordAt(seed: number, queue: Queue, queueOffset: number): PutRecord {
  const name = `${seed}/${queue.topic}/${queue.queueId}/${queueOffset}`
  const random = seededRandom(hashOf(name))
  // Mostly small, now and then a third of a segment; sometimes nothing but its name.
  const sizeBytes = random.chance(0.04) ? random.below(20_000) : random.below(random.chance(0.2) ? 3000 : 300)
  const body = Buffer.alloc(name.length + sizeBytes)
  body.write(name, 'latin1')
  for (let at = name.length; at < body.length; at++) body[at] = random.below(256)
  const keys = `${queue.queueId}-${queueOffset}`
  return { ...queue, body, properties: { KEYS: keys, TAGS: `tag-${queueOffset % 3}`, UNIQ_KEY: name } }
}

/** What is wrong with a message read back at a queueOffset; undefined where nothing is. */
export function complaintAbout(
  seed: number,
  queue: Queue,
  queueOffset: number,
  message: StoredMessage,
): string | undefined {
  const wanted = recordAt(seed, queue, queueOffset)
  const where = `${queue.topic}/${queue.queueId}/${queueOffset}`
  if (message.topic !== queue.topic || message.queueId !== queue.queueId)
    return `${where} is of ${message.topic}/${message.queueId}`
  if (message.queueOffset !== queueOffset) return `${where} says it is ${message.queueOffset}`
  if (!message.body.equals(wanted.body))
    return `${where} has another body: ${message.body.subarray(0, 40).toString('latin1')}`
  if (message.properties.UNIQ_KEY !== wanted.properties?.UNIQ_KEY) return `${where} has another UNIQ_KEY`
  return undefined
}

function hashOf(text: string): number {
  let hash = 0
  for (let i = 0; i < text.length; i++) hash = (Math.imul(31, hash) + text.charCodeAt(i)) | 0
  return hash
}
