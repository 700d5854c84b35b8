/** What a torture run counts, finds and prints. */
import type { TextStream } from '../../src/surfaces/cli/output.ts'
import { tableText } from '../../src/surfaces/cli/output.ts'
import type { Ledger } from './ledger.ts'
import { Life } from './life.ts'

/** What was done to processes and devices, in the order it is shown. */
export const EVENTS = [
  'SIGKILL while it worked',
  'SIGKILL while it opened',
  'power cut on ext4',
  'full device',
  'device turned read-only',
  'device failed',
  'out of descriptors',
  'SIGSTOP of the owner',
] as const

export type TortureEvent = (typeof EVENTS)[number]

/** Counts of a run. */
export class Tally {
  readonly #progress: TextStream | undefined
  readonly events: Record<TortureEvent, number>
  readonly skipped: string[] = []
  readonly findings: string[] = []
  /** Typed errors that PocketMQ gave, `event: CODE ERRNO`. */
  readonly errors = new Map<string, number>()
  /** Ends of processes by a signal that nobody sent, `event: signal`. */
  readonly ends = new Map<string, number>()
  acknowledgements = 0
  repeats = 0
  folders = 0

  constructor(progress?: TextStream) {
    this.#progress = progress
    this.events = Object.fromEntries(EVENTS.map(event => [event, 0])) as Record<TortureEvent, number>
  }

  count(event: TortureEvent): void {
    this.events[event]++
  }

  /** A process was killed: while it worked, or before it had opened its folder. */
  killed(life: Life): void {
    if (life.end?.signal === 'SIGKILL')
      this.count(/^O /m.test(life.said()) ? 'SIGKILL while it worked' : 'SIGKILL while it opened')
  }

  ended(event: TortureEvent, how: string): void {
    const name = `${event}: ${how}`
    this.ends.set(name, (this.ends.get(name) ?? 0) + 1)
  }

  /** Takes in what was said about a folder. */
  take(ledger: Ledger, where: string, event: TortureEvent): void {
    this.find(where, ledger.findings)
    for (const [error, count] of ledger.errors) {
      const name = `${event}: ${error}`
      this.errors.set(name, (this.errors.get(name) ?? 0) + count)
    }
    this.acknowledgements += ledger.acknowledgements
    this.repeats += ledger.repeats
    this.folders++
  }

  /** Also said at once: a run may be ended before it prints its tables. */
  find(where: string, complaints: readonly string[]): void {
    const findings = complaints.map(complaint => `${where}: ${complaint}`)
    this.findings.push(...findings)
    for (const finding of findings) this.#progress?.write(`FOUND ${finding}\n`)
  }

  get wokenUp(): number {
    return Life.wokenUp
  }

  get reorderings(): number {
    return this.findings.filter(finding => finding.includes('disorder')).length
  }

  /** Everything, for `--json`. */
  toJSON(): Record<string, unknown> {
    const { events, skipped, findings, acknowledgements, repeats, folders, wokenUp, reorderings } = this
    const losses = findings.filter(finding => /is lost|never got/.test(finding)).length
    const [errors, ends] = [Object.fromEntries(this.errors), Object.fromEntries(this.ends)]
    return { events, acknowledgements, folders, wokenUp, losses, reorderings, repeats, errors, ends, skipped, findings }
  }

  /** The tables for people. */
  text(): string {
    const { losses } = this.toJSON() as { losses: number }
    const rows: (readonly [string, number])[] = Object.entries(this.events)
    const totals: (readonly [string, number])[] = [
      ['folders', this.folders],
      ['processes that had to be woken up', this.wokenUp],
      ['acknowledgements', this.acknowledgements],
      ['messages that came again', this.repeats],
      ['losses', losses],
      ['reorderings', this.reorderings],
      ['findings', this.findings.length],
    ]
    const parts = [tableText(['what', 'times'], [...rows, ...totals])]
    if (this.errors.size > 0) parts.push(tableText(['error', 'times'], [...this.errors]))
    if (this.ends.size > 0) parts.push(tableText(['ended by itself', 'times'], [...this.ends]))
    parts.push(...this.skipped.map(reason => `SKIPPED ${reason}`), ...this.findings.map(finding => `FOUND ${finding}`))
    return parts.join('\n\n')
  }
}
