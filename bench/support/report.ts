/** Figures as people read them: medians and spread of each contestant, and targets as ratios. */
import Table from 'cli-table3'
import type { Target } from '../targets.ts'
import { figureOf } from './measuring.ts'
import type { Median } from './median.ts'
import { medianOf } from './median.ts'
import type { Answer } from './protocol.ts'
import type { SavedCase, SavedEntry } from './saved-run.ts'

/** A case with what was measured in it. */
export type CaseResult = {
  readonly id: string
  readonly unit: string
  readonly rows: readonly ResultRow[]
}

export type ResultRow = {
  readonly entry: string
  readonly skipped?: string
  readonly rounds?: number
  /** How long each round was measured. */
  readonly seconds?: number
  readonly median?: number
  readonly spread?: readonly [number, number]
  readonly megabytesPerSecond?: number
  readonly deviceMegabytesPerSecond?: number
  readonly p50Us?: number
  readonly p99Us?: number
  readonly configuration?: string
  /** Medians of the further figures. */
  readonly figures?: Readonly<Record<string, number>>
}

export type TargetResult = {
  readonly target: string
  readonly says: string
  readonly bound: string
  readonly measured?: number
  /** What was divided. */
  readonly sides?: readonly (number | undefined)[]
  readonly outcome: 'reached' | 'not reached' | 'not measured'
}

/** Sums a case up. */
export function resultOf(one: SavedCase): CaseResult {
  const rows = one.entries.map(saved =>
    saved.answers.length === 0 ? { entry: saved.entry, skipped: saved.skipped ?? 'not measured' } : rowOf(one, saved),
  )
  return { id: one.id, unit: one.figure?.unit ?? 'messages/s', rows }
}

function rowOf(one: SavedCase, { entry, answers, skipped }: SavedEntry): ResultRow {
  const values = answers.map(answer => figureOf(one, answer))
  const on = (read: (answer: Answer) => number | undefined): number | undefined => {
    const figures = answers.map(read).filter(figure => figure !== undefined)
    return figures.length === 0 ? undefined : rounded(medianOf(figures))
  }
  const row: Record<string, unknown> = {
    entry,
    skipped,
    rounds: answers.length,
    seconds: on(({ seconds }) => seconds),
    median: rounded(medianOf(values)),
    spread: [rounded(Math.min(...values)), rounded(Math.max(...values))],
    megabytesPerSecond: on(({ bytes, seconds }) => (bytes > 0 ? bytes / seconds / 1e6 : undefined)),
    deviceMegabytesPerSecond: on(({ deviceBytes, seconds, bytes }) =>
      deviceBytes === undefined || bytes === 0 ? undefined : deviceBytes / seconds / 1e6,
    ),
    p50Us: on(answer => answer.latencies?.p50),
    p99Us: on(answer => answer.latencies?.p99),
    configuration: answers[0]?.configuration,
    figures: Object.fromEntries(
      Object.keys(answers[0]?.figures ?? {}).map(name => [name, on(({ figures }) => figures?.[name])]),
    ),
  }
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== undefined)) as ResultRow
}

/** Looks medians up for the targets. */
export function medianIn(results: readonly CaseResult[]): Median {
  return (caseId, entry, figure) => {
    const row = results.find(({ id }) => id === caseId)?.rows.find(each => each.entry === entry)
    if (figure === 'p50Us' || figure === 'p99Us') return row?.[figure]
    return figure === undefined ? row?.median : row?.figures?.[figure]
  }
}

/** Holds the targets against the medians. */
export function judge(targets: readonly Target[], median: Median): TargetResult[] {
  return targets.map(({ id, says, atLeast, atMost, unit, value, sides }) => {
    const bound = atLeast === undefined ? `at most ${atMost} ${unit}` : `at least ${atLeast} ${unit}`
    const measured = value(median)
    if (measured === undefined) return { target: id, says, bound, outcome: 'not measured' }
    const isReached = measured >= (atLeast ?? -Infinity) && measured <= (atMost ?? Infinity)
    const outcome = isReached ? 'reached' : 'not reached'
    return { target: id, says, bound, measured: rounded(measured), sides: sides(median), outcome }
  })
}

/** A case as a table on a terminal. */
export function tableOf({ id, unit, rows }: CaseResult): string {
  const table = new Table({
    head: ['', unit, 'spread', 'rounds', 'MB/s', 'device MB/s', 'p50 us', 'p99 us', 'loop p99 ms', 'set'],
    style: { head: [], border: [] },
  })
  for (const row of rows) {
    if (row.median === undefined) table.push([row.entry, { colSpan: 9, content: `skipped: ${row.skipped ?? ''}` }])
    else table.push([row.entry, ...cellsOf(row), row.configuration ?? ''])
  }
  return `\n${id}\n${table.toString()}`
}

/** A row's figures as text, from the median on. */
export function cellsOf(row: ResultRow): string[] {
  const [low, high] = row.spread ?? [0, 0]
  const rest = [
    row.megabytesPerSecond,
    row.deviceMegabytesPerSecond,
    row.p50Us,
    row.p99Us,
    row.figures?.loopDelayP99Ms,
  ].map(value => grouped(value))
  return [grouped(row.median), `${grouped(low)}-${grouped(high)}`, `${row.rounds} x ${grouped(row.seconds)} s`, ...rest]
}

/** The targets as a table on a terminal. */
export function targetTableOf(results: readonly TargetResult[]): string {
  const table = new Table({
    head: ['', 'ratio', 'ours / theirs', 'bound', 'measured', ''],
    style: { head: [], border: [] },
  })
  for (const { target, says, bound, measured, sides, outcome } of results) {
    table.push([target, says, sidesText(sides), bound, grouped(measured), outcome])
  }
  return table.toString()
}

/** `ours / theirs`; nothing where one figure is bound by itself. */
export function sidesText(sides: readonly (number | undefined)[] = []): string {
  return sides.length < 2 ? '' : sides.map(side => grouped(side)).join(' / ')
}

/** Three digits are what a benchmark knows. */
function rounded(value: number): number {
  return value === 0 ? 0 : Number(value.toPrecision(value >= 1000 ? 4 : 3))
}

export function grouped(value: number | undefined): string {
  return value === undefined ? '' : value.toLocaleString('en-US', { maximumFractionDigits: 3 })
}
