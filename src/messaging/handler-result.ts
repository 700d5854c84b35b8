/** What handlers answer, and what it means for their messages. Pure. */
import type { Outcome } from './core-types.ts'

/** How a handler ended with a message. `commit` and `rollback` concern what came before it in its queue as well. */
export type HandlerEnd = Outcome | { readonly kind: 'commit' } | { readonly kind: 'rollback' }

const ACK: HandlerEnd = { kind: 'ack' }
export const RETRY: Outcome = { kind: 'retry' }
const DEAD: HandlerEnd = { kind: 'dlq' }
const COMMIT: HandlerEnd = { kind: 'commit' }
const ROLLBACK: HandlerEnd = { kind: 'rollback' }
/** Longer waits are cut to this. */
const RETRY_AFTER_MS_MAX = 366 * 24 * 3_600_000

type ResultObject = {
  readonly name?: unknown
  readonly retryAfter?: unknown
  readonly suspendTimeMs?: unknown
  readonly ackIndex?: unknown
}

/** What a handler's result means for its message. */
export function endOf(result: unknown): HandlerEnd {
  switch (result) {
    case undefined:
    case null:
      return ACK
    case 'retry':
    case 'FAILURE':
      return RETRY
    case 'dlq':
      return DEAD
    case 'commit':
      return COMMIT
    case 'rollback':
      return ROLLBACK
  }
  return isObject(result) ? endOfObject(result) : ACK
}

/**
 * What a batch handler's result means for each of `count` messages: one result for all; `{ ackIndex }`, the last one that is
 * acknowledged, those behind it are tried again; or a list with a result for each, where those it leaves out are tried again.
 */
export function endsOf(result: unknown, count: number): readonly HandlerEnd[] {
  const each = Array.from({ length: count }, (_, i) => i)
  if (Array.isArray(result)) return each.map(i => (i < result.length ? endOf(result[i]) : RETRY))
  const ackIndex = isObject(result) ? result.ackIndex : undefined
  if (!isObject(result) || typeof ackIndex !== 'number') return each.map(() => endOf(result))
  const later = retryOf(result)
  return each.map(i => (i <= ackIndex ? ACK : later))
}

/** Whether a handler's result has to be waited for. */
export function isThenable(result: unknown): result is PromiseLike<unknown> {
  return typeof (result as { then?: unknown } | null | undefined)?.then === 'function'
}

function isObject(result: unknown): result is ResultObject {
  return typeof result === 'object' && result !== null
}

function endOfObject(result: ResultObject): HandlerEnd {
  const { name, retryAfter, suspendTimeMs } = result
  const isRetry = name === 'FAILURE' || retryAfter !== undefined || suspendTimeMs !== undefined
  return isRetry ? retryOf(result) : ACK
}

/** Again after the wait it names, where that is one; else after the consumer's. */
function retryOf({ retryAfter, suspendTimeMs }: ResultObject): Outcome {
  const afterMs = retryAfter ?? suspendTimeMs
  if (typeof afterMs !== 'number' || !(afterMs >= 0)) return RETRY
  return { kind: 'retry', afterMs: Math.min(RETRY_AFTER_MS_MAX, Math.ceil(afterMs)) }
}
