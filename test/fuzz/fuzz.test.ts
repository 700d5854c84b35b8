/** Made-up input for every decoder, config file and command line, from fixed seeds; `npm run fuzz` takes others. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { PocketMQError } from '../../src/base/errors.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { pocketmq } from '../surfaces/run-command.ts'
import { commandLines, troubleWithLine } from './command-words.ts'
import type { Decoder } from './decoders.ts'
import { allDecoders } from './decoders.ts'
import type { Folder } from './folders.ts'
import { fileOf, folderToFuzz, openWith } from './folders.ts'
import { fuzz, kept, troubleWith } from './fuzzing.ts'
import { inputsOf } from './inputs.ts'

vi.setConfig({ testTimeout: 120_000 })

const SEED = 20_251_121
const RUNS = 400
const FILE_RUNS = 2
const LINE_RUNS = 300

let decoders: Readonly<Record<string, Decoder>>
let folder: Folder

beforeAll(async () => {
  decoders = await allDecoders()
  folder = await folderToFuzz()
})

describe('every decoder', () => {
  it('reads what is sound', () => {
    for (const [name, { sound, decode }] of Object.entries(decoders)) {
      expect([name, sound.length > 0]).toEqual([name, true])
      for (const bytes of sound) decode(bytes)
    }
  })

  it('answers a value or a typed error, whatever it is given', () => {
    for (const [name, decoder] of Object.entries(decoders))
      expect([name, fuzz(decoder, { runs: RUNS, seed: SEED })]).toEqual([name, undefined])
  })

  it('does so with everything in data/corpus/fuzz', () => {
    const all = kept()
    expect(all.length).toBeGreaterThan(30)
    for (const { file, name, bytes } of all) {
      const decoder = decoders[name]
      expect([file, decoder === undefined ? 'no such decoder' : troubleWith(decoder, bytes)]).toEqual([file, undefined])
    }
  })
})

it('a folder opens and works, or says in a typed error why not, whatever one of its small files holds', async () => {
  for (const name of folder.names) {
    const inputs = fc.sample(inputsOf(fileOf(folder, name)), { numRuns: FILE_RUNS, seed: SEED })
    for (const bytes of inputs) {
      const thrown = await openWith(folder, name, bytes).then(
        () => undefined,
        (error: unknown) => error,
      )
      if (!(thrown instanceof PocketMQError))
        expect([name, bytes.toString('base64'), thrown]).toEqual([name, bytes.toString('base64'), undefined])
    }
  }
})

describe('the command line', () => {
  const home = process.cwd()
  afterAll(() => process.chdir(home))

  it('ends with an exit code of the four and never with a stack trace, whatever words it is given', async () => {
    const deep = join(temporaryFolder(), 'a', 'b')
    mkdirSync(deep, { recursive: true })
    process.chdir(deep)
    await pocketmq(['produce', 'store', '--topic', 'orders'], { stdin: 'one\n' })
    const lines = fc.sample(commandLines(['store', 'none', 'store/commitlog']), { numRuns: LINE_RUNS, seed: SEED })
    for (const words of lines) expect([words, await troubleWithLine(words)]).toEqual([words, undefined])
  })
})
