/** What is made of the answers of a benchmark run: medians, ratios, tables, charts, the README's figures. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { barChart } from '../../bench/report/chart.ts'
import { withSection } from '../../bench/report/markdown.ts'
import { PUBLISHED_RUN, README_MARK, readmeSection, renderedOf, resultsPage } from '../../bench/report/render.ts'
import type { TargetResult } from '../../bench/support/report.ts'
import { judge, medianIn, resultOf, tableOf } from '../../bench/support/report.ts'
import type { SavedCase } from '../../bench/support/saved-run.ts'
import { readRun } from '../../bench/support/saved-run.ts'
import { placesOf, TARGETS } from '../../bench/targets.ts'
import { CASES } from '../../bench/workloads/all.ts'
import * as at from '../../bench/workloads/entries.ts'
import { w1Outstanding, w1Put } from '../../bench/workloads/w1-append.ts'
import { W4_PACED } from '../../bench/workloads/w4-queue.ts'
import { REPOSITORY } from '../house/sources.ts'
import { answerOf, caseOf, runOf } from './a-run.ts'

describe('a case', () => {
  it('is summed up by the median of its rounds, with the lowest and the highest', () => {
    const [row] = resultOf(caseOf('W1', { PocketMQ: [300, 100, 200] })).rows
    expect(row).toMatchObject({ entry: 'PocketMQ', rounds: 3, median: 20, spread: [10, 30], megabytesPerSecond: 0.002 })
  })

  it('shows who was not measured, and why', () => {
    const result = resultOf({
      id: 'W1',
      entries: [{ entry: 'lmdb', skipped: 'npm did not install lmdb', answers: [] }],
    })
    expect(tableOf(result)).toContain('skipped: npm did not install lmdb')
    expect(resultsPage(runOf({ id: 'W1', entries: [{ entry: 'lmdb', skipped: 'gone', answers: [] }] }))).toContain(
      '| lmdb | | | | | | | | | skipped: gone |',
    )
  })
})

describe('the ratios', () => {
  const judged = (...cases: readonly SavedCase[]): TargetResult[] =>
    judge(TARGETS, medianIn(runOf(...cases).cases.map(resultOf))).filter(({ outcome }) => outcome !== 'not measured')

  it('compare contestants and cases that there are, all of A to O', () => {
    for (const { caseId, entry } of placesOf(TARGETS)) {
      const names = CASES.find(({ id }) => id === caseId)?.entries.map(({ name }) => name)
      expect(names, caseId).toContain(entry)
    }
    expect([...new Set(TARGETS.map(({ id }) => id))].sort().join('')).toBe('ABCDEFGHIJKLMNO')
  })

  it('divide the medians of one run, ours by theirs, and say which', () => {
    const id = w1Outstanding(100)
    expect(judged(caseOf(id, { [at.OURS]: [600, 500], [at.WRITEV]: [1000], [at.LMDB]: [400] }))).toEqual([
      expect.objectContaining({ target: 'D', measured: 0.55, sides: [55, 100], outcome: 'not reached' }),
      expect.objectContaining({ target: 'D', measured: 1.38, sides: [55, 40], outcome: 'reached' }),
    ])
  })

  it('take the best of several peers', () => {
    const rates = { [at.OURS_LIKE]: [400], [at.ROCKETMQ_1]: [100], [at.ROCKETMQ_4]: [200] }
    const [best] = judged(caseOf(w1Put(1024), rates))
    expect(best).toMatchObject({ target: 'B', measured: 2, sides: [40, 20], outcome: 'reached' })
  })

  it('take file and mmap where they are farthest apart, whichever is slower', () => {
    const found = judged(
      caseOf(w1Put(100), { [at.OURS]: [100], [at.OURS_MMAP]: [80] }),
      caseOf(w1Put(1024), { [at.OURS]: [50], [at.OURS_MMAP]: [100] }),
    )
    expect(found).toEqual([expect.objectContaining({ target: 'M', sides: [5, 10], outcome: 'not reached' })])
  })

  it('ask for half the latency at most', () => {
    const paced = (p50: number, p99: number) => [answerOf(1000, { latencies: { p50, p99, p999: 0, max: 0 } })]
    const entries = [
      { entry: at.OURS, answers: paced(30, 200) },
      { entry: at.SQLITE, answers: paced(60, 220) },
    ]
    expect(judged({ id: W4_PACED, entries }).map(({ measured, outcome }) => [measured, outcome])).toEqual([
      [0.5, 'reached'],
      [0.909, 'not reached'],
    ])
  })
})

describe('what is rendered', () => {
  const run = runOf(caseOf(w1Put(1024), { [at.OURS]: [3000, 1000], [at.ROCKETMQ_1]: [1000], [at.CHRONICLE]: [4000] }))

  it('names machine, versions, commit, settings, rounds, medians and spread', () => {
    const section = readmeSection(run)
    for (const part of [
      'a processor, 2 cores, 24 GiB',
      'linux, ext4',
      'Node v20',
      'commit abc1234',
      '1 to 2 rounds of 10 s',
    ])
      expect(section).toContain(part)
    expect(section).toContain('| **200** (100-300) | RocketMQ, 1 thread 100; Chronicle Queue 400 |')
    expect(resultsPage(run)).toContain('rocketmq skipped: java is not installed')
  })

  it('says of a run of few seconds that it is a trial', () => {
    const threeRounds = runOf(caseOf(w1Put(1024), { [at.OURS]: [1, 2, 3] }))
    expect(readmeSection(threeRounds)).not.toContain('a trial')
    expect(readmeSection(run)).toContain('less than 20 s are a trial')
  })

  it('has a chart, whose longest bar is the highest figure', () => {
    const svg = renderedOf(run).find(({ path }) => path.endsWith('.svg'))?.text ?? ''
    const widths = [...svg.matchAll(/<rect class="(\w+)" [^>]*width="(\d+)"/g)].map(([, whose, width]) => [
      whose,
      width,
    ])
    expect(widths).toEqual([
      ['ours', '190'],
      ['theirs', '95'],
      ['theirs', '380'],
    ])
  })

  it('is text in a chart, whatever it says', () => {
    expect(barChart('a < b & c', '', [{ name: '"x"', value: 1, text: '1', isOurs: true }])).toContain(
      'a &lt; b &amp; c',
    )
  })

  it('takes the place of what stood between the marks', () => {
    expect(withSection('a\n<!-- x -->\nold\n<!-- end -->\nb\n', 'x', 'new\n')).toBe(
      'a\n<!-- x -->\nnew\n<!-- end -->\nb\n',
    )
    expect(() => withSection('a', 'x', 'new')).toThrow("no part 'x'")
  })
})

describe('the published figures', () => {
  const run = readRun(join(REPOSITORY, PUBLISHED_RUN))
  const read = (path: string): string => readFileSync(join(REPOSITORY, path), 'utf8')

  it('in README.md are those of the saved run (npm run bench:report)', () => {
    expect(read('README.md')).toBe(withSection(read('README.md'), README_MARK, readmeSection(run)))
  })

  it('on the results page and in the charts are those too', () => {
    for (const { path, text } of renderedOf(run))
      expect(existsSync(join(REPOSITORY, path)) ? read(path) : '', path).toBe(text)
  })

  it('come with the charts of this run and no others', () => {
    const charts = renderedOf(run).flatMap(({ path }) => (path.endsWith('.svg') ? [path.split('/').at(-1)] : []))
    const there = existsSync(join(REPOSITORY, 'data/bench')) ? readdirSync(join(REPOSITORY, 'data/bench')) : []
    expect(there.filter(name => name.endsWith('.svg')).sort()).toEqual(charts.sort())
  })
})
