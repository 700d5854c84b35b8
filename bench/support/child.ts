/** One measurement in a process of its own, which is gone when it is done, or this one is; killed where it does not end by itself. */
import type { ChildProcessByStdio } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import type { Program } from './programs.ts'
import type { Answer, Request } from './protocol.ts'
import { tied } from './tied.ts'

/** Beyond warm-up and measurement: filling a store, starting a JVM. */
const PATIENCE_MS = 180_000
const STDERR_SHOWN = 2000

/** What came of a measurement. */
export type Outcome = Answer | { readonly unsupported: string } | { readonly failed: string }

/** A contestant's process. */
export class Child {
  readonly #process: ChildProcessByStdio<Writable, Readable, Readable>
  readonly #lines: AsyncIterator<string>
  #complaints = ''

  constructor(program: Exclude<Program, { missing: string }>) {
    this.#process = spawn(...tied(program.command, program.args), { stdio: ['pipe', 'pipe', 'pipe'] })
    this.#process.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#complaints = (this.#complaints + text).slice(-STDERR_SHOWN)
    })
    // A broken pipe shows as a process that ends without an answer.
    this.#process.stdin.on('error', error => {
      this.#complaints += error.message
    })
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]()
  }

  /** Asks one thing and waits for the answer. */
  async ask(request: Request): Promise<Outcome> {
    const patience = PATIENCE_MS + (request.seconds + request.warmUpSeconds) * 1000
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), patience)
    this.#process.stdin.write(`${JSON.stringify(request)}\n`)
    const { value, done } = await this.#lines.next()
    clearTimeout(timer)
    if (done === true) return { failed: `ended without an answer: ${this.#complaints}` }
    return JSON.parse(value) as Outcome
  }

  /** Kills it, whatever it is doing. */
  async kill(): Promise<void> {
    const gone = this.#gone()
    this.#process.kill('SIGKILL')
    await gone
  }

  /** Lets it end; kills it where it does not. */
  async end(): Promise<void> {
    const gone = this.#gone()
    this.#process.stdin.end()
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), 10_000)
    await gone
    clearTimeout(timer)
  }

  async #gone(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) await once(this.#process, 'exit')
  }
}
