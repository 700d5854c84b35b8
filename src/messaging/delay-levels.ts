/**
 * Messages with a delay level: each level's queue of `SCHEDULE_TOPIC_XXXX` is an ordinary consumer joined to an ordinary producer.
 * Within a level the due times rise, so one offset a level is all there is to remember; `config/delayOffset.json` follows it, and a
 * delivered copy says by PMQ_SETTLES which one it was, so that a crash neither loses nor doubles.   RocketMQ: ScheduleMessageService.
 */
import { createHash } from 'node:crypto'
import { asError, isErrorNamed } from '../base/errors.ts'
import { nextTurn, TurnBudget } from '../base/turns.ts'
import type { DataVersion } from '../codec/data-version.ts'
import { FIRST_DATA_VERSION, nextDataVersion } from '../codec/data-version.ts'
import type { DelayOffsetFile } from '../codec/delay-offset-json.ts'
import { decodeDelayOffsets, encodeDelayOffsets } from '../codec/delay-offset-json.ts'
import { decodeOwnFile, encodeOwnFile } from '../codec/own-file.ts'
import { DELAY_LEVELS_MS } from '../codec/tags-code.ts'
import type { DispatchRequest, GetResult, MessageStore, StoredMessage } from '../store/message-store.ts'
import type { Alarm, Alarms } from './alarms.ts'
import type { DelayedDelivery } from './delayed-delivery.ts'
import type { Events } from './events.ts'
import type { ReplayPart } from './log-replay.ts'
import { parseSettles, SCHEDULE_GROUP } from './settlement.ts'
import { SCHEDULE_TOPIC } from './topics.ts'

/** What delay levels are made of. */
export type DelayLevelParts = {
  readonly store: MessageStore
  /** By the wall clock, and by the monotonic one: a delay is over by whichever shows it first. */
  readonly wallAlarms: Alarms
  readonly alarms: Alarms
  readonly events: Events
  readonly delivery: DelayedDelivery
}

/** A message that waits: when it is due by each clock, and where it lies. */
type Head = {
  readonly queueOffset: number
  readonly dueMs: number
  readonly dueMonotonicMs: number
  readonly physicalOffset: number
}

/** One level's queue. */
type Level = {
  readonly queueId: number
  /** Everything below is delivered. */
  next: number
  /** The message at `next`, once it was looked at. */
  head: Head | undefined
  wallAlarm: Alarm | undefined
  alarm: Alarm | undefined
  running: Promise<void> | undefined
  /** Something came while the loop was running. */
  isStale: boolean
}

const JSON_FILE = 'config/delayOffset.json'
const OWN_FILE = 'pocketmq/delays'
const READ_MESSAGES = 32
/** How often the files follow. RocketMQ: flushDelayOffsetInterval. */
const SAVE_INTERVAL_MS = 10_000
const TURN_BUDGET_MS = 2

/** Our own record of the same: what the JSON was, so that a broker's visit shows, and how much of the log is in it. */
type OwnRecord = {
  readonly appliedTo: number
  readonly levels: Readonly<Record<string, number>>
  readonly hashes: readonly string[]
}

/** The delay levels of one store. */
export class DelayLevels implements ReplayPart {
  readonly #parts: DelayLevelParts
  readonly #store: MessageStore
  readonly #levels = new Map<number, Level>()
  readonly #stop = new AbortController()
  readonly #budget: TurnBudget
  #dataVersion: DataVersion = FIRST_DATA_VERSION
  #rest: DelayOffsetFile['rest'] = {}
  #jsonHash = ''
  #saveAlarm: Alarm | undefined
  #saving: Promise<void> | undefined
  #isDirty = false
  #isStarted = false
  replayFrom: number | undefined

  private constructor(parts: DelayLevelParts) {
    this.#parts = parts
    this.#store = parts.store
    this.#budget = new TurnBudget(parts.store.clock, TURN_BUDGET_MS)
  }

  /** Reads how far each level is delivered; `replay` brings it up to date. */
  static async open(parts: DelayLevelParts): Promise<DelayLevels> {
    const levels = new DelayLevels(parts)
    const { smallFiles } = parts.store
    const json = await smallFiles.load(JSON_FILE, (bytes, isBackup) => ({
      file: decodeDelayOffsets(bytes.toString('utf8'), JSON_FILE),
      hash: hashOf(bytes),
      isBackup,
    }))
    const own = await smallFiles.load(OWN_FILE, decodeOwn)
    levels.#jsonHash = json?.hash ?? ''
    levels.#dataVersion = json?.file.dataVersion ?? FIRST_DATA_VERSION
    levels.#rest = json?.file.rest ?? {}
    const isAsWritten = own?.hashes.includes(levels.#jsonHash) === true
    const isOurs = own !== undefined && (isAsWritten || parts.store.opened.isCheckpointOurs)
    // A broker was here: it went on from its JSON, and what it delivered carries no mark of ours.
    if (isOurs) levels.replayFrom = own.appliedTo
    // Ours was never written, and no broker was here since: what we delivered shows in the log alone.
    else if (own === undefined && (json === undefined || parts.store.opened.isCheckpointOurs))
      levels.replayFrom = await firstParked(parts.store)
    // Taken over from a broker: ours is written soon, so that no later open has to look through its log.
    levels.#isDirty = own === undefined && json !== undefined
    // No broker was here, and the JSON is another: damage or a hand edit, which may only repeat.
    const limits = isAsWritten || json?.isBackup === true ? undefined : json?.file.offsets
    for (const range of parts.store.queues()) {
      if (range.topic !== SCHEDULE_TOPIC) continue
      const delayLevel = range.queueId + 1
      const owned = isOurs ? (own.levels[delayLevel] ?? 0) : undefined
      const stored =
        owned === undefined
          ? json?.file.offsets.get(delayLevel)
          : Math.min(owned, limits?.get(delayLevel) ?? Number.POSITIVE_INFINITY)
      const level = levels.#level(range.queueId)
      level.next = Math.min(Math.max(stored ?? 0, range.minQueueOffset), range.maxQueueOffset)
    }
    return levels
  }

  replay(message: StoredMessage): void {
    const settles = parseSettles(message.propertiesText)
    if (settles?.group !== SCHEDULE_GROUP || settles.topic !== SCHEDULE_TOPIC) return
    const level = this.#level(settles.queueId)
    level.next = Math.max(level.next, settles.queueOffset + 1)
    this.#isDirty = true
  }

  /** Begins to deliver: everything is replayed. */
  start(): void {
    this.#isStarted = true
    for (const level of this.#levels.values()) this.#wake(level)
    if (this.#isDirty) this.#saveLater()
  }

  /** A record has become readable. */
  onDispatch(request: DispatchRequest): void {
    if (request.topic !== SCHEDULE_TOPIC) return
    const level = this.#level(request.queueId)
    // Those behind a head that waits are due later than it.
    if (this.#isStarted && level.head === undefined) this.#wake(level)
  }

  /** Retention keeps what is not delivered. */
  async keepFrom(): Promise<number> {
    let lowest = Number.POSITIVE_INFINITY
    for (const level of this.#levels.values()) {
      const { queueId, next, head } = level
      if (head !== undefined) lowest = Math.min(lowest, head.physicalOffset)
      else if (next < (this.#store.queueRange(SCHEDULE_TOPIC, queueId)?.maxQueueOffset ?? 0)) {
        const { messages } = await this.#store.read({
          topic: SCHEDULE_TOPIC,
          queueId,
          queueOffset: next,
          maxMessages: 1,
        })
        lowest = Math.min(lowest, messages[0]?.physicalOffset ?? Number.POSITIVE_INFINITY)
      }
    }
    return lowest
  }

  /** How many wait. */
  get count(): number {
    let count = 0
    for (const { queueId, next } of this.#levels.values()) {
      count += Math.max(0, (this.#store.queueRange(SCHEDULE_TOPIC, queueId)?.maxQueueOffset ?? 0) - next)
    }
    return count
  }

  /** The first offset that waits, by queue of the schedule topic. */
  waiting(): readonly { readonly queueId: number; readonly next: number }[] {
    return [...this.#levels.values()].map(({ queueId, next }) => ({ queueId, next }))
  }

  /** Delivers nothing more; resolves when the loops have ended. */
  async stop(): Promise<void> {
    this.#stop.abort()
    this.#parts.alarms.cancel(this.#saveAlarm)
    for (const level of this.#levels.values()) {
      this.#parts.wallAlarms.cancel(level.wallAlarm)
      this.#parts.alarms.cancel(level.alarm)
      await level.running
    }
    await this.#saving
  }

  /** How far each level is delivered, on the device when it resolves. */
  async save(): Promise<void> {
    await this.#saving
    if (this.#levels.size > 0) await this.#save()
  }

  /** At a clean close: both files say how far each level is delivered. */
  async saveAtClose(): Promise<void> {
    if (this.#levels.size === 0) return
    // Everything is dispatched then: the next open has nothing to read again.
    await this.#store.flush()
    await this.#save()
  }

  #level(queueId: number): Level {
    let level = this.#levels.get(queueId)
    if (level === undefined) {
      level = {
        queueId,
        next: 0,
        head: undefined,
        wallAlarm: undefined,
        alarm: undefined,
        running: undefined,
        isStale: false,
      }
      this.#levels.set(queueId, level)
    }
    return level
  }

  #wake(level: Level): void {
    if (this.#stop.signal.aborted) return
    if (level.running !== undefined) {
      level.isStale = true
      return
    }
    level.running = this.#deliver(level).finally(() => {
      level.running = undefined
      if (level.isStale) {
        level.isStale = false
        this.#wake(level)
      }
    })
  }

  async #deliver(level: Level): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      try {
        if (!(await this.#deliverSome(level, signal))) return
      } catch (error) {
        if (signal.aborted || isErrorNamed(error, 'STORE_CLOSED') || isErrorNamed(error, 'STORE_FAILED')) return
        this.#parts.events.emit('error', {
          where: `delivering delay level ${level.queueId + 1}`,
          error: asError(error),
        })
        await this.#parts.delivery.pause(signal)
      }
    }
  }

  /** Delivers what is due of one read; false when nothing more is. */
  async #deliverSome(level: Level, signal: AbortSignal): Promise<boolean> {
    const from = level.next
    const result = await this.#read(level.queueId, from)
    for (const message of result.messages) {
      if (!this.#isDue(level, message)) return false
      await this.#deliverOne(level, message, signal)
    }
    if (result.messages.length === 0) level.next = Math.max(level.next, result.nextQueueOffset)
    level.head = undefined
    return level.next > from
  }

  async #deliverOne(level: Level, message: StoredMessage, signal: AbortSignal): Promise<void> {
    const { queueOffset } = message
    const settles = { group: SCHEDULE_GROUP, topic: SCHEDULE_TOPIC, queueId: level.queueId, queueOffset }
    await this.#parts.delivery.deliver(message, settles, {}, signal)
    level.next = queueOffset + 1
    level.head = undefined
    this.#saveLater()
    if (this.#budget.isSpent()) await nextTurn()
  }

  async #read(queueId: number, queueOffset: number): Promise<GetResult> {
    const request = { topic: SCHEDULE_TOPIC, queueId, queueOffset, maxMessages: READ_MESSAGES }
    const hot = this.#store.get(request)
    return hot.status === 'cold' ? await this.#store.read(request) : hot
  }

  /**
   * Whether the head's time has come. A wall clock that stepped back must not hold it longer than its level says, counted from the
   * first look at it; one that went ahead, or a laptop that slept, ends the wait.
   */
  #isDue(level: Level, message: StoredMessage): boolean {
    const { wallAlarms, alarms } = this.#parts
    level.head = this.#headOf(level, message)
    const { dueMs, dueMonotonicMs } = level.head
    if (wallAlarms.nowMs() >= dueMs || alarms.nowMs() >= dueMonotonicMs) return true
    wallAlarms.cancel(level.wallAlarm)
    alarms.cancel(level.alarm)
    level.wallAlarm = wallAlarms.at(dueMs, () => this.#wake(level))
    level.alarm = alarms.at(dueMonotonicMs, () => this.#wake(level))
    return false
  }

  #headOf(level: Level, message: StoredMessage): Head {
    const { queueOffset, physicalOffset } = message
    if (level.head?.queueOffset === queueOffset) return level.head
    const { wallAlarms, alarms } = this.#parts
    const nowMs = wallAlarms.nowMs()
    const dueMs = Math.min(message.tagsCode, nowMs + (DELAY_LEVELS_MS[level.queueId] ?? 0))
    return { queueOffset, dueMs, dueMonotonicMs: alarms.nowMs() + (dueMs - nowMs), physicalOffset }
  }

  #saveLater(): void {
    this.#isDirty = true
    if (this.#saveAlarm !== undefined && this.#saveAlarm.index >= 0) return
    this.#saveAlarm = this.#parts.alarms.in(SAVE_INTERVAL_MS, () => {
      this.#saving = this.#save()
        .catch((error: unknown) => {
          if (!this.#stop.signal.aborted)
            this.#parts.events.emit('error', { where: 'saving delay offsets', error: asError(error) })
        })
        .finally(() => {
          this.#saving = undefined
        })
    })
  }

  /** Both files, never ahead of the device: a broker that believed them would not deliver what a power cut took. */
  async #save(): Promise<void> {
    this.#isDirty = false
    const levels = Object.fromEntries([...this.#levels.values()].map(({ queueId, next }) => [queueId + 1, next]))
    const { appended, dispatched } = this.#store.watermarks
    await this.#store.flushed(appended)
    this.#dataVersion = nextDataVersion(this.#dataVersion, this.#store.clock.nowMs())
    const offsets = new Map(Object.entries(levels).map(([level, next]) => [Number(level), next]))
    const json = Buffer.from(encodeDelayOffsets({ dataVersion: this.#dataVersion, offsets, rest: this.#rest }))
    const hash = hashOf(json)
    const own: OwnRecord = { appliedTo: dispatched, levels, hashes: [this.#jsonHash, hash] }
    await this.#store.smallFiles.save(OWN_FILE, encodeOwnFile(Buffer.from(JSON.stringify(own))), { keepBackup: false })
    await this.#store.smallFiles.save(JSON_FILE, json)
    this.#jsonHash = hash
  }
}

/** Where the oldest parked record lies; undefined where there is none. */
async function firstParked(store: MessageStore): Promise<number | undefined> {
  let first: number | undefined
  for (const { topic, queueId, minQueueOffset: queueOffset } of store.queues()) {
    if (topic !== SCHEDULE_TOPIC) continue
    const { messages } = await store.read({ topic, queueId, queueOffset, maxMessages: 1 })
    const at = messages[0]?.physicalOffset
    if (at !== undefined) first = Math.min(first ?? at, at)
  }
  return first
}

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Throws to refuse: then RocketMQ's JSON alone holds. */
function decodeOwn(bytes: Buffer): OwnRecord {
  const record = JSON.parse(decodeOwnFile(bytes, OWN_FILE).toString('utf8')) as Partial<OwnRecord>
  const { appliedTo, levels, hashes } = record
  if (!Number.isSafeInteger(appliedTo) || typeof levels !== 'object' || levels === null || !Array.isArray(hashes)) {
    throw new Error('no record of delay levels')
  }
  return record as OwnRecord
}
