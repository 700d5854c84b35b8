/**
 * What the engine has to say without being asked: `mq.on(name, listener)`. Every detail is a plain value.
 * A listener that throws is reported as an `error` event; an `error` without a listener goes to the logger, at most once a minute.
 */
import type { Clock } from '../base/clock.ts'
import { asError, PocketMQError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'

/** Every event and what comes with it. */
export type MessagingEvents = {
  /** Something in the background failed. */
  error: { readonly where: string; readonly error: Error }
  /** Retention or damage took messages a group had not consumed. */
  'offset-gap': {
    readonly group: string
    readonly topic: string
    readonly queueId: number
    readonly from: number
    readonly to: number
    readonly lost: number
  }
  /** A topic has messages and no group consumes it. */
  'topic-unconsumed': { readonly topic: string; readonly messages: number }
  /** A group with ordered or pull consumers that are there, and a queue of a topic it subscribes to that is none of theirs. */
  'queue-unassigned': { readonly group: string; readonly topic: string; readonly queueId: number }
  /** A group has unconsumed messages and no live member. */
  'group-absent': { readonly group: string; readonly absentMs: number; readonly lag: number }
  'subscription-mismatch': { readonly group: string; readonly registered: string; readonly refused: string }
  /** An expression matched none of the last messages, 1,000 or more: said once, until one matches. */
  'subscription-matches-nothing': {
    readonly group: string
    readonly topic: string
    readonly expression: string
    readonly messages: number
  }
  /** A handler threw; its message comes again later, or is a dead letter. */
  'handler-failed': {
    readonly group: string
    readonly topic: string
    readonly messageId: string
    readonly attempt: number
    readonly error: Error
  }
  /** Another subscription has become the group's: this consumer gets no more messages. */
  'consumer-fenced': { readonly group: string; readonly clientId: string; readonly reason: string }
  /** A handler has run longer than its timeout. */
  'handler-timeout': {
    readonly group: string
    readonly topic: string
    readonly messageId: string
    readonly afterMs: number
  }
  /** A queue pauses: too many messages are done above one that is not. */
  'queue-paused': {
    readonly group: string
    readonly topic: string
    readonly queueId: number
    readonly ackedRanges: number
  }
  /** An ordered message has used up its attempts and, as its consumer chose, blocks its queue or message group. */
  'message-blocks': {
    readonly group: string
    readonly topic: string
    readonly queueId: number
    readonly queueOffset: number
    readonly attempts: number
  }
  /** A message that one instance of a broadcast failed to handle: it is not tried again. */
  'broadcast-dropped': {
    readonly group: string
    readonly topic: string
    readonly queueId: number
    readonly queueOffset: number
  }
  /** A consumer had messages longer than it may; they go to others. */
  'lease-expired': {
    readonly group: string
    readonly topic: string
    readonly queueId: number
    readonly clientId: string
    readonly messages: number
  }
  'dead-letter': {
    readonly group: string
    readonly topic: string
    readonly messageId: string
    readonly attempts: number
  }
  /** A transaction is undecided and no client of its producer group has a checker. It is kept. */
  'transaction-no-checker': {
    readonly producerGroup: string
    readonly transactionId: string
    readonly messageId: string
  }
  /** A transaction was asked about too often without an answer; its message is in TRANS_CHECK_MAX_TIME_TOPIC. */
  'transaction-given-up': {
    readonly producerGroup: string
    readonly transactionId: string
    readonly topic: string
    readonly checks: number
  }
  /** Writes are refused or delayed until there is room on the device again. */
  'disk-pressure': Readonly<Record<string, unknown>>
  /** The engine below has found or mended something; `name` says what. */
  store: { readonly name: string; readonly details: Readonly<Record<string, unknown>> }
}

/** A name of {@link MessagingEvents}. */
export type EventName = keyof MessagingEvents

/** Called with an event's details. What it returns is not awaited. */
export type EventListener<N extends EventName> = (detail: MessagingEvents[N]) => void

const EVENT_NAMES: Readonly<Record<EventName, true>> = {
  error: true,
  'offset-gap': true,
  'topic-unconsumed': true,
  'queue-unassigned': true,
  'group-absent': true,
  'subscription-mismatch': true,
  'subscription-matches-nothing': true,
  'handler-failed': true,
  'consumer-fenced': true,
  'handler-timeout': true,
  'queue-paused': true,
  'message-blocks': true,
  'broadcast-dropped': true,
  'lease-expired': true,
  'dead-letter': true,
  'transaction-no-checker': true,
  'transaction-given-up': true,
  'disk-pressure': true,
  store: true,
}

const ERROR_LOG_INTERVAL_MS = 60_000

/** Listeners by event. */
export class Events {
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #listeners = new Map<EventName, Set<(detail: never) => void>>()
  #loggedMs = Number.NEGATIVE_INFINITY
  #unlogged = 0

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock
    this.#logger = logger
  }

  /** Calls `listener` for each such event from now on. Answers how to stop that. @throws INVALID_ARGUMENT for a name that is none */
  on<N extends EventName>(name: N, listener: EventListener<N>): () => void {
    if (!Object.hasOwn(EVENT_NAMES, name)) {
      throw new PocketMQError('INVALID_ARGUMENT', `there is no event '${String(name)}'`, {
        hint: `Events: ${Object.keys(EVENT_NAMES).join(', ')}.`,
        details: { field: 'event', actual: String(name) },
      })
    }
    const listeners = this.#listeners.get(name) ?? new Set()
    this.#listeners.set(name, listeners)
    // Each registration is its own, also of one function twice.
    const registered = (detail: never): void => listener(detail)
    listeners.add(registered)
    return () => {
      listeners.delete(registered)
    }
  }

  /** Whether anybody listens. */
  has(name: EventName): boolean {
    return (this.#listeners.get(name)?.size ?? 0) > 0
  }

  emit<N extends EventName>(name: N, detail: MessagingEvents[N]): void {
    const listeners = this.#listeners.get(name)
    if (listeners === undefined || listeners.size === 0) {
      if (name === 'error') this.#logError(detail as MessagingEvents['error'])
      return
    }
    for (const listener of [...listeners]) {
      try {
        listener(detail as never)
      } catch (thrown) {
        const failure = { where: `a listener of ${name}`, error: asError(thrown) }
        // A failing listener of `error` must not call itself.
        if (name === 'error') this.#logError(failure)
        else this.emit('error', failure)
      }
    }
  }

  #logError({ where, error }: MessagingEvents['error']): void {
    const nowMs = this.#clock.monotonicMs()
    if (nowMs - this.#loggedMs < ERROR_LOG_INTERVAL_MS) {
      this.#unlogged++
      return
    }
    this.#logger.error({ err: error, where, unlogged: this.#unlogged }, `${where}: ${error.message}`)
    this.#loggedMs = nowMs
    this.#unlogged = 0
  }
}
