/** Where what is random in a test begins. */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'

const SEEDS = 1e9
const SOURCES = new URL('../../src/', import.meta.url)

/**
 * Where a run of seeds starts: every change of the sources gives it others, and the same sources the same ones, so that a run that
 * fails fails again. `SEED`: that seed alone; `ROTATE=1`: anywhere; `SEEDS_FROM=0`: those that the planted bugs are caught with.
 */
export function firstSeed(fixed: number): number {
  if (process.env.SEED !== undefined) return Number(process.env.SEED)
  if (process.env.SEEDS_FROM !== undefined) return fixed + Number(process.env.SEEDS_FROM)
  return fixed + (process.env.ROTATE === undefined ? seedOfSources() : Math.floor(Math.random() * SEEDS))
}

function seedOfSources(): number {
  const paths = readdirSync(SOURCES, { recursive: true }).filter(path => String(path).endsWith('.ts'))
  const hash = createHash('sha256')
  for (const path of paths.sort()) hash.update(readFileSync(new URL(String(path), SOURCES)))
  return hash.digest().readUInt32BE() % SEEDS
}
