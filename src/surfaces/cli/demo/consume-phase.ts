/** Second half of the demo: three consumers of a group read everything; one of them breaks down, and their process is killed. */
import { systemClock } from '../../../base/clock.ts'
import { runChild } from './child.ts'
import type { ConsumedLine } from './demo-lines.ts'

/** A flight whose handling ended. */
export type HandledFlight = Exclude<ConsumedLine, { readonly broken: number }>

/** A consumer that stopped in the middle of a flight. */
export type BreakDown = {
  readonly consumer: number
  readonly flight: number
  readonly run: number
  readonly after: number
}

/** What the second half came to. */
export type Consumed = {
  /** For each life of the process, the flights in the order their handling ended. */
  readonly runs: readonly (readonly HandledFlight[])[]
  readonly breakDown: BreakDown | undefined
  readonly ms: number
}

/** Who watches. */
export type ConsumeWatcher = {
  onKilled(handled: number, breakDown: BreakDown | undefined): Promise<void>
  onProgress(handled: number): void
}

/** When what happens: counts of handled flights. */
export type ConsumePlan = { readonly breakAfter: number; readonly killAt: number }

/** Runs the consumers until the group has read everything; the first process is killed. */
export async function consumeFlights(dir: string, plan: ConsumePlan, watcher: ConsumeWatcher): Promise<Consumed> {
  const runs: HandledFlight[][] = []
  const startMs = systemClock.monotonicMs()
  let breakDown: BreakDown | undefined
  let total = 0
  for (;;) {
    const run: HandledFlight[] = []
    const isFirst = runs.length === 0
    runs.push(run)
    const { killed } = await runChild<ConsumedLine>('consume-flights', [dir, isFirst ? plan.breakAfter : 0], line => {
      if ('broken' in line) {
        breakDown = { consumer: line.broken, flight: line.flight, run: runs.length - 1, after: run.length }
      } else {
        run.push(line)
        watcher.onProgress(++total)
      }
      return isFirst && run.length >= plan.killAt && breakDown !== undefined
    })
    if (!killed) return { runs, breakDown, ms: systemClock.monotonicMs() - startMs }
    await watcher.onKilled(run.length, breakDown)
  }
}
