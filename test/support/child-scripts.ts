/**
 * Programs for tests that need a process of their own, to be killed. Node 20 runs no TypeScript, so sources and
 * every test program that ends in `-child.ts`, and torture and soak, are compiled once, without type checking, into a folder named for what they hold.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { REPOSITORY, readSources } from '../house/sources.ts'

const DAY_MS = 24 * 3_600_000
const COMPILED = join(REPOSITORY, '.vitest', 'children')

let folder: string | undefined

/** The compiled form of a test's program: `childScript('test/crash/writer-child.ts')`. */
export function childScript(path: string): string {
  folder ??= compiled()
  return join(folder, path.replace(/\.ts$/, '.js'))
}

function compiled(): string {
  const into = join(COMPILED, fingerprint())
  if (existsSync(into)) return into
  // Several test processes may compile at once; the first to finish names the folder.
  const aside = `${into}.${process.pid}`
  mkdirSync(COMPILED, { recursive: true })
  const tsc = join(REPOSITORY, 'node_modules/typescript/bin/tsc')
  execFileSync(
    process.execPath,
    [tsc, '-p', join(REPOSITORY, 'test/support/tsconfig.children.json'), '--outDir', aside],
    { stdio: 'pipe' },
  )
  try {
    renameSync(aside, into)
  } catch (error) {
    if (!existsSync(into)) throw error
    rmSync(aside, { recursive: true, force: true })
  }
  forgetOld(into)
  return into
}

function fingerprint(): string {
  const hash = createHash('sha256')
  for (const [path, text] of readSources(['src', 'test'])) {
    if (/^(src|test\/torture)\/|-child\.ts$/.test(path)) hash.update(`${path}\n${text}\n`)
  }
  return hash.digest('hex').slice(0, 16)
}

/** Compiled sources that nobody has asked for in a day are gone. */
function forgetOld(newest: string): void {
  for (const name of readdirSync(COMPILED)) {
    const path = join(COMPILED, name)
    if (path !== newest && Date.now() - statSync(path).mtimeMs > DAY_MS) rmSync(path, { recursive: true, force: true })
  }
}
