/** The suite itself: who is there, who is skipped, what is kept, and that nobody outlives it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { publishedCases } from '../../bench/published.ts'
import { measureRound, secondsOf } from '../../bench/support/measuring.ts'
import { javaPeers, serverPeers } from '../../bench/support/programs.ts'
import { differenceOf, readRun, roundsOf, withAnswers, writeRun } from '../../bench/support/saved-run.ts'
import { tied } from '../../bench/support/tied.ts'
import { placesOf, TARGETS } from '../../bench/targets.ts'
import { CASES } from '../../bench/workloads/all.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { answerOf, caseOf, runOf } from './a-run.ts'

const between = (): void => undefined

afterEach(() => {
  vi.unstubAllEnvs()
})

describe('peers that are not installed', () => {
  it('are named with what is missing', () => {
    vi.stubEnv('PATH', temporaryFolder())
    expect(javaPeers(() => undefined)).toEqual({
      rocketmq: { missing: 'java is not installed' },
      'chronicle-queue': { missing: 'java is not installed' },
    })
    expect(serverPeers()).toEqual({
      'redis-streams': { missing: 'redis-server is not installed' },
      'nats-jetstream': { missing: 'nats-server is not installed' },
    })
  })

  it('are skipped, and said to be', async () => {
    const one = CASES[0] as (typeof CASES)[number]
    const lines: string[] = []
    const plan = {
      seconds: 1,
      warmUpSeconds: 1,
      longSecondsMax: 0,
      log: (line: string) => void lines.push(line),
      between,
    }
    const programs = { rocketmq: { missing: 'java is not installed' } }
    const entries = one.entries.filter(({ program }) => program === 'rocketmq').slice(0, 1)
    expect(await measureRound(one, entries, 0, { ...plan, programs })).toEqual([
      { entry: entries[0]?.name, skipped: 'java is not installed', answers: [] },
    ])
    expect(lines.join()).toContain('skipped: java is not installed')
  })
})

describe('a contestant', () => {
  it.skipIf(process.platform !== 'linux')('is killed when the process that measures it is', async () => {
    const [command, args] = tied('sleep', ['600'])
    // Both have this pipe: it closes when the last of them is gone.
    const program = `require('node:child_process').spawn(${JSON.stringify(command)}, ${JSON.stringify(args)}, { stdio: 'inherit' })
      .once('spawn', () => console.log('started'))`
    const parent = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(parent.stdout, 'data')
    parent.kill('SIGKILL')
    await once(parent.stdout, 'close')
  })

  it('fails by itself: the others are still measured', async () => {
    const one = CASES[0] as (typeof CASES)[number]
    const echo = `process.stdin.once('data', () => console.log('${JSON.stringify(answerOf(10))}'))`
    const programOf = (script: string) => ({ command: process.execPath, args: ['-e', script], version: '1' })
    const programs = { good: programOf(echo), bad: programOf('process.exit(1)') }
    const entries = [
      { name: 'bad', program: 'bad' },
      { name: 'good', program: 'good' },
    ]
    const plan = { seconds: 1, warmUpSeconds: 1, longSecondsMax: 0, log: () => undefined, between, programs }
    const measured = await measureRound(one, entries, 0, plan)
    expect(measured.map(({ entry, answers, skipped }) => [entry, answers.length, skipped?.slice(0, 6)])).toEqual([
      ['bad', 0, 'failed'],
      ['good', 1, undefined],
    ])
    const [first] = await measureRound(one, entries, 1, plan)
    expect(first?.entry).toBe('good')
  })
})

describe('a saved run', () => {
  const empty = runOf()
  const one = { id: 'W1' }

  it('is read as it was written, an answer a line', () => {
    const file = join(temporaryFolder(), 'data', 'bench', 'run.json')
    const run = runOf(caseOf('W1', { PocketMQ: [1, 2], lmdb: [3] }))
    expect(readRun(file)).toBeUndefined()
    writeRun(file, run)
    expect(readRun(file)).toEqual(run)
  })

  it('goes on where it was cut off: each round is added, in the order of the contestants', () => {
    const order = ['PocketMQ', 'lmdb']
    const first = withAnswers(empty, one, [{ entry: 'lmdb', answers: [answerOf(1)] }], order)
    const second = withAnswers(first, one, [{ entry: 'PocketMQ', answers: [answerOf(2)] }], order)
    const third = withAnswers(second, one, [{ entry: 'lmdb', answers: [answerOf(3)] }], order)
    expect(third.cases).toEqual([{ id: 'W1', entries: caseOf('W1', { PocketMQ: [2], lmdb: [1, 3] }).entries }])
    expect([roundsOf(third, 'W1', 'lmdb'), roundsOf(third, 'W1', 'PocketMQ'), roundsOf(third, 'W2', 'lmdb')]).toEqual([
      2, 1, 0,
    ])
  })

  it('is not gone on with by another commit or for another time', () => {
    expect(differenceOf(empty, empty)).toBeUndefined()
    const { machine, settings } = empty
    expect(differenceOf(empty, { ...empty, machine: { ...machine, commit: 'def' } })).toBe(
      'commit: abc1234 before, def now',
    )
    expect(differenceOf(empty, { ...empty, settings: { ...settings, seconds: 20 } })).toBe('seconds: 10 before, 20 now')
  })
})

describe('the published run', () => {
  it('has both sides of every ratio, but not every size of W1 with either io', () => {
    const chosen = publishedCases().flatMap(({ one, entries }) => entries.map(({ name }) => `${one.id}|${name}`))
    const shown = TARGETS.filter(target =>
      placesOf([target]).every(({ caseId, entry }) => chosen.includes(`${caseId}|${entry}`)),
    )
    const notShown = TARGETS.filter(target => !shown.includes(target)).map(({ says }) => says)
    expect(notShown).toEqual(['W1, the slower of file and mmap / the faster'])
  })

  it('measures the long cases as long as they ask, and a trial does not', () => {
    const [long] = CASES.filter(({ secondsMin }) => secondsMin === 60)
    if (long === undefined) throw new Error('no case asks for a minute')
    expect(secondsOf(long, { seconds: 10, longSecondsMax: 120 })).toBe(60)
    expect(secondsOf(long, { seconds: 1, longSecondsMax: 0 })).toBe(1)
  })
})
