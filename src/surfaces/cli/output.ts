/**
 * What a command says. stdout carries the answer alone: text for people, or with `--json` one document or JSON lines.
 * Everything else (progress, notes, warnings) goes to stderr.
 */
import { once } from 'node:events'
import type { Writable } from 'node:stream'
import Table from 'cli-table3'
import type { Logger } from '../../base/logger.ts'
import type { Bar } from './progress-bar.ts'
import { startBar } from './progress-bar.ts'

/** A stream that may be a terminal. */
export type TextStream = Writable & { readonly isTTY?: boolean }

/** No lines, no colours: columns with two spaces between them. */
const NO_LINES = Object.fromEntries(
  ['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right'].map(part => [
    part,
    '',
  ]),
)
const CHARS = {
  ...NO_LINES,
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
}
const PLAIN = { style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 }, chars: CHARS }

/** The two streams of a command, and how it was asked to speak. */
export class Output {
  readonly #stdout: TextStream
  readonly #stderr: TextStream
  /** `--json` was given. */
  readonly isJson: boolean
  /** Warnings and errors of the engine, on stderr. */
  readonly logger: Logger

  constructor(stdout: TextStream, stderr: TextStream, isJson: boolean) {
    this.#stdout = stdout
    this.#stderr = stderr
    this.isJson = isJson
    const say = (fields: object, message: string): void => this.note(`warning: ${message} ${JSON.stringify(fields)}`)
    this.logger = { debug: () => {}, info: () => {}, warn: say, error: say }
  }

  /** One JSON line; waits while the reader is behind. */
  async line(value: object): Promise<void> {
    await this.#write(`${JSON.stringify(value)}\n`)
  }

  /** The one answer of a command: a JSON document, or the text for people. */
  async answer(value: object, text: () => string): Promise<void> {
    await this.#write(this.isJson ? `${JSON.stringify(value, undefined, 2)}\n` : `${text()}\n`)
  }

  /** Text for people; nothing with `--json`. */
  async text(text: string): Promise<void> {
    if (!this.isJson) await this.#write(`${text}\n`)
  }

  /** One line on stderr. */
  note(text: string): void {
    this.#stderr.write(`${text}\n`)
  }

  /** A bar on stderr where that is a terminal, else nothing. */
  bar(what: string, total: number): Bar {
    return startBar(this.#stderr, what, total)
  }

  async #write(text: string): Promise<void> {
    if (!this.#stdout.write(text)) await once(this.#stdout, 'drain')
  }
}

/** Rows under a head, in columns; numbers to the right. */
export function tableText(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const isNumber = head.map((_, column) => rows.length > 0 && rows.every(row => typeof row[column] === 'number'))
  const table = new Table({
    head: [...head],
    ...PLAIN,
    colAligns: isNumber.map(right => (right ? 'right' : 'left')),
  })
  for (const row of rows) table.push(row.map(cell => (typeof cell === 'number' ? cell.toLocaleString('en-US') : cell)))
  return trimmed(table.toString())
}

/** Names and values, one pair a line. */
export function pairsText(pairs: readonly (readonly [string, string | number])[]): string {
  const table = new Table(PLAIN)
  for (const [name, value] of pairs)
    table.push([name, typeof value === 'number' ? value.toLocaleString('en-US') : value])
  return trimmed(table.toString())
}

/** Lines without the spaces that fill their last column. */
function trimmed(text: string): string {
  return text
    .split('\n')
    .map(line => line.trimEnd())
    .join('\n')
}
