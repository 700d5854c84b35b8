/**
 * Push: a loop on the client's side that receives, calls the handler and settles. The core never calls anybody.
 * Messages are taken only for free hands, so that what waits waits where everybody can get it.   RocketMQ: DefaultMQPushConsumer.
 */
import { asError, isErrorNamed } from '../base/errors.ts'
import type { Alarm } from './alarms.ts'
import type { ConsumerCloseOptions, MessageHandler, MessageListener, PushConsumerOptions } from './consumer-options.ts'
import type { ConsumerParts } from './consumer-parts.ts'
import { consumerContext } from './consumer-parts.ts'
import type { PushSettings } from './consumer-settings.ts'
import { BATCH_MESSAGES, DRAIN_MS, pushRegistration, resolvePush } from './consumer-settings.ts'
import type {
  ClientContext,
  Outcome,
  ReceivedBatch,
  ReceivedMessage,
  ReceiveResult,
  SettleEntry,
} from './core-types.ts'
import type { HandlerEnd } from './handler-result.ts'
import { endOf, endsOf, isThenable, RETRY } from './handler-result.ts'
import { MessageView, receivedRecord } from './message-view.ts'
import { TIMEOUT_RETRY_MS } from './retry-copy.ts'
import { topicOfPopRetries } from './retry-topics.ts'
import type { HandledBatch, HandledMessage } from './running-handler.ts'
import { handlerTimeout, RunningHandler, RunningHandlers } from './running-handler.ts'
import { Uncommitted } from './uncommitted.ts'

/** The core's own patience beyond the consumer's: it only matters where this loop is gone. */
const LEASE_GRACE_MS = 60_000
/** Messages an ordered worker takes at a time; it works on them one after the other. */
const ORDERED_MESSAGES = 32
/** An ordered worker works so long on one queue; then others have their turn. RocketMQ: MAX_TIME_CONSUME_CONTINUOUSLY. */
const ONE_QUEUE_MS_MAX = 60_000
/** What was not committed comes again after this. RocketMQ: suspendCurrentQueueTimeMillis. */
const ROLLED_BACK: Outcome = { kind: 'release', afterMs: 1000 }
const HOLD: Outcome = { kind: 'hold' }

/** A consumer that calls a handler for every message. */
export class PushConsumer {
  readonly group: string
  readonly clientId: string
  readonly #parts: ConsumerParts
  readonly #settings: PushSettings
  readonly #ctx: ClientContext
  /** Calls the user's handler with one message, or with several. */
  readonly #call: (running: RunningHandler) => unknown
  /** Messages a handler is called with at most. */
  readonly #batchSize: number
  readonly #uncommitted = new Uncommitted()
  readonly #stop = new AbortController()
  readonly #running = new RunningHandlers()
  #acked: HandledBatch[] = []
  #watch: Alarm | undefined
  #onFree: (() => void) | undefined
  #onIdle: (() => void) | undefined
  #loops: Promise<unknown> = Promise.resolve()
  #closing: Promise<void> | undefined

  private constructor(parts: ConsumerParts, settings: PushSettings, ctx: ClientContext, group: string) {
    this.#parts = parts
    this.#settings = settings
    this.#ctx = ctx
    this.group = group
    this.clientId = ctx.clientId
    this.#call = callOf(settings)
    this.#batchSize = settings.batchListener === undefined ? 1 : (settings.batchSize ?? BATCH_MESSAGES)
  }

  /** Resolves once it has joined its group; handlers are called from then on. @throws SUBSCRIPTION_MISMATCH, INSTANCE_ID_IN_USE, INVALID_ARGUMENT */
  static async open(parts: ConsumerParts, options: PushConsumerOptions): Promise<PushConsumer> {
    const settings = resolvePush(options)
    const ctx = consumerContext(parts, settings.consumerGroup, settings.instanceName)
    const { group } = await parts.core.join(ctx, pushRegistration(settings), settings.signal)
    const consumer = new PushConsumer(parts, settings, ctx, group)
    consumer.#start()
    return consumer
  }

  /** How many handlers are running. */
  get inFlight(): number {
    return this.#running.size
  }

  /**
   * Takes no more messages, waits for running handlers, then aborts those that still run; what they had goes to others.
   * Idempotent.
   */
  close(options: ConsumerCloseOptions = {}): Promise<void> {
    this.#closing ??= this.#close(options.drainMs ?? DRAIN_MS, options.signal)
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #start(): void {
    const { orderly, concurrency } = this.#settings
    const workers = orderly === true ? concurrency : 1
    const work = (): Promise<void> => (orderly === true ? this.#workInOrder() : this.#workAtOnce())
    this.#loops = Promise.all(Array.from({ length: workers }, () => this.#guarded(work)))
  }

  async #guarded(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (this.#stop.signal.aborted || isErrorNamed(error, 'STORE_CLOSED')) return
      this.#parts.events.emit('error', { where: `push consumer of ${this.group}`, error: asError(error) })
    }
  }

  /** As many handlers at once as there are hands. */
  async #workAtOnce(): Promise<void> {
    const { concurrency } = this.#settings
    while (!this.#isStopped) {
      const free = concurrency - this.#running.size
      if (free <= 0) {
        await new Promise<void>(resolve => {
          this.#onFree = resolve
        })
        continue
      }
      // No name for what was received: this function would keep it while it waits for the next.
      if (!this.#runAll(this.#batchesOf(await this.#receive(this.#takesSeveral ? this.#batchSize : free)))) return
      const turn = this.#parts.turns.next()
      if (turn !== undefined) await turn
    }
  }

  /** Calls handlers for what was received; false where there is nothing more to do here. */
  #runAll(batches: readonly ReceivedBatch[] | undefined): boolean {
    if (batches === undefined) return false
    const startedMs = this.#parts.alarms.nowMs()
    if (this.#takesSeveral)
      this.#runWith(
        batches.flatMap(batch => handledMessages(this.group, batch)),
        startedMs,
      )
    else for (const received of batches) this.#runEach(received, startedMs)
    return true
  }

  /** One queue at a time, one message after the other. */
  async #workInOrder(): Promise<void> {
    while (!this.#isStopped) {
      const batches = this.#batchesOf(await this.#receive(ORDERED_MESSAGES))
      if (batches === undefined) return
      for (const received of batches) await this.#inOrder(received)
    }
  }

  async #inOrder(received: ReceivedBatch): Promise<void> {
    const messages = handledMessages(this.group, received)
    const beganMs = this.#parts.alarms.nowMs()
    for (let at = 0; at < messages.length; ) {
      const startedMs = this.#parts.alarms.nowMs()
      const several = messages.slice(at, at + this.#batchSize)
      at += several.length
      const isClean = await new Promise<boolean>(resolve => {
        this.#runWith(several, startedMs, resolve)
      })
      const rest = messages.slice(at)
      const isLong = this.#parts.alarms.nowMs() - beganMs > ONE_QUEUE_MS_MAX
      if (rest.length > 0 && (this.#isStopped || !isClean || isLong || !this.#owns(received))) {
        this.#settle(rest, { kind: 'release' })
        return
      }
      const turn = this.#parts.turns.next()
      if (turn !== undefined) await turn
    }
  }

  /** Whether the queue was not given to another member meanwhile. */
  #owns({ queueTopic: topic, queueId }: ReceivedBatch): boolean {
    return this.#parts.core.owns(this.#ctx, { group: this.group, topic, queueId })
  }

  #receive(maxMessages: number): Promise<ReceiveResult> {
    const { group } = this
    // What waits for a commit has no time of its own: it goes when this consumer goes.
    const { autoCommit, consumeTimeout } = this.#settings
    const invisibleMs = autoCommit ? consumeTimeout + LEASE_GRACE_MS : Number.POSITIVE_INFINITY
    const request = { group, maxMessages, invisibleMs, waitMs: Number.POSITIVE_INFINITY }
    return this.#parts.core.receive(this.#ctx, request, this.#stop.signal)
  }

  /** Undefined when there is nothing more to do here. */
  #batchesOf({ status, batches }: ReceiveResult): readonly ReceivedBatch[] | undefined {
    if (status !== 'fenced') return batches
    if (!this.#isStopped) {
      const { group, clientId } = this
      const reason = "another subscription has become the group's"
      this.#parts.events.emit('consumer-fenced', { group, clientId, reason })
    }
    return undefined
  }

  /** A handler for each message. */
  #runEach(received: ReceivedBatch, startedMs: number): void {
    const batch = handledBatch(received)
    const topic = topicOfPopRetries(this.group, received.queueTopic)
    for (const raw of received.messages) {
      this.#run(new RunningHandler(batch, raw.queueOffset, viewOfReceived(raw, topic), startedMs))
    }
  }

  /** One handler for all of them. */
  #runWith(messages: readonly HandledMessage[], startedMs: number, ended?: (isClean: boolean) => void): void {
    const [first, ...others] = messages
    if (first === undefined) return
    this.#run(new RunningHandler(first.batch, first.queueOffset, first.message, startedMs, { ended, others }))
  }

  #run(running: RunningHandler): void {
    this.#running.add(running)
    this.#watch ??= this.#watchFor(running)
    let result: unknown
    try {
      result = this.#call(running)
    } catch (error) {
      this.#failed(running, error)
      return
    }
    if (isThenable(result)) {
      result.then(
        value => this.#returned(running, value),
        (error: unknown) => this.#failed(running, error),
      )
    } else {
      this.#returned(running, result)
    }
  }

  #returned(running: RunningHandler, result: unknown): void {
    const ends = this.#takesSeveral ? endsOf(result, 1 + running.others.length) : undefined
    this.#end(running, ends?.[0] ?? endOf(result), ends)
  }

  #failed(running: RunningHandler, thrown: unknown): void {
    if (running.isOver) return
    const error = asError(thrown)
    for (const { message } of running.all) {
      const { topic, messageId, deliveryAttempt: attempt } = message
      this.#parts.events.emit('handler-failed', { group: this.group, topic, messageId, attempt, error })
    }
    this.#end(running, RETRY)
  }

  /** Its messages have ended: all as the first, or each in its way. */
  #end(running: RunningHandler, first: HandlerEnd, ends?: readonly HandlerEnd[]): void {
    if (running.isOver) return
    running.isOver = true
    this.#running.remove(running)
    let isClean = this.#endOne(running, first)
    const { others } = running
    for (let i = 0; i < others.length; i++) {
      isClean = this.#endOne(others[i] as HandledMessage, ends?.[i + 1] ?? first) && isClean
    }
    running.ended?.(isClean)
    this.#freed()
  }

  /** Answers whether what follows it in its queue may go on. */
  #endOne(handled: HandledMessage, end: HandlerEnd): boolean {
    const { autoCommit } = this.#settings
    if (end.kind === 'commit' || (end.kind === 'ack' && autoCommit)) {
      if (!autoCommit) for (const earlier of this.#uncommitted.take(handled)) this.#ack(earlier)
      this.#ack(handled)
      return true
    }
    if (end.kind === 'ack') {
      this.#uncommitted.add(handled)
      this.#settle([handled], HOLD)
      return true
    }
    if (end.kind !== 'rollback') this.#settle([handled], end)
    else if (autoCommit) this.#settle([handled], RETRY)
    else this.#settle([...this.#uncommitted.take(handled), handled], ROLLED_BACK)
    return false
  }

  #ack({ batch, queueOffset }: HandledMessage): void {
    if (this.#acked.length === 0) queueMicrotask(this.#acknowledge)
    if (batch.acked.length === 0) this.#acked.push(batch)
    batch.acked.push(queueOffset)
  }

  #freed(): void {
    const onFree = this.#onFree
    this.#onFree = undefined
    onFree?.()
    if (this.#running.size > 0) return
    this.#onIdle?.()
    this.#onIdle = undefined
  }

  /** Everything that ended in this turn, in one call. */
  readonly #acknowledge = (): void => {
    const entries: SettleEntry[] = []
    for (const batch of this.#acked) {
      const { queueTopic, receipt, acked: queueOffsets } = batch
      entries.push({ queueTopic, receipt, queueOffsets, outcome: { kind: 'ack' } })
      batch.acked = []
    }
    this.#acked = []
    this.#parts.core.acknowledge(this.#ctx, { group: this.group, entries })
  }

  #settle(messages: readonly HandledMessage[], outcome: Outcome): void {
    const entries = messages.map(({ batch: { queueTopic, receipt }, queueOffset }): SettleEntry => {
      return { queueTopic, receipt, queueOffsets: [queueOffset], outcome }
    })
    this.#parts.core.acknowledge(this.#ctx, { group: this.group, entries })
  }

  /** One alarm for the handler that began first: all have the same time. */
  #watchFor({ startedMs }: RunningHandler): Alarm {
    const { alarms } = this.#parts
    const dueMs = startedMs + this.#settings.consumeTimeout
    return alarms.in(dueMs - alarms.nowMs(), () => this.#endOverdue())
  }

  #endOverdue(): void {
    this.#watch = undefined
    const { consumeTimeout: afterMs } = this.#settings
    const nowMs = this.#parts.alarms.nowMs()
    for (let running = this.#running.first; running !== undefined; running = this.#running.first) {
      if (running.startedMs + afterMs > nowMs) {
        this.#watch = this.#watchFor(running)
        return
      }
      for (const { message } of running.all) {
        const { topic, messageId } = message
        this.#parts.events.emit('handler-timeout', { group: this.group, topic, messageId, afterMs })
      }
      running.abort(handlerTimeout(running.message, afterMs))
      this.#end(running, this.#settings.orderly === false ? { kind: 'retry', afterMs: TIMEOUT_RETRY_MS } : RETRY)
    }
  }

  get #takesSeveral(): boolean {
    return this.#settings.batchListener !== undefined
  }

  get #isStopped(): boolean {
    return this.#stop.signal.aborted
  }

  async #close(drainMs: number, signal: AbortSignal | undefined): Promise<void> {
    this.#stop.abort()
    if (this.#running.size > 0 && drainMs > 0 && signal?.aborted !== true) await this.#drained(drainMs, signal)
    for (let running = this.#running.first; running !== undefined; running = this.#running.first) {
      this.#running.remove(running)
      running.isOver = true
      running.abort(new DOMException('The consumer is closing', 'AbortError'))
      running.ended?.(false)
    }
    this.#freed()
    await this.#loops
    this.#parts.alarms.cancel(this.#watch)
    // What it still has is released with it.
    this.#parts.core.leave(this.#ctx, this.group)
    this.#parts.onClose(this)
  }

  #drained(drainMs: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise(resolve => {
      const over = (): void => {
        this.#parts.alarms.cancel(alarm)
        signal?.removeEventListener('abort', over)
        resolve()
      }
      const alarm = this.#parts.alarms.in(drainMs, over)
      signal?.addEventListener('abort', over, { once: true })
      this.#onIdle = over
    })
  }
}

/** How a user's handler is called. */
function callOf({ messageListener, batchListener }: PushSettings): (running: RunningHandler) => unknown {
  if (batchListener !== undefined) {
    return running =>
      batchListener(
        running.all.map(({ message }) => message),
        running,
      )
  }
  const handler = handlerOf(messageListener as MessageListener)
  return running => handler(running.message, running)
}

function handlerOf(listener: MessageListener): MessageHandler {
  return typeof listener === 'function' ? listener : (message, context) => listener.consume(message, context)
}

function handledBatch({ queueTopic, queueId, receipt }: ReceivedBatch): HandledBatch {
  return { queueTopic, queueId, receipt, acked: [] }
}

function viewOfReceived(raw: ReceivedMessage, topic: string | undefined): MessageView {
  return new MessageView(receivedRecord(raw), raw.deliveryAttempt, topic)
}

function handledMessages(group: string, received: ReceivedBatch): HandledMessage[] {
  const batch = handledBatch(received)
  const topic = topicOfPopRetries(group, received.queueTopic)
  return received.messages.map(raw => ({ batch, queueOffset: raw.queueOffset, message: viewOfReceived(raw, topic) }))
}
