/**
 * `npm run torture -- --minutes 20 --seed N`: real processes and real devices, killed, stopped, cut off, filled and failing, held
 * against a log of acknowledgements kept outside. Exit 1 on any finding. `--json`: one document on standard output.
 */
import { parseArgs } from 'node:util'
import { unmountAll } from './devices.ts'
import { endLives } from './life.ts'
import type { Planted } from './lines.ts'
import { PLANTED } from './lines.ts'
import { TORTURES, torture } from './torture.ts'

const SECONDS_A_MINUTE = 60

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '20' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
    only: { type: 'string', default: Object.keys(TORTURES).join(',') },
    planted: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
})
const planted = PLANTED.find(one => one === values.planted)
if (values.planted !== undefined && planted === undefined) throw new Error(`planted bugs are ${PLANTED.join(', ')}`)

const options = {
  seconds: Number(values.minutes) * SECONDS_A_MINUTE,
  seed: Number(values.seed),
  only: values.only.split(','),
  planted: planted as Planted | undefined,
  progress: process.stderr,
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    endLives()
    const over = (): never => process.exit(1)
    unmountAll().then(over, over)
  })
}
const { tally, seconds } = await torture(options)
const { seed } = options
if (values.json) console.log(JSON.stringify({ seed, seconds: Math.round(seconds), ...tally.toJSON() }, undefined, 2))
else console.log(`${tally.text()}\n\nseed ${seed}, ${Math.round(seconds)} s`)
process.exitCode = tally.findings.length === 0 ? 0 : 1
