/**
 * `npm run bench`: ours alone; `npm run bench:peers`: side by side with everybody else that can be had here.
 * `--quick` tries everything for a second; `--only W1,W3`, `--contestants 'PocketMQ;lmdb'` and `--targets A,B` choose; `--list` says
 * what would be measured and how long it takes. `--save` keeps each case in `data/bench/` as soon as it is measured, and a second call
 * goes on where the first was cut off. `--published` is what stands in the README (`npm run bench:report` writes it there).
 * `--micro` adds the codec in plain memory (benny).
 */
import { spawnSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { benchCodec } from './codec.bench.ts'
import type { Chosen } from './published.ts'
import { PUBLISHED, publishedCases, secondsFor } from './published.ts'
import type { Case, Entry } from './support/case.ts'
import { describeMachine, projectRoot } from './support/machine.ts'
import { measureRound, secondsOf, warmUpSecondsOf } from './support/measuring.ts'
import { findPrograms } from './support/programs.ts'
import { judge, medianIn, resultOf, tableOf, targetTableOf } from './support/report.ts'
import { printRows } from './support/rows.ts'
import type { SavedRun } from './support/saved-run.ts'
import { differenceOf, readRun, roundsOf, withAnswers, writeRun } from './support/saved-run.ts'
import { placesOf, TARGETS } from './targets.ts'
import { CASES } from './workloads/all.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string' },
    rounds: { type: 'string' },
    minutes: { type: 'string' },
    only: { type: 'string' },
    contestants: { type: 'string' },
    targets: { type: 'string' },
    peers: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    published: { type: 'boolean', default: false },
    micro: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    save: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})

const FULL = { seconds: 20, warmUpSeconds: 4, rounds: 3, longSecondsMax: 600, minutes: Number.POSITIVE_INFINITY }
// A JVM needs about two seconds to compile what is hot.
const QUICK = { ...FULL, seconds: 1, warmUpSeconds: 2, rounds: 1, longSecondsMax: 0 }
const MINUTE_SECONDS = 60
/** What benny takes. */
const MICRO_MS = 60_000
const preset = values.published ? PUBLISHED : values.quick ? QUICK : FULL
const settings = {
  seconds: Number(values.seconds ?? preset.seconds),
  warmUpSeconds: preset.warmUpSeconds,
  rounds: Number(values.rounds ?? preset.rounds),
}
const longSecondsMax = values.seconds !== undefined && settings.seconds < FULL.seconds ? 0 : preset.longSecondsMax
const lengths = { ...settings, longSecondsMax }
const endsAtMs = performance.now() + Number(values.minutes ?? preset.minutes) * 60_000
const withPeers = values.peers || values.published
const isSaved = values.save || values.published
const say = (text: string): void => console.log(text)
const log = (line: string): void => console.error(line)

const targets = TARGETS.filter(({ id }) => values.targets === undefined || values.targets.split(',').includes(id))
const chosen = (values.published ? publishedCases() : allCases()).flatMap(({ one, entries }) => {
  // Growth in so many minutes is nothing that a second could say.
  if ((one.secondsMin ?? 0) > MINUTE_SECONDS && secondsOf(one, lengths) < (one.secondsMin ?? 0)) return []
  const wanted = entries.filter(({ name }) => isWanted(one.id, name))
  return wanted.length === 0 ? [] : [{ one, entries: wanted }]
})
if (values.list) list()
else await measure()

function allCases(): Chosen[] {
  const programs = new Set(withPeers ? [] : ['pocketmq', 'plain-memory'])
  return CASES.map(one => ({
    one,
    entries: one.entries.filter(({ program }) => withPeers || programs.has(program)),
  }))
}

function isWanted(caseId: string, entry: string): boolean {
  const { only, contestants } = values
  const places = values.targets === undefined ? undefined : placesOf(targets)
  if (places !== undefined && !places.some(place => place.caseId === caseId && place.entry === entry)) return false
  if (only !== undefined && !only.split(/,(?=W\d)/).some(part => caseId.startsWith(part))) return false
  return contestants === undefined || contestants.split(';').includes(entry)
}

function list(): void {
  let total = 0
  for (const { one, entries } of chosen) {
    const seconds = secondsTaken({ one, entries })
    total += seconds
    say(`${one.id}: ${entries.map(({ name }) => name).join('; ')} (about ${Math.round(seconds)} s a round)`)
  }
  say(`about ${Math.round(total / 60)} minutes a round, ${settings.rounds} rounds`)
}

async function measure(): Promise<void> {
  const machine = describeMachine(process.env.BENCH_DIR ?? tmpdir())
  const programs = findPrograms(withPeers, log)
  const versions = Object.fromEntries(
    Object.entries(programs).map(([name, program]) => [
      name,
      'missing' in program ? `skipped: ${program.missing}` : program.version,
    ]),
  )
  const name = values.published ? 'published' : `${machine.date}-${machine.commit.slice(0, 7)}`
  const file = fileURLToPath(new URL(`data/bench/${name}.json`, projectRoot()))
  let run = begin(file, { machine, versions, settings, cases: [], codec: [] })
  if (!values.json) say(JSON.stringify({ machine: run.machine, versions, settings }, null, 2))
  const keep = (changed: SavedRun): void => {
    run = changed
    if (isSaved) writeRun(file, run)
  }
  const plan = { ...lengths, programs, log, between: () => void spawnSync('sync') }
  for (let round = 0, isWhole = true; round < settings.rounds && isWhole; round++) {
    for (const { one, entries } of chosen) {
      const missing = missingIn(run, one, entries, round)
      if (missing.length === 0) continue
      if (hasTimeFor({ one, entries: missing })) {
        const order = one.entries.map(({ name }) => name)
        keep(withAnswers(run, one, await measureRound(one, missing, round, plan), order))
        const saved = run.cases.find(({ id }) => id === one.id)
        if (!values.json && saved !== undefined) say(tableOf(resultOf(saved)))
      } else {
        log(`${one.id} | round ${round + 1}: no time left; the same command goes on with it`)
        isWhole = false
      }
    }
  }
  const isMicroDue = values.published && run.codec.length === 0 && performance.now() + MICRO_MS < endsAtMs
  if (values.micro || isMicroDue) run = { ...run, codec: await benchCodec(Math.min(settings.seconds, 3)) }
  keep(run)
  if (isSaved) log(`saved to ${file}`)
  print(run)
}

function hasTimeFor(missing: Chosen): boolean {
  return performance.now() + secondsTaken(missing) * 1000 <= endsAtMs
}

function secondsTaken(due: Chosen): number {
  return secondsFor(due, secondsOf(due.one, lengths), warmUpSecondsOf(due.one, lengths))
}

/** Who was not measured so often yet. Long cases are measured once, and whoever was skipped in a round before is not asked again. */
function missingIn(run: SavedRun, one: Case, entries: readonly Entry[], round: number): readonly Entry[] {
  if (round > 0 && (one.secondsMin ?? 0) >= MINUTE_SECONDS) return []
  const saved = run.cases.find(({ id }) => id === one.id)?.entries
  const isSkipped = (name: string): boolean => saved?.find(({ entry }) => entry === name)?.skipped !== undefined
  return entries.filter(({ name }) => roundsOf(run, one.id, name) <= round && !(round > 0 && isSkipped(name)))
}

/** What was saved before, where this call can go on from it. */
function begin(file: string, fresh: SavedRun): SavedRun {
  const saved = isSaved ? readRun(file) : undefined
  if (saved === undefined) return fresh
  const difference = differenceOf(saved, fresh)
  if (difference === undefined) return { ...saved, settings: fresh.settings }
  log(`${file} is begun anew, because of another ${difference}`)
  return fresh
}

function print(run: SavedRun): void {
  const results = run.cases.map(resultOf)
  const judged = judge(targets, medianIn(results))
  if (values.json) {
    say(JSON.stringify({ ...run, results, targets: judged }))
    return
  }
  if (run.codec.length > 0) printRows('Codec, plain memory (benny)', run.codec)
  say(targetTableOf(judged.filter(({ outcome }) => outcome !== 'not measured' || values.targets !== undefined)))
}
