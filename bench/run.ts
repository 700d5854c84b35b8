/**
 * `npm run bench`: ours alone; `npm run bench:peers`: side by side with everybody else that can be had here.
 * `--quick` tries everything for a second; `--only W1,W3`, `--contestants PocketMQ,lmdb` and `--targets A,B` choose;
 * `--micro` adds the codec in plain memory (benny); `--save` writes `data/bench/`.
 */
import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'
import { benchCodec } from './codec.bench.ts'
import { saveRun } from './save.ts'
import type { Case, Entry } from './support/case.ts'
import { describeMachine } from './support/machine.ts'
import { measureCase } from './support/measuring.ts'
import { findPrograms } from './support/programs.ts'
import type { CaseResult } from './support/report.ts'
import { judge, medianIn, resultOf, tableOf, targetTableOf } from './support/report.ts'
import { printRows } from './support/rows.ts'
import { placesOf, TARGETS } from './targets.ts'
import { CASES } from './workloads/all.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string' },
    rounds: { type: 'string' },
    only: { type: 'string' },
    contestants: { type: 'string' },
    targets: { type: 'string' },
    peers: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    micro: { type: 'boolean', default: false },
    save: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})

const seconds = Number(values.seconds ?? (values.quick ? 1 : 20))
const rounds = Number(values.rounds ?? (values.quick ? 1 : 3))
// A JVM needs about two seconds to compile what is hot.
const warmUpSeconds = Math.min(4, Math.max(2, seconds / 4))
const say = (text: string): void => console.log(text)
const log = (line: string): void => console.error(line)

const machine = describeMachine(process.env.BENCH_DIR ?? tmpdir())
const programs = findPrograms(values.peers, log)
const versions = Object.fromEntries(
  Object.entries(programs).map(([name, program]) => [
    name,
    'missing' in program ? `skipped: ${program.missing}` : program.version,
  ]),
)
const settings = { seconds, warmUpSeconds, rounds }
if (!values.json) say(JSON.stringify({ machine, versions, settings }, null, 2))

const targets = TARGETS.filter(({ id }) => values.targets === undefined || values.targets.split(',').includes(id))
const places = values.targets === undefined ? undefined : placesOf(targets)
const results: CaseResult[] = []
for (const one of CASES) {
  const entries = one.entries.filter(entry => isWanted(one, entry))
  if (entries.length === 0) continue
  const measured = await measureCase(one, entries, { seconds, warmUpSeconds, rounds, programs, log })
  const result = resultOf(one, measured)
  results.push(result)
  if (!values.json) say(tableOf(result))
}
const judged = judge(targets, medianIn(results))
const codec = values.micro ? await benchCodec(Math.min(seconds, 3)) : []
const run = { machine, versions, settings, results, targets: judged, codec }
if (values.json) say(JSON.stringify(run))
else {
  if (codec.length > 0) printRows('Codec, plain memory (benny)', codec)
  say(targetTableOf(judged.filter(({ outcome }) => outcome !== 'not measured' || values.targets !== undefined)))
}
if (values.save) for (const file of saveRun(run)) log(`saved to ${file}`)

function isWanted(one: Case, entry: Entry): boolean {
  if (places !== undefined && !places.some(place => place.caseId === one.id && place.entry === entry.name)) return false
  if (values.only !== undefined && !values.only.split(',').some(part => one.id.startsWith(part))) return false
  if (values.contestants !== undefined && !values.contestants.split(';').includes(entry.name)) return false
  return values.peers || programs[entry.program] !== undefined
}
