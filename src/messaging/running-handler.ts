/** One call of a user's handler: its signal, made only when asked for, and what its end means. */
import { PocketMQError } from '../base/errors.ts'
import type { ListenerContext, MessageHandler, MessageListener } from './consumer-options.ts'
import type { Outcome } from './core-types.ts'
import type { MessageView } from './message-view.ts'

const ACK: Outcome = { kind: 'ack' }
const RETRY: Outcome = { kind: 'retry' }
const DEAD: Outcome = { kind: 'dlq' }

/** The context of one call. */
export class HandlerContext implements ListenerContext {
  #controller: AbortController | undefined
  #reason: Error | undefined

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
