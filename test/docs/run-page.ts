/** Runs the program on a page as a reader would: a process of its own, in a new folder, with the package installed beside it. */
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { REPOSITORY } from '../house/sources.ts'
import { childScript } from '../support/child-scripts.ts'
import type { Step } from './pages.ts'

/** Packages that a page may import besides ours. */
const PACKAGES = ['node-sqlite3-wasm']
/** Printed behind each block, to tell what it printed from what the next one does. */
const MARK = '\u0001'
const TIMEOUT_MS = 20_000

/** What a program did. `prints` has one text for each step that was reached. */
export type PageRun = { readonly prints: readonly string[]; readonly stderr: string; readonly status: number | null }

/** Runs the steps as one program in `folder`, which is empty. */
export function runPage(folder: string, steps: readonly Step[]): PageRun {
  install(folder)
  const program = steps.map(({ text }) => `${text}console.log('${JSON.stringify(MARK).slice(1, -1)}')\n`).join('')
  writeFileSync(join(folder, 'page.mjs'), program)
  const { stdout, stderr, status } = spawnSync(process.execPath, ['page.mjs'], {
    cwd: folder,
    encoding: 'utf8',
    timeout: TIMEOUT_MS,
  })
  const parts = stdout.split(`${MARK}\n`)
  // Behind the last mark nothing is expected; what comes there belongs to the last block.
  const rest = parts.pop() ?? ''
  return { prints: parts.map((part, i) => (i === parts.length - 1 ? part + rest : part)), stderr, status }
}

/** `node_modules` as npm would make it, of the sources as they are now and by the package's own map of exports. */
function install(folder: string): void {
  const modules = join(folder, 'node_modules')
  mkdirSync(join(modules, 'pocketmq'), { recursive: true })
  copyFileSync(join(REPOSITORY, 'package.json'), join(modules, 'pocketmq/package.json'))
  symlinkSync(dirname(childScript('src/index.ts')), join(modules, 'pocketmq/dist'))
  for (const name of PACKAGES) symlinkSync(join(REPOSITORY, 'node_modules', name), join(modules, name))
}
