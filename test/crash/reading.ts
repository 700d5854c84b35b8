/** Reading a store of the kill tests back: every queue from a given offset on, message by message. */
import type { MessageStore } from '../../src/store/message-store.ts'
import type { Queue } from './workload.ts'
import { complaintAbout, isInsideUnit, QUEUES } from './workload.ts'

/** What a reader found. */
export type Found = {
  /** One past the last message of each of {@link QUEUES}. */
  readonly maxima: readonly number[]
  /** What should not be; empty where all is well. */
  readonly complaints: readonly string[]
}

/** Reads each queue from `from` to its end and holds every message against what was to be written there. */
export async function readBack(store: MessageStore, seed: number, from: readonly number[]): Promise<Found> {
  const maxima: number[] = []
  const complaints: string[] = []
  for (const [i, queue] of QUEUES.entries()) {
    const max = store.queueRange(queue.topic, queue.queueId)?.maxQueueOffset ?? 0
    maxima.push(max)
    if (isInsideUnit(max)) complaints.push(`${queue.topic}/${queue.queueId} ends at ${max}, inside an append unit`)
    complaints.push(...(await readQueue(store, seed, queue, from[i] ?? 0, max)))
  }
  return { maxima, complaints: complaints.slice(0, 10) }
}

async function readQueue(
  store: MessageStore,
  seed: number,
  queue: Queue,
  from: number,
  max: number,
): Promise<string[]> {
  const complaints: string[] = []
  let next = from
  while (next < max && complaints.length < 10) {
    const result = await store.read({ ...queue, queueOffset: next, maxMessages: 64 })
    if (result.status !== 'found')
      return [...complaints, `${queue.topic}/${queue.queueId}/${next} of ${max}: ${result.status}`]
    for (const message of result.messages) {
      const complaint = complaintAbout(seed, queue, next++, message)
      if (complaint !== undefined) complaints.push(complaint)
    }
    if (result.nextQueueOffset !== next)
      return [...complaints, `${queue.topic}/${queue.queueId}: after ${next} comes ${result.nextQueueOffset}`]
  }
  return complaints
}
