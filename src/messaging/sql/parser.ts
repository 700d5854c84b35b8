/**
 * Turns the tokens of a SQL92 filter into a tree. Precedence, lowest first: OR, AND, equality and IS NULL, comparison
 * with BETWEEN, IN and the string tests, unary, primary.   RocketMQ: SelectorParser.
 */
import type { Token } from './tokenizer.ts'
import { sqlError, tokenize } from './tokenizer.ts'

/** A value written in a filter. Java has two widths of integers, and which one it is decides how a property converts. */
export type Literal =
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'boolean'; readonly value: boolean }
  | { readonly type: 'null' }
  | { readonly type: 'int'; readonly value: number }
  | { readonly type: 'long'; readonly value: bigint }
  | { readonly type: 'double'; readonly value: number }

/** How two values are compared. */
export type Comparison = '=' | '>' | '>=' | '<' | '<='

/** How a value is searched for a string. */
export type StringTest = 'CONTAINS' | 'STARTSWITH' | 'ENDSWITH'

/** One node of a filter's tree. */
export type SqlNode =
  | { readonly kind: 'property'; readonly name: string }
  | { readonly kind: 'literal'; readonly literal: Literal }
  /** A literal with its sign; RocketMQ does not treat it as a constant when it checks operands. */
  | { readonly kind: 'negated'; readonly operand: SqlNode }
  | { readonly kind: 'not'; readonly operand: SqlNode }
  | { readonly kind: 'and' | 'or'; readonly left: SqlNode; readonly right: SqlNode }
  | { readonly kind: 'compare'; readonly operator: Comparison; readonly left: SqlNode; readonly right: SqlNode }
  | { readonly kind: 'in'; readonly name: string; readonly values: readonly string[]; readonly isNegated: boolean }
  | {
      readonly kind: 'test'
      readonly test: StringTest
      readonly operand: SqlNode
      readonly search: string
      readonly isNegated: boolean
    }
  /** A property where a condition is asked for. */
  | { readonly kind: 'cast'; readonly operand: SqlNode }

/** Deepest nesting of parentheses and signs. */
export const SQL_DEPTH_MAX = 64

const INT_MAX = 2n ** 31n - 1n
const LONG_MAX = 2n ** 63n - 1n
const COMPARISONS: ReadonlySet<string> = new Set(['>', '>=', '<', '<='])
const STRING_TESTS: ReadonlySet<string> = new Set(['CONTAINS', 'STARTSWITH', 'ENDSWITH'])

/** The tree of a filter, and its text in one spelling. @throws INVALID_ARGUMENT with `details.position` */
export function parseSql(text: string): { readonly tree: SqlNode; readonly canonical: string } {
  const tokens = tokenize(text)
  const parser = new SqlParser(text, tokens)
  return { tree: parser.parse(), canonical: tokens.map(spelled).join(' ').trimEnd() }
}

function spelled(token: Token): string {
  if (token.kind === 'string') return `'${token.text.replaceAll("'", "''")}'`
  return token.kind === 'integer' ? token.text.replace(/[lL]$/, '') : token.text
}

class SqlParser {
  readonly #text: string
  readonly #tokens: readonly Token[]
  #next = 0
  #depth = 0

  constructor(text: string, tokens: readonly Token[]) {
    this.#text = text
    this.#tokens = tokens
  }

  parse(): SqlNode {
    const tree = this.#asCondition(this.#or(), 0)
    const rest = this.#peek()
    if (rest.kind !== 'end') throw this.#error(`unexpected ${described(rest)} after the end of the condition`, rest)
    return tree
  }

  #or(): SqlNode {
    let left = this.#and()
    while (this.#accept('keyword', 'OR')) {
      const start = this.#peek().position
      left = { kind: 'or', left: this.#asCondition(left, 0), right: this.#asCondition(this.#and(), start) }
    }
    return left
  }

  #and(): SqlNode {
    let left = this.#equality()
    while (this.#accept('keyword', 'AND')) {
      const start = this.#peek().position
      left = { kind: 'and', left: this.#asCondition(left, 0), right: this.#asCondition(this.#equality(), start) }
    }
    return left
  }

  #equality(): SqlNode {
    let left = this.#comparison()
    for (;;) {
      const token = this.#peek()
      if (this.#accept('operator', '=')) {
        left = this.#equal(left, this.#comparison(), token)
      } else if (this.#accept('operator', '<>')) {
        left = { kind: 'not', operand: this.#equal(left, this.#comparison(), token) }
      } else if (this.#accept('keyword', 'IS')) {
        const isNegated = this.#accept('keyword', 'NOT')
        this.#expect('keyword', 'NULL')
        const isNull: SqlNode = {
          kind: 'compare',
          operator: '=',
          left,
          right: { kind: 'literal', literal: { type: 'null' } },
        }
        left = isNegated ? { kind: 'not', operand: isNull } : isNull
      } else {
        return left
      }
    }
  }

  #comparison(): SqlNode {
    let left = this.#unary()
    for (;;) {
      const token = this.#peek()
      if (token.kind === 'operator' && COMPARISONS.has(token.text)) {
        this.#next++
        left = this.#ordered(token.text as Comparison, left, this.#unary(), token)
        continue
      }
      const isNegated = token.kind === 'keyword' && token.text === 'NOT'
      const word = isNegated ? (this.#tokens[this.#next + 1] as Token) : token
      if (word.kind !== 'keyword' || !(word.text === 'BETWEEN' || word.text === 'IN' || STRING_TESTS.has(word.text)))
        return left
      this.#next += isNegated ? 2 : 1
      if (word.text === 'BETWEEN') left = this.#between(left, isNegated, word)
      else if (word.text === 'IN') left = this.#in(left, isNegated, word)
      else left = { kind: 'test', test: word.text as StringTest, operand: left, search: this.#string(), isNegated }
    }
  }

  #between(value: SqlNode, isNegated: boolean, token: Token): SqlNode {
    const low = this.#unary()
    this.#expect('keyword', 'AND')
    const high = this.#unary()
    if (isNegated) {
      return { kind: 'or', left: this.#ordered('<', value, low, token), right: this.#ordered('>', value, high, token) }
    }
    const tree: SqlNode = {
      kind: 'and',
      left: this.#ordered('>=', value, low, token),
      right: this.#ordered('<=', value, high, token),
    }
    if (low.kind === 'literal' && high.kind === 'literal' && numberOf(low.literal) > numberOf(high.literal)) {
      throw this.#error('BETWEEN with a lower bound above its upper bound', token)
    }
    return tree
  }

  #in(left: SqlNode, isNegated: boolean, token: Token): SqlNode {
    if (left.kind !== 'property') throw this.#error('IN takes a property on its left side', token)
    this.#expect('operator', '(')
    const values = [this.#string()]
    while (this.#accept('operator', ',')) values.push(this.#string())
    this.#expect('operator', ')')
    return { kind: 'in', name: left.name, values, isNegated }
  }

  #unary(): SqlNode {
    const token = this.#peek()
    if (++this.#depth > SQL_DEPTH_MAX) throw this.#error(`nested deeper than ${SQL_DEPTH_MAX}`, token)
    const node = this.#unaryAt(token)
    this.#depth--
    return node
  }

  #unaryAt(token: Token): SqlNode {
    if (this.#accept('operator', '+')) return this.#unary()
    if (this.#accept('operator', '-')) return { kind: 'negated', operand: this.#unary() }
    if (this.#accept('keyword', 'NOT')) {
      return { kind: 'not', operand: this.#asCondition(this.#unary(), token.position) }
    }
    return this.#primary()
  }

  #primary(): SqlNode {
    const token = this.#peek()
    this.#next++
    if (token.kind === 'name') return { kind: 'property', name: token.text }
    if (token.kind === 'operator' && token.text === '(') {
      const inner = this.#or()
      this.#expect('operator', ')')
      return inner
    }
    return { kind: 'literal', literal: this.#literal(token) }
  }

  #literal(token: Token): Literal {
    if (token.kind === 'string') return { type: 'string', value: token.text }
    if (token.kind === 'float') return this.#double(token)
    if (token.kind === 'integer') {
      const value = BigInt(token.text.replace(/[lL]$/, ''))
      if (value > LONG_MAX) throw this.#error('an integer beyond 9223372036854775807', token)
      return value > INT_MAX ? { type: 'long', value } : { type: 'int', value: Number(value) }
    }
    if (token.kind === 'keyword') {
      if (token.text === 'TRUE' || token.text === 'FALSE') return { type: 'boolean', value: token.text === 'TRUE' }
      if (token.text === 'NULL') return { type: 'null' }
    }
    throw this.#error(`expected a value, found ${described(token)}`, token)
  }

  #double(token: Token): Literal {
    const value = Number(token.text)
    if (!Number.isFinite(value)) throw this.#error('a number too large for a double', token)
    return { type: 'double', value }
  }

  #equal(left: SqlNode, right: SqlNode, token: Token): SqlNode {
    for (const side of [left, right]) {
      if (side.kind === 'literal' && side.literal.type === 'null')
        throw this.#error('NULL is compared by IS NULL', token)
    }
    if (
      left.kind === 'literal' &&
      left.literal.type === 'boolean' &&
      right.kind === 'literal' &&
      right.literal.type !== 'boolean'
    ) {
      throw this.#error('TRUE and FALSE cannot equal another kind of value', token)
    }
    return { kind: 'compare', operator: '=', left, right }
  }

  #ordered(operator: Comparison, left: SqlNode, right: SqlNode, token: Token): SqlNode {
    for (const side of [left, right]) {
      if (isCondition(side)) throw this.#error('a condition has no order', token)
      if (side.kind === 'literal' && !('value' in side.literal && typeof side.literal.value !== 'string')) {
        throw this.#error('only numbers and properties have an order', token)
      }
    }
    return { kind: 'compare', operator, left, right }
  }

  #asCondition(node: SqlNode, position: number): SqlNode {
    if (node.kind === 'property') return { kind: 'cast', operand: node }
    if (isCondition(node)) return node
    throw sqlError('expected a condition, found a plain value', position, this.#text)
  }

  #string(): string {
    const token = this.#peek()
    if (token.kind !== 'string')
      throw this.#error(`expected a string in single quotes, found ${described(token)}`, token)
    this.#next++
    return token.text
  }

  #peek(): Token {
    return this.#tokens[this.#next] as Token
  }

  #accept(kind: Token['kind'], text: string): boolean {
    const token = this.#peek()
    if (token.kind !== kind || token.text !== text) return false
    this.#next++
    return true
  }

  #expect(kind: Token['kind'], text: string): void {
    const token = this.#peek()
    if (!this.#accept(kind, text)) throw this.#error(`expected ${text}, found ${described(token)}`, token)
  }

  #error(problem: string, token: Token): Error {
    return sqlError(problem, token.position, this.#text)
  }
}

/** Whether a node yields true, false or null by its form. */
function isCondition(node: SqlNode): boolean {
  if (node.kind === 'literal') return node.literal.type === 'boolean' || node.literal.type === 'null'
  return node.kind !== 'property' && node.kind !== 'negated'
}

function numberOf(literal: Literal): number {
  return 'value' in literal ? Number(literal.value) : Number.NaN
}

function described(token: Token): string {
  return token.kind === 'end' ? 'the end' : JSON.stringify(token.text)
}
