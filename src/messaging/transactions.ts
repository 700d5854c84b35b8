/**
 * Transactions: half messages nobody sees until they are committed, and the question put to a producer group when one stays
 * undecided. The committed message and the op record of its decision are one append unit, so no crash commits twice.
 * The engine calls no checker: it leaves an event for one live client of the group.   RocketMQ: TransactionalMessageServiceImpl.
 */
import { asError, isErrorNamed } from '../base/errors.ts'
import {
  PROPERTY_CHECK_IMMUNITY_SECONDS,
  PROPERTY_PRODUCER_GROUP,
  PROPERTY_REAL_TOPIC,
  PROPERTY_UNIQ_KEY,
} from '../codec/properties.ts'
import type { Durability, MessageStore, PutRecord, PutResult, StoredMessage } from '../store/message-store.ts'
import type { Alarms } from './alarms.ts'
import type { AppendRequest, ClientEvent, EndTransactionRequest, EndTransactionResult } from './core-types.ts'
import { commitOf, givenUp, halfAgain, halfOf as halfRecordOf, opOf } from './delayed-record.ts'
import type { Events } from './events.ts'
import type { Half } from './half-messages.ts'
import { HalfMessages } from './half-messages.ts'
import type { MessagingSettings } from './settings.ts'
import type { Topics } from './topics.ts'
import { GIVE_UP_TOPIC, HALF_TOPIC, OP_TOPIC } from './topics.ts'
import { waitForRoom } from './wait-for-room.ts'

/** What transactions need of their surroundings. */
export type TransactionParts = {
  readonly store: MessageStore
  readonly topics: Topics
  readonly wallAlarms: Alarms
  readonly events: Events
  readonly settings: Pick<
    MessagingSettings,
    'transactionTimeoutMs' | 'transactionCheckIntervalMs' | 'transactionChecksMax'
  >
  readonly offsets: {
    offset(group: string, topic: string, queueId: number): number | undefined
    commit(group: string, topic: string, queueId: number, queueOffset: number): void
  }
  readonly clients: {
    ofProducerGroup(group: string): readonly string[]
    emit(clientId: string, event: ClientEvent): boolean
  }
}

type Resolution = 'commit' | 'rollback'

/** RocketMQ's consumer group of the half and op queues. */
const TRANSACTION_GROUP = 'CID_RMQ_SYS_TRANS'
/** How often the two queues' offsets follow; a reopen reads from them on. */
const OFFSETS_INTERVAL_MS = 5_000
/** Decisions remembered, so that a late other one is refused without a look into the log. */
const SETTLED_MAX = 4_096

/** The transactions of one store. */
export class Transactions {
  readonly #parts: TransactionParts
  readonly #store: MessageStore
  readonly #halves: HalfMessages
  readonly #settled = new Map<string, Resolution | 'given-up'>()
  readonly #durabilities = new Map<string, Durability>()
  readonly #work = new Set<Promise<unknown>>()
  #turn = 0
  #isStopped = false
  #isSavingDue = false

  private constructor(parts: TransactionParts, halves: HalfMessages) {
    this.#parts = parts
    this.#store = parts.store
    this.#halves = halves
  }

  /** Finds what was undecided when the store was last closed. */
  static async open(parts: TransactionParts): Promise<Transactions> {
    const half = parts.offsets.offset(TRANSACTION_GROUP, HALF_TOPIC, 0) ?? 0
    const op = parts.offsets.offset(TRANSACTION_GROUP, OP_TOPIC, 0) ?? 0
    const halves = await HalfMessages.read(parts.store, { half, op })
    return new Transactions(parts, halves)
  }

  /** How many are undecided. */
  get count(): number {
    return this.#halves.count
  }

  /** Retention keeps what is undecided. */
  keepFrom(): number {
    return this.#halves.lowestPhysicalOffset
  }

  /** Begins to ask about what is undecided. */
  start(): void {
    for (const half of this.#halves.all()) {
      half.checkAtMs += this.#parts.settings.transactionTimeoutMs
      this.#setAlarm(half)
    }
  }

  /** Stores a half message. @throws what the store's `put` throws */
  begin(request: AppendRequest): { readonly put: PutResult; readonly transactionId: string } {
    const { properties } = request
    this.#parts.topics.obtain(HALF_TOPIC)
    const put = this.#store.put(halfRecordOf(request))
    const transactionId = properties[PROPERTY_UNIQ_KEY] ?? ''
    const immunity = properties[PROPERTY_CHECK_IMMUNITY_SECONDS]
    const waitMs = immunity === undefined ? this.#parts.settings.transactionTimeoutMs : Number(immunity) * 1000
    const half: Half = {
      transactionId,
      producerGroup: properties[PROPERTY_PRODUCER_GROUP] ?? request.producerGroup ?? '',
      queueOffset: put.queueOffset,
      physicalOffset: put.physicalOffset,
      sizeBytes: put.sizeBytes,
      copies: [put.queueOffset],
      checkTimes: 0,
      checkAtMs: this.#store.clock.nowMs() + waitMs,
      alarm: undefined,
      deciding: undefined,
    }
    this.#halves.add(half)
    if (request.durability !== undefined) this.#durabilities.set(transactionId, request.durability)
    this.#setAlarm(half)
    this.#run(() => this.#forgetUnwritten(half, put))
    return { put, transactionId }
  }

  /** Decides. The first decision holds: the same one again is fine, another one is told what it was. */
  async end(request: EndTransactionRequest): Promise<EndTransactionResult> {
    const { transactionId, producerGroup, resolution, halfQueueOffset } = request
    const half = this.#halves.get(transactionId)
    if (half === undefined) return await this.#endUnknown(request)
    if (half.producerGroup !== producerGroup) return { status: 'illegal' }
    if (halfQueueOffset !== undefined && !half.copies.includes(halfQueueOffset)) return { status: 'illegal' }
    if (resolution === 'unknown') return { status: 'ok' }
    while (half.deciding !== undefined) await Promise.allSettled([half.deciding])
    if (this.#halves.get(transactionId) !== half) return await this.#endUnknown(request)
    const deciding = this.#decide(half, resolution)
    half.deciding = deciding
    try {
      await deciding
    } finally {
      half.deciding = undefined
      // Where that failed: a question that was due meanwhile was not put.
      if (this.#halves.get(transactionId) === half) this.#setAlarm(half)
    }
    return { status: 'ok' }
  }

  /** A client of these groups has come: what waited for one is asked now. */
  onProducer(groups: readonly string[]): void {
    const nowMs = this.#store.clock.nowMs()
    for (const half of this.#halves.all()) {
      if (groups.includes(half.producerGroup) && half.checkAtMs <= nowMs) this.#run(() => this.#check(half))
    }
  }

  /** Asks nobody any more; resolves when what is on its way is done. */
  async stop(): Promise<void> {
    this.#isStopped = true
    for (const half of this.#halves.all()) this.#parts.wallAlarms.cancel(half.alarm)
    while (this.#work.size > 0) await Promise.allSettled(this.#work)
  }

  /** Brings the two queues' offsets up to date. What they leave behind is on the device first. */
  async saveOffsets(): Promise<void> {
    if (this.#store.queueRange(HALF_TOPIC, 0) === undefined) return
    const { half, op } = this.#halves.offsets()
    await this.#store.flushed(this.#store.watermarks.appended)
    const { offsets } = this.#parts
    offsets.commit(TRANSACTION_GROUP, HALF_TOPIC, 0, half)
    if (this.#store.queueRange(OP_TOPIC, 0) !== undefined) offsets.commit(TRANSACTION_GROUP, OP_TOPIC, 0, op)
  }

  async #decide(half: Half, resolution: Resolution): Promise<void> {
    const records: PutRecord[] = []
    if (resolution === 'commit') {
      const committed = commitOf(await this.#recordOf(half))
      const buried = this.#store.tombstone(committed.topic)
      // A topic that was deleted since then took its undecided messages with it.
      if (buried === undefined || half.physicalOffset >= buried) {
        this.#parts.topics.obtain(committed.topic, committed.queueId + 1)
        records.push(committed)
      }
    }
    const end = await this.#putWithOp(records, half)
    const durability = this.#durabilities.get(half.transactionId) ?? this.#store.durability
    this.#forget(half, resolution)
    await this.#store.reached(durability, end)
  }

  /** A half message that a full or failing device did not take is taken back out of the log: another record gets its place. */
  async #forgetUnwritten(half: Half, { physicalOffset, sizeBytes }: PutResult): Promise<void> {
    const [written] = await Promise.allSettled([this.#store.written(physicalOffset + sizeBytes)])
    if (written.status === 'fulfilled' || this.#isStopped) return
    this.#parts.wallAlarms.cancel(half.alarm)
    this.#durabilities.delete(half.transactionId)
    this.#halves.takeBack(half)
  }

  /**
   * Appends records and the op message for the half message's present copy as one step; answers where they end. They are written
   * then: nothing is concluded from what a full device may not take.
   */
  async #putWithOp(records: readonly PutRecord[], half: Half): Promise<number> {
    this.#parts.topics.obtain(OP_TOPIC)
    const decided = half.queueOffset
    for (;;) {
      try {
        const puts = this.#store.putAll([...records, opOf([decided])], 'successor')
        const op = puts.at(-1) as PutResult
        const end = op.physicalOffset + op.sizeBytes
        const takeBack = this.#halves.addOp(op.queueOffset, [decided])
        const [written] = await Promise.allSettled([this.#store.written(end)])
        if (written.status === 'rejected') {
          takeBack()
          throw written.reason
        }
        this.#saveOffsetsLater()
        const copy = puts[0] as PutResult
        if (records[0]?.topic === HALF_TOPIC) this.#halves.move(half, copy)
        return end
      } catch (error) {
        if (this.#isStopped && isErrorNamed(error, 'DISK_FULL')) throw error
        await waitForRoom(this.#store, error, half.sizeBytes * 2)
      }
    }
  }

  async #recordOf(half: Half): Promise<StoredMessage> {
    const end = half.physicalOffset + half.sizeBytes
    // Nothing reads before it is dispatched, and a store that promises the device dispatches what is flushed.
    await this.#store.reached(this.#store.durability, end)
    await this.#store.dispatched(end)
    const message = await this.#store.readAt(half.physicalOffset)
    if (message === undefined)
      throw new Error(`half message ${half.transactionId} at ${half.physicalOffset} does not read`)
    return message
  }

  /** Not among the undecided: decided before, perhaps before the last crash, or never sent. */
  async #endUnknown({
    transactionId,
    resolution,
    producerGroup,
  }: EndTransactionRequest): Promise<EndTransactionResult> {
    const settledAs = this.#settled.get(transactionId) ?? (await this.#settledInLog(transactionId, producerGroup))
    if (settledAs === undefined || settledAs === 'given-up') return { status: 'not-found' }
    return resolution === 'unknown' || settledAs === resolution
      ? { status: 'ok', settledAs }
      : { status: 'settled', settledAs }
  }

  async #settledInLog(transactionId: string, producerGroup: string): Promise<Resolution | undefined> {
    const half = await this.#store.queryById(transactionId, HALF_TOPIC)
    if (half === undefined || half.property(PROPERTY_PRODUCER_GROUP) !== producerGroup) return undefined
    const topic = half.property(PROPERTY_REAL_TOPIC) ?? ''
    return (await this.#store.queryById(transactionId, topic)) === undefined ? 'rollback' : 'commit'
  }

  #forget(half: Half, as: Resolution | 'given-up'): void {
    this.#parts.wallAlarms.cancel(half.alarm)
    this.#halves.remove(half)
    this.#durabilities.delete(half.transactionId)
    this.#settled.set(half.transactionId, as)
    if (this.#settled.size <= SETTLED_MAX) return
    for (const oldest of this.#settled.keys()) {
      this.#settled.delete(oldest)
      return
    }
  }

  #setAlarm(half: Half): void {
    if (this.#isStopped) return
    this.#parts.wallAlarms.cancel(half.alarm)
    half.alarm = this.#parts.wallAlarms.at(half.checkAtMs, () => this.#run(() => this.#check(half)))
  }

  async #check(half: Half): Promise<void> {
    if (this.#isStopped || half.deciding !== undefined || this.#halves.get(half.transactionId) !== half) return
    const { events, clients, settings } = this.#parts
    const { producerGroup, transactionId } = half
    half.checkAtMs = this.#store.clock.nowMs() + settings.transactionCheckIntervalMs
    const ids = clients.ofProducerGroup(producerGroup)
    if (ids.length === 0) {
      // Kept for as long as it takes: nobody who could know has said anything.
      half.checkAtMs = Math.min(half.checkAtMs, this.#store.clock.nowMs())
      half.alarm = this.#parts.wallAlarms.in(settings.transactionCheckIntervalMs, () =>
        this.#run(() => this.#check(half)),
      )
      events.emit('transaction-no-checker', { producerGroup, transactionId, messageId: transactionId })
      return
    }
    const checking = half.checkTimes >= settings.transactionChecksMax ? this.#giveUp(half) : this.#ask(half, ids)
    half.deciding = checking
    try {
      await checking
    } finally {
      half.deciding = undefined
      if (this.#halves.get(transactionId) === half) this.#setAlarm(half)
    }
  }

  /** One more copy of the half message, with the count of questions; then one client of the group is asked. */
  async #ask(half: Half, ids: readonly string[]): Promise<void> {
    const message = await this.#recordOf(half)
    await this.#putWithOp([halfAgain(message, half.checkTimes + 1)], half)
    half.checkTimes++
    const asked = ids[this.#turn++ % ids.length] as string
    this.#parts.clients.emit(asked, {
      kind: 'check-transaction',
      producerGroup: half.producerGroup,
      transactionId: half.transactionId,
      messageId: message.uniqueKey ?? half.transactionId,
      halfQueueOffset: half.queueOffset,
      halfPhysicalOffset: half.physicalOffset,
      message: {
        record: message.record,
        queueOffset: message.queueOffset,
        physicalOffset: message.physicalOffset,
        sizeBytes: message.sizeBytes,
      },
    })
  }

  async #giveUp(half: Half): Promise<void> {
    const message = await this.#recordOf(half)
    this.#parts.topics.obtain(GIVE_UP_TOPIC)
    await this.#putWithOp([givenUp(message)], half)
    this.#forget(half, 'given-up')
    const { producerGroup, transactionId, checkTimes } = half
    const topic = message.property(PROPERTY_REAL_TOPIC) ?? ''
    this.#parts.events.emit('transaction-given-up', { producerGroup, transactionId, topic, checks: checkTimes })
  }

  #saveOffsetsLater(): void {
    if (this.#isSavingDue || this.#isStopped) return
    this.#isSavingDue = true
    this.#parts.wallAlarms.in(OFFSETS_INTERVAL_MS, () => {
      this.#isSavingDue = false
      this.#run(() => this.saveOffsets())
    })
  }

  /** Work nobody waits for; `stop` does. */
  #run(work: () => Promise<void>): void {
    const running: Promise<void> = work()
      .catch((error: unknown) => {
        if (isErrorNamed(error, 'STORE_CLOSED') || isErrorNamed(error, 'STORE_FAILED')) return
        this.#parts.events.emit('error', { where: 'checking transactions', error: asError(error) })
      })
      .finally(() => this.#work.delete(running))
    this.#work.add(running)
  }
}
