/**
 * A read-only audit of every live byte: the log record by record, and log, consume queues, index, checkpoint, state, offsets and
 * config against one another. It streams, in bounded memory, and gives way between chunks.
 *
 * In a folder that is in use or was not closed, what lies beyond the last checkpoint may be on its way: there only what is
 * there and wrong counts, not what is missing.
 */
import { abortError } from '../base/errors.ts'
import { nextTurn } from '../base/turns.ts'
import type { DispatchScan } from '../codec/dispatch-scan.ts'
import { indexKeyHash } from '../codec/index-layout.ts'
import { PROPERTY_TAGS, propertyValue } from '../codec/properties.ts'
import type { RecordCursor } from '../codec/record-cursor.ts'
import type { IndexedRecord } from './audit-index.ts'
import { IndexAudit } from './audit-index.ts'
import type { ExpectedEntry } from './audit-queues.ts'
import { QueueAudit } from './audit-queues.ts'
import type { RememberedHashes } from './audit-small-files.ts'
import { auditSmallFiles } from './audit-small-files.ts'
import type { Finding } from './findings.ts'
import { Findings } from './findings.ts'
import { LogWalk } from './log-walk.ts'
import type { EntrySink } from './record-dispatch.ts'
import { RecordDispatch } from './record-dispatch.ts'
import { isAnothersSlot } from './slot-owner.ts'
import { StateFile } from './state-file.ts'
import type { StoreParts } from './store-parts.ts'
import type { DispatchRequest } from './store-types.ts'

/** How an audit runs. */
export type VerifyOptions = {
  /** Bytes of the log gone through, and how many there are. */
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void
  readonly signal?: AbortSignal
}

/** What an audit found. */
export type VerifyReport = {
  /** At most 10,000. */
  readonly findings: readonly Finding[]
  /** All there were. */
  readonly findingCount: number
  readonly records: number
  /** Bytes of the log. */
  readonly bytes: number
}

type Bounds = {
  readonly end: number
  readonly writtenTo: number
  readonly isClean: boolean
  /** Closed by us, and nobody has come after. */
  readonly isAsClosed: boolean
  /** There is a state of ours. */
  readonly isOurs: boolean
  readonly hashes: RememberedHashes
}

const NO_HASHES: RememberedHashes = { checkpointSha256: undefined, consumerOffsetSha256: undefined }

/** What one record asks of the derived files, collected while it is dispatched to nobody. */
class Demands {
  readonly entries: ExpectedEntry[] = []
  readonly #sinks = new Map<string, EntrySink>()
  readonly batchTopics: Set<string>
  record: IndexedRecord | undefined
  readonly #parts: StoreParts

  constructor(parts: StoreParts) {
    this.batchTopics = new Set(parts.queues.batchTopics)
    this.#parts = parts
  }

  queue(topic: string, queueId: number): EntrySink | undefined {
    return this.#sinks.get(`${topic}/${queueId}`)
  }

  obtain(topic: string, queueId: number): EntrySink {
    const put = (slot: number, physicalOffset: number, sizeBytes: number, tagsCode: number): boolean => {
      // The queue of a deleted topic is gone, and what it counts on from is no record's slot.
      if (this.#isDropped(topic, physicalOffset)) return true
      const isForeign = this.#isForeign(physicalOffset)
      this.entries.push({ topic, queueId, slot, physicalOffset, sizeBytes, tagsCode, isForeign })
      return true
    }
    this.#sinks.set(`${topic}/${queueId}`, { put })
    return { put }
  }

  seedOf(topic: string): number {
    return this.#parts.index.seedOf(topic)
  }

  putScanned(record: DispatchRequest, scan: DispatchScan): void {
    const { physicalOffset, storeTimestamp } = record
    const hashes = scan.keyHashes.slice(0, scan.keyCount)
    if (scan.hasUniqueKey) hashes.push(scan.uniqueKeyHash)
    const keyHashes = hashes.map(hash => (hash < 0 ? -hash & 0x7fffffff : hash))
    const isForeign = this.#isForeign(physicalOffset)
    const tags = isForeign ? propertyValue(record.properties, PROPERTY_TAGS) : undefined
    const optionalHashes = tags === undefined ? [] : [indexKeyHash(record.topic, `T#${tags}`)]
    // Keys of a deleted topic are left where they are, and left out when the index is built anew.
    const mayBeLeftOut = isForeign || this.#isDropped(record.topic, physicalOffset)
    this.record = { physicalOffset, storeTimestamp, keyHashes, optionalHashes, isForeign, mayBeLeftOut }
  }

  #isForeign(physicalOffset: number): boolean {
    return this.#parts.checks(physicalOffset).record === 'ignore'
  }

  #isDropped(topic: string, physicalOffset: number): boolean {
    return this.#parts.tombstones.isDropped(topic, physicalOffset)
  }
}

/** Audits an open store. @throws AbortError, and what reading meets; damage is never thrown */
export async function verifyStore(parts: StoreParts, options: VerifyOptions = {}): Promise<VerifyReport> {
  const { fileSystem, dir, log, queues, index } = parts
  const findings = new Findings()
  const bounds = await boundsOf(parts)
  const { end, writtenTo } = bounds
  const logMinOffset = log.minOffset
  const shared = { fileSystem, dir, logMinOffset, writtenTo, findings, isClean: bounds.isClean }
  const queueAudit = await QueueAudit.open({ ...shared, entriesPerFile: queues.entriesPerFile, end })
  const indexAudit = await IndexAudit.open({ ...shared, sizes: index.sizes, isSizeKnown: bounds.isOurs })
  const demands = new Demands(parts)
  const dispatch = new RecordDispatch({
    queues: demands,
    index: demands,
    isDropped: () => false,
    onDispatch: () => undefined,
    onEvent: () => undefined,
  })
  try {
    const walked = await auditLog(parts, { end, findings, options }, async cursor => {
      demands.entries.length = 0
      demands.record = undefined
      dispatch.dispatch(cursor)
      for (const entry of demands.entries) {
        if (!queueAudit.isAtHand(entry)) await queueAudit.fetch(entry)
        if (entry.isForeign && (await isMisplaced(parts, entry))) addMisplaced(parts, findings, entry)
        else queueAudit.check(entry)
      }
      if (demands.record !== undefined) while (!indexAudit.check(demands.record)) await indexAudit.fetch()
    })
    await queueAudit.finish(async () => {
      checkSignal(options.signal)
      await nextTurn()
    })
    await indexAudit.finish()
    const nextOf = (topic: string, queueId: number): number | undefined => queueAudit.nextOf(topic, queueId)
    const { lastStoreTimestamp, records } = walked
    await auditSmallFiles(
      { ...shared, ...bounds, isLive: parts.writer !== undefined, lastStoreTimestamp, nextOf },
      bounds.hashes,
    )
    return { findings: findings.list, findingCount: findings.count, records, bytes: end - logMinOffset }
  } finally {
    await queueAudit.close()
    await indexAudit.close()
  }
}

type LogAudit = { readonly end: number; readonly findings: Findings; readonly options: VerifyOptions }

async function auditLog(
  { log, checks }: StoreParts,
  { end, findings, options }: LogAudit,
  onRecord: (cursor: RecordCursor) => Promise<void>,
): Promise<{ records: number; lastStoreTimestamp: number }> {
  const from = log.minOffset
  const walk = new LogWalk(log, { from, limit: () => end, checks, readsAhead: true })
  let records = 0
  // Where retention has taken all records, nothing tells how late the last one was.
  let lastStoreTimestamp = from > 0 && from === end ? Number.POSITIVE_INFINITY : 0
  for (let step = walk.step(); step !== 'end'; step = walk.step()) {
    if (step === 'starved') {
      checkSignal(options.signal)
      options.onProgress?.({ done: walk.position - from, total: end - from })
      await walk.fill()
    } else if (step === 'damage') {
      const { physicalOffset, endPhysicalOffset, reason } = walk.damage
      findings.add(
        segmentFile(log, physicalOffset),
        physicalOffset % log.segmentBytes,
        `a record up to ${endPhysicalOffset}`,
        reason,
      )
    } else if (step === 'record') {
      records++
      lastStoreTimestamp = Math.max(lastStoreTimestamp, walk.cursor.storeTimestamp)
      await onRecord(walk.cursor)
    }
  }
  options.onProgress?.({ done: end - from, total: end - from })
  return { records, lastStoreTimestamp }
}

/** A record whose slot is another's says something wrong of itself: the queue is right. */
async function isMisplaced({ log, queues }: StoreParts, entry: ExpectedEntry): Promise<boolean> {
  const queue = queues.queue(entry.topic, entry.queueId)
  const claim = { queueOffset: entry.slot, physicalOffset: entry.physicalOffset }
  return queue !== undefined && (await isAnothersSlot(log, queue, claim))
}

function addMisplaced({ log }: StoreParts, findings: Findings, entry: ExpectedEntry): void {
  const { topic, queueId, slot, physicalOffset } = entry
  const claimed = `slot ${slot} of ${topic}/${queueId}, which is another record's`
  findings.add(segmentFile(log, physicalOffset), physicalOffset % log.segmentBytes, 'a slot of its own', claimed)
}

function segmentFile(log: StoreParts['log'], physicalOffset: number): string {
  const path = log.segments().find(({ start }) => physicalOffset < start + log.segmentBytes)?.path ?? 'commitlog'
  return path.slice(path.lastIndexOf('commitlog/'))
}

/** How far the audit can be strict, and what our state remembers of files that nobody may have changed. */
async function boundsOf(parts: StoreParts): Promise<Bounds> {
  const { writer, dispatched, recovery, fileSystem, dir, settings } = parts
  if (writer !== undefined) {
    const { checkpointed } = writer.checkpointer
    return {
      end: checkpointed,
      writtenTo: checkpointed,
      isClean: false,
      isAsClosed: false,
      isOurs: true,
      hashes: NO_HASHES,
    }
  }
  const end = dispatched.value
  const { file, state } = await StateFile.load({ fileSystem, dir, mode: settings.mode })
  await file.close()
  const isAsClosed = recovery.clean && state?.isCleanClose === true && state.written === end
  const writtenTo = recovery.clean ? end : Math.min(end, state?.checkpointed ?? 0)
  return {
    end,
    writtenTo,
    isClean: recovery.clean,
    isAsClosed,
    isOurs: state !== undefined,
    hashes: isAsClosed ? state : NO_HASHES,
  }
}

function checkSignal(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortError(signal)
}
