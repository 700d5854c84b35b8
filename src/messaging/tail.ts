/**
 * Tail: follows a topic from some place on, without a group and without a trace. Reads only when asked for the next message.
 */
import { abortError } from '../base/errors.ts'
import type { MessageStore } from '../store/message-store.ts'
import type { TailOptions } from './consumer-options.ts'
import { entryOf, startOf } from './consumer-settings.ts'
import type { ClientContext, PullRequest, StartFrom } from './core-types.ts'
import type { DeliveryCore } from './delivery-core.ts'
import { checkTopicName } from './limits.ts'
import type { MessageView } from './message-view.ts'
import { viewOf } from './message-view.ts'
import { checkOptionNames } from './option-names.ts'
import { QueueIds } from './queue-ids.ts'
import type { Topics } from './topics.ts'

/** What a tail stands on. */
export type TailParts = {
  readonly core: Pick<DeliveryCore, 'pull' | 'hasMessage' | 'queueBounds' | 'searchOffset'>
  readonly store: Pick<MessageStore, 'queueRange' | 'queues'>
  readonly topics: Topics
}

const BATCH_MESSAGES = 64
const OPTIONS = ['from', 'expression', 'queueId', 'signal']
const NOBODY: ClientContext = { clientId: 'tail' }

/** The messages of a topic, in order within each queue, for ever. Ends with AbortError when the signal aborts, and when the queue closes. */
export async function* tail(parts: TailParts, topic: string, options: TailOptions = {}): AsyncGenerator<MessageView> {
  checkTopicName(topic)
  checkOptionNames('tail', options, OPTIONS)
  const { signal, queueId, expression } = options
  const from = startOf(options.from ?? 'last')
  const filter = expression === undefined ? undefined : entryOf(expression)
  const next = new Map<number, number>()
  await addQueues(parts, topic, queueId, next, from)
  for (;;) {
    if (signal?.aborted) throw abortError(signal)
    let found = 0
    for (const [id, queueOffset] of next) {
      const pull: PullRequest = { topic, queueId: id, queueOffset, maxMessages: BATCH_MESSAGES, waitMs: 0 }
      const result = await parts.core.pull(NOBODY, filter === undefined ? pull : { ...pull, filter })
      if (result.nextQueueOffset !== queueOffset) found++
      for (const raw of result.messages) {
        next.set(id, raw.queueOffset + 1)
        yield viewOf(raw)
        if (signal?.aborted) throw abortError(signal)
      }
      next.set(id, result.nextQueueOffset)
    }
    if (found > 0) continue
    const queues = [...next].map(([id, queueOffset]) => ({ topic, queueId: id, queueOffset }))
    const request = { queues, newQueuesOf: topic, waitMs: Number.POSITIVE_INFINITY }
    if (!(await parts.core.hasMessage(NOBODY, request, signal))) return
    // Whatever is in a queue that appears later came after the tail did.
    await addQueues(parts, topic, queueId, next, 'first')
  }
}

async function addQueues(
  { core, store, topics }: TailParts,
  topic: string,
  only: number | undefined,
  next: Map<number, number>,
  from: StartFrom,
): Promise<void> {
  for (const queueId of new QueueIds(topics, store).of(topic)) {
    if (next.has(queueId) || (only !== undefined && only !== queueId)) continue
    const range = store.queueRange(topic, queueId)
    let start = 0
    if (range !== undefined) {
      if (from === 'first') start = core.queueBounds(NOBODY, { topic, queueId }).min
      else if (from === 'last') start = range.maxQueueOffset
      else start = await core.searchOffset(NOBODY, { topic, queueId, timestampMs: from })
    }
    next.set(queueId, start)
  }
}
