/**
 * `npm run fuzz -- --minutes 10`: made-up input from new seeds, until the time is over. What does harm is kept in
 * `data/corpus/fuzz`, which `npm test` tries again; exit code 1 where there was any.
 *
 *   --minutes <n>   how long; default 10
 *   --seed <n>      the first seed; default: the clock
 *   --only <text>   only decoders with this in their name
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import fc from 'fast-check'
import { PocketMQError } from '../../src/base/errors.ts'
import { pocketmq } from '../surfaces/run-command.ts'
import { commandLines, troubleWithLine } from './command-words.ts'
import { allDecoders } from './decoders.ts'
import { fileOf, folderToFuzz, openWith } from './folders.ts'
import { fuzz, keep } from './fuzzing.ts'
import { inputsOf } from './inputs.ts'

const RUNS = 2000
const FILE_RUNS = 8
const LINE_RUNS = 60

const { values } = parseArgs({
  options: { minutes: { type: 'string' }, seed: { type: 'string' }, only: { type: 'string' } },
})
const endMs = performance.now() + Number(values.minutes ?? 10) * 60_000
const home = process.cwd()
const decoders = Object.entries(await allDecoders()).filter(([name]) => name.includes(values.only ?? ''))
const folder = await folderToFuzz()
const counts = { 'inputs of decoders': 0, folders: 0, 'command lines': 0 }
let finds = 0

function found(what: string, trouble: string): void {
  finds++
  console.log(`${what}\n  ${trouble}`)
}

async function tryFolders(seed: number): Promise<void> {
  for (const name of folder.names) {
    for (const bytes of fc.sample(inputsOf(fileOf(folder, name)), { numRuns: FILE_RUNS, seed })) {
      counts.folders++
      try {
        await openWith(folder, name, bytes)
      } catch (error) {
        if (!(error instanceof PocketMQError)) found(`${name} = ${bytes.toString('base64')}`, String(error))
      }
    }
  }
}

async function tryLines(seed: number): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'pocketmq-fuzz-'))
  try {
    mkdirSync(join(root, 'a/b'), { recursive: true })
    process.chdir(join(root, 'a/b'))
    await pocketmq(['produce', 'store', '--topic', 'orders'], { stdin: 'one\n' })
    for (const words of fc.sample(commandLines(['store', 'none']), { numRuns: LINE_RUNS, seed })) {
      counts['command lines']++
      const trouble = await troubleWithLine(words)
      if (trouble !== undefined) found(JSON.stringify(words), trouble)
    }
  } finally {
    process.chdir(home)
    rmSync(root, { recursive: true, force: true })
  }
}

let seed = Number(values.seed ?? Date.now() % 0x7fffffff)
for (; performance.now() < endMs; seed++) {
  for (const [name, decoder] of decoders) {
    counts['inputs of decoders'] += RUNS
    const harm = fuzz(decoder, { runs: RUNS, seed })
    if (harm !== undefined) found(keep(name, harm.bytes), harm.trouble)
  }
  if (values.only !== undefined) continue
  await tryFolders(seed)
  await tryLines(seed)
}
const texts = Object.entries(counts).map(([kind, count]) => `${count} ${kind}`)
console.log(`${texts.join(', ')} up to seed ${seed}: ${finds} finds`)
process.exit(finds > 0 ? 1 : 0)
