/** Finds messages by key: candidates from the index, each read and compared.   RocketMQ: DefaultMessageStore.queryMessage. */
import type { RecordChecks } from '../codec/record-cursor.ts'
import type { StoredMessage } from '../codec/record-view.ts'
import type { ReadableLog } from './log-reads.ts'
import { LogWalk } from './log-walk.ts'
import type { MessageIndex } from './message-index.ts'

/** Which messages are wanted. */
export type KeyQuery = {
  /** Epoch milliseconds of storeTimestamp, both included. Default: any. */
  readonly from?: number
  readonly to?: number
  /** At most this many. Default 64. */
  readonly max?: number
}

/** What searching needs. */
export type KeySearchParts = {
  readonly log: ReadableLog
  readonly index: MessageIndex | undefined
  readonly dispatched: () => number
  readonly checks: (physicalOffset: number) => RecordChecks
  readonly readAt: (physicalOffset: number) => Promise<StoredMessage | undefined>
  readonly onEvent: (name: string, details: Readonly<Record<string, unknown>>) => void
}

const MESSAGES_MAX = 64
/** Candidates read for one question: more is a hash that somebody makes collide. */
const CANDIDATES_MAX = 100_000
/** Log gone through, from its end, where the index cannot answer. */
const SCAN_BYTES_MAX = 256 * 1024 * 1024

/** Messages of the topic whose UNIQ_KEY or one of whose KEYS is `key`, newest first. */
export async function searchByKey(
  parts: KeySearchParts,
  topic: string,
  key: string,
  query: KeyQuery,
): Promise<StoredMessage[]> {
  const { from = 0, to = Number.MAX_SAFE_INTEGER, max = MESSAGES_MAX } = query
  const { index, readAt, onEvent } = parts
  const found: StoredMessage[] = []
  if (max <= 0) return found
  if (index === undefined || index.hasUnusableFiles) return await searchLog(parts, topic, key, { from, to, max })
  let candidates = 0
  for await (const physicalOffset of index.candidates(topic, key, from, to)) {
    if (++candidates > CANDIDATES_MAX) {
      onEvent('key-search-incomplete', { topic, key, candidates: CANDIDATES_MAX })
      break
    }
    const message = await readAt(physicalOffset)
    if (message === undefined || !isWanted(message, topic, key, from, to)) continue
    found.push(message)
    if (found.length >= max) break
  }
  return found
}

function isWanted(message: StoredMessage, topic: string, key: string, from: number, to: number): boolean {
  const { storeTimestamp } = message
  if (message.topic !== topic || storeTimestamp < from || storeTimestamp > to) return false
  return message.uniqueKey === key || message.keys.includes(key)
}

/** Goes through the newest part of the log, record by record. */
async function searchLog(
  { log, dispatched, checks, readAt, onEvent }: KeySearchParts,
  topic: string,
  key: string,
  { from, to, max }: Required<KeyQuery>,
): Promise<StoredMessage[]> {
  const end = dispatched()
  const first = Math.max(log.minOffset, end - SCAN_BYTES_MAX)
  // A segment starts with a record.
  const start = Math.max(log.minOffset, first - (first % log.segmentBytes))
  onEvent('key-search-in-log', { topic, key, physicalOffset: start, endPhysicalOffset: end })
  const places: number[] = []
  const walk = new LogWalk(log, { from: start, limit: () => end, checks })
  for (let step = walk.step(); step !== 'end'; step = walk.step()) {
    if (step === 'starved') await walk.fill()
    // The text may hold the key by chance: the record is looked at properly below.
    else if (step === 'record' && walk.cursor.topic === topic && walk.cursor.properties.includes(key)) {
      places.push(walk.cursor.physicalOffset)
    }
  }
  const found: StoredMessage[] = []
  for (const physicalOffset of places.reverse()) {
    const message = await readAt(physicalOffset)
    if (message !== undefined && isWanted(message, topic, key, from, to)) found.push(message)
    if (found.length >= max) break
  }
  return found
}
