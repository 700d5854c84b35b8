/** One process under torture, as its parent sees it: started, stopped, killed, and what it has said. */
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync, statSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Orders } from './lines.ts'
import { comparedText, isStopped, switchesOf, threadsOf } from './threads.ts'

const CHILD = fileURLToPath(new URL('./torture-child.js', import.meta.url))
const POLL_MS = 5
/** Nothing takes so long, also on a machine that has other things to do. */
const PATIENCE_MS = 150_000
/** A process in which nothing has moved for so long is woken up. */
const MOTIONLESS_MS = 5_000
const LOOK_MS = 500

const living = new Set<ChildProcess>()

/** Ends all of them, when the run itself is ended. */
export function endLives(): void {
  for (const child of living) child.kill('SIGKILL')
}

/** A running process. */
export class Life {
  /** How many processes went on only after they were stopped and continued. */
  static wokenUp = 0
  readonly #child: ChildProcess
  readonly #heard: string
  readonly #errors: Promise<string>
  readonly #ended: Promise<unknown>
  #switches = -1
  /** Stopped by whoever has it. */
  #isHeld = false
  /** How it ended; undefined while it runs. */
  end: { readonly code: number | null; readonly signal: NodeJS.Signals | null } | undefined

  /** @param heard the file its lines go to */
  constructor(orders: Orders, heard: string) {
    this.#heard = heard
    const output = openSync(heard, 'w')
    this.#child = spawn(process.execPath, [CHILD, JSON.stringify(orders)], { stdio: ['ignore', output, 'pipe'] })
    closeSync(output)
    living.add(this.#child)
    this.#errors = text(this.#child.stderr as NonNullable<ChildProcess['stderr']>)
    const watching = setInterval(() => void this.#watch(), MOTIONLESS_MS)
    this.#ended = once(this.#child, 'exit').then(([code, signal]) => {
      clearInterval(watching)
      living.delete(this.#child)
      this.end = { code: code as number | null, signal: signal as NodeJS.Signals | null }
    })
  }

  get pid(): number {
    return this.#child.pid as number
  }

  /** Everything it has said so far. */
  said(): string {
    return readFileSync(this.#heard, 'latin1')
  }

  /** What it wrote on standard error; once it has ended. */
  async errors(): Promise<string> {
    return await this.#errors
  }

  /** Waits until it has said something like this after so many characters, or has ended. Answers whether it was said. */
  async says(pattern: RegExp, after = 0, patienceMs = PATIENCE_MS): Promise<boolean> {
    const untilMs = Date.now() + patienceMs
    for (let seenBytes = -1; ; ) {
      const isOver = this.end !== undefined || Date.now() > untilMs
      const { size } = statSync(this.#heard)
      if (size !== seenBytes && pattern.test(this.said().slice(after))) return true
      if (isOver) return false
      seenBytes = size
      await sleep(POLL_MS)
    }
  }

  /** Waits so long, or until it ends. */
  async lives(ms: number): Promise<void> {
    const isOver = new AbortController()
    const slept = sleep(ms, undefined, { signal: isOver.signal }).catch((error: Error) => {
      if (error.name !== 'AbortError') throw error
    })
    await Promise.race([slept, this.#ended])
    isOver.abort()
  }

  /** Ends it at once, and resolves when it is gone. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#ended
  }

  /** Waits until it ends by itself. Kills it where that takes too long, and answers what its threads were doing then. */
  async over(): Promise<string | undefined> {
    await this.lives(PATIENCE_MS)
    if (this.end !== undefined) return undefined
    const before = threadsOf(this.pid)
    await sleep(LOOK_MS)
    const text = comparedText(before, threadsOf(this.pid))
    await this.kill()
    return text
  }

  /** Stops it wherever it is, all its threads; what they were in the middle of in the kernel is over. False where it has ended. */
  async stop(): Promise<boolean> {
    this.#isHeld = true
    await this.#halt()
    return this.end === undefined
  }

  /** Lets it go on. */
  resume(): void {
    this.#isHeld = false
    this.#child.kill('SIGCONT')
  }

  async #halt(): Promise<void> {
    this.#child.kill('SIGSTOP')
    while (this.end === undefined && !isStopped(this.pid)) await sleep(1)
  }

  /**
   * A process in which no thread ever moves may be asleep for no reason of its own: on Linux 6.18 a thread was seen to wait for the
   * lock of malloc while nobody held it. Stopped and continued, every thread looks again at what it waits for: whoever missed a
   * wake-up goes on, and is counted; whoever waits for what never comes waits on.
   */
  async #watch(): Promise<void> {
    const before = this.#switches
    this.#switches = switchesOf(this.pid)
    // No switch at all: there is no /proc to tell, nor to say when it has stopped.
    if (this.#isHeld || this.#switches === 0 || this.#switches !== before) return
    await this.#halt()
    if (!this.#isHeld) this.#child.kill('SIGCONT')
    await sleep(LOOK_MS)
    const woken = switchesOf(this.pid)
    await sleep(LOOK_MS)
    if (this.end !== undefined || switchesOf(this.pid) !== woken) Life.wokenUp++
  }
}
