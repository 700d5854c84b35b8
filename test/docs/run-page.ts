/** Runs the program on a page as a reader would: a process of its own, in a new folder, with the package installed beside it. */
import { execFile } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { REPOSITORY } from '../house/sources.ts'
import { childScript } from '../support/child-scripts.ts'
import type { Step } from './pages.ts'

/** Packages that a page may import besides ours. */
const PACKAGES = ['node-sqlite3-wasm']
/** Printed behind each block, to tell what it printed from what the next one does. */
const MARK = '\u0001'
const TIMEOUT_MS = 25_000

/** What a program did. `prints` has one text for each step that was reached. */
export type PageRun = { readonly prints: readonly string[]; readonly stderr: string; readonly status: number | null }

/** Runs the steps as one program. */
export async function runPage(steps: readonly Step[]): Promise<PageRun> {
  const folder = mkdtempSync(join(tmpdir(), 'pocketmq-docs-'))
  try {
    install(folder)
    const program = steps.map(({ text }) => `${text}console.log('${JSON.stringify(MARK).slice(1, -1)}')\n`).join('')
    writeFileSync(join(folder, 'page.mjs'), program)
    return await run(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

/** Starts all of them, a few at a time; each answer by its key. */
export function runPages(pages: ReadonlyMap<string, readonly Step[]>, atOnce: number): Map<string, Promise<PageRun>> {
  const lanes: Promise<unknown>[] = Array.from({ length: atOnce }, () => Promise.resolve())
  const runs = new Map<string, Promise<PageRun>>()
  for (const [i, [key, steps]] of [...pages].entries()) {
    const answer = (lanes[i % atOnce] as Promise<unknown>).then(() => runPage(steps))
    runs.set(key, answer)
    // Who waits for the answer hears of a failure; the next one in the lane runs all the same.
    lanes[i % atOnce] = answer.then(
      () => undefined,
      () => undefined,
    )
  }
  return runs
}

function run(cwd: string): Promise<PageRun> {
  return new Promise(resolve => {
    const child = execFile(process.execPath, ['page.mjs'], { cwd, timeout: TIMEOUT_MS }, (_error, stdout, stderr) => {
      const parts = stdout.split(`${MARK}\n`)
      // Behind the last mark nothing is expected; what comes there belongs to the last block.
      const rest = parts.pop() ?? ''
      const prints = parts.map((part, i) => (i === parts.length - 1 ? part + rest : part))
      resolve({ prints, stderr, status: child.exitCode })
    })
  })
}

/** `node_modules` as npm would make it, of the sources as they are now and by the package's own map of exports. */
function install(folder: string): void {
  const modules = join(folder, 'node_modules')
  mkdirSync(join(modules, 'pocketmq'), { recursive: true })
  copyFileSync(join(REPOSITORY, 'package.json'), join(modules, 'pocketmq/package.json'))
  symlinkSync(dirname(childScript('src/index.ts')), join(modules, 'pocketmq/dist'))
  for (const name of PACKAGES) symlinkSync(join(REPOSITORY, 'node_modules', name), join(modules, name))
}
