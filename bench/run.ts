/**
 * `npm run bench`: first figures of each room. `npm run bench -- --seconds 5 --only append,read --json --save`.
 * Every figure stands beside machine, versions and settings, and goes to `data/bench/`.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'
import { benchCodec } from './codec.bench.ts'
import { benchAppend, benchDispatchAndReopen, benchRead } from './store.bench.ts'
import { describeMachine, projectRoot } from './support/machine.ts'
import type { Row } from './support/rows.ts'
import { printRows } from './support/rows.ts'

const SETTINGS = 'recordCrc on, index on, 64 MiB segments, flushIntervalMs 500, unflushedBytesMax 256 MiB'

const PARTS: Readonly<Record<string, { title: string; run: (seconds: number) => Promise<Row[]> }>> = {
  codec: { title: 'Codec, plain memory (benny)', run: benchCodec },
  append: { title: `MessageStore append: ${SETTINGS}`, run: benchAppend },
  read: { title: 'MessageStore.read, whole messages in queue order, page cache warm', run: benchRead },
  dispatch: { title: 'Dispatch and reopen', run: benchDispatchAndReopen },
}

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '3' },
    only: { type: 'string' },
    save: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})
const seconds = Number(values.seconds)
const machine = describeMachine(process.env.BENCH_DIR ?? tmpdir())
if (!values.json) console.log(JSON.stringify(machine, null, 2))
const results: Record<string, readonly Row[]> = {}
for (const name of values.only?.split(',') ?? Object.keys(PARTS)) {
  const part = PARTS[name]
  if (part === undefined) throw new Error(`there is no part '${name}': ${Object.keys(PARTS).join(', ')}`)
  results[name] = await part.run(seconds)
  if (!values.json) printRows(`${part.title} (${seconds} s each)`, results[name] as Row[])
}
if (values.json) console.log(JSON.stringify({ machine, settings: SETTINGS, seconds, results }))
if (values.save) {
  const folder = new URL('data/bench/', projectRoot())
  mkdirSync(folder, { recursive: true })
  const file = new URL(`${machine.date}-${machine.commit}.json`, folder)
  writeFileSync(file, `${JSON.stringify({ machine, settings: SETTINGS, seconds, results }, null, 2)}\n`)
  console.log(`saved to ${file.pathname}`)
}
