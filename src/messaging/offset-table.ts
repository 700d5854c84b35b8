/**
 * The offset table: how far every group is, kept in three places. In memory; in a private log, written at once and without
 * fsync, true also beyond what is flushed; and in RocketMQ's `consumerOffset.json`, every few seconds and at close, only up to
 * what is flushed. PMQ_SETTLES is applied here, as it is dispatched and, at open, from the log.
 */
import { abortError, asError } from '../base/errors.ts'
import type { DispatchRequest, MessageStore, StoredMessage } from '../store/message-store.ts'
import { AckRanges } from './ack-ranges.ts'
import type { Alarm, Alarms } from './alarms.ts'
import { ConsumerOffsetJson } from './consumer-offset-file.ts'
import type { Events } from './events.ts'
import type { GroupOffset } from './group-offsets.ts'
import { GroupOffsets } from './group-offsets.ts'
import type { LoadedOffsetLog } from './offset-log.ts'
import { loadOffsetLog, OffsetLog } from './offset-log.ts'
import { openOffsets } from './offsets-at-open.ts'
import type { Settlement } from './settlement.ts'
import { parseSettles } from './settlement.ts'
import { SCHEDULE_TOPIC, TIMER_TOPIC } from './topics.ts'

/** How often `consumerOffset.json` is written while offsets move. RocketMQ: flushConsumerOffsetInterval. */
const JSON_INTERVAL_MS = 5000
/** How much of the log a next open may have to read again only to see that it settles nothing. */
const SETTLES_NOTE_BYTES = 64 * 1024 * 1024
/** Groups that exist in our files alone: progress of delayed messages, and instances of a broadcast. */
const OWN_GROUP_PREFIX = 'CID_PMQ_'
const INSTANCE_SEPARATOR = '/'

/** What an {@link OffsetTable} needs of its surroundings. */
export type OffsetTableOptions = {
  readonly store: MessageStore
  readonly alarms: Alarms
  readonly events: Events
}

/** The offsets of all groups. RocketMQ: ConsumerOffsetManager. */
export class OffsetTable {
  readonly #options: OffsetTableOptions
  readonly #json: ConsumerOffsetJson
  readonly entries: GroupOffsets
  /** Offsets that pointed past their queue's recovered end at open. */
  clampedOffsets = 0
  #log: OffsetLog | undefined
  #dirty: GroupOffset[] = []
  #isWriteDue = false
  /** Entries with something that only counts once the log has the copy for good. */
  readonly #holding = new Set<GroupOffset>()
  #settledDurable: number
  readonly #movedWaiters = new Set<() => void>()
  #settledUpTo: number
  /** The last settledUpTo that went, or is on its way, into the log for its own sake. */
  #settledNoted: number
  readonly #replayFrom: number | undefined
  #jsonAlarm: Alarm | undefined
  #jsonSave: Promise<void> | undefined
  #isJsonDue = false
  #isClosed = false

  private constructor(options: OffsetTableOptions, json: ConsumerOffsetJson, loaded: LoadedOffsetLog) {
    this.#options = options
    this.#json = json
    this.entries = new GroupOffsets(entry => this.#markDirty(entry))
    const { dispatched } = options.store.watermarks
    // Without a log of ours nothing of the past is applied: the table begins with what there is.
    this.#settledUpTo = loaded.generations.length === 0 ? dispatched : Math.min(loaded.settledUpTo, dispatched)
    this.#settledNoted = this.#settledUpTo
    this.#settledDurable = this.#settledUpTo
    this.#replayFrom = this.#settledUpTo < dispatched ? this.#settledUpTo : undefined
  }

  /** Loads, decides which offsets hold, and cuts them to the recovered queues. All of that is on the device when it resolves. */
  static async open(options: OffsetTableOptions): Promise<OffsetTable> {
    const { store } = options
    const loaded = await loadOffsetLog(store)
    const table = new OffsetTable(options, await ConsumerOffsetJson.load(store), loaded)
    const isLowered = table.#decide(loaded)
    if (store.isReadOnly) return table
    const source = { entries: () => table.entries.all(), settledUpTo: () => table.#settledDurable }
    const onFailure = (error: Error): void => options.events.emit('error', { where: 'writing offsets', error })
    table.#log = await OffsetLog.begin(store, loaded.generations, source, onFailure)
    // A broker does not cut offsets: what it would read must not point past the end either.
    if (isLowered) await table.#json.save(table.#ofRocketMq())
    return table
  }

  /** The next queueOffset the group consumes; undefined where it has none. */
  offset(group: string, topic: string, queueId: number): number | undefined {
    return this.entries.get(group, topic, queueId)?.ranges.committed
  }

  /** Everything below `queueOffset` is done. Never moves back: that is `reset`. */
  commit(group: string, topic: string, queueId: number, queueOffset: number): void {
    const entry = this.entries.obtain(group, topic, queueId, () => 0)
    entry.done(0, queueOffset)
  }

  /** Where a replay of the log has to start so that no PMQ_SETTLES is missed; undefined: nowhere. */
  get replayFrom(): number | undefined {
    return this.#replayFrom
  }

  /** One message of that replay. */
  replay(message: StoredMessage): void {
    const settlement = settlementOf(message.topic, message.propertiesText)
    if (settlement === undefined) return
    const { group, topic, queueId, queueOffset } = settlement
    // A group that settled something here had an offset here: a power cut may have taken that of a queue that was new.
    const start = (): number => this.#options.store.queueRange(topic, queueId)?.minQueueOffset ?? 0
    const entry = this.entries.obtain(group, topic, queueId, start)
    entry.settledBy(message.physicalOffset + message.sizeBytes, queueOffset)
  }

  /** Everything below this physicalOffset has been seen: by the replay, then by the dispatcher. */
  sawUpTo(physicalOffset: number): void {
    if (physicalOffset <= this.#settledUpTo) return
    this.#settledUpTo = physicalOffset
    if (physicalOffset - this.#settledNoted < SETTLES_NOTE_BYTES) return
    // Without a group that makes progress nothing else would write it, and the next open would read everything again.
    this.#settledNoted = physicalOffset
    this.#writeSoon()
  }

  /** What a record that was just dispatched settles, for a group of users. */
  settlementOf(request: DispatchRequest): Settlement | undefined {
    return settlementOf(request.topic, request.properties)
  }

  /** Resolves when some group has moved on. Rejects with AbortError. */
  moved(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(abortError(signal))
        return
      }
      const waiter = (): void => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      }
      const onAbort = (): void => {
        this.#movedWaiters.delete(waiter)
        reject(abortError(signal as AbortSignal))
      }
      this.#movedWaiters.add(waiter)
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  /** Writes what is dirty now; whoever was told that a message is done may rely on it after a kill. */
  write(): void {
    if (this.#log === undefined) return
    // What is released here is written here, not once more at the end of the turn.
    this.#isWriteDue = true
    this.#releaseHeld()
    this.#isWriteDue = false
    const dirty = this.#dirty
    this.#dirty = []
    // Where the device refuses, the entries are not lost: a new generation has all of them.
    this.#log.write(dirty)
    if (dirty.length === 0) return
    if (this.#movedWaiters.size > 0) this.#tellMoved()
    this.#isJsonDue = true
    this.#saveJsonLater()
  }

  /** Puts what is written on the device: where a group starts has to outlive a power cut, or it would start anew elsewhere. */
  async flush(): Promise<void> {
    this.write()
    await this.#log?.flush()
  }

  /** Forgets a group's or a topic's offsets. */
  remove(filter: { readonly group?: string; readonly topic?: string }): void {
    this.entries.remove(filter)
    this.#isJsonDue = true
    this.#log?.replace()
  }

  /** Writes `consumerOffset.json` now, as far as is flushed. */
  async saveJson(): Promise<void> {
    this.write()
    this.#options.alarms.cancel(this.#jsonAlarm)
    this.#jsonAlarm = undefined
    await this.#jsonSave
    // What is held back now is written the next time.
    this.#isJsonDue = this.#holding.size > 0
    if (this.#isJsonDue && !this.#isClosed) this.#saveJsonLater()
    this.#jsonSave = this.#saveBoth()
    await this.#jsonSave
  }

  /** The private log too: at the next open it holds before the JSON, and what a power cut took of it would be done again. */
  async #saveBoth(): Promise<void> {
    await this.#log?.flush()
    await this.#json.save(this.#ofRocketMq())
  }

  /** Part of a clean close: everything was flushed before. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.write()
    if (this.#isJsonDue) await this.saveJson()
    this.#options.alarms.cancel(this.#jsonAlarm)
    await this.#log?.close()
  }

  #decide(loaded: LoadedOffsetLog): boolean {
    const { store, events } = this.#options
    const endOf = (topic: string, queueId: number): number => store.queueRange(topic, queueId)?.maxQueueOffset ?? 0
    const { isOffsetsJsonOurs: isJsonOurs, isCheckpointOurs } = store.opened
    const { loaded: json, isBackup: isJsonBackup, asWritten: jsonAsWritten } = this.#json
    const { positions } = loaded
    const sources = { positions, json, isJsonBackup, jsonAsWritten, isJsonOurs, isCheckpointOurs, endOf }
    const { offsets, clamped, foreign, lowered, ignored } = openOffsets(sources)
    for (const { group, topic, queueId, epoch, ranges } of offsets) {
      this.entries.set({ group, topic, queueId }, { epoch, ranges: new AckRanges(ranges.committed, ranges.above()) })
    }
    this.clampedOffsets = clamped
    const findings = { clamped, foreign, lowered, ignored, skipped: loaded.skippedEntries }
    if (clamped + foreign + lowered + ignored > 0) events.emit('store', { name: 'offsets-decided', details: findings })
    const isPast = (json ?? []).some(one => one.queueOffset > endOf(one.topic, one.queueId))
    return lowered + ignored > 0 || isJsonBackup || (isPast && !store.isReadOnly)
  }

  #markDirty(entry: GroupOffset): void {
    this.#dirty.push(entry)
    this.#writeSoon()
  }

  /** What copies settle that are on the device by now may be written. */
  #releaseHeld(): void {
    for (const entry of this.#dirty) if (entry.hasHeld) this.#holding.add(entry)
    const { flushed } = this.#options.store.watermarks
    for (const entry of this.#holding) {
      entry.releaseHeld(flushed)
      if (!entry.hasHeld) this.#holding.delete(entry)
    }
    this.#settledDurable = Math.min(this.#settledUpTo, flushed)
  }

  #tellMoved(): void {
    const waiters = [...this.#movedWaiters]
    this.#movedWaiters.clear()
    for (const waiter of waiters) waiter()
  }

  #writeSoon(): void {
    if (this.#isWriteDue || this.#log === undefined) return
    this.#isWriteDue = true
    // One write for everything that is done in this turn, and before anybody is told.
    queueMicrotask(() => this.write())
  }

  /** One alarm, however often somebody asks. */
  #saveJsonLater(): void {
    this.#jsonAlarm ??= this.#options.alarms.in(JSON_INTERVAL_MS, () => this.#saveJsonSoon())
  }

  #saveJsonSoon(): void {
    this.#jsonAlarm = undefined
    if (this.#isClosed) return
    this.saveJson().catch((error: unknown) => {
      this.#isJsonDue = true
      if (!this.#isClosed) this.#saveJsonLater()
      this.#options.events.emit('error', { where: 'writing consumerOffset.json', error: asError(error) })
    })
  }

  *#ofRocketMq(): IterableIterator<GroupOffset> {
    for (const entry of this.entries.all()) if (!isOurs(entry.group)) yield entry
  }
}

/** The name under which an instance of a broadcasting group keeps its offsets. */
export function instanceOffsetsName(group: string, instanceName: string): string {
  return `${group}${INSTANCE_SEPARATOR}${instanceName}`
}

/** The instance whose offsets are kept under a name; undefined for a group's own. */
export function instanceOf(offsetsName: string): { readonly group: string; readonly instanceName: string } | undefined {
  const at = offsetsName.indexOf(INSTANCE_SEPARATOR)
  return at < 0 ? undefined : { group: offsetsName.slice(0, at), instanceName: offsetsName.slice(at + 1) }
}

function isOurs(group: string): boolean {
  return group.startsWith(OWN_GROUP_PREFIX) || group.includes(INSTANCE_SEPARATOR)
}

/**
 * Only the record that was appended as a copy settles anything: a broker that delivers a parked copy repeats its properties,
 * and after a reset that repeat would settle a message which is to be delivered again.
 */
function settlementOf(topic: string, propertiesText: string): Settlement | undefined {
  const isParked = topic === SCHEDULE_TOPIC || topic === TIMER_TOPIC
  if (!isParked && !topic.startsWith('%')) return undefined
  if (!propertiesText.includes('PMQ_SETTLES')) return undefined
  if (!isParked && propertiesText.includes('REAL_TOPIC\u0001')) return undefined
  const settlement = parseSettles(propertiesText)
  return settlement?.group.startsWith(OWN_GROUP_PREFIX) ? undefined : settlement
}
