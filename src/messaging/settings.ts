/** Messaging's settings: name, unit, default, bounds. Those of consumers are in `consumer-settings.ts`. */
import type { Setting, Settings } from '../base/settings-table.ts'
import { custom, flag, oneOf, optionalWholeNumber, resolveSettings, wholeNumber } from '../base/settings-table.ts'
import type { Durability } from '../store/message-store.ts'
import type { Message } from './outgoing-message.ts'
import type { QueueChoice } from './queue-choice.ts'
import type { TransactionChecker } from './transaction.ts'

const SECOND_MS = 1_000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

type MessagingTable = {
  readonly brokerName: Setting<string>
  readonly autoCreateTopics: Setting<boolean>
  readonly topicQueues: Setting<number>
  readonly delayMsMax: Setting<number>
  readonly pendingTimersMax: Setting<number>
  readonly transactionTimeoutMs: Setting<number>
  readonly transactionCheckIntervalMs: Setting<number>
  readonly transactionChecksMax: Setting<number>
  readonly dedupeWindowMs: Setting<number>
  readonly dedupeKeysMax: Setting<number>
  readonly healthDelayMs: Setting<number>
  readonly handleSignals: Setting<boolean>
  readonly random: Setting<() => number>
}

/** Options of `PocketMQ.open` that are not the store's. */
export const MESSAGING_SETTINGS: MessagingTable = {
  brokerName: custom('name of this store in recall handles and receipts', 'pocketmq', checkText),
  autoCreateTopics: flag('create a topic when something is first sent to it', true),
  topicQueues: wholeNumber('queues of a topic that is created without saying how many', 4, 1, 1024),
  delayMsMax: wholeNumber('milliseconds a message may be delayed at most', 3 * DAY_MS, 0, 366 * DAY_MS),
  pendingTimersMax: wholeNumber(
    'delayed messages waiting at once; beyond it send throws BACKPRESSURE',
    1_000_000,
    1,
    100_000_000,
  ),
  transactionTimeoutMs: wholeNumber(
    'milliseconds after which an undecided transaction is asked about',
    6 * SECOND_MS,
    1,
    HOUR_MS,
  ),
  transactionCheckIntervalMs: wholeNumber(
    'milliseconds between two questions about a transaction',
    30 * SECOND_MS,
    1,
    HOUR_MS,
  ),
  transactionChecksMax: wholeNumber('questions about a transaction before it is given up', 15, 1, 1_000_000),
  dedupeWindowMs: wholeNumber('milliseconds a dedupeKey is remembered', 10 * MINUTE_MS, 1, 7 * DAY_MS),
  dedupeKeysMax: wholeNumber('dedupeKeys remembered for one topic', 100_000, 1, 10_000_000),
  healthDelayMs: wholeNumber(
    'milliseconds after which a topic without a group, or a group without a member, is spoken of',
    60_000,
    1,
    24 * 3_600_000,
  ),
  handleSignals: flag('drain and close on SIGTERM or SIGINT; a second signal ends the process at once', false),
  random: custom('where random choices come from, 0 to 1; a seeded one in tests', Math.random, checkFunction),
}

/** Resolved {@link MESSAGING_SETTINGS}. */
export type MessagingSettings = Settings<MessagingTable>

/** What may be given of them. */
export type MessagingOptions = { readonly [K in keyof MessagingSettings]?: MessagingSettings[K] }

/** Which queue a message goes to, by the caller's own rule: one of `queues`. */
export type QueueSelector = (queues: readonly QueueChoice[], message: Message) => QueueChoice

type ProducerTable = {
  readonly group: Setting<string | undefined>
  readonly checker: Setting<TransactionChecker | undefined>
  readonly durability: Setting<Durability | undefined>
  readonly selectQueue: Setting<QueueSelector | undefined>
  readonly allowEmptyBody: Setting<boolean>
  readonly onBackpressure: Setting<'throw' | 'drop'>
  readonly waitingBytesMax: Setting<number>
  readonly maxAttempts: Setting<number>
  readonly retryDelayMs: Setting<number>
  readonly requestTimeout: Setting<number | undefined>
  readonly compression: Setting<'none' | 'zlib' | 'lz4' | 'zstd'>
  readonly compressionLevel: Setting<number>
  readonly compressionBytesMin: Setting<number>
  readonly linger: Setting<object | undefined>
  readonly clientId: Setting<string | undefined>
}

/** Options of `mq.producer`. */
export const PRODUCER_SETTINGS: ProducerTable = {
  group: custom<string | undefined>(
    'producer group: whose checker may be asked about a transaction',
    undefined,
    checkText,
  ),
  checker: custom<TransactionChecker | undefined>('answers what became of a transaction', undefined, checkChecker),
  durability: custom<Durability | undefined>(
    "level of messages that do not ask for one; else the store's",
    undefined,
    checkDurability,
  ),
  selectQueue: custom<QueueSelector | undefined>(
    'chooses the queue of messages without a messageGroup',
    undefined,
    checkFunction,
  ),
  allowEmptyBody: flag('allow messages without a body', false),
  onBackpressure: oneOf('what sendOneway does beyond the bounds', 'throw', ['throw', 'drop']),
  waitingBytesMax: wholeNumber(
    'bytes of sends waiting for room; beyond it send rejects with BACKPRESSURE',
    256 * 1024 * 1024,
    0,
    2 ** 40,
  ),
  maxAttempts: wholeNumber('attempts at a message while the device is full, the first included', 3, 1, 1000),
  retryDelayMs: wholeNumber('milliseconds between two such attempts', 500, 0, HOUR_MS),
  requestTimeout: optionalWholeNumber('milliseconds a send waits for room, then rejects with TIMEOUT', 1, HOUR_MS),
  compression: oneOf('how bodies are compressed', 'none', ['none', 'zlib', 'lz4', 'zstd']),
  compressionLevel: wholeNumber('compression level', 5, 0, 22),
  compressionBytesMin: wholeNumber('bytes from which a body is compressed', 4096, 1, 4 * 1024 * 1024),
  linger: custom<object | undefined>('collect sends into batches: { ms, bytes, count }', undefined, checkObject),
  clientId: custom<string | undefined>('id of this producer among the clients; unique', undefined, checkText),
}

/** Resolved {@link PRODUCER_SETTINGS}. */
export type ProducerSettings = Settings<ProducerTable>

type LingerTable = { readonly ms: Setting<number>; readonly bytes: Setting<number>; readonly count: Setting<number> }

/** How long and how much the accumulator collects before it sends a batch. */
export const LINGER_SETTINGS: LingerTable = {
  ms: wholeNumber('milliseconds a message waits for others', 5, 0, MINUTE_MS),
  bytes: wholeNumber('bytes that make a batch full', 256 * 1024, 1, 4 * 1024 * 1024),
  count: wholeNumber('messages that make a batch full', 1024, 1, 65_536),
}

/** What may be given of them. */
export type LingerOptions = { readonly ms?: number; readonly bytes?: number; readonly count?: number }

/** Resolved {@link LINGER_SETTINGS}. */
export type LingerSettings = Settings<LingerTable>

/** What was given to `PocketMQ.open`, parted into messaging's settings and the rest, which is the store's. @throws INVALID_ARGUMENT */
export function splitOptions(given: object): { readonly settings: MessagingSettings; readonly rest: object } {
  const own: Record<string, unknown> = {}
  const rest: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(given)) {
    if (Object.hasOwn(MESSAGING_SETTINGS, name)) own[name] = value
    else rest[name] = value
  }
  return { settings: resolveSettings(MESSAGING_SETTINGS, own, 'open'), rest }
}

function checkText(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? undefined : 'must be text'
}

function checkFunction(value: unknown): string | undefined {
  return typeof value === 'function' ? undefined : 'must be a function'
}

function checkObject(value: unknown): string | undefined {
  return typeof value === 'object' && value !== null ? undefined : 'must be an object'
}

function checkDurability(value: unknown): string | undefined {
  return value === 'memory' || value === 'interval' || value === 'disk'
    ? undefined
    : "must be 'memory', 'interval' or 'disk'"
}

function checkChecker(value: unknown): string | undefined {
  if (typeof value === 'function') return undefined
  const check = typeof value === 'object' && value !== null ? (value as { check?: unknown }).check : undefined
  return typeof check === 'function' ? undefined : 'must be a function, or an object with a method check'
}
