/**
 * Push: a loop on the client's side that receives, calls the handler and settles. The core never calls anybody.
 * Messages are taken only for free hands, so that what waits waits where everybody can get it.   RocketMQ: DefaultMQPushConsumer.
 */
import { asError, isErrorNamed } from '../base/errors.ts'
import type { Alarm } from './alarms.ts'
import type { ConsumerCloseOptions, MessageHandler, PushConsumerOptions } from './consumer-options.ts'
import type { ConsumerParts } from './consumer-parts.ts'
import { consumerContext } from './consumer-parts.ts'
import type { PushSettings } from './consumer-settings.ts'
import { DRAIN_MS, pushRegistration, resolvePush } from './consumer-settings.ts'
import type { ClientContext, Outcome, ReceivedBatch, ReceivedMessage, SettleEntry } from './core-types.ts'
import { MessageView, receivedRecord } from './message-view.ts'
import { TIMEOUT_RETRY_MS } from './retry-copy.ts'
import type { HandledBatch } from './running-handler.ts'
import { handlerOf, handlerTimeout, isThenable, outcomeOf, RunningHandler, RunningHandlers } from './running-handler.ts'

/** The core's own patience beyond the consumer's: it only matters where this loop is gone. */
const LEASE_GRACE_MS = 60_000
/** Messages an ordered worker takes at a time; it works on them one after the other. */
const ORDERED_MESSAGES = 32

/** A consumer that calls a handler for every message. */
export class PushConsumer {
  readonly group: string
  readonly clientId: string
  readonly #parts: ConsumerParts
  readonly #settings: PushSettings
  readonly #ctx: ClientContext
  readonly #handler: MessageHandler
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
    this.#handler = handlerOf(settings.messageListener)
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
    this.#closing ??= this.#close(options.drainMs ?? DRAIN_MS)
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
      const batches = await this.#receive(free)
      if (batches === undefined) return
      const startedMs = this.#parts.alarms.nowMs()
      for (const received of batches) {
        const batch: HandledBatch = { queueTopic: received.queueTopic, receipt: received.receipt, acked: [] }
        for (const message of received.messages) this.#run(batch, message, startedMs)
      }
      const turn = this.#parts.turns.next()
      if (turn !== undefined) await turn
    }
  }

  /** One queue at a time, one message after the other. */
  async #workInOrder(): Promise<void> {
    while (!this.#isStopped) {
      const batches = await this.#receive(ORDERED_MESSAGES)
      if (batches === undefined) return
      for (const received of batches) await this.#inOrder(received)
    }
  }

  async #inOrder({ queueTopic, receipt, messages }: ReceivedBatch): Promise<void> {
    const batch: HandledBatch = { queueTopic, receipt, acked: [] }
    for (const [i, message] of messages.entries()) {
      const outcome = await new Promise<Outcome>(resolve => {
        this.#run(batch, message, this.#parts.alarms.nowMs(), resolve)
      })
      const rest = messages.slice(i + 1).map(later => later.queueOffset)
      if (rest.length > 0 && (this.#isStopped || outcome.kind !== 'ack')) {
        this.#settle(batch, rest, { kind: 'release' })
        return
      }
      const turn = this.#parts.turns.next()
      if (turn !== undefined) await turn
    }
  }

  /** Undefined when there is nothing more to do here. */
  async #receive(maxMessages: number): Promise<readonly ReceivedBatch[] | undefined> {
    const { group } = this
    const invisibleMs = this.#settings.consumeTimeout + LEASE_GRACE_MS
    const request = { group, maxMessages, invisibleMs, waitMs: Number.POSITIVE_INFINITY }
    const { status, batches } = await this.#parts.core.receive(this.#ctx, request, this.#stop.signal)
    if (status !== 'fenced') return batches
    if (!this.#isStopped) {
      const reason = "another subscription has become the group's"
      this.#parts.events.emit('consumer-fenced', { group, clientId: this.clientId, reason })
    }
    return undefined
  }

  #run(batch: HandledBatch, raw: ReceivedMessage, startedMs: number, ended?: (outcome: Outcome) => void): void {
    const message = new MessageView(receivedRecord(raw), raw.deliveryAttempt)
    const running = new RunningHandler(batch, raw.queueOffset, message, startedMs, ended)
    this.#running.add(running)
    this.#watch ??= this.#watchFor(running)
    let result: unknown
    try {
      result = this.#handler(message, running)
    } catch (error) {
      this.#failed(running, error)
      return
    }
    if (isThenable(result)) {
      result.then(
        value => this.#end(running, outcomeOf(value)),
        (error: unknown) => this.#failed(running, error),
      )
    } else {
      this.#end(running, outcomeOf(result))
    }
  }

  #failed(running: RunningHandler, thrown: unknown): void {
    if (running.isOver) return
    const { topic, messageId, deliveryAttempt: attempt } = running.message
    this.#parts.events.emit('handler-failed', { group: this.group, topic, messageId, attempt, error: asError(thrown) })
    this.#end(running, { kind: 'retry' })
  }

  #end(running: RunningHandler, outcome: Outcome): void {
    if (running.isOver) return
    running.isOver = true
    this.#running.remove(running)
    const { batch, queueOffset } = running
    if (outcome.kind === 'ack') {
      if (this.#acked.length === 0) queueMicrotask(this.#acknowledge)
      if (batch.acked.length === 0) this.#acked.push(batch)
      batch.acked.push(queueOffset)
    } else {
      this.#settle(batch, [queueOffset], outcome)
    }
    running.ended?.(outcome)
    this.#freed()
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

  #settle({ queueTopic, receipt }: HandledBatch, queueOffsets: readonly number[], outcome: Outcome): void {
    const entries: SettleEntry[] = [{ queueTopic, receipt, queueOffsets, outcome }]
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
      const { topic, messageId } = running.message
      this.#parts.events.emit('handler-timeout', { group: this.group, topic, messageId, afterMs })
      running.abort(handlerTimeout(running.message, afterMs))
      this.#end(
        running,
        this.#settings.orderly === false ? { kind: 'retry', afterMs: TIMEOUT_RETRY_MS } : { kind: 'retry' },
      )
    }
  }

  get #isStopped(): boolean {
    return this.#stop.signal.aborted
  }

  async #close(drainMs: number): Promise<void> {
    this.#stop.abort()
    if (this.#running.size > 0 && drainMs > 0) await this.#drained(drainMs)
    for (let running = this.#running.first; running !== undefined; running = this.#running.first) {
      this.#running.remove(running)
      running.isOver = true
      running.abort(new DOMException('The consumer is closing', 'AbortError'))
      running.ended?.({ kind: 'release' })
    }
    this.#freed()
    await this.#loops
    this.#parts.alarms.cancel(this.#watch)
    // What it still has is released with it.
    this.#parts.core.leave(this.#ctx, this.group)
    this.#parts.onClose(this)
  }

  #drained(drainMs: number): Promise<void> {
    return new Promise(resolve => {
      const alarm = this.#parts.alarms.in(drainMs, resolve)
      this.#onIdle = () => {
        this.#parts.alarms.cancel(alarm)
        resolve()
      }
    })
  }
}
