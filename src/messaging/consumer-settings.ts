/** Settings of consumers: name, unit, default, bounds; and what they are in the core's plain values. */
import { PocketMQError } from '../base/errors.ts'
import type { Setting, Settings } from '../base/settings-table.ts'
import { custom, flag, oneOf, optionalWholeNumber, resolveSettings, wholeNumber } from '../base/settings-table.ts'
import { ASSIGNMENT_SETTINGS, assignmentRegistration } from './assignment-settings.ts'
import type {
  BatchHandler,
  GroupConsumerOptions,
  MessageListener,
  PullConsumerOptions,
  PushConsumerOptions,
  RetryBackoff,
  SimpleConsumerOptions,
  Subscriptions,
} from './consumer-options.ts'
import type { ConsumerRegistration, RetryPolicy, StartFrom, SubscriptionEntry } from './core-types.ts'
import { isDeduped } from './dedupe.ts'
import { checkGroupName } from './limits.ts'
import type { SubscriptionExpression } from './subscription-expression.ts'
import { compileSubscription } from './subscription-expression.ts'

const SECOND_MS = 1000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS

/** How long `close` waits for running handlers, unless told otherwise. */
export const DRAIN_MS = 30_000
/** RocketMQ waits a second before it tries an ordered message again. */
const IN_PLACE_RETRY: RetryPolicy = { kind: 'table', waitsMs: [SECOND_MS] }
const EXPONENTIAL_MAX_MS = 2 * HOUR_MS
const EXPONENTIAL_MULTIPLIER = 2
/** Topics one consumer may subscribe to. */
const SUBSCRIPTIONS_MAX = 100_000
/** A simple consumer's own count of messages in hand is the caller's; the core needs a weight for fair shares. */
const SIMPLE_CONCURRENCY = 16
const BATCH_MESSAGES_MAX = 1024
/** Messages a batch handler gets at most, unless told otherwise. */
export const BATCH_MESSAGES = 32

type GroupTable = typeof ASSIGNMENT_SETTINGS & {
  readonly consumerGroup: Setting<string>
  readonly subscriptions: Setting<Subscriptions>
  readonly maxAttempts: Setting<number>
  readonly retryBackoff: Setting<RetryBackoff | undefined>
  readonly startFrom: Setting<'first' | 'last' | Date | number>
  readonly onSubscriptionMismatch: Setting<'reject' | 'replace' | 'wait' | 'isolate'>
  readonly topicSets: Setting<'same' | 'independent'>
  readonly instanceName: Setting<string | undefined>
  readonly signal: Setting<AbortSignal | undefined>
}

const GROUP_SETTINGS: GroupTable = {
  ...ASSIGNMENT_SETTINGS,
  consumerGroup: custom('name of the consumer group', '', checkText),
  subscriptions: custom<Subscriptions>('expressions by topic', {}, checkSubscriptions),
  maxAttempts: wholeNumber(
    'retries of a message that fails, before it is a dead letter (RocketMQ: maxReconsumeTimes)',
    16,
    0,
    1_000_000,
  ),
  retryBackoff: custom<RetryBackoff | undefined>('waits between attempts', undefined, checkBackoff),
  startFrom: custom<'first' | 'last' | Date | number>(
    'where a group without an offset starts',
    'first',
    checkStartFrom,
  ),
  onSubscriptionMismatch: oneOf('when the group subscribes to something else', 'reject', [
    'reject',
    'replace',
    'wait',
    'isolate',
  ]),
  topicSets: oneOf('whether members may subscribe to different topics', 'same', ['same', 'independent']),
  instanceName: custom<string | undefined>('name of this instance, unique among live ones', undefined, checkText),
  signal: custom<AbortSignal | undefined>('ends the wait to join', undefined, checkSignal),
}

type PushTable = GroupTable & {
  readonly messageListener: Setting<MessageListener | undefined>
  readonly batchListener: Setting<BatchHandler | undefined>
  readonly batchSize: Setting<number | undefined>
  readonly mode: Setting<'clustering' | 'broadcasting'>
  readonly retryLocal: Setting<boolean>
  readonly orderly: Setting<boolean | 'group'>
  readonly concurrency: Setting<number>
  readonly consumeTimeout: Setting<number>
  readonly autoCommit: Setting<boolean>
  readonly onExhausted: Setting<'dlq' | 'block' | undefined>
}

/** Options of `mq.pushConsumer`. */
export const PUSH_SETTINGS: PushTable = {
  ...GROUP_SETTINGS,
  messageListener: custom<MessageListener | undefined>('handles one message', undefined, checkListener),
  batchListener: custom<BatchHandler | undefined>('handles several messages at once', undefined, checkFunction),
  batchSize: optionalWholeNumber('messages a batchListener gets at most', 1, BATCH_MESSAGES_MAX),
  mode: oneOf('share the messages out, or every instance gets all', 'clustering', ['clustering', 'broadcasting']),
  retryLocal: flag('broadcasting: what fails comes again to the same instance', false),
  orderly: custom<boolean | 'group'>('one at a time per queue (true) or per message group', false, checkOrderly),
  concurrency: wholeNumber('messages handled at once', 10, 1, 10_000),
  consumeTimeout: wholeNumber('milliseconds a handler may take', 15 * MINUTE_MS, 1, 24 * HOUR_MS),
  autoCommit: flag('a handler that returns acknowledges; false: only when it says so', true),
  onExhausted: custom<'dlq' | 'block' | undefined>(
    'what becomes of an ordered message whose attempts are used up',
    undefined,
    checkExhausted,
  ),
}

type SimpleTable = GroupTable & {
  readonly awaitDuration: Setting<number>
  readonly autoRenew: Setting<boolean>
  readonly orderly: Setting<boolean>
  readonly onExhausted: Setting<'dlq' | 'block' | undefined>
}

/** Options of `mq.simpleConsumer`. */
export const SIMPLE_SETTINGS: SimpleTable = {
  ...GROUP_SETTINGS,
  awaitDuration: wholeNumber('milliseconds `receive` waits for a message', 30 * SECOND_MS, 0, 24 * HOUR_MS),
  autoRenew: flag('the time of what was received starts anew by itself, for three hours in all', false),
  orderly: custom<boolean>('messages of one queue go out when those before are acknowledged', false, checkFlag),
  onExhausted: custom<'dlq' | 'block' | undefined>(
    'what becomes of an ordered message whose attempts are used up',
    undefined,
    checkExhausted,
  ),
}

type PullTable = Omit<GroupTable, 'maxAttempts' | 'retryBackoff'> & {
  readonly autoCommit: Setting<boolean | undefined>
  readonly autoCommitMs: Setting<number | undefined>
}

/** Options of `mq.pullConsumer`. */
export const PULL_SETTINGS: PullTable = {
  ...ASSIGNMENT_SETTINGS,
  consumerGroup: GROUP_SETTINGS.consumerGroup,
  subscriptions: GROUP_SETTINGS.subscriptions,
  startFrom: GROUP_SETTINGS.startFrom,
  onSubscriptionMismatch: GROUP_SETTINGS.onSubscriptionMismatch,
  topicSets: GROUP_SETTINGS.topicSets,
  instanceName: GROUP_SETTINGS.instanceName,
  signal: GROUP_SETTINGS.signal,
  autoCommit: custom<boolean | undefined>('commit what earlier polls returned by itself', undefined, checkFlag),
  autoCommitMs: optionalWholeNumber('milliseconds between two such commits', SECOND_MS, HOUR_MS),
}

/** RocketMQ: autoCommitIntervalMillis. */
const AUTO_COMMIT_MS = 5 * SECOND_MS

export type PushSettings = Settings<PushTable>
export type SimpleSettings = Settings<SimpleTable>
export type PullSettings = Settings<PullTable>

/** @throws INVALID_ARGUMENT */
export function resolvePush(options: PushConsumerOptions): PushSettings {
  const settings = resolveSettings(PUSH_SETTINGS, options, 'pushConsumer')
  checkGroup(settings)
  checkListeners(settings)
  if (settings.autoCommit === false && settings.orderly !== true) {
    throw invalid('autoCommit', 'only a queue handled in order can be committed by hand', 'Pass orderly: true as well.')
  }
  if (!settings.autoCommit && isDeduped(settings.messageListener)) {
    const hint = 'Leave autoCommit out: dedupe notes a message as done when its handler has returned.'
    throw invalid('autoCommit', 'what a deduped handler has done cannot be rolled back', hint)
  }
  if (settings.orderly !== false && settings.mode === 'broadcasting') {
    throw invalid('orderly', 'broadcasting has no orderly delivery', "Leave `orderly` out, or use mode: 'clustering'.")
  }
  if (settings.retryLocal && settings.mode === 'clustering') {
    throw invalid(
      'retryLocal',
      'only broadcasting retries locally',
      'Leave it out: what fails here is tried again anyway.',
    )
  }
  checkOrderlyChoice(settings)
  checkUnordered(settings, options)
  // A generated name has no place to resume from: it would get everything again at every start.
  const isNew = settings.mode === 'broadcasting' && settings.instanceName === undefined
  return isNew && options.startFrom === undefined ? { ...settings, startFrom: 'last' } : settings
}

/** @throws INVALID_ARGUMENT */
export function resolveSimple(options: SimpleConsumerOptions): SimpleSettings {
  const settings = resolveSettings(SIMPLE_SETTINGS, options, 'simpleConsumer')
  checkGroup(settings)
  checkOrderlyChoice(settings)
  checkUnordered(settings, options)
  return settings
}

/** @throws INVALID_ARGUMENT */
export function resolvePull(options: PullConsumerOptions): PullSettings {
  const settings = resolveSettings(PULL_SETTINGS, options, 'pullConsumer')
  checkGroupName(settings.consumerGroup, 'consumerGroup')
  return settings
}

/** What a push consumer says when it joins. */
export function pushRegistration(settings: PushSettings): ConsumerRegistration {
  const { orderly, mode, concurrency, retryLocal: retriesLocally } = settings
  const order = orderly === 'group' ? 'group' : orderly ? 'queue' : 'none'
  return {
    ...groupRegistration(settings),
    kind: 'push',
    model: mode,
    order,
    concurrency,
    ...failing(settings, order !== 'none'),
    retriesLocally,
  }
}

/** What a simple consumer says when it joins. */
export function simpleRegistration(settings: SimpleSettings): ConsumerRegistration {
  const order = settings.orderly ? 'queue' : 'none'
  const registration = { ...groupRegistration(settings), kind: 'simple', model: 'clustering', order } as const
  return { ...registration, concurrency: SIMPLE_CONCURRENCY, ...failing(settings, settings.orderly) }
}

/** What a pull consumer says when it joins; without subscriptions it names its queues itself. */
export function pullRegistration(settings: PullSettings): ConsumerRegistration {
  const registration = {
    ...groupRegistration(settings),
    kind: 'pull',
    model: 'clustering',
    order: 'none',
    concurrency: 1,
    maxReconsumeTimes: GROUP_SETTINGS.maxAttempts.fallback,
    retry: { kind: 'levels' },
    onExhausted: 'dlq',
  } as const
  if (registration.subscriptions.length > 0) return registration
  return { ...registration, onSubscriptionMismatch: 'replace', topicSets: 'independent' }
}

/** Milliseconds between commits by itself; undefined: only when told. */
export function autoCommitMsOf({ autoCommit, autoCommitMs }: PullSettings): number | undefined {
  return (autoCommit ?? autoCommitMs !== undefined) ? (autoCommitMs ?? AUTO_COMMIT_MS) : undefined
}

/** Lines of a subscription in the core's plain values. */
export function subscriptionEntries(subscriptions: Subscriptions): SubscriptionEntry[] {
  return pairsOf(subscriptions).map(([topic, expression]) => ({ topic, ...entryOf(expression) }))
}

/** An expression in the core's plain values. @throws INVALID_ARGUMENT */
export function entryOf(expression: SubscriptionExpression): {
  readonly type: 'TAG' | 'SQL92'
  readonly expression: string
} {
  const { kind, canonical } = compileSubscription(expression)
  return { type: kind, expression: canonical }
}

/** A start position in the core's plain values: dates become epoch milliseconds. */
export function startOf(from: 'first' | 'last' | Date | number): StartFrom {
  return from instanceof Date ? from.getTime() : from
}

function groupRegistration(
  settings: Settings<Omit<GroupTable, 'maxAttempts' | 'retryBackoff'>>,
): Omit<
  ConsumerRegistration,
  'kind' | 'model' | 'order' | 'concurrency' | 'retry' | 'onExhausted' | 'maxReconsumeTimes'
> {
  const { consumerGroup: group, subscriptions, startFrom, onSubscriptionMismatch, topicSets, instanceName } = settings
  const isNamed = instanceName !== undefined
  return {
    group,
    subscriptions: subscriptionEntries(subscriptions),
    startFrom: startOf(startFrom),
    onSubscriptionMismatch,
    topicSets,
    ...assignmentRegistration(settings),
    isNamed,
  }
}

function failing(
  {
    retryBackoff,
    maxAttempts,
    onExhausted,
  }: { retryBackoff: RetryBackoff | undefined; maxAttempts: number; onExhausted: 'dlq' | 'block' | undefined },
  isOrdered: boolean,
): Pick<ConsumerRegistration, 'retry' | 'onExhausted' | 'maxReconsumeTimes'> {
  const retry = retryBackoff === undefined ? (isOrdered ? IN_PLACE_RETRY : undefined) : policyOf(retryBackoff)
  return { retry: retry ?? { kind: 'levels' }, maxReconsumeTimes: maxAttempts, onExhausted: onExhausted ?? 'dlq' }
}

function policyOf(backoff: RetryBackoff): RetryPolicy {
  if (backoff === 'levels') return { kind: 'levels' }
  if (isTable(backoff)) return { kind: 'table', waitsMs: backoff }
  const { initialMs, maxMs = EXPONENTIAL_MAX_MS, multiplier = EXPONENTIAL_MULTIPLIER } = backoff
  return { kind: 'exponential', initialMs, maxMs, multiplier }
}

function isTable(backoff: RetryBackoff): backoff is readonly number[] {
  return Array.isArray(backoff)
}

function checkGroup({ consumerGroup, subscriptions }: Settings<GroupTable>): void {
  checkGroupName(consumerGroup, 'consumerGroup')
  if (pairsOf(subscriptions).length > 0) return
  throw invalid(
    'subscriptions',
    'a consumer needs at least one subscription',
    "Pass subscriptions like { orders: '*' }.",
  )
}

function checkListeners({ messageListener, batchListener, batchSize }: PushSettings): void {
  if ((messageListener === undefined) === (batchListener === undefined)) {
    throw invalid(
      'messageListener',
      'pushConsumer needs a messageListener, or a batchListener',
      'Pass one of them: a function, or for messageListener an object with `consume`.',
    )
  }
  if (batchListener !== undefined || batchSize === undefined || batchSize === 1) return
  throw invalid('batchSize', 'a messageListener gets one message', 'Pass a batchListener to get several at once.')
}

function checkOrderlyChoice({ orderly, onExhausted }: Pick<PushSettings, 'orderly' | 'onExhausted'>): void {
  if (orderly === false || onExhausted !== undefined) return
  throw invalid(
    'onExhausted',
    'an orderly consumer has to choose what becomes of a message whose attempts are used up',
    "Pass onExhausted: 'dlq' (go on without it) or 'block' (wait for it, for ever).",
  )
}

/** What only ordered delivery has must not be asked for in vain. */
function checkUnordered(
  { orderly }: Pick<PushSettings, 'orderly'>,
  { onExhausted, assignment, drainTimeout }: Pick<PushConsumerOptions, 'onExhausted' | 'assignment' | 'drainTimeout'>,
): void {
  if (orderly === false && onExhausted === 'block') {
    const problem = 'a message that is not in any order has nothing to block'
    throw invalid('onExhausted', problem, "Leave onExhausted out, or pass orderly: true or 'group'.")
  }
  if (orderly === true) return
  const name = assignment === undefined ? 'drainTimeout' : 'assignment'
  if (assignment === undefined && drainTimeout === undefined) return
  throw invalid(name, 'messages are shared out one by one here: queues have no owners', 'Pass orderly: true as well.')
}

function pairsOf(subscriptions: Subscriptions): (readonly [string, SubscriptionExpression])[] {
  return subscriptions instanceof Map ? [...subscriptions] : Object.entries(subscriptions)
}

function checkText(value: unknown): string | undefined {
  return typeof value === 'string' && value.trim() !== '' && value.length <= 120 && !/[@/\p{Cc}]/u.test(value)
    ? undefined
    : 'must be a text of 1 to 120 characters without @ and /'
}

function checkSubscriptions(value: unknown): string | undefined {
  if (value === null || typeof value !== 'object' || Array.isArray(value))
    return 'must be an object or a Map of expressions by topic'
  const count = value instanceof Map ? value.size : Object.keys(value).length
  return count > SUBSCRIPTIONS_MAX ? `must have at most ${SUBSCRIPTIONS_MAX} topics` : undefined
}

function checkListener(value: unknown): string | undefined {
  if (typeof value === 'function') return undefined
  const consume = (value as { consume?: unknown } | null)?.consume
  return typeof consume === 'function' ? undefined : 'must be a function, or an object with a function `consume`'
}

function checkFunction(value: unknown): string | undefined {
  return typeof value === 'function' ? undefined : 'must be a function'
}

function checkOrderly(value: unknown): string | undefined {
  return typeof value === 'boolean' || value === 'group' ? undefined : "must be true, false or 'group'"
}

function checkFlag(value: unknown): string | undefined {
  return typeof value === 'boolean' ? undefined : 'must be true or false'
}

function checkExhausted(value: unknown): string | undefined {
  return value === 'dlq' || value === 'block' ? undefined : "must be 'dlq' or 'block'"
}

function checkSignal(value: unknown): string | undefined {
  return value instanceof AbortSignal ? undefined : 'must be an AbortSignal'
}

function checkStartFrom(value: unknown): string | undefined {
  if (value === 'first' || value === 'last') return undefined
  const ms = value instanceof Date ? value.getTime() : value
  return Number.isSafeInteger(ms) && (ms as number) >= 0
    ? undefined
    : "must be 'first', 'last', a Date or epoch milliseconds"
}

function checkBackoff(value: unknown): string | undefined {
  const isWait = (ms: unknown): boolean => typeof ms === 'number' && ms >= 0 && ms <= 366 * 24 * HOUR_MS
  if (value === 'levels') return undefined
  if (Array.isArray(value))
    return value.length > 0 && value.every(isWait) ? undefined : 'must have at least one wait in milliseconds'
  if (value === null || typeof value !== 'object')
    return "must be 'levels', waits in milliseconds, or { initialMs, maxMs, multiplier }"
  const { initialMs, maxMs = 0, multiplier = 1 } = value as Record<string, unknown>
  const isFine = isWait(initialMs) && isWait(maxMs) && typeof multiplier === 'number' && multiplier >= 1
  return isFine ? undefined : 'must have initialMs, maxMs in milliseconds and a multiplier of at least 1'
}

function invalid(option: string, message: string, hint: string): PocketMQError {
  return new PocketMQError('INVALID_ARGUMENT', message, { hint, details: { option } })
}

export type { GroupConsumerOptions }
