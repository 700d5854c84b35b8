/** The published run as people read it: the README's section, the page with all figures, and charts. Everything is made of the saved run alone. */
import type { CaseResult, ResultRow, TargetResult } from '../support/report.ts'
import { cellsOf, grouped, judge, medianIn, resultOf, sidesText } from '../support/report.ts'
import type { SavedRun } from '../support/saved-run.ts'
import { TARGETS } from '../targets.ts'
import * as at from '../workloads/entries.ts'
import { w1Outstanding, w1Put } from '../workloads/w1-append.ts'
import { w2 } from '../workloads/w2-disk.ts'
import { w3 } from '../workloads/w3-read.ts'
import { W4_FLAT_OUT, W4_PACED } from '../workloads/w4-queue.ts'
import { W5_CLOSED, W5_KILLED } from '../workloads/w5-open.ts'
import { w6 } from '../workloads/w6-queues.ts'
import type { Bar } from './chart.ts'
import { barChart } from './chart.ts'

/** A file and what is in it, from the project's folder. */
export type Rendered = { readonly path: string; readonly text: string }

export const PUBLISHED_RUN = 'data/bench/published.json'
export const RESULTS_PAGE = 'docs/benchmark-results.md'
export const README_MARK = 'benchmarks'

/** Rates of fewer seconds, all rounds together, are a trial. */
const FULL_SECONDS = 20

type Headline = { readonly id: string; readonly says: string; readonly shows?: 'latency' }

const HEADLINES: readonly Headline[] = [
  { id: w1Put(100), says: '`put` one by one, 100 B, page cache' },
  { id: w1Put(1024), says: '`put` one by one, 1 KiB, page cache' },
  { id: w1Outstanding(1024), says: '256 outstanding, 1 KiB, page cache' },
  { id: w2(1), says: 'on the device, 1 KiB, 1 outstanding' },
  { id: w2(16), says: 'on the device, 1 KiB, 16 outstanding' },
  { id: w2(256), says: 'on the device, 1 KiB, 256 outstanding' },
  { id: w3('whole'), says: 'read in order, 1 KiB, whole' },
  { id: w3('whole, first pass after opening'), says: 'the same, first pass after opening' },
  { id: W4_FLAT_OUT, says: 'send, handle, acknowledge, 1 KiB' },
  { id: W4_PACED, says: 'send to handler at 1,000/s, p50 / p99 us', shows: 'latency' },
  { id: W5_CLOSED, says: 'open 1 GiB, closed cleanly' },
  { id: W5_KILLED, says: 'open 1 GiB, killed while appending' },
  { id: w6(10_000), says: '`put` to 10,000 queues, 1 KiB' },
]

const CHARTS = [
  { file: 'append', id: w1Put(1024), title: 'Appends a second, one by one, 1 KiB, page cache' },
  { file: 'disk', id: w2(16), title: 'Appends a second on the device, 16 outstanding, 1 KiB' },
  { file: 'read', id: w3('whole'), title: 'Messages read a second, in order, 1 KiB' },
  { file: 'queue', id: W4_FLAT_OUT, title: 'Messages sent, handled and acknowledged a second, 1 KiB' },
] as const

/** What stands in the README between its marks. */
export function readmeSection(run: SavedRun | undefined): string {
  if (run === undefined) return 'There are no published figures yet.\n'
  const results = run.cases.map(resultOf)
  const reached = judged(run).filter(({ outcome }) => outcome !== 'not measured')
  const rows = HEADLINES.flatMap(headline => {
    const result = results.find(({ id }) => id === headline.id)
    return result === undefined ? [] : [headlineRow(headline, result)]
  })
  return [
    machineText(run),
    '',
    ...chartsOf(results).map(
      ({ path }, i) => `![${CHARTS.find(({ file }) => path.includes(`/${file}.`))?.title ?? i}](${path})`,
    ),
    '',
    '| median (lowest-highest) | PocketMQ | beside it |',
    '| --- | --- | --- |',
    ...rows,
    '',
    `Of ${reached.length} ratios that were to be shown and were measured, ${reached.filter(({ outcome }) => outcome === 'reached').length} are reached: ` +
      `[all figures and ratios](${RESULTS_PAGE}), with spread, device bytes and how everybody is set.`,
    '',
  ].join('\n')
}

/** All figures of a run, and the ratios that were to be shown. */
export function resultsPage(run: SavedRun | undefined): string {
  const head = [
    '# Benchmark results',
    '',
    'Made by `npm run bench:report` of `data/bench/published.json`; see [Benchmarks](benchmarks.md).',
    '',
  ]
  if (run === undefined) return [...head, 'There are no published figures yet.', ''].join('\n')
  const versions = Object.entries(run.versions).map(([name, version]) => `${name} ${version}`)
  return [
    ...head,
    machineText(run),
    '',
    `Versions: ${versions.join('; ')}.`,
    '',
    '## Ratios',
    '',
    '| | ratio | ours / theirs | bound | measured | |',
    '| --- | --- | --- | --- | --- | --- |',
    ...judged(run).map(targetRow),
    '',
    '## Figures',
    '',
    'Spread is from the lowest to the highest round. Device MB/s is what the whole machine wrote meanwhile. Loop p99 is event-loop delay.',
    '',
    ...run.cases.map(resultOf).flatMap(caseTable),
    ...codecTable(run.codec),
  ].join('\n')
}

/** The charts of a run. */
export function chartsOf(results: readonly CaseResult[]): Rendered[] {
  return CHARTS.flatMap(({ file, id, title }) => {
    const result = results.find(each => each.id === id)
    const bars = (result?.rows ?? []).flatMap(barOf)
    if (result === undefined || bars.length === 0) return []
    return [{ path: `data/bench/${file}.svg`, text: barChart(title, `${result.unit}, medians`, bars) }]
  })
}

/** Every file that is made of a run, but for the README. */
export function renderedOf(run: SavedRun | undefined): Rendered[] {
  const charts = run === undefined ? [] : chartsOf(run.cases.map(resultOf))
  return [...charts, { path: RESULTS_PAGE, text: resultsPage(run) }]
}

function judged(run: SavedRun): TargetResult[] {
  return judge(TARGETS, medianIn(run.cases.map(resultOf)))
}

function machineText(run: SavedRun): string {
  const { cpu, cores, memoryGiB, system, fileSystem, node, commit, date, pocketmq } = run.machine
  const { seconds, warmUpSeconds } = run.settings
  // What is measured once, for a minute or two, says so in its own line.
  const rates = run.cases.filter(({ figure }) => figure === undefined).flatMap(({ entries }) => entries)
  const rounds = rates.map(({ answers }) => answers.length).filter(count => count > 0)
  const [fewest, most] = rounds.length === 0 ? [0, 0] : [Math.min(...rounds), Math.max(...rounds)]
  const trial = seconds * fewest < FULL_SECONDS ? ` Rates measured for less than ${FULL_SECONDS} s are a trial.` : ''
  return (
    `${cpu}, ${cores} cores, ${memoryGiB} GiB; ${system}, ${fileSystem}; Node ${node}; PocketMQ ${pocketmq}, commit ${commit}; ${date}. ` +
    `${fewest === most ? most : `${fewest} to ${most}`} ${most === 1 ? 'round' : 'rounds'} of ${seconds} s a rate, each after ${warmUpSeconds} s of warm-up, everybody in turn in each round; medians.${trial}`
  )
}

function headlineRow({ says, shows }: Headline, { unit, rows }: CaseResult): string {
  const text = (row: ResultRow): string =>
    shows === 'latency'
      ? `${grouped(row.p50Us)} / ${grouped(row.p99Us)}`
      : `${grouped(row.median)}${unit === 'ms' ? ' ms' : ''}`
  const ours = rows.find(({ entry }) => entry === at.OURS)
  const others = rows.filter(row => row.entry !== at.OURS && row.median !== undefined && row.entry !== at.OURS_NO_KEYS)
  const spread =
    shows === 'latency' || ours?.spread === undefined || ours.rounds === 1
      ? ''
      : ` (${ours.spread.map(figure => grouped(figure)).join('-')})`
  const mine = ours?.median === undefined ? 'not measured' : `**${text(ours)}**${spread}`
  return `| ${says}${shows === undefined && unit !== 'ms' ? ', a second' : ''} | ${mine} | ${others.map(row => `${row.entry} ${text(row)}`).join('; ')} |`
}

function targetRow({ target, says, bound, measured, sides, outcome }: TargetResult): string {
  return `| ${target} | ${says} | ${sidesText(sides)} | ${bound} | ${grouped(measured)} | ${outcome} |`
}

function caseTable({ id, unit, rows }: CaseResult): string[] {
  return [
    `### ${id}`,
    '',
    `| | ${unit} | spread | rounds | MB/s | device MB/s | p50 us | p99 us | loop p99 ms | how it is set |`,
    '| --- | --: | --: | --: | --: | --: | --: | --: | --: | --- |',
    ...rows.map(row =>
      row.median === undefined
        ? `| ${row.entry} | | | | | | | | | skipped: ${row.skipped ?? ''} |`
        : `| ${row.entry} | ${cellsOf(row).join(' | ')} | ${row.configuration ?? ''} |`,
    ),
    '',
  ]
}

/** benny's figures, where it ran. */
function codecTable(rows: SavedRun['codec']): string[] {
  const columns = [...new Set(rows.flatMap(row => Object.keys(row)))]
  if (columns.length === 0) return []
  const lines = rows.map(row => `| ${columns.map(column => String(row[column] ?? '')).join(' | ')} |`)
  const head = [`| ${columns.join(' | ')} |`, `|${' --- |'.repeat(columns.length)}`]
  return ['## The codec in plain memory, by benny', '', ...head, ...lines, '']
}

function barOf({ entry, median }: ResultRow): Bar[] {
  if (median === undefined || entry === at.OURS_NO_KEYS) return []
  return [{ name: entry, value: median, text: grouped(median), isOurs: entry.startsWith('PocketMQ') }]
}
