/**
 * Half messages that are undecided, and how far the half and op queues are done with. No clock; reads only at open.
 * RocketMQ: TransactionalMessageServiceImpl.
 */
import {
  PROPERTY_PRODUCER_GROUP,
  PROPERTY_TRANSACTION_CHECK_TIMES,
  PROPERTY_TRANSACTION_ID,
  PROPERTY_TRANSACTION_PREPARED_QUEUE_OFFSET,
} from '../codec/properties.ts'
import type { MessageStore, StoredMessage } from '../store/message-store.ts'
import type { Alarm } from './alarms.ts'
import { opQueueOffsets } from './delayed-record.ts'
import { HALF_TOPIC, OP_TOPIC } from './topics.ts'

/** One undecided transaction. */
export type Half = {
  readonly transactionId: string
  readonly producerGroup: string
  /** Where its newest copy lies; each question asked appends another. */
  queueOffset: number
  physicalOffset: number
  sizeBytes: number
  /** queueOffsets of all its copies. */
  readonly copies: number[]
  checkTimes: number
  /** Epoch milliseconds before which nobody is asked. */
  checkAtMs: number
  alarm: Alarm | undefined
  /** A decision is on its way to the log. */
  deciding: Promise<unknown> | undefined
}

/** How far the two queues are done with: what a reopen, or a broker, starts from. */
export type TransactionOffsets = { readonly half: number; readonly op: number }

type Op = { readonly queueOffset: number; readonly highest: number }

const READ_MESSAGES = 256

/** The undecided transactions of one store. */
export class HalfMessages {
  readonly #byId = new Map<string, Half>()
  /** By the queueOffsets of the newest copies; in no order: a copy counts when it is written, others may have come meanwhile. */
  readonly #byOffset = new Map<number, Half>()
  #ops: Op[] = []
  #nextHalf = 0
  #nextOp = 0

  get count(): number {
    return this.#byId.size
  }

  all(): Half[] {
    return [...this.#byId.values()]
  }

  get(transactionId: string): Half | undefined {
    return this.#byId.get(transactionId)
  }

  /** The lowest physicalOffset of an undecided half message; Infinity without any. */
  get lowestPhysicalOffset(): number {
    let lowest = Number.POSITIVE_INFINITY
    for (const half of this.#byOffset.values()) lowest = Math.min(lowest, half.physicalOffset)
    return lowest
  }

  /** A half message is stored. */
  add(half: Half): void {
    this.#byId.set(half.transactionId, half)
    this.#byOffset.set(half.queueOffset, half)
    this.#nextHalf = Math.max(this.#nextHalf, half.queueOffset + 1)
  }

  /** Another copy of it takes its place. */
  move(
    half: Half,
    to: { readonly queueOffset: number; readonly physicalOffset: number; readonly sizeBytes: number },
  ): void {
    this.#byOffset.delete(half.queueOffset)
    half.queueOffset = to.queueOffset
    half.physicalOffset = to.physicalOffset
    half.sizeBytes = to.sizeBytes
    half.copies.push(to.queueOffset)
    this.add(half)
  }

  /** It is decided. */
  remove(half: Half): void {
    this.#byId.delete(half.transactionId)
    this.#byOffset.delete(half.queueOffset)
  }

  /** It was never written: its queueOffset is another's, or will be. */
  takeBack(half: Half): void {
    if (this.#byId.get(half.transactionId) === half) this.#byId.delete(half.transactionId)
    if (this.#byOffset.get(half.queueOffset) === half) this.#byOffset.delete(half.queueOffset)
    this.#nextHalf = Math.min(this.#nextHalf, half.queueOffset)
  }

  /** An op message that names these half queueOffsets is stored. Answers what takes it back. */
  addOp(queueOffset: number, halfQueueOffsets: readonly number[]): () => void {
    const op: Op = { queueOffset, highest: Math.max(...halfQueueOffsets) }
    this.#ops.push(op)
    this.#nextOp = queueOffset + 1
    return () => {
      this.#ops = this.#ops.filter(other => other !== op)
      this.#nextOp = Math.min(this.#nextOp, queueOffset)
    }
  }

  /** Everything below is decided, or said by op messages at or above `op`. */
  offsets(): TransactionOffsets {
    let half = this.#nextHalf
    for (const queueOffset of this.#byOffset.keys()) half = Math.min(half, queueOffset)
    let done = 0
    while (done < this.#ops.length && (this.#ops[done] as Op).highest < half) done++
    if (done > 0) this.#ops = this.#ops.slice(done)
    return { half, op: this.#ops[0]?.queueOffset ?? this.#nextOp }
  }

  /** Finds what is undecided, from the two offsets on. `checkAtMs` is left at the time a half message was stored. */
  static async read(store: MessageStore, from: TransactionOffsets): Promise<HalfMessages> {
    const halves = new HalfMessages()
    const decided = new Set<number>()
    await eachMessage(store, OP_TOPIC, Math.min(from.op, await firstOpFor(store, from.half)), message => {
      const queueOffsets = opQueueOffsets(message.body)
      for (const queueOffset of queueOffsets) decided.add(queueOffset)
      if (queueOffsets.length > 0) halves.addOp(message.queueOffset, queueOffsets)
      halves.#nextOp = message.queueOffset + 1
    })
    await eachMessage(store, HALF_TOPIC, from.half, message => halves.#see(message, decided))
    // Of a transaction's copies the newest counts; an older one without an op message is simply older.
    halves.#dropDecided(decided)
    return halves
  }

  #see(message: StoredMessage, decided: Set<number>): void {
    this.#nextHalf = message.queueOffset + 1
    const transactionId = message.property(PROPERTY_TRANSACTION_ID) ?? message.uniqueKey
    if (transactionId === undefined) return
    const { queueOffset, physicalOffset, sizeBytes } = message
    const prepared = Number(message.property(PROPERTY_TRANSACTION_PREPARED_QUEUE_OFFSET) ?? -1)
    if (decided.has(prepared)) decided.add(queueOffset)
    const known = this.#byId.get(transactionId)
    const checkTimes = Number(message.property(PROPERTY_TRANSACTION_CHECK_TIMES) ?? 0) || 0
    if (known === undefined) this.add(halfOf(message, transactionId, checkTimes))
    else {
      this.move(known, { queueOffset, physicalOffset, sizeBytes })
      known.checkTimes = checkTimes
    }
  }

  #dropDecided(decided: ReadonlySet<number>): void {
    for (const half of this.all()) if (decided.has(half.queueOffset)) this.remove(half)
  }
}

/** A half message as it is stored. */
export function halfOf(message: StoredMessage, transactionId: string, checkTimes: number): Half {
  return {
    transactionId,
    producerGroup: message.property(PROPERTY_PRODUCER_GROUP) ?? '',
    queueOffset: message.queueOffset,
    physicalOffset: message.physicalOffset,
    sizeBytes: message.sizeBytes,
    copies: [message.queueOffset],
    checkTimes,
    checkAtMs: message.storeTimestamp,
    alarm: undefined,
    deciding: undefined,
  }
}

/**
 * Where the op messages begin that can name half messages from `half` on. The two offsets are two entries of the offset log: a power
 * cut may leave the second one alone, and what the ops below it decided would be committed once more.
 */
async function firstOpFor(store: MessageStore, half: number): Promise<number> {
  const range = store.queueRange(HALF_TOPIC, 0)
  if (range === undefined || store.queueRange(OP_TOPIC, 0) === undefined) return 0
  const queueOffset = Math.max(half, range.minQueueOffset)
  const { messages } = await store.read({ topic: HALF_TOPIC, queueId: 0, queueOffset, maxMessages: 1 })
  const first = messages[0]
  return first === undefined ? Number.POSITIVE_INFINITY : await store.queueOffsetUpTo(OP_TOPIC, 0, first.physicalOffset)
}

async function eachMessage(
  store: MessageStore,
  topic: string,
  from: number,
  see: (message: StoredMessage) => void,
): Promise<void> {
  const range = store.queueRange(topic, 0)
  if (range === undefined) return
  let queueOffset = Math.max(from, range.minQueueOffset)
  while (queueOffset < range.maxQueueOffset) {
    const result = await store.read({ topic, queueId: 0, queueOffset, maxMessages: READ_MESSAGES })
    for (const message of result.messages) see(message)
    if (result.nextQueueOffset <= queueOffset) return
    queueOffset = result.nextQueueOffset
  }
}
