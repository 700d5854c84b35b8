/**
 * What of a topic a consumer wants: tags or a SQL92 condition, compiled once.
 * Two expressions that mean the same have the same canonical text, and so the same hash: `a||b` is `b || a`.
 * RocketMQ: FilterAPI, SubscriptionData.
 */
import { createHash } from 'node:crypto'
import { PocketMQError } from '../base/errors.ts'
import { javaHashCode } from '../codec/java-hash.ts'
import { PROPERTY_TAGS, propertyValue } from '../codec/properties.ts'
import type { StoredMessage } from '../store/message-store.ts'
import { compileSql, FilterTrouble } from './sql/compiler.ts'
import { parseSql } from './sql/parser.ts'

/**
 * A subscription expression: text is tags (`*`, empty or null: every message; `a || b`: either tag), `{ sql }` a SQL92 condition.
 * `{ expression, filterType }` is what `rocketmq-client-nodejs` has: filterType 1 is tags, 2 is SQL.
 */
export type SubscriptionExpression =
  | string
  | null
  | undefined
  | { readonly tag: string }
  | { readonly sql: string }
  | { readonly expression: string; readonly filterType?: number }

/** RocketMQ's ExpressionType. */
export type ExpressionKind = 'TAG' | 'SQL92'

/** A subscription expression, ready to be asked about messages. */
export type CompiledSubscription = {
  readonly kind: ExpressionKind
  /** The one spelling of its meaning. */
  readonly canonical: string
  /** 16 hex digits over kind and canonical text. */
  readonly hash: string
  /** Java hashes of the tags, for the ConsumeQueue; absent where every message may match. */
  readonly tagsCodes?: ReadonlySet<number>
  /** Exact: different tags with one hash are told apart. A condition that cannot be evaluated does not match. */
  matches(message: StoredMessage): boolean
  /** How often a condition could not be evaluated: RocketMQ would have thrown. */
  readonly troubles: number
}

/** Everything. RocketMQ: SUB_ALL. */
export const SUBSCRIBE_ALL = '*'

/** Longest tag expression and most tags in it. */
const TAG_EXPRESSION_LENGTH_MAX = 16_384
const SQL_FILTER_TYPE = 2
const TAG_SEPARATOR = '||'

/** Compiles an expression. @throws INVALID_ARGUMENT, for SQL with `details.position` */
export function compileSubscription(expression: SubscriptionExpression): CompiledSubscription {
  if (expression === null || expression === undefined) return new TagSubscription('')
  if (typeof expression === 'string') return new TagSubscription(expression)
  if (typeof expression === 'object') {
    const { tag, sql, expression: text, filterType } = expression as Record<string, unknown>
    if (typeof sql === 'string') return new SqlSubscription(sql)
    if (typeof tag === 'string') return new TagSubscription(tag)
    if (typeof text === 'string')
      return filterType === SQL_FILTER_TYPE ? new SqlSubscription(text) : new TagSubscription(text)
  }
  throw new PocketMQError('INVALID_ARGUMENT', 'a subscription expression must be tags or { sql }', {
    hint: "Write '*', 'paid || refunded' or { sql: \"region = 'eu'\" }.",
    details: { field: 'expression', actual: typeof expression },
  })
}

class TagSubscription implements CompiledSubscription {
  readonly kind: ExpressionKind = 'TAG'
  readonly canonical: string
  readonly hash: string
  readonly tagsCodes?: ReadonlySet<number>
  readonly troubles = 0
  readonly #tags: ReadonlySet<string>

  constructor(text: string) {
    const tags = splitTags(text)
    this.#tags = new Set(tags)
    this.canonical = tags.length === 0 ? SUBSCRIBE_ALL : tags.join(` ${TAG_SEPARATOR} `)
    this.hash = hashOf(this.kind, this.canonical)
    if (tags.length > 0) this.tagsCodes = new Set(tags.map(javaHashCode))
  }

  matches(message: StoredMessage): boolean {
    if (this.#tags.size === 0) return true
    const tag = propertyValue(message.propertiesText, PROPERTY_TAGS)
    return tag !== undefined && this.#tags.has(tag)
  }
}

class SqlSubscription implements CompiledSubscription {
  readonly kind: ExpressionKind = 'SQL92'
  readonly canonical: string
  readonly hash: string
  readonly #condition: ReturnType<typeof compileSql>
  #troubles = 0

  constructor(text: string) {
    const { tree, canonical } = parseSql(text)
    this.canonical = canonical
    this.hash = hashOf(this.kind, canonical)
    this.#condition = compileSql(tree)
  }

  get troubles(): number {
    return this.#troubles
  }

  matches(message: StoredMessage): boolean {
    const text = message.propertiesText
    try {
      return this.#condition(name => propertyValue(text, name)) === true
    } catch (error) {
      if (!(error instanceof FilterTrouble)) throw error
      this.#troubles++
      return false
    }
  }
}

/** The tags of an expression, sorted, each once; none means every message. */
function splitTags(text: string): string[] {
  if (text.length > TAG_EXPRESSION_LENGTH_MAX) {
    throw new PocketMQError(
      'INVALID_ARGUMENT',
      `a tag expression longer than ${TAG_EXPRESSION_LENGTH_MAX} characters`,
      {
        hint: 'Subscribe to * and filter in the handler, or use fewer tags.',
        details: { field: 'expression', limit: TAG_EXPRESSION_LENGTH_MAX, actual: text.length },
      },
    )
  }
  const trimmed = text.trim()
  if (trimmed === '' || trimmed === SUBSCRIBE_ALL) return []
  const tags = trimmed
    .split(TAG_SEPARATOR)
    .map(tag => tag.trim())
    .filter(tag => tag !== '')
  if (tags.length > 0) return [...new Set(tags)].sort()
  throw new PocketMQError('INVALID_ARGUMENT', `a tag expression without a tag: ${JSON.stringify(text)}`, {
    hint: "Write '*' for every message, or tags like 'paid || refunded'.",
    details: { field: 'expression' },
  })
}

function hashOf(kind: ExpressionKind, canonical: string): string {
  return createHash('sha256').update(`${kind} ${canonical}`).digest('hex').slice(0, 16)
}
