/**
 * `npm run soak -- --minutes 60`: mixed work at a steady rate with retention on. Prints the curve of memory, descriptors, folder and
 * rate, and at the end whether they are bounded after the warm-up; exit 1 where one grows, or where anything failed. `--json`.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { collectGarbage } from '../support/collect-garbage.ts'
import type { Sample } from './curve.ts'
import { curveText, measure, trendsOf, trendText } from './curve.ts'
import { SoakWork } from './soak-work.ts'

const SAMPLES = 120
const ROWS_MAX = 60
/** Share of the time after which buffers, caches and the folder are as full as they get. */
const WARM_UP = 0.4

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    rate: { type: 'string', default: '200' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
    planted: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
})
const seconds = Number(values.minutes) * 60
const seed = Number(values.seed)

const home = mkdtempSync(join(tmpdir(), 'pocketmq-soak-'))
const dir = join(home, 'store')
const work = await SoakWork.start({ dir, seed, rate: Number(values.rate), isLeaking: values.planted === 'leak' })
const startedMs = Date.now()
const samples: Sample[] = []
let before = { sent: 0, ended: 0, seconds: 0 }
while ((samples.at(-1)?.seconds ?? 0) < seconds) {
  await sleep((seconds * 1000) / SAMPLES)
  collectGarbage()
  const now = { sent: work.sent, ended: work.ended, seconds: (Date.now() - startedMs) / 1000 }
  const rateOf = (name: 'sent' | 'ended'): number => (now[name] - before[name]) / (now.seconds - before.seconds)
  samples.push({ seconds: now.seconds, sentRate: rateOf('sent'), endedRate: rateOf('ended'), ...measure(dir) })
  before = now
  if (process.stderr.isTTY) {
    const { rss, descriptors, sentRate } = samples.at(-1) as Sample
    const state = `${Math.round(now.seconds)}/${seconds} s: rss ${Math.round(rss / 2 ** 20)} MiB, ${descriptors} descriptors`
    process.stderr.write(`\r\x1b[K${state}, ${Math.round(sentRate)} messages/s, ${work.errors.size} kinds of errors`)
  }
}
await work.stop()
rmSync(home, { recursive: true, force: true })

const trends = trendsOf(samples, seconds * WARM_UP)
const errors = Object.fromEntries(work.errors)
const isBounded = trends.every(trend => trend.isBounded)
if (values.json) {
  console.log(JSON.stringify({ seed, seconds, sent: work.sent, isBounded, trends, errors, samples }, undefined, 2))
} else {
  console.log(`${curveText(samples, Math.min(ROWS_MAX, SAMPLES))}\n\n${trendText(trends)}\n`)
  for (const [error, count] of work.errors) console.log(`FAILED ${count} times: ${error}`)
  console.log(`${work.sent} messages sent, seed ${seed}: ${isBounded ? 'bounded' : 'GROWS'}`)
}
process.exitCode = isBounded && work.errors.size === 0 ? 0 : 1
