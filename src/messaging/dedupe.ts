/**
 * Handlers whose effect happens once for each key, though delivery is at least once. A key is running while its handler runs, and
 * done when that has ended well. Running is this process's alone, so it ends with the process; done is what a store remembers.
 */
import type { Clock } from '../base/clock.ts'
import { systemClock } from '../base/clock.ts'
import { PocketMQError } from '../base/errors.ts'
import type { Setting, Settings } from '../base/settings-table.ts'
import { custom, resolveSettings, wholeNumber } from '../base/settings-table.ts'
import type { HandlerResult, ListenerContext, MessageHandler } from './consumer-options.ts'
import { endOf, isThenable } from './handler-result.ts'
import type { MessageView } from './message-view.ts'

/**
 * Remembers which keys are done; one for each consumer group. `dedupeTopic` and `dedupeTable` are there; anything that can keep a
 * key and a time will do.
 */
export type DedupeStore = {
  /** Whether the key is done, and its time is not over. */
  has(key: string, nowMs: number): boolean | Promise<boolean>
  /** The key is done until `untilMs`, epoch milliseconds. It is remembered for certain when this has returned or resolved. */
  add(key: string, untilMs: number): void | Promise<void>
  /**
   * Does `work` and adds the key in one transaction of the store's own database; undefined, without doing it, where the key is
   * done already. Left out by stores that have no transactions.
   */
  withTransaction?<T>(
    done: { readonly key: string; readonly nowMs: number; readonly untilMs: number },
    work: () => T,
  ): T | undefined
}

/** What a deduped handler is given beside the message. */
export type DedupeContext = ListenerContext & {
  readonly key: string
  /**
   * Does `work`, which must not wait for anything, and notes that the message is done, in one transaction: both or neither. Needs a
   * store that has transactions (`dedupeTable`). @throws INVALID_ARGUMENT
   */
  withTransaction<T>(work: () => T): T | undefined
}

/** A handler whose effect happens once. */
export type DedupeHandler = (message: MessageView, context: DedupeContext) => HandlerResult

/** How {@link dedupe} works. */
export type DedupeOptions = {
  readonly store: DedupeStore
  /** Messages with one key are one. Default: the first of the message's keys, else its id. */
  readonly key?: (message: MessageView) => string
  /** How long a key that is done is remembered. */
  readonly ttlMs?: number
  /** How long a handler may run before another attempt may begin beside it. */
  readonly leaseMs?: number
  /** Time; a virtual clock in tests. */
  readonly clock?: Clock
}

const HOUR_MS = 3_600_000

type DedupeTable = {
  readonly store: Setting<DedupeStore | undefined>
  readonly key: Setting<(message: MessageView) => string>
  readonly ttlMs: Setting<number>
  readonly leaseMs: Setting<number>
  readonly clock: Setting<Clock>
}

/** Options of {@link dedupe}. */
export const DEDUPE_SETTINGS: DedupeTable = {
  store: custom<DedupeStore | undefined>('where keys that are done are remembered', undefined, checkStore),
  key: custom<(message: MessageView) => string>(
    'messages with one key are one',
    message => message.keys[0] ?? message.messageId,
    value => (typeof value === 'function' ? undefined : 'must be a function of the message'),
  ),
  ttlMs: wholeNumber('milliseconds a key that is done is remembered', 24 * HOUR_MS, 1, 366 * 24 * HOUR_MS),
  leaseMs: wholeNumber('milliseconds a handler may run before another attempt begins', HOUR_MS / 4, 1, 24 * HOUR_MS),
  clock: custom<Clock>('time', systemClock, () => undefined),
}

/** A handler that runs: when another may begin beside it, by the monotonic clock, and what settles when it has ended. */
type Run = { readonly leaseEndMs: number; readonly ended: Promise<void> }

/** Keys that are running, by store. */
const running = new WeakMap<DedupeStore, Map<string, Run>>()
const dedupedHandlers = new WeakSet<MessageHandler>()

/**
 * A message handler that calls `handler` for each key once: what is done is acknowledged without it. While a key is running, another
 * message with it waits, and is acknowledged where that ended well. What throws, or says so, is not done, and comes again as ever.
 * Not for `autoCommit: false`, where a handler that has returned may be rolled back. @throws INVALID_ARGUMENT
 */
export function dedupe(handler: DedupeHandler, options: DedupeOptions): MessageHandler {
  const settings = resolveSettings(DEDUPE_SETTINGS, options, 'dedupe')
  const { store } = settings
  if (store === undefined) {
    throw new PocketMQError('INVALID_ARGUMENT', 'dedupe needs a store', {
      hint: "Pass store: await dedupeTopic(mq, { name: 'billing' }), or dedupeTable(database).",
      details: { option: 'store' },
    })
  }
  const runs = running.get(store) ?? new Map<string, Run>()
  running.set(store, runs)
  const deduped: MessageHandler = (message, context) => handleOnce({ handler, settings, store, runs }, message, context)
  dedupedHandlers.add(deduped)
  return deduped
}

/** Whether a listener is what {@link dedupe} answered. */
export function isDeduped(listener: unknown): boolean {
  return typeof listener === 'function' && dedupedHandlers.has(listener as MessageHandler)
}

type Parts = {
  readonly handler: DedupeHandler
  readonly settings: Settings<DedupeTable>
  readonly store: DedupeStore
  readonly runs: Map<string, Run>
}

async function handleOnce(parts: Parts, message: MessageView, { signal }: ListenerContext): Promise<HandlerResult> {
  const { handler, settings, store, runs } = parts
  const { clock, leaseMs, ttlMs } = settings
  const key = keyOf(settings.key, message)
  for (let before = runs.get(key); before !== undefined; before = runs.get(key)) {
    const waitMs = before.leaseEndMs - clock.monotonicMs()
    if (waitMs <= 0) break
    await endOrLease(before, waitMs, clock, signal)
  }
  let end = (): void => undefined
  const ended = new Promise<void>(resolve => {
    end = resolve
  })
  const run: Run = { leaseEndMs: clock.monotonicMs() + leaseMs, ended }
  runs.set(key, run)
  try {
    if (await store.has(key, clock.nowMs())) return undefined
    const context = new OnceContext(key, signal, settings, store)
    const result = await handler(message, context)
    const { kind } = endOf(result)
    const isDone = kind === 'ack' || kind === 'commit'
    if (isDone && !context.isNoted) await store.add(key, clock.nowMs() + ttlMs)
    return result
  } finally {
    // Another attempt may have begun after this one's lease.
    if (runs.get(key) === run) runs.delete(key)
    end()
  }
}

/** Waits until a run has ended or its lease is over. Rejects where the message that waits is taken away meanwhile. */
async function endOrLease({ ended }: Run, waitMs: number, clock: Clock, signal: AbortSignal): Promise<void> {
  const stop = new AbortController()
  const either = AbortSignal.any([signal, stop.signal])
  const lease = clock.sleep(waitMs, { signal: either, background: true })
  // Where the run ends first, nobody is told how the wait for its lease ended.
  void Promise.allSettled([lease])
  try {
    await Promise.race([ended, lease])
  } finally {
    stop.abort()
  }
}

/** What a handler is given. */
class OnceContext implements DedupeContext {
  readonly key: string
  readonly signal: AbortSignal
  readonly #settings: Settings<DedupeTable>
  readonly #store: DedupeStore
  /** The message has been noted as done in a transaction. */
  isNoted = false

  constructor(key: string, signal: AbortSignal, settings: Settings<DedupeTable>, store: DedupeStore) {
    this.key = key
    this.signal = signal
    this.#settings = settings
    this.#store = store
    this.withTransaction = this.withTransaction.bind(this)
  }

  withTransaction<T>(work: () => T): T | undefined {
    const { clock, ttlMs } = this.#settings
    if (this.#store.withTransaction === undefined) {
      throw new PocketMQError('INVALID_ARGUMENT', 'this dedupe store has no transactions', {
        hint: 'Use dedupeTable(database), with the database that the effect is in.',
        details: { option: 'store' },
      })
    }
    const nowMs = clock.nowMs()
    const done = { key: this.key, nowMs, untilMs: nowMs + ttlMs }
    const result = this.#store.withTransaction(done, () => atOnce(work()))
    this.isNoted = true
    return result
  }
}

/** A result that is there: a transaction that waits would take in what others do meanwhile. */
function atOnce<T>(result: T): T {
  if (!isThenable(result)) return result
  throw new PocketMQError('INVALID_ARGUMENT', 'the work of a transaction must not be asynchronous', {
    hint: 'Wait for what it needs before, and only change the database inside.',
    details: { option: 'work' },
  })
}

function keyOf(key: (message: MessageView) => string, message: MessageView): string {
  const value: unknown = key(message)
  if (typeof value === 'string' && value !== '') return value
  throw new PocketMQError(
    'INVALID_ARGUMENT',
    `the key of message ${message.messageId} must be a text that is not empty`,
    {
      hint: 'Return something that is the same whenever the message comes, like an order number.',
      details: { option: 'key', messageId: message.messageId },
    },
  )
}

function checkStore(value: unknown): string | undefined {
  const { has, add } = (value ?? {}) as { has?: unknown; add?: unknown }
  return typeof has === 'function' && typeof add === 'function' ? undefined : 'must have the functions `has` and `add`'
}
