/**
 * JSON as RocketMQ writes it: map keys may be bare integers (`{0:5}`). A whole number that a double cannot hold is refused,
 * not rounded. Nesting and length are bounded. Written is standard JSON, which RocketMQ reads as well.
 */
import { PocketMQError } from '../base/errors.ts'

/** Deepest nesting that is read. */
const DEPTH_MAX = 64
/** Longest text that is read. */
const TEXT_MAX = 256 * 1024 * 1024

/** A JSON value. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject
/** A JSON object. Keys are own properties, whatever they are called. */
export type JsonObject = { readonly [key: string]: Json }

/**
 * The value of a text.
 * @throws CORRUPT where the text is not JSON, or holds a whole number beyond 2^53
 */
export function parseLooseJson(text: string, file: string): Json {
  if (text.length > TEXT_MAX) throw corruptJson(file, `at most ${TEXT_MAX} characters`, `${text.length}`)
  const parser = new Parser(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text, file)
  return parser.document()
}

/** The value, which has to be an object. */
export function parseLooseJsonObject(text: string, file: string): JsonObject {
  return asJsonObject(parseLooseJson(text, file), file, 'the whole file')
}

/** Narrows a value to an object. @throws CORRUPT */
export function asJsonObject(value: Json | undefined, file: string, where: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw corruptJson(file, `an object as ${where}`, kindOf(value))
  }
  return value as JsonObject
}

/** The error for a config file that does not read. Its `.bak` may. */
export function corruptJson(file: string, expected: string, found: string, at?: number): PocketMQError {
  const where = at === undefined ? '' : ` at character ${at}`
  return new PocketMQError('CORRUPT', `${file} is damaged${where}: ${found} where ${expected} belongs`, {
    hint: 'Bring back the version before, which is beside it with the ending .bak.',
    details: { file, expected, found, ...(at === undefined ? {} : { at }) },
  })
}

/** What kind of value this is, for an error. */
export function kindOf(value: Json | undefined): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'object') return 'an object'
  return `${typeof value} ${String(value).slice(0, 40)}`
}

const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_BRACKET = 0x5b
const BACKSLASH = 0x5c
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y
const BARE_KEY = /-?[0-9]+/y

class Parser {
  readonly #text: string
  readonly #file: string
  #at = 0

  constructor(text: string, file: string) {
    this.#text = text
    this.#file = file
  }

  document(): Json {
    const value = this.#value(0)
    this.#space()
    if (this.#at < this.#text.length) throw this.#corrupt('the end')
    return value
  }

  #value(depth: number): Json {
    if (depth > DEPTH_MAX) throw this.#corrupt(`nesting of at most ${DEPTH_MAX}`)
    this.#space()
    const code = this.#text.charCodeAt(this.#at)
    if (code === OPEN_BRACE) return this.#object(depth)
    if (code === OPEN_BRACKET) return this.#array(depth)
    if (code === QUOTE) return this.#string()
    if (code === 0x2d || (code >= 0x30 && code <= 0x39)) return this.#number()
    for (const [word, value] of WORDS) {
      if (!this.#text.startsWith(word, this.#at)) continue
      this.#at += word.length
      return value
    }
    throw this.#corrupt('a value')
  }

  #object(depth: number): JsonObject {
    const members: Record<string, Json> = {}
    this.#at++
    this.#space()
    if (this.#takes(CLOSE_BRACE)) return members
    for (;;) {
      this.#space()
      const key = this.#key()
      this.#space()
      if (!this.#takes(COLON)) throw this.#corrupt("':'")
      const value = this.#value(depth + 1)
      if (key === '__proto__') {
        Object.defineProperty(members, key, { value, enumerable: true, configurable: true, writable: true })
      } else {
        members[key] = value
      }
      this.#space()
      if (this.#takes(CLOSE_BRACE)) return members
      if (!this.#takes(COMMA)) throw this.#corrupt("',' or '}'")
    }
  }

  #array(depth: number): Json[] {
    const items: Json[] = []
    this.#at++
    this.#space()
    if (this.#takes(CLOSE_BRACKET)) return items
    for (;;) {
      items.push(this.#value(depth + 1))
      this.#space()
      if (this.#takes(CLOSE_BRACKET)) return items
      if (!this.#takes(COMMA)) throw this.#corrupt("',' or ']'")
    }
  }

  #key(): string {
    if (this.#text.charCodeAt(this.#at) === QUOTE) return this.#string()
    BARE_KEY.lastIndex = this.#at
    const match = BARE_KEY.exec(this.#text)
    if (match === null) throw this.#corrupt('a key')
    this.#at += match[0].length
    return match[0]
  }

  #string(): string {
    const start = this.#at
    let end = start + 1
    let isPlain = true
    for (; ; end++) {
      const code = this.#text.charCodeAt(end)
      if (code === QUOTE) break
      // NaN: the text ends inside the string. Control characters have to be escaped.
      if (Number.isNaN(code) || code < 0x20) throw this.#corrupt('the end of a string')
      if (code === BACKSLASH) {
        isPlain = false
        end++
      }
    }
    this.#at = end + 1
    if (isPlain) return this.#text.slice(start + 1, end)
    try {
      return JSON.parse(this.#text.slice(start, end + 1)) as string
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error
      this.#at = start
      throw this.#corrupt('a string with valid escapes')
    }
  }

  #number(): number {
    NUMBER.lastIndex = this.#at
    const match = NUMBER.exec(this.#text)
    if (match === null) throw this.#corrupt('a number')
    const value = Number(match[0])
    const isWhole = match[1] === undefined && match[2] === undefined
    if (isWhole ? !Number.isSafeInteger(value) : !Number.isFinite(value)) {
      throw this.#corrupt('a number from -(2^53 - 1) to 2^53 - 1')
    }
    this.#at += match[0].length
    return value
  }

  #takes(code: number): boolean {
    if (this.#text.charCodeAt(this.#at) !== code) return false
    this.#at++
    return true
  }

  #space(): void {
    for (; ; this.#at++) {
      const code = this.#text.charCodeAt(this.#at)
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return
    }
  }

  #corrupt(expected: string): PocketMQError {
    const rest = this.#text.slice(this.#at, this.#at + 20)
    return corruptJson(this.#file, expected, rest === '' ? 'the end' : JSON.stringify(rest), this.#at)
  }
}

const WORDS: readonly (readonly [string, Json])[] = [
  ['true', true],
  ['false', false],
  ['null', null],
]
