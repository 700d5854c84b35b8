/**
 * Cuts a SQL92 filter into tokens. Words are RocketMQ's; comments are `--` to the end of the line, and C-like blocks.
 * Every complaint is INVALID_ARGUMENT with the position of the offending character.
 */
import { PocketMQError } from '../../base/errors.ts'

/** What a token is; `operator` covers punctuation too. */
export type TokenKind = 'keyword' | 'name' | 'string' | 'integer' | 'float' | 'operator' | 'end'

/** One token: `text` is upper case for keywords, unescaped for strings, as written for the rest. */
export type Token = { readonly kind: TokenKind; readonly text: string; readonly position: number }

/** Longest filter, in UTF-16 units. */
export const SQL_LENGTH_MAX = 16_384

const KEYWORDS: ReadonlySet<string> = new Set(
  'AND OR NOT BETWEEN IN IS NULL TRUE FALSE CONTAINS STARTSWITH ENDSWITH'.split(' '),
)

const SPACE = /[ \t\n\r\f]+/y
const LINE_COMMENT = /--[^\n\r]*/y
const BLOCK_COMMENT = /\/\*[\s\S]*?\*\//y
const NAME = /[A-Za-z_$][A-Za-z0-9_$]*/y
const STRING = /'(?:''|[^'])*'/y
const FLOAT = /(?:\d+\.\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+)/y
const INTEGER = /(?:0|[1-9]\d*[lL]?)/y
const OPERATOR = /<>|>=|<=|[=<>(),+-]/y

/** What may not follow a number directly: `007`, `12abc`, `0L`. */
const NUMBER_TAIL = /[A-Za-z0-9_$.]/

/** A syntax complaint about a filter. */
export function sqlError(problem: string, position: number, text: string): PocketMQError {
  return new PocketMQError('INVALID_ARGUMENT', `SQL filter: ${problem} at position ${position}`, {
    hint: "Write conditions like: region = 'eu' AND amount BETWEEN 10 AND 20.",
    details: { field: 'expression', position, near: text.slice(position, position + 24) },
  })
}

/** All tokens of `text`, ending with one of kind `end`. @throws INVALID_ARGUMENT */
export function tokenize(text: string): Token[] {
  if (text.length > SQL_LENGTH_MAX) {
    throw new PocketMQError('INVALID_ARGUMENT', `SQL filter: longer than ${SQL_LENGTH_MAX} characters`, {
      hint: 'Shorten the filter, or filter in the handler.',
      details: { field: 'expression', limit: SQL_LENGTH_MAX, actual: text.length, position: SQL_LENGTH_MAX },
    })
  }
  const tokens: Token[] = []
  let position = 0
  while (position < text.length) {
    const skipped =
      match(SPACE, text, position) ?? match(LINE_COMMENT, text, position) ?? match(BLOCK_COMMENT, text, position)
    if (skipped !== undefined) {
      position += skipped.length
      continue
    }
    const { token, length } = tokenAt(text, position)
    tokens.push(token)
    position += length
  }
  tokens.push({ kind: 'end', text: '', position: text.length })
  return tokens
}

function tokenAt(text: string, position: number): { token: Token; length: number } {
  const name = match(NAME, text, position)
  if (name !== undefined) {
    const word = name.toUpperCase()
    const isKeyword = KEYWORDS.has(word)
    return {
      token: { kind: isKeyword ? 'keyword' : 'name', text: isKeyword ? word : name, position },
      length: name.length,
    }
  }
  const string = match(STRING, text, position)
  if (string !== undefined) {
    const value = string.slice(1, -1).replaceAll("''", "'")
    return { token: { kind: 'string', text: value, position }, length: string.length }
  }
  const float = match(FLOAT, text, position)
  const number = float ?? match(INTEGER, text, position)
  if (number !== undefined) {
    const after = text[position + number.length]
    if (after !== undefined && NUMBER_TAIL.test(after)) throw sqlError('a malformed number', position, text)
    return { token: { kind: float === undefined ? 'integer' : 'float', text: number, position }, length: number.length }
  }
  const operator = match(OPERATOR, text, position)
  if (operator !== undefined) return { token: { kind: 'operator', text: operator, position }, length: operator.length }
  if (text[position] === "'") throw sqlError('a string without its closing quote', position, text)
  throw sqlError(`an unexpected character ${JSON.stringify(text[position])}`, position, text)
}

function match(pattern: RegExp, text: string, position: number): string | undefined {
  pattern.lastIndex = position
  return pattern.exec(text)?.[0]
}
