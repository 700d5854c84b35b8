/**
 * Plants bugs into a private copy of the project, one by one, and runs the harness that must catch each. Prints a table with
 * the test that did; exits 1 where one survives, or where a text that a bug replaces is not in the source any more.
 * `npm run test:mutations [-- part of a name ...] [--harness engine] [--piece 1/4] [--jobs 2]`
 */
import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { HARNESSES } from './harnesses.mjs'
import { MUTATIONS } from './mutations.mjs'

const REPOSITORY = fileURLToPath(new URL('../../..', import.meta.url))
/** A planted bug may as well make a test wait for ever; a machine may be busy with others. */
const TIMEOUT_MS = 900_000

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    piece: { type: 'string', default: '1/1' },
    harness: { type: 'string' },
    jobs: { type: 'string', default: String(Math.min(2, availableParallelism())) },
  },
})
const [piece, pieces] = values.piece.split('/').map(Number)
const wanted = MUTATIONS.filter(({ name }) => positionals.length === 0 || positionals.some(part => name.includes(part)))
  .filter(({ harness }) => harness === (values.harness ?? harness))
  .filter((_, i) => i % pieces === piece - 1)
const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop.abort())

refuseStale(wanted)
const startedMs = Date.now()
const waiting = [...wanted]
const caught = []
await Promise.all(Array.from({ length: Number(values.jobs) }, work))
const seconds = Math.round((Date.now() - startedMs) / 1000)
console.log(`${caught.length} of ${wanted.length} planted bugs caught in ${seconds} s`)
for (const { name } of wanted.filter(mutation => !caught.includes(mutation))) console.log(`NOT CAUGHT: ${name}`)
process.exit(caught.length === wanted.length ? 0 : 1)

/** A bug that changes nothing would count as one that no test sees, or worse, be taken for caught. */
function refuseStale(mutations) {
  const stale = mutations.filter(({ path, before, after, harness }) => {
    const found = readFileSync(join(REPOSITORY, path), 'utf8').split(before).length - 1
    return found !== 1 || before === after || HARNESSES[harness] === undefined
  })
  if (stale.length === 0) return
  for (const { name, path } of stale) console.log(`DOES NOT APPLY: ${name}: its text is not there once in ${path}`)
  process.exit(1)
}

/** Plants what waits, one after another, into a copy of its own. */
async function work() {
  const folder = mkdtempSync(join(tmpdir(), 'pocketmq-mutation-'))
  try {
    for (const name of ['src', 'test', 'data', 'package.json', 'tsconfig.json']) {
      cpSync(join(REPOSITORY, name), join(folder, name), { recursive: true })
    }
    symlinkSync(join(REPOSITORY, 'node_modules'), join(folder, 'node_modules'))
    for (let mutation = waiting.shift(); mutation !== undefined && !stop.signal.aborted; mutation = waiting.shift()) {
      const begunMs = Date.now()
      const { failed, ending } = await plant(folder, mutation)
      if (failed !== undefined) caught.push(mutation)
      const tookSeconds = Math.round((Date.now() - begunMs) / 1000)
      console.log(`| ${mutation.name} | ${failed ?? `**SURVIVED** (${ending})`} | ${tookSeconds} s |`)
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function plant(folder, { path, before, after, harness }) {
  const file = join(folder, path)
  const text = readFileSync(file, 'utf8')
  writeFileSync(
    file,
    text.replace(before, () => after),
  )
  try {
    return await run(folder, HARNESSES[harness])
  } finally {
    writeFileSync(file, text)
  }
}

/** The test that failed, if one did, and how the run ended: one that does not end, or does not begin, catches nothing. */
function run(folder, { files, name = '', cuts = 0 }) {
  // A planted bug changes the sources, and with them the seeds.
  const env = { ...process.env, CUTS: String(cuts), SEEDS_FROM: '0', NO_COLOR: '1' }
  delete env.SEED
  delete env.ROTATE
  const vitest = join(folder, 'node_modules/vitest/vitest.mjs')
  const given = ['run', '--config', 'test/vitest.config.ts', '--bail', '1', '--maxWorkers', '1']
  const child = spawn(process.execPath, [vitest, ...given, ...(name === '' ? [] : ['-t', name]), ...files], {
    ...{ cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'], timeout: TIMEOUT_MS, signal: stop.signal },
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', chunk => {
      output += chunk
    })
  }
  return new Promise(resolve => {
    child.on('error', () => resolve({ failed: undefined, ending: 'was stopped' }))
    child.on('close', (status, signal) => {
      if (process.env.VERBOSE !== undefined) console.log(output)
      const failed = status === 0 ? undefined : /^\s*FAIL\s+test\/(.*? > .*?)\s*$/m.exec(output)?.[1]
      resolve({
        failed,
        ending: signal === null && status !== 143 ? `exit code ${status}` : `not over after ${TIMEOUT_MS / 1000} s`,
      })
    })
  })
}
