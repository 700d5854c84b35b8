/** One process under torture, as its parent sees it: started, stopped, killed, and what it has said. */
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Orders } from './lines.ts'

const CHILD = fileURLToPath(new URL('./torture-child.js', import.meta.url))
const POLL_MS = 5
/** Nothing takes so long, also on a machine that has other things to do. */
const PATIENCE_MS = 150_000

const living = new Set<ChildProcess>()

/** Ends all of them, when the run itself is ended. */
export function endLives(): void {
  for (const child of living) child.kill('SIGKILL')
}

/** A running process. */
export class Life {
  readonly #child: ChildProcess
  readonly #heard: string
  readonly #errors: Promise<string>
  readonly #ended: Promise<unknown>
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
    this.#ended = once(this.#child, 'exit').then(([code, signal]) => {
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
    const threads = await this.#threads()
    await this.kill()
    return threads
  }

  /** Stops it wherever it is, all its threads; what they were in the middle of in the kernel is over. False where it has ended. */
  async stop(): Promise<boolean> {
    this.#child.kill('SIGSTOP')
    while (this.end === undefined && !this.#isStopped()) await sleep(1)
    return this.end === undefined
  }

  /** Lets it go on. */
  resume(): void {
    this.#child.kill('SIGCONT')
  }

  /** A line for each thread: its state, the ticks it has had for itself and in the kernel, a second apart, and where it waits there. */
  async #threads(): Promise<string> {
    const before = this.#ticks()
    await sleep(1000)
    const after = this.#ticks()
    const lines = [...after].map(([task, { name, state, ticks, waitsIn }]) => {
      const { ticks: ticksBefore = '-' } = before.get(task) ?? {}
      return `${name} ${state} ${ticksBefore} -> ${ticks} ${waitsIn}`
    })
    return lines.join('; ')
  }

  #ticks(): Map<string, { name: string; state: string; ticks: string; waitsIn: string }> {
    const folder = `/proc/${this.pid}/task`
    const read = (task: string, file: string): string => readFileSync(join(folder, task, file), 'latin1').trim()
    try {
      const tasks = readdirSync(folder).map(task => {
        const fields = read(task, 'stat')
          .replace(/^.*\) /, '')
          .split(' ')
        const [state = '', ticks = ''] = [fields[0], `${fields[11]}+${fields[12]}`]
        return [task, { name: read(task, 'comm'), state, ticks, waitsIn: read(task, 'wchan') }] as const
      })
      return new Map(tasks)
    } catch {
      // It is ending just now, or there is no /proc here.
      return new Map()
    }
  }

  #isStopped(): boolean {
    try {
      const tasks = readdirSync(`/proc/${this.pid}/task`)
      return tasks.every(task => /^\d+ \(.*\) T/.test(readFileSync(`/proc/${this.pid}/task/${task}/stat`, 'latin1')))
    } catch {
      return false
    }
  }
}
