/**
 * Simple: the caller receives, acknowledges, gives back, and asks for more time.   RocketMQ 5: SimpleConsumer.
 * A message's receipt is a string; the message object only holds it, together with the group and queue it belongs to.
 */
import { PocketMQError } from '../base/errors.ts'
import type { ConsumerCloseOptions, SimpleConsumerOptions } from './consumer-options.ts'
import type { ConsumerParts } from './consumer-parts.ts'
import { consumerContext } from './consumer-parts.ts'
import type { SimpleSettings } from './consumer-settings.ts'
import { resolveSimple, simpleRegistration } from './consumer-settings.ts'
import type { ClientContext, Outcome, ReceivedBatch, ReceivedMessage, SettleStatus } from './core-types.ts'
import { MessageView, receivedRecord } from './message-view.ts'
import { checkOptionNames } from './option-names.ts'
import { parseReceipt, receiptOf } from './receipt-handle.ts'
import { queueTopicOf, topicOfPopRetries } from './retry-topics.ts'

const INVISIBLE_MS = 60_000
const INVISIBLE_MS_MIN = 1000
const INVISIBLE_MS_MAX = 12 * 3_600_000
/** RocketMQ's proxy renews so long. */
const AUTO_RENEW_MS = 3 * 3_600_000
const ATTEMPT_ID_CHARS_MAX = 255
const RECEIVE_MESSAGES = 16
const RECEIVE_MESSAGES_MAX = 1024

/** A message by its receipt: the message object, or what was kept of it. */
export type Receipted = { readonly topic: string; readonly receiptHandle: string }

/** How {@link SimpleConsumer.receive} may be asked. */
export type ReceiveOptions = {
  /** Ends the wait. */
  readonly signal?: AbortSignal | undefined
  /** Their time starts anew by itself while the consumer is there, for three hours in all. Default: as the consumer has it. */
  readonly autoRenew?: boolean
  /**
   * The caller's name for this receive. In order (`orderly`), asking again by the same name answers the same messages, by the
   * same receipts, as long as they are this consumer's; without order it means nothing.
   */
  readonly attemptId?: string
}

/** How {@link SimpleConsumer.nack} gives back. */
export type NackOptions = {
  /** Milliseconds until somebody gets it again. Default 0. */
  readonly delay?: number
}

/** A message that was received and is this consumer's for a while. */
export class SimpleMessageView extends MessageView {
  readonly #consumer: SimpleConsumer
  #receiptHandle: string

  constructor(consumer: SimpleConsumer, raw: ReceivedMessage, receiptHandle: string, topic?: string) {
    super(receivedRecord(raw), raw.deliveryAttempt, topic)
    this.#consumer = consumer
    this.#receiptHandle = receiptHandle
  }

  /** The receipt that ends it. Asking for more time makes it another one. */
  get receiptHandle(): string {
    return this.#receiptHandle
  }

  /** @throws INVALID_RECEIPT_HANDLE when its time is over, or it has ended */
  ack(): Promise<void> {
    return this.#consumer.ack(this)
  }

  /** @throws INVALID_RECEIPT_HANDLE */
  nack(options: NackOptions = {}): Promise<void> {
    return this.#consumer.nack(this, options)
  }

  /** @throws INVALID_RECEIPT_HANDLE */
  async changeInvisibleDuration(invisibleDuration: number): Promise<string> {
    return await this.#consumer.changeInvisibleDuration(this, invisibleDuration)
  }

  /** The receipt it has from now on. */
  renewed(receiptHandle: string): void {
    this.#receiptHandle = receiptHandle
  }

  override toJSON(): Record<string, unknown> {
    return { ...super.toJSON(), receiptHandle: this.receiptHandle }
  }
}

/** A consumer whose caller decides when. */
export class SimpleConsumer {
  readonly group: string
  readonly clientId: string
  readonly #parts: ConsumerParts
  readonly #settings: SimpleSettings
  readonly #ctx: ClientContext
  readonly #stop = new AbortController()
  #isClosed = false

  private constructor(parts: ConsumerParts, settings: SimpleSettings, ctx: ClientContext, group: string) {
    this.#parts = parts
    this.#settings = settings
    this.#ctx = ctx
    this.group = group
    this.clientId = ctx.clientId
  }

  /** Resolves once it has joined its group. @throws SUBSCRIPTION_MISMATCH, INSTANCE_ID_IN_USE, INVALID_ARGUMENT */
  static async open(parts: ConsumerParts, options: SimpleConsumerOptions): Promise<SimpleConsumer> {
    const settings = resolveSimple(options)
    const ctx = consumerContext(parts, settings.consumerGroup, settings.instanceName)
    const { group } = await parts.core.join(ctx, simpleRegistration(settings), settings.signal)
    return new SimpleConsumer(parts, settings, ctx, group)
  }

  /**
   * Up to `maxMessageNum` messages, as soon as there is one; none when `awaitDuration` is over. They are this consumer's for
   * `invisibleDuration` milliseconds; what is not acknowledged by then comes again. With an `awaitDuration` of 0 it answers
   * with what there is, also where that has to be read from the disk first.
   * @throws INVALID_ARGUMENT, STORE_CLOSED, SUBSCRIPTION_MISMATCH once another subscription is the group's, AbortError
   */
  async receive(
    maxMessageNum: number = RECEIVE_MESSAGES,
    invisibleDuration: number = INVISIBLE_MS,
    options: ReceiveOptions = {},
  ): Promise<SimpleMessageView[]> {
    checkOptionNames('receive', options, ['signal', 'autoRenew', 'attemptId'])
    const { signal, autoRenew = this.#settings.autoRenew, attemptId } = options
    checkRange('maxMessageNum', maxMessageNum, 1, RECEIVE_MESSAGES_MAX)
    checkRange('invisibleDuration', invisibleDuration, INVISIBLE_MS_MIN, INVISIBLE_MS_MAX)
    checkAttemptId(attemptId)
    this.#checkOpen()
    const request = {
      group: this.group,
      maxMessages: maxMessageNum,
      invisibleMs: invisibleDuration,
      waitMs: this.#settings.awaitDuration,
      ...(autoRenew ? { autoRenewMs: AUTO_RENEW_MS } : {}),
      ...(attemptId === undefined ? {} : { attemptId }),
    }
    const both = signal === undefined ? this.#stop.signal : AbortSignal.any([signal, this.#stop.signal])
    try {
      const { status, batches } = await this.#parts.core.receive(this.#ctx, request, both)
      // Closing has given them to others.
      if (this.#isClosed) return []
      if (status === 'fenced') throw this.#fenced()
      return batches.flatMap(batch => this.#views(batch))
    } catch (error) {
      // Closing while somebody waits is no failure of his.
      if (this.#isClosed && signal?.aborted !== true) return []
      throw error
    }
  }

  /** Its message is done; it survives the process when this resolves. @throws INVALID_RECEIPT_HANDLE */
  async ack(message: Receipted): Promise<void> {
    await this.#settle(message, { kind: 'ack' })
  }

  /** Gives it back: somebody gets it again, after `delay` milliseconds, as another attempt. @throws INVALID_RECEIPT_HANDLE */
  async nack(message: Receipted, options: NackOptions = {}): Promise<void> {
    checkOptionNames('nack', options, ['delay'])
    const { delay = 0 } = options
    checkRange('delay', delay, 0, INVISIBLE_MS_MAX)
    if (delay > 0) await this.#changeInvisible(message, delay, true)
    else await this.#settle(message, { kind: 'retry', afterMs: 0 })
  }

  /** Straight to the group's dead letters. @throws INVALID_RECEIPT_HANDLE */
  async deadLetter(message: Receipted): Promise<void> {
    await this.#settle(message, { kind: 'dlq' })
  }

  /** Its time starts anew. Answers the receipt it has from now on; the one before is dead. @throws INVALID_RECEIPT_HANDLE */
  async changeInvisibleDuration(message: Receipted, invisibleDuration: number): Promise<string> {
    checkRange('invisibleDuration', invisibleDuration, INVISIBLE_MS_MIN, INVISIBLE_MS_MAX)
    return await this.#changeInvisible(message, invisibleDuration, false)
  }

  /** One message after the other, for ever; ends when the consumer closes. */
  async *[Symbol.asyncIterator](): AsyncGenerator<SimpleMessageView> {
    while (!this.#isClosed) yield* await this.receive(1)
  }

  /** What it still has goes to others at once. Idempotent. */
  async close(_options: ConsumerCloseOptions = {}): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#stop.abort()
    this.#parts.core.leave(this.#ctx, this.group)
    this.#parts.onClose(this)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #settle({ topic, receiptHandle }: Receipted, outcome: Outcome): Promise<void> {
    const { queueOffset } = parseReceipt(receiptHandle)
    const queueTopic = this.#queueTopic(topic, receiptHandle)
    const entry = { queueTopic, receipt: receiptHandle, queueOffsets: [queueOffset], outcome }
    const { statuses } = await this.#parts.core.settle(this.#ctx, { group: this.group, entries: [entry] })
    checkStatus(statuses[0]?.[0], receiptHandle)
  }

  async #changeInvisible(message: Receipted, invisibleMs: number, isGivenBack: boolean): Promise<string> {
    const { topic, receiptHandle } = message
    const queueTopic = this.#queueTopic(topic, receiptHandle)
    const request = { group: this.group, queueTopic, receipt: receiptHandle, invisibleMs, isGivenBack }
    const { status, receipt } = this.#parts.core.changeInvisible(this.#ctx, request)
    checkStatus(status, receiptHandle)
    if (message instanceof SimpleMessageView) message.renewed(receipt)
    return receipt
  }

  #queueTopic(topic: string, receiptHandle: string): string {
    return queueTopicOf(this.group, topic, parseReceipt(receiptHandle).topicType)
  }

  #views({ queueTopic, receipt, messages }: ReceivedBatch): SimpleMessageView[] {
    const topic = topicOfPopRetries(this.group, queueTopic)
    return messages.map(raw => new SimpleMessageView(this, raw, receiptOf(receipt, raw.queueOffset), topic))
  }

  #checkOpen(): void {
    if (!this.#isClosed) return
    throw new PocketMQError('STORE_CLOSED', 'this consumer is closed', { hint: 'Make another one.' })
  }

  #fenced(): PocketMQError {
    return new PocketMQError('SUBSCRIPTION_MISMATCH', `another subscription has become that of group '${this.group}'`, {
      hint: 'Close this consumer and make one with the new subscription.',
      details: { group: this.group, clientId: this.clientId },
    })
  }
}

function checkStatus(status: SettleStatus | undefined, receiptHandle: string): void {
  if (status === 'ok') return
  const why = status === 'expired' ? 'its invisible time is over' : 'the message has ended, or has another receipt'
  throw new PocketMQError('INVALID_RECEIPT_HANDLE', `the receipt ends nothing: ${why}`, {
    hint: 'Acknowledge in time, ask for more with changeInvisibleDuration, and use the receipt it answers.',
    details: { status: status ?? 'invalid-handle', receiptHandle },
  })
}

function checkAttemptId(attemptId: string | undefined): void {
  if (attemptId === undefined) return
  if (typeof attemptId === 'string' && attemptId !== '' && attemptId.length <= ATTEMPT_ID_CHARS_MAX) return
  throw new PocketMQError('INVALID_ARGUMENT', `attemptId must be a text of 1 to ${ATTEMPT_ID_CHARS_MAX} characters`, {
    hint: 'Make one id for each receive, for example with crypto.randomUUID(), and pass it again only to ask again.',
    details: { option: 'attemptId', given: String(attemptId) },
  })
}

function checkRange(option: string, value: number, min: number, max: number): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return
  throw new PocketMQError(
    'INVALID_ARGUMENT',
    `${option} must be a whole number from ${min} to ${max}, not ${String(value)}`,
    {
      hint: `Pass ${option} within these bounds; durations are milliseconds.`,
      details: { option, given: value, min, max },
    },
  )
}
