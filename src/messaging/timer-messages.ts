/**
 * Messages with a delay in milliseconds or a date: an ordinary consumer of `rmq_sys_wheel_timer` joined to an ordinary producer.
 * What waits is kept in memory, rebuilt from `pocketmq/timers` and the log behind it. A delivered copy says by PMQ_SETTLES which
 * one it was, so that a crash neither loses nor doubles. Nothing is delivered early.   RocketMQ: TimerMessageStore.
 */
import { asError, isErrorNamed, PocketMQError } from '../base/errors.ts'
import { javaHashCode } from '../codec/java-hash.ts'
import type { PendingTimersFile } from '../codec/pending-timers.ts'
import { decodePendingTimers, encodePendingTimers } from '../codec/pending-timers.ts'
import {
  PROPERTY_REAL_TOPIC,
  PROPERTY_TIMER_DEL_UNIQKEY,
  PROPERTY_TIMER_DELAY_MS,
  PROPERTY_TIMER_DELAY_SEC,
  PROPERTY_TIMER_DELIVER_MS,
  PROPERTY_TIMER_DEQUEUE_MS,
  PROPERTY_TIMER_OUT_MS,
  PROPERTY_UNIQ_KEY,
  propertyValue,
} from '../codec/properties.ts'
import { TIMER_LOG_FILE_BYTES } from '../codec/timer-log.ts'
import type { DispatchRequest, MessageStore, StoredMessage } from '../store/message-store.ts'
import type { Alarm, Alarms } from './alarms.ts'
import type { WheelContent } from './broker-timers.ts'
import { checkHashOf, readBrokerTimers, timerCheckHash, writeBrokerTimers } from './broker-timers.ts'
import type { RecallRequest, RecallResult } from './core-types.ts'
import type { DelayedDelivery } from './delayed-delivery.ts'
import { timerSlotMs } from './delayed-record.ts'
import type { Events } from './events.ts'
import type { ReplayPart } from './log-replay.ts'
import type { PendingTimer } from './pending-timers.ts'
import { PendingTimers } from './pending-timers.ts'
import { formatRecallHandle, parseRecallHandle } from './recall-handle.ts'
import { recallRecord } from './recall-record.ts'
import { parseSettles, TIMER_GROUP } from './settlement.ts'
import { TIMER_TOPIC } from './topics.ts'

/** What timer messages are made of. */
export type TimerParts = {
  readonly store: MessageStore
  readonly wallAlarms: Alarms
  readonly events: Events
  readonly delivery: DelayedDelivery
  readonly brokerName: string
  readonly pendingMax: number
}

const SNAPSHOT_FILE = 'pocketmq/timers'
/** Another snapshot after so many bytes of log: what a reopen after a crash has to read again. */
const SNAPSHOT_EVERY_BYTES = 64 * 1024 * 1024
/** Records read at once when many are due. */
const DUE_BATCH = 64
const READ_MESSAGES = 256
/** Records whose topic is read for the broker's figures at close. */
const TOPICS_READ_MAX = 10_000

/** Delayed messages of one store. */
export class TimerMessages implements ReplayPart {
  readonly #parts: TimerParts
  readonly #store: MessageStore
  readonly #pending = new PendingTimers()
  readonly #stop = new AbortController()
  #roomWaiters: (() => void)[] = []
  /** First queueOffset of the timer queue that was not looked at. */
  #next = 0
  #appliedTo = 0
  #snapshotAt = 0
  #checkHash: Uint8Array = new Uint8Array(32)
  #timerLogFileBytes = TIMER_LOG_FILE_BYTES
  #alarm: Alarm | undefined
  #running: Promise<void> | undefined
  #saving: Promise<void> | undefined
  #isStarted = false
  /** Without any record of what is delivered: copies in the log tell by their id. */
  #isSearching = false
  replayFrom: number | undefined

  private constructor(parts: TimerParts) {
    this.#parts = parts
    this.#store = parts.store
  }

  /** Reads what waited when the store was last closed; `replay` brings it up to date. */
  static async open(parts: TimerParts): Promise<TimerMessages> {
    const timers = new TimerMessages(parts)
    if (parts.store.queueRange(TIMER_TOPIC, 0) !== undefined) await timers.#load()
    return timers
  }

  /** What waits. */
  get waiting(): Pick<PendingTimers, 'count' | 'entries' | 'has'> {
    return this.#pending
  }

  /** Retention keeps what waits. */
  keepFrom(): number {
    return this.#pending.lowestPhysicalOffset
  }

  /** @throws BACKPRESSURE where too many wait already */
  checkRoom(): void {
    const { pendingMax } = this.#parts
    if (this.#pending.count < pendingMax) return
    throw new PocketMQError('BACKPRESSURE', `${pendingMax} delayed messages wait already`, {
      hint: 'Wait until some are delivered, or raise pendingTimersMax.',
      details: { field: 'pendingTimersMax', limit: pendingMax, actual: this.#pending.count },
    })
  }

  /** Resolves when another one may wait. */
  async room(signal?: AbortSignal): Promise<void> {
    while (this.#pending.count >= this.#parts.pendingMax && !this.#stop.signal.aborted && signal?.aborted !== true) {
      await new Promise<void>(resolve => {
        this.#roomWaiters.push(resolve)
        signal?.addEventListener('abort', () => resolve(), { once: true })
      })
    }
  }

  /** How a message bound for `topic` is taken back. */
  handleOf(topic: string, deliverMs: number, uniqueKey: string): string {
    // One more than the slot's time, as RocketMQ does it: the recall comes to lie in the same slot.
    const deliverAtMs = timerSlotMs(deliverMs) + 1
    return formatRecallHandle({ topic, brokerName: this.#parts.brokerName, deliverAtMs, uniqueKey })
  }

  replay(message: StoredMessage): void {
    const text = message.propertiesText
    if (message.topic === TIMER_TOPIC) {
      this.#see(message.queueOffset, message.physicalOffset, message.sizeBytes, message.storeTimestamp, text)
      return
    }
    const settles = parseSettles(text)
    if (settles?.group === TIMER_GROUP) this.#pending.settle(settles.queueOffset)
    else if (this.#isSearching && settles === undefined && propertyValue(text, PROPERTY_TIMER_OUT_MS) !== undefined) {
      this.#settleDelivered(message)
    }
  }

  /** Begins to deliver: everything is replayed. */
  start(): void {
    this.#isStarted = true
    this.#isSearching = false
    this.#setAlarm()
  }

  /** A record has become readable. */
  onDispatch(request: DispatchRequest): void {
    const end = request.physicalOffset + request.sizeBytes
    if (request.topic === TIMER_TOPIC) {
      this.#see(
        request.queueOffset,
        request.physicalOffset,
        request.sizeBytes,
        request.storeTimestamp,
        request.properties,
      )
      if (this.#isStarted) this.#setAlarm()
    }
    this.#appliedTo = end
    if (this.#next > 0 && end - this.#snapshotAt > SNAPSHOT_EVERY_BYTES && this.#saving === undefined) this.#saveSoon()
  }

  /** Takes a message back. Stored when it resolves. */
  async recall({ topic, recallHandle, durability = this.#store.durability }: RecallRequest): Promise<RecallResult> {
    const handle = parseRecallHandle(recallHandle)
    if (handle.topic !== topic || handle.brokerName !== this.#parts.brokerName) return { status: 'illegal' }
    const found =
      (await this.#find(handle.topic, handle.uniqueKey)) ??
      (await this.#findUndispatched(handle.topic, handle.uniqueKey))
    const messageId = handle.uniqueKey
    if (found === undefined) {
      // The slot ends a second after its time.
      const isOver = handle.deliverAtMs + 2_000 <= this.#store.clock.nowMs()
      const wasThere = isOver || (await this.#store.queryById(messageId, TIMER_TOPIC)) !== undefined
      return wasThere ? { status: 'too-late', messageId } : { status: 'not-found' }
    }
    const { timer, message } = found
    if (timer.state !== 'waiting') return { status: 'too-late', messageId }
    const put = this.#store.put(recallRecord(message, handle.deliverAtMs), 'successor')
    this.#settled(timer.queueOffset)
    const end = put.physicalOffset + put.sizeBytes
    const [written] = await Promise.allSettled([this.#store.written(end)])
    if (written.status === 'rejected') {
      // A full device did not take the recall: the message still waits.
      this.#pending.add(timer)
      this.#setAlarm()
      throw written.reason
    }
    await this.#store.reached(durability, end)
    return { status: 'recalled', messageId }
  }

  /** Delivers nothing more; resolves when the loop has ended. */
  async stop(): Promise<void> {
    this.#end()
    await this.#running
    await this.#saving
  }

  /** Sets no alarm any more: in a failed store what is due stays due, and would be tried again at once, for ever. */
  #end(): void {
    this.#stop.abort()
    this.#parts.wallAlarms.cancel(this.#alarm)
    this.#wakeRoomWaiters()
  }

  /** What waits, on the device when it resolves. */
  async save(): Promise<void> {
    await this.#saving
    if (this.#next > 0) await this.#saveWhenFlushed()
  }

  /** At a clean close, with everything dispatched: exactly what waits, for us and for a broker. */
  async saveAtClose(): Promise<void> {
    const range = this.#store.queueRange(TIMER_TOPIC, 0)
    if (range === undefined) return
    const content = await this.#wheelContent(range.maxQueueOffset)
    if (content === undefined) return
    const before = this.#checkHash
    this.#checkHash = checkHashOf(content)
    await this.#saveSnapshot(before)
    await writeBrokerTimers(this.#store, content)
  }

  async #load(): Promise<void> {
    const check = await timerCheckHash(this.#store)
    const file = await this.#store.smallFiles.load(SNAPSHOT_FILE, bytes => decodePendingTimers(bytes, SNAPSHOT_FILE))
    this.#checkHash = check
    // Where no broker was here, a check that is another one is damaged.
    const isAsWritten = file !== undefined && (check.equals(file.checkHash) || check.equals(file.checkHashBefore))
    if (file !== undefined && (isAsWritten || this.#store.opened.isCheckpointOurs)) return this.#take(file)
    const broker = await readBrokerTimers(this.#store)
    const range = this.#store.queueRange(TIMER_TOPIC, 0) ?? { minQueueOffset: 0, maxQueueOffset: 0 }
    if (broker === undefined) {
      this.#isSearching = true
      this.replayFrom = await this.#firstParked(range.minQueueOffset)
      return
    }
    // Whoever of us took the folder over may have delivered some before that was in a file of ours.
    if (this.#store.opened.isCheckpointOurs) this.replayFrom = await this.#firstParked(range.minQueueOffset)
    this.#timerLogFileBytes = broker.timerLogFileBytes
    const inWheel = broker.messages.filter(message => message.queueOffset < broker.nextQueueOffset)
    for (const message of inWheel.sort((a, b) => a.queueOffset - b.queueOffset)) this.#add(message)
    this.#next = Math.max(broker.nextQueueOffset, range.minQueueOffset)
    await this.#readQueue(range.maxQueueOffset)
    this.#appliedTo = this.#store.watermarks.dispatched
    if (!this.#store.isReadOnly) this.#saveSoon()
  }

  async #firstParked(queueOffset: number): Promise<number> {
    const { messages } = await this.#store.read({ topic: TIMER_TOPIC, queueId: 0, queueOffset, maxMessages: 1 })
    return messages[0]?.physicalOffset ?? this.#store.watermarks.min
  }

  /** A queue that ends before what the file knows was cut by somebody: what comes to stand there is new. */
  #take(file: PendingTimersFile): void {
    const end = this.#store.queueRange(TIMER_TOPIC, 0)?.maxQueueOffset ?? 0
    for (const entry of file.entries) if (entry.queueOffset < end) this.#pending.add(entry)
    this.#next = Math.min(file.nextQueueOffset, end)
    this.#appliedTo = file.appliedTo
    this.#snapshotAt = file.appliedTo
    this.#timerLogFileBytes = file.timerLogFileBytes
    this.replayFrom = file.appliedTo
  }

  async #readQueue(end: number): Promise<void> {
    while (this.#next < end) {
      const from = this.#next
      const result = await this.#store.read({
        topic: TIMER_TOPIC,
        queueId: 0,
        queueOffset: from,
        maxMessages: READ_MESSAGES,
      })
      for (const message of result.messages) {
        this.#see(
          message.queueOffset,
          message.physicalOffset,
          message.sizeBytes,
          message.storeTimestamp,
          message.propertiesText,
        )
      }
      this.#next = Math.max(this.#next, result.nextQueueOffset)
      if (result.nextQueueOffset <= from) return
    }
  }

  #add(message: StoredMessage): void {
    const { queueOffset, physicalOffset, sizeBytes, storeTimestamp, propertiesText } = message
    const keyHash = javaHashCode(message.uniqueKey ?? '')
    this.#pending.add({
      dueMs: timerDueMs(propertiesText, storeTimestamp),
      queueOffset,
      physicalOffset,
      sizeBytes,
      keyHash,
    })
  }

  /** A record of the timer queue: one more that waits, or a recall. */
  #see(queueOffset: number, physicalOffset: number, sizeBytes: number, storeTimestamp: number, text: string): void {
    if (queueOffset < this.#next) return
    this.#next = queueOffset + 1
    const recalls = propertyValue(text, PROPERTY_TIMER_DEL_UNIQKEY)
    if (recalls !== undefined) {
      this.#settleRecalled(recalls, propertyValue(text, PROPERTY_REAL_TOPIC) ?? '')
      return
    }
    const keyHash = javaHashCode(propertyValue(text, PROPERTY_UNIQ_KEY) ?? '')
    this.#pending.add({ dueMs: timerDueMs(text, storeTimestamp), queueOffset, physicalOffset, sizeBytes, keyHash })
  }

  /** A recall's record: our own, whose message is taken out already, or one of a broker's. */
  #settleRecalled(recalls: string, topic: string): void {
    const uniqueKey = recalls.startsWith(`${topic}+`) ? recalls.slice(topic.length + 1) : recalls
    const candidates = this.#pending.withKeyHash(javaHashCode(uniqueKey)).filter(timer => timer.state === 'waiting')
    // Two ids with one hash are told apart by their records; almost always there is one.
    if (candidates.length === 1) this.#settled((candidates[0] as PendingTimer).queueOffset)
    else for (const timer of candidates) void this.#settleIfNamed(timer, topic, uniqueKey)
  }

  async #settleIfNamed(timer: PendingTimer, topic: string, uniqueKey: string): Promise<void> {
    const message = await this.#recordOf(timer).catch(() => undefined)
    if (message !== undefined && isNamed(message, topic, uniqueKey) && timer.state === 'waiting')
      this.#settled(timer.queueOffset)
  }

  /** A copy whose PMQ_SETTLES is not there: a broker delivered it. */
  #settleDelivered(message: StoredMessage): void {
    for (const timer of this.#pending.withKeyHash(javaHashCode(message.uniqueKey ?? ''))) {
      if (timer.physicalOffset < message.physicalOffset) this.#pending.settle(timer.queueOffset)
    }
  }

  #settled(queueOffset: number): void {
    this.#pending.settle(queueOffset)
    this.#wakeRoomWaiters()
  }

  #wakeRoomWaiters(): void {
    const waiters = this.#roomWaiters
    this.#roomWaiters = []
    for (const wake of waiters) wake()
  }

  #setAlarm(): void {
    if (this.#running !== undefined || this.#stop.signal.aborted) return
    const dueMs = this.#pending.nextDueMs
    if (this.#alarm !== undefined && this.#alarm.index >= 0 && this.#alarm.atMs === dueMs) return
    this.#parts.wallAlarms.cancel(this.#alarm)
    this.#alarm = this.#parts.wallAlarms.at(dueMs, () => {
      this.#running = this.#deliverDue().finally(() => {
        this.#running = undefined
        this.#setAlarm()
      })
    })
  }

  async #deliverDue(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      const due = this.#pending.takeDue(this.#store.clock.nowMs(), DUE_BATCH)
      if (due.length === 0) return
      try {
        const messages = await Promise.all(due.map(timer => this.#recordOf(timer)))
        for (const [i, timer] of due.entries()) await this.#deliver(timer, messages[i], signal)
      } catch (error) {
        for (const timer of due) this.#pending.putBack(timer)
        if (signal.aborted) return
        if (isErrorNamed(error, 'STORE_CLOSED') || isErrorNamed(error, 'STORE_FAILED')) return this.#end()
        this.#parts.events.emit('error', { where: 'delivering delayed messages', error: asError(error) })
        await this.#parts.delivery.pause(signal)
      }
    }
  }

  async #deliver(timer: PendingTimer, message: StoredMessage | undefined, signal: AbortSignal): Promise<void> {
    if (message !== undefined) {
      const { queueOffset } = timer
      const settles = { group: TIMER_GROUP, topic: TIMER_TOPIC, queueId: 0, queueOffset }
      await this.#parts.delivery.deliver(
        message,
        settles,
        { [PROPERTY_TIMER_DEQUEUE_MS]: String(this.#store.clock.nowMs()) },
        signal,
      )
    }
    this.#settled(timer.queueOffset)
  }

  /** The parked record; undefined where the log has something else there. */
  async #recordOf(timer: PendingTimer): Promise<StoredMessage | undefined> {
    const message = await this.#store.readAt(timer.physicalOffset)
    if (message !== undefined && message.topic === TIMER_TOPIC && message.queueOffset === timer.queueOffset)
      return message
    const { queueOffset, physicalOffset } = timer
    const error = new PocketMQError('CORRUPT', `the delayed message at ${physicalOffset} is gone`, {
      hint: 'Run `pocketmq verify` on the folder: its record is damaged or missing.',
      details: { queueOffset, physicalOffset },
    })
    this.#parts.events.emit('error', { where: 'delivering delayed messages', error })
    return undefined
  }

  async #find(topic: string, uniqueKey: string): Promise<{ timer: PendingTimer; message: StoredMessage } | undefined> {
    for (const timer of this.#pending.withKeyHash(javaHashCode(uniqueKey))) {
      const message = await this.#store.readAt(timer.physicalOffset)
      if (message !== undefined && isNamed(message, topic, uniqueKey)) return { timer, message }
    }
    return undefined
  }

  /** Sent a moment ago: it is known once it is dispatched. */
  async #findUndispatched(
    topic: string,
    uniqueKey: string,
  ): Promise<{ timer: PendingTimer; message: StoredMessage } | undefined> {
    await this.#store.dispatched(this.#store.watermarks.appended, this.#stop.signal)
    return this.#find(topic, uniqueKey)
  }

  #saveSoon(): void {
    this.#saving = this.#saveWhenFlushed()
      .catch((error: unknown) => {
        if (!this.#stop.signal.aborted)
          this.#parts.events.emit('error', { where: 'saving delayed messages', error: asError(error) })
      })
      .finally(() => {
        this.#saving = undefined
      })
  }

  /** What is delivered is left out of the snapshot, so its copies have to be on the device before the snapshot is. */
  async #saveWhenFlushed(): Promise<void> {
    const bytes = this.#snapshot(this.#checkHash)
    this.#snapshotAt = this.#appliedTo
    await this.#store.flushed(this.#store.watermarks.appended, this.#stop.signal)
    await this.#store.smallFiles.save(SNAPSHOT_FILE, bytes, { keepBackup: false })
  }

  async #saveSnapshot(checkHashBefore: Uint8Array): Promise<void> {
    await this.#store.flush()
    this.#appliedTo = this.#store.watermarks.dispatched
    await this.#store.smallFiles.save(SNAPSHOT_FILE, this.#snapshot(checkHashBefore), { keepBackup: false })
  }

  #snapshot(checkHashBefore: Uint8Array): Buffer {
    return encodePendingTimers({
      appliedTo: this.#appliedTo,
      nextQueueOffset: this.#next,
      checkHash: this.#checkHash,
      checkHashBefore,
      timerLogFileBytes: this.#timerLogFileBytes,
      entries: this.#pending.entries(),
    })
  }

  /** What a broker is told. Undefined where not even the queue's last record reads: then its files stay as they are. */
  async #wheelContent(queueEnd: number): Promise<WheelContent | undefined> {
    const tail = await this.#store.read({ topic: TIMER_TOPIC, queueId: 0, queueOffset: queueEnd - 1, maxMessages: 1 })
    const last = tail.messages[0]
    if (last === undefined) return undefined
    const entries: WheelContent['entries'][number][] = []
    for (const { dueMs, physicalOffset, sizeBytes } of this.#pending.entries()) {
      // Only RocketMQ's figures want it.
      const message = entries.length < TOPICS_READ_MAX ? await this.#store.readAt(physicalOffset) : undefined
      const realTopic = message?.property(PROPERTY_REAL_TOPIC) ?? ''
      entries.push({ dueMs, physicalOffset, sizeBytes, realTopic })
    }
    return { entries, last, queueEnd, timerLogFileBytes: this.#timerLogFileBytes, nowMs: this.#store.clock.nowMs() }
  }
}

/** When a parked message is due: exactly where its sender said so, else by what RocketMQ rounded. */
export function timerDueMs(text: string, storeTimestamp: number): number {
  const out = Number(propertyValue(text, PROPERTY_TIMER_OUT_MS) ?? 0)
  const seconds = propertyValue(text, PROPERTY_TIMER_DELAY_SEC)
  const ms = propertyValue(text, PROPERTY_TIMER_DELAY_MS)
  const time = propertyValue(text, PROPERTY_TIMER_DELIVER_MS)
  let exact = Number(time ?? 0)
  if (seconds !== undefined) exact = storeTimestamp + Number(seconds) * 1000
  else if (ms !== undefined) exact = storeTimestamp + Number(ms)
  return Math.max(Number.isSafeInteger(out) ? out : 0, Number.isSafeInteger(exact) ? exact : 0)
}

function isNamed(message: StoredMessage, topic: string, uniqueKey: string): boolean {
  return (
    message.topic === TIMER_TOPIC && message.uniqueKey === uniqueKey && message.property(PROPERTY_REAL_TOPIC) === topic
  )
}
