/** Tries decoders with made-up inputs, and keeps what they do wrong under `data/corpus/fuzz`. */
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { PocketMQError } from '../../src/base/errors.ts'
import type { Decoder } from './decoders.ts'
import { inputsOf } from './inputs.ts'

/** Inputs that once did harm, or are made to: `<decoder>-<first 12 digits of their SHA-256>`. */
export const CORPUS = 'data/corpus/fuzz'
/** Nothing this small takes so long. */
const TOO_LONG_MS = 2000

/** What is wrong with what a decoder does with an input; undefined where nothing is. */
export function troubleWith(decoder: Decoder, bytes: Buffer): string | undefined {
  const startedMs = performance.now()
  try {
    decoder.decode(Buffer.from(bytes))
  } catch (error) {
    if (!(error instanceof PocketMQError))
      return error instanceof Error ? (error.stack ?? error.message) : String(error)
    if (error.hint === '' || error.message === '') return `an error without words: ${error.code}`
  }
  if (Object.hasOwn(Object.prototype, 'a')) return 'Object.prototype was written to'
  const tookMs = performance.now() - startedMs
  return tookMs > TOO_LONG_MS ? `takes ${Math.round(tookMs)} ms` : undefined
}

/** Tries so many inputs; the smallest that does harm, and what is wrong with it. */
export function fuzz(
  decoder: Decoder,
  { runs, seed }: { readonly runs: number; readonly seed: number },
): { readonly bytes: Buffer; readonly trouble: string } | undefined {
  const harmless = fc.property(inputsOf(decoder), bytes => troubleWith(decoder, bytes) === undefined)
  const { counterexample } = fc.check(harmless, { numRuns: runs, seed })
  const bytes = counterexample?.[0]
  return bytes === undefined ? undefined : { bytes, trouble: troubleWith(decoder, bytes) ?? 'seen once' }
}

/** Keeps an input. Answers its file. */
export function keep(name: string, bytes: Buffer): string {
  mkdirSync(CORPUS, { recursive: true })
  const file = join(CORPUS, `${name}-${createHash('sha256').update(bytes).digest('hex').slice(0, 12)}`)
  writeFileSync(file, bytes)
  return file
}

/** Everything kept, with the name of its decoder. */
export function kept(): { readonly file: string; readonly name: string; readonly bytes: Buffer }[] {
  return readdirSync(CORPUS)
    .sort()
    .map(file => ({ file, name: file.replace(/-[0-9a-f]{12}$/, ''), bytes: readFileSync(join(CORPUS, file)) }))
}
