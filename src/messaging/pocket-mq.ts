/**
 * PocketMQ: the object users hold. It opens a folder, hands out producers and consumers, and closes in the order that loses
 * nothing. Everything it does, its parts do.
 */
import { asError, isErrorNamed, PocketMQError } from '../base/errors.ts'
import { resolveSettings } from '../base/settings-table.ts'
import type { RecoveryReport, StoreOptions } from '../store/message-store.ts'
import { MessageStore } from '../store/message-store.ts'
import { Admin } from './admin.ts'
import { BodyCompressor } from './body-compressor.ts'
import { newClientId } from './client-id.ts'
import type {
  PullConsumerOptions,
  PushConsumerOptions,
  SimpleConsumerOptions,
  TailOptions,
} from './consumer-options.ts'
import { Consumers } from './consumers.ts'
import type { DeliveryCore } from './delivery-core.ts'
import type { Engine } from './engine.ts'
import { closeEngine, openEngine } from './engine.ts'
import type { EventListener, EventName } from './events.ts'
import { KeepAlive } from './keep-alive.ts'
import { checkGroupName } from './limits.ts'
import type { MessageView } from './message-view.ts'
import { checkOptionNames } from './option-names.ts'
import { Producer } from './producer.ts'
import type { ProducerOptions } from './producer-options.ts'
import type { ProducingCore } from './producing-core.ts'
import type { PullConsumer } from './pull-consumer.ts'
import type { PushConsumer } from './push-consumer.ts'
import type { MessagingOptions, ProducerSettings } from './settings.ts'
import { PRODUCER_SETTINGS, splitOptions } from './settings.ts'
import { closeOnSignals } from './signals.ts'
import type { SimpleConsumer } from './simple-consumer.ts'
import { tail } from './tail.ts'
import { answerTransactionChecks } from './transaction-checks.ts'

/** Options of {@link PocketMQ.open}: the store's, and messaging's. */
export type PocketMQOptions = StoreOptions & MessagingOptions

/** How {@link PocketMQ.close} ends. */
export type CloseOptions = {
  /** How long handlers that are running may go on; default 30 seconds. */
  readonly drainMs?: number
  /** Ends that wait early: handlers are aborted, and the folder is closed as cleanly. */
  readonly signal?: AbortSignal | undefined
}

/** A message queue in a folder. */
export class PocketMQ {
  /** Topics, groups, single messages, and the folder as a whole. */
  readonly admin: Admin
  readonly #engine: Engine
  readonly #consumers: Consumers
  readonly #producers = new Set<Producer>()
  /** Ends listening for signals. */
  #ignoreSignals: (() => void) | undefined
  #closing: Promise<void> | undefined

  private constructor(engine: Engine) {
    this.#engine = engine
    this.admin = new Admin(engine)
    const { store, delivery, alarms, events, settings } = engine
    const { random } = settings
    const connectionId = newClientId(random)
    this.#consumers = new Consumers({ core: delivery, clock: store.clock, alarms, events, random, connectionId })
  }

  /**
   * Opens a folder, creating it where there is none; recovers, and is ready when it resolves.
   * @throws INVALID_ARGUMENT, STORE_LOCKED, LOCK_UNAVAILABLE, UNSUPPORTED_FORMAT, UNSUPPORTED_FILE_SYSTEM, READ_ONLY, DISK_FULL, IO, CORRUPT; nothing on disk has changed then
   */
  static async open(dir: string, options: PocketMQOptions = {}): Promise<PocketMQ> {
    const { settings, rest } = splitOptions(options)
    return await PocketMQ.#around(await MessageStore.open(dir, rest), settings, options)
  }

  /** Reads any folder, also one that another process is writing, or that crashed. Changes no byte. */
  static async openReadOnly(dir: string, options: PocketMQOptions = {}): Promise<PocketMQ> {
    const { settings, rest } = splitOptions(options)
    return await PocketMQ.#around(await MessageStore.openReadOnly(dir, rest), settings, options)
  }

  static async #around(store: MessageStore, settings: Engine['settings'], options: PocketMQOptions): Promise<PocketMQ> {
    try {
      const mq = new PocketMQ(await openEngine(store, settings, options.advertise))
      if (settings.handleSignals) mq.#ignoreSignals = closeOnSignals(() => mq.close(), store.logger)
      return mq
    } catch (error) {
      await store.close().catch((second: unknown) => store.logger.warn({ err: second }, 'closing after a failed open'))
      throw error
    }
  }

  /** The folder. */
  get dir(): string {
    return this.#engine.store.dir
  }

  /** What recovery did at open. */
  get recovery(): RecoveryReport {
    const { store, offsets } = this.#engine
    return { ...store.recovery, clampedOffsets: store.recovery.clampedOffsets + offsets.clampedOffsets }
  }

  /** The engine below, for those who want it without messaging. Do not close it. */
  get store(): MessageStore {
    return this.#engine.store
  }

  /** The service under the client objects: plain values in and out. For adapters, as a network protocol is one. */
  get core(): { readonly producing: ProducingCore; readonly delivery: DeliveryCore } {
    return { producing: this.#engine.core, delivery: this.#engine.delivery }
  }

  /** Something to send with. Close it when its part of the program ends; `close` of the queue does it too. */
  producer(options: ProducerOptions = {}): Producer {
    this.#checkOpen()
    const settings = resolveSettings(PRODUCER_SETTINGS, options, 'producer')
    if (settings.group !== undefined) checkGroupName(settings.group)
    const { core, ids, store } = this.#engine
    const clientId = settings.clientId ?? newClientId(this.#engine.settings.random)
    const stop = new AbortController()
    const producer = new Producer({
      core,
      settings,
      ids,
      clock: store.clock,
      delayMsMax: this.#engine.settings.delayMsMax,
      defaultDurability: store.durability,
      compressor: compressorOf(settings),
      alarms: this.#engine.alarms,
      onClose: async closed => {
        this.#producers.delete(closed)
        stop.abort()
        this.#engine.clients.unregister(clientId)
      },
    })
    this.#producers.add(producer)
    this.#answerChecks(clientId, settings, stop.signal)
    return producer
  }

  /**
   * A consumer whose listener is called: returning acknowledges, throwing lets the message come again. Resolves once it has
   * joined its group. @throws INVALID_ARGUMENT, SUBSCRIPTION_MISMATCH, INSTANCE_ID_IN_USE
   */
  pushConsumer(options: PushConsumerOptions): Promise<PushConsumer> {
    return this.#consumers.push(options)
  }

  /** A consumer that asks for messages and ends each by a receipt. Errors as `pushConsumer`. */
  simpleConsumer(options: SimpleConsumerOptions): Promise<SimpleConsumer> {
    return this.#consumers.simple(options)
  }

  /** A consumer that owns its positions. Errors as `pushConsumer`. */
  pullConsumer(options: PullConsumerOptions): Promise<PullConsumer> {
    return this.#consumers.pull(options)
  }

  /** Follows a topic without a group: `for await (const message of mq.tail('orders', { from: 'last', signal }))`. */
  tail(topic: string, options: TailOptions = {}): AsyncGenerator<MessageView> {
    this.#checkOpen()
    const { delivery: core, store, topics } = this.#engine
    return tail({ core, store, topics }, topic, options)
  }

  /** Calls `listener` for each such event from now on. Answers how to stop that. */
  on<N extends EventName>(event: N, listener: EventListener<N>): () => void {
    return this.#engine.events.on(event, listener)
  }

  /** An id no other message has: for `send(message, { messageId })` where one message may be sent more than once. */
  newMessageId(): string {
    return this.#engine.ids.next()
  }

  /** Tells listeners of `error` about something that failed in the background of what is built on the queue. */
  report(where: string, error: Error): void {
    this.#engine.events.emit('error', { where, error })
  }

  /** Idempotent. When it resolves the folder is closed cleanly: a broker, or the next open, goes on where this one ended. */
  close(options: CloseOptions = {}): Promise<void> {
    checkOptionNames('close', options, ['drainMs', 'signal'])
    // A handler that is waited for may stand on nothing that keeps the process alive.
    this.#closing ??= new KeepAlive(this.#engine.store.clock).during(this.#close(options))
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(options: CloseOptions): Promise<void> {
    const { store } = this.#engine
    const failures: unknown[] = []
    const attempt = async (step: () => Promise<unknown>): Promise<void> => {
      await step().catch((error: unknown) => failures.push(error))
    }
    this.#engine.closing.abort(closedError())
    // Handlers that are still running may send.
    await attempt(() => this.#consumers.close(options))
    await attempt(() => Promise.all([...this.#producers].map(producer => producer.close())))
    await attempt(() => closeEngine(this.#engine))
    await attempt(() => store.close())
    this.#ignoreSignals?.()
    if (failures.length > 0) throw asError(failures[0])
  }

  /** A producer with a checker is a client that can be asked; without one nobody would answer. */
  #answerChecks(clientId: string, { group, checker }: ProducerSettings, signal: AbortSignal): void {
    const { clients, core, events, transactions } = this.#engine
    if (group === undefined || checker === undefined) return
    clients.register({ clientId, producerGroups: [group] })
    const onRefused = (error: unknown): void => {
      if (!signal.aborted && !isErrorNamed(error, 'STORE_CLOSED')) {
        events.emit('error', { where: `the checker of producer group ${group}`, error: asError(error) })
      }
    }
    answerTransactionChecks({ clients, core, clientId, checker, signal, onRefused }).catch(onRefused)
    transactions.onProducer([group])
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw closedError()
  }
}

function closedError(): PocketMQError {
  return new PocketMQError('STORE_CLOSED', 'this queue is closed', { hint: 'Open the folder again.' })
}

function compressorOf(settings: ProducerSettings): BodyCompressor | undefined {
  const { compression: type, compressionLevel: level, compressionBytesMin: bytesMin } = settings
  return type === 'none' ? undefined : new BodyCompressor({ type, level, bytesMin })
}
