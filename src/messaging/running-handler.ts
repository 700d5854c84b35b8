/** Calls of a user's handler that are under way, and what their ends mean. */
import { PocketMQError } from '../base/errors.ts'
import type { ListenerContext, MessageHandler, MessageListener } from './consumer-options.ts'
import type { Outcome } from './core-types.ts'
import type { MessageView } from './message-view.ts'

const ACK: Outcome = { kind: 'ack' }
const RETRY: Outcome = { kind: 'retry' }
const DEAD: Outcome = { kind: 'dlq' }

/** A batch in hand: what of it is acknowledged in one turn goes to the core together. */
export type HandledBatch = { readonly queueTopic: string; readonly receipt: string; acked: number[] }

/** One call of a handler; what the handler is given as its context. */
export class RunningHandler implements ListenerContext {
  readonly batch: HandledBatch
  readonly queueOffset: number
  readonly message: MessageView
  /** Monotonic milliseconds. */
  readonly startedMs: number
  readonly ended: ((outcome: Outcome) => void) | undefined
  /** It ended, or its time was over: its result means nothing any more. */
  isOver = false
  /** Neighbours in {@link RunningHandlers}. */
  before: RunningHandler | undefined
  after: RunningHandler | undefined
  #controller: AbortController | undefined
  #reason: Error | undefined

  constructor(
    batch: HandledBatch,
    queueOffset: number,
    message: MessageView,
    startedMs: number,
    ended: ((outcome: Outcome) => void) | undefined,
  ) {
    this.batch = batch
    this.queueOffset = queueOffset
    this.message = message
    this.startedMs = startedMs
    this.ended = ended
  }

  /** Made when it is asked for: most handlers never do. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#reason !== undefined) this.#controller.abort(this.#reason)
    }
    return this.#controller.signal
  }

  abort(reason: Error): void {
    this.#reason = reason
    this.#controller?.abort(reason)
  }
}

/** The handlers that are running, in the order they began. */
export class RunningHandlers {
  #first: RunningHandler | undefined
  #last: RunningHandler | undefined
  #size = 0

  get size(): number {
    return this.#size
  }

  get first(): RunningHandler | undefined {
    return this.#first
  }

  add(running: RunningHandler): void {
    running.before = this.#last
    if (this.#last === undefined) this.#first = running
    else this.#last.after = running
    this.#last = running
    this.#size++
  }

  remove(running: RunningHandler): void {
    const { before, after } = running
    if (before === undefined) this.#first = after
    else before.after = after
    if (after === undefined) this.#last = before
    else after.before = before
    running.before = undefined
    running.after = undefined
    this.#size--
  }
}

/** The listener as a function. */
export function handlerOf(listener: MessageListener): MessageHandler {
  return typeof listener === 'function' ? listener : (message, context) => listener.consume(message, context)
}

/** What a handler's result means for its message. */
export function outcomeOf(result: unknown): Outcome {
  if (result === undefined || result === null) return ACK
  if (result === 'retry' || result === 'FAILURE') return RETRY
  if (result === 'dlq') return DEAD
  if (typeof result !== 'object') return ACK
  const { name, retryAfter, suspendTimeMs } = result as {
    name?: unknown
    retryAfter?: unknown
    suspendTimeMs?: unknown
  }
  const afterMs = typeof retryAfter === 'number' ? retryAfter : suspendTimeMs
  if (typeof afterMs === 'number' && afterMs >= 0) return { kind: 'retry', afterMs }
  return name === 'FAILURE' ? RETRY : ACK
}

/** Whether a handler's result has to be waited for. */
export function isThenable(result: unknown): result is PromiseLike<unknown> {
  return typeof (result as { then?: unknown } | null | undefined)?.then === 'function'
}

/** Why a handler's signal aborts when it has run too long. */
export function handlerTimeout(message: MessageView, afterMs: number): PocketMQError {
  return new PocketMQError(
    'TIMEOUT',
    `the handler of message ${message.messageId} has run for more than ${afterMs} ms`,
    {
      hint: 'Raise consumeTimeout, or let the handler end when its signal aborts.',
      details: { messageId: message.messageId, afterMs },
    },
  )
}
