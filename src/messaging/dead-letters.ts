/**
 * A group's dead letters: seen, and sent back to the group. What was sent back is remembered under a group name of ours, by the
 * copy's own PMQ_SETTLES, so that nothing is sent back twice and a crash in between loses none.
 */
import { isErrorNamed } from '../base/errors.ts'
import { nextTurn, TurnBudget } from '../base/turns.ts'
import {
  PROPERTY_CRC32,
  PROPERTY_DELAY,
  PROPERTY_DLQ_ORIGIN_TOPIC,
  PROPERTY_PMQ_SETTLES,
  PROPERTY_PMQ_UNIT,
  PROPERTY_REAL_QUEUE_ID,
  PROPERTY_REAL_TOPIC,
  PROPERTY_RECONSUME_TIME,
  PROPERTY_RETRY_TOPIC,
} from '../codec/properties.ts'
import type { MessageStore, PutRecord, StoredMessage } from '../store/message-store.ts'
import { invalid } from './limits.ts'
import { MessageView } from './message-view.ts'
import type { OffsetTable } from './offset-table.ts'
import { firstOffset } from './purged.ts'
import { deadLetterTopicOf, retryTopicOf } from './retry-topics.ts'
import { formatSettles } from './settlement.ts'
import type { Topics } from './topics.ts'

/** Which dead letters. */
export type DeadLetterFilter = {
  /** At most so many. */
  readonly max?: number | undefined
  /** Only those for which it answers true. */
  readonly filter?: ((message: MessageView) => boolean) | undefined
  readonly signal?: AbortSignal | undefined
}

/** Which dead letters are sent back, and how fast. */
export type RedriveOptions = DeadLetterFilter & {
  /** At most so many a second. Default: as fast as the store takes them. */
  readonly rate?: number | undefined
}

/** What a redrive did. */
export type RedriveResult = { readonly redriven: number; readonly left: number }

/** What dead letters are found by. */
export type DeadLetterParts = { readonly store: MessageStore; readonly topics: Topics; readonly offsets: OffsetTable }

/** Never in `consumerOffset.json`, because of the `/`; never a group that retention waits for, because of its prefix. */
const REDRIVE_GROUP_PREFIX = 'CID_RMQ_SYS_REDRIVE/'
const READ_MESSAGES = 64
const TURN_BUDGET_MS = 2
/** What a copy may have more than its dead letter: a topic and a property of names as long as names are. */
const COPY_BYTES_MORE = 1024

/** Properties that speak of the dead letter's record alone. */
const DROPPED: ReadonlySet<string> = new Set([
  PROPERTY_CRC32,
  PROPERTY_PMQ_UNIT,
  PROPERTY_PMQ_SETTLES,
  PROPERTY_DELAY,
  PROPERTY_REAL_TOPIC,
  PROPERTY_REAL_QUEUE_ID,
  PROPERTY_RECONSUME_TIME,
])

/** The group's dead letters that were not sent back, the oldest first. */
export async function* deadLettersOf(parts: DeadLetterParts, group: string): AsyncGenerator<StoredMessage> {
  const { store, offsets } = parts
  const topic = deadLetterTopicOf(group)
  const done = offsets.entries.get(REDRIVE_GROUP_PREFIX + group, topic, 0)?.ranges
  const range = store.queueRange(topic, 0)
  let queueOffset = Math.max(firstOffset(store, offsets.entries, topic, 0), done?.committed ?? 0)
  const end = range?.maxQueueOffset ?? 0
  while (queueOffset < end) {
    const result = await store.read({ topic, queueId: 0, queueOffset, maxMessages: READ_MESSAGES })
    for (const message of result.messages) {
      if (message.queueOffset < end && done?.has(message.queueOffset) !== true) yield message
    }
    if (result.nextQueueOffset <= queueOffset) return
    queueOffset = result.nextQueueOffset
  }
}

/** As users see them, with the topic they were sent to. */
export async function listDeadLetters(
  parts: DeadLetterParts,
  group: string,
  which: DeadLetterFilter = {},
): Promise<MessageView[]> {
  const { max = Number.POSITIVE_INFINITY, filter, signal } = which
  const views: MessageView[] = []
  for await (const message of deadLettersOf(parts, group)) {
    signal?.throwIfAborted()
    if (views.length >= max) break
    const view = viewOf(message)
    if (filter === undefined || filter(view)) views.push(view)
  }
  return views
}

/** Sends dead letters back to the group's retry topic, as if they had never been tried. In the page cache when it resolves. */
export async function redriveDeadLetters(
  parts: DeadLetterParts,
  group: string,
  which: RedriveOptions = {},
): Promise<RedriveResult> {
  const { store, topics, offsets } = parts
  const { max = Number.POSITIVE_INFINITY, filter, signal, rate } = which
  const pauseMs = pauseOf(rate)
  const topic = deadLetterTopicOf(group)
  const first = store.queueRange(topic, 0)?.minQueueOffset ?? 0
  offsets.entries.obtain(REDRIVE_GROUP_PREFIX + group, topic, 0, () => first)
  topics.obtain(retryTopicOf(group))
  const budget = new TurnBudget(store.clock, TURN_BUDGET_MS)
  let redriven = 0
  let left = 0
  for await (const message of deadLettersOf(parts, group)) {
    signal?.throwIfAborted()
    if (redriven >= max || (filter !== undefined && !filter(viewOf(message)))) {
      left++
      continue
    }
    if (redriven > 0 && pauseMs > 0) await store.clock.sleep(pauseMs, { signal })
    await putWhenAdmitted(store, redriveCopy(message, group), message.sizeBytes + COPY_BYTES_MORE, signal)
    redriven++
    if (budget.isSpent()) await nextTurn()
  }
  // What is dispatched is marked as sent back.
  await store.dispatched(store.watermarks.appended, signal)
  return { redriven, left }
}

/** Room may be gone again, or not be enough at a segment's end: then it is waited for anew, with a turn for whoever makes it. */
async function putWhenAdmitted(
  store: MessageStore,
  copy: PutRecord,
  bytes: number,
  signal?: AbortSignal,
): Promise<void> {
  for (;;) {
    await store.admitted(bytes, signal)
    try {
      store.put(copy)
      return
    } catch (error) {
      if (!isErrorNamed(error, 'BACKPRESSURE')) throw error
    }
    await nextTurn()
  }
}

/** How many there are, and since when the oldest. Undefined where there is none. */
export async function deadLetterAge(
  parts: DeadLetterParts,
  group: string,
): Promise<{ readonly count: number; readonly oldestMs: number } | undefined> {
  const topic = deadLetterTopicOf(group)
  const done = parts.offsets.entries.get(REDRIVE_GROUP_PREFIX + group, topic, 0)?.ranges
  for await (const { storeTimestamp } of deadLettersOf(parts, group)) {
    const first = Math.max(firstOffset(parts.store, parts.offsets.entries, topic, 0), done?.committed ?? 0)
    const end = parts.store.queueRange(topic, 0)?.maxQueueOffset ?? 0
    return { count: end - first - (done?.ackedAbove ?? 0), oldestMs: parts.store.clock.nowMs() - storeTimestamp }
  }
  return undefined
}

/** @throws INVALID_ARGUMENT */
function pauseOf(rate: number | undefined): number {
  if (rate === undefined) return 0
  if (typeof rate === 'number' && rate > 0) return 1000 / rate
  throw invalid('rate', `rate ${String(rate)} is no speed`, 'Pass messages a second, above 0.', 'above 0', String(rate))
}

function redriveCopy(message: StoredMessage, group: string): PutRecord {
  const properties = Object.fromEntries(Object.entries(message.properties).filter(([name]) => !DROPPED.has(name)))
  const { queueOffset, topic, queueId } = message
  const settles = { group: REDRIVE_GROUP_PREFIX + group, topic, queueId, queueOffset }
  return {
    topic: retryTopicOf(group),
    queueId: 0,
    body: message.body,
    flag: message.flag,
    sysFlag: message.sysFlag,
    bornTimestamp: message.bornTimestamp,
    bornHost: message.bornHost,
    reconsumeTimes: 0,
    properties: {
      ...properties,
      [PROPERTY_RETRY_TOPIC]: originOf(message),
      [PROPERTY_PMQ_SETTLES]: formatSettles(settles),
    },
  }
}

function viewOf(message: StoredMessage): MessageView {
  return new MessageView(message, undefined, originOf(message))
}

/** The topic it was sent to first. A broker's dead letters name it as retry topic alone. */
function originOf(message: StoredMessage): string {
  return message.property(PROPERTY_DLQ_ORIGIN_TOPIC) ?? message.property(PROPERTY_RETRY_TOPIC) ?? message.topic
}
