/**
 * Plants bugs into a copy of the project, one by one, and runs the harness that is likely to catch each, then the others. Prints
 * a table; exits 1 where one survives or does not apply any more. `npm run test:mutations [-- part of a name]`
 */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { HARNESSES, MUTATIONS } from './mutations.mjs'

const REPOSITORY = fileURLToPath(new URL('../../..', import.meta.url))
const TIMEOUT_MS = 900_000
const NAME_CHARS = Math.max(...MUTATIONS.map(({ name }) => name.length))

const wanted = process.argv[2] ?? ''
const survivors = []
for (const mutation of MUTATIONS.filter(({ name }) => name.includes(wanted))) {
  const startedMs = Date.now()
  const verdict = plant(mutation)
  if (!verdict.isCaught) survivors.push(mutation.name)
  const seconds = Math.round((Date.now() - startedMs) / 1000)
  console.log(`${mutation.name.padEnd(NAME_CHARS)}  ${String(seconds).padStart(4)} s  ${verdict.text}`)
}
console.log(survivors.length === 0 ? 'every planted bug was caught' : `NOT CAUGHT: ${survivors.join('; ')}`)
process.exit(survivors.length === 0 ? 0 : 1)

function plant({ path, before, after, first }) {
  const folder = mkdtempSync(join(tmpdir(), 'pocketmq-mutation-'))
  try {
    for (const name of ['src', 'test', 'data', 'package.json', 'tsconfig.json']) {
      cpSync(join(REPOSITORY, name), join(folder, name), { recursive: true })
    }
    symlinkSync(join(REPOSITORY, 'node_modules'), join(folder, 'node_modules'))
    const text = readFileSync(join(folder, path), 'utf8')
    if (!text.includes(before)) return { isCaught: false, text: `does not apply: ${path} has changed` }
    writeFileSync(
      join(folder, path),
      text.replaceAll(before, () => after),
    )
    for (const harness of new Set([first, ...Object.keys(HARNESSES)])) {
      const failure = run(folder, HARNESSES[harness])
      if (failure !== undefined) return { isCaught: true, text: `caught by: ${failure}` }
    }
    return { isCaught: false, text: 'SURVIVED' }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The test that failed; undefined where none did. */
function run(folder, { files, name, cuts }) {
  const env = { ...process.env, CUTS: String(cuts), NO_COLOR: '1' }
  delete env.SEED
  delete env.ROTATE
  const vitest = join(folder, 'node_modules/vitest/vitest.mjs')
  const given = [
    'run',
    '--config',
    'test/vitest.config.ts',
    '--bail',
    '1',
    ...(name === '' ? [] : ['-t', name]),
    ...files,
  ]
  const ended = spawnSync(process.execPath, [vitest, ...given], {
    ...{ cwd: folder, env, encoding: 'utf8', timeout: TIMEOUT_MS, maxBuffer: 2 ** 28 },
  })
  if (ended.status === 0) return undefined
  return /^\s*×\s*(.*?)\s*\d*m?s?$/m.exec(ended.stdout)?.[1] ?? 'a run that does not end'
}
