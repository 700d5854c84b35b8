/** What the pages of `docs/` show is what happens: every program is run, and prints what the page says. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { ERROR_CODES } from '../../src/base/errors.ts'
import { Admin } from '../../src/messaging/admin.ts'
import { PocketMQ } from '../../src/messaging/pocket-mq.ts'
import { MESSAGING_SETTINGS } from '../../src/messaging/settings.ts'
import { RETENTION_SETTINGS, STORE_SETTINGS } from '../../src/store/settings.ts'
import { rowsOf } from '../house/readme.ts'
import { REPOSITORY } from '../house/sources.ts'
import { faultsOf, pagePaths, readPage, stepsOf } from './pages.ts'
import type { PageRun } from './run-page.ts'
import { runPage, runPages } from './run-page.ts'

const PAGES = pagePaths().map(path => ({ path, text: readPage(path) }))
const PROGRAMS = PAGES.filter(({ text }) => stepsOf(text).length > 0)

/** Programs mostly wait for their process to start: a few run at once. */
const AT_ONCE = 3

describe('a program in docs', () => {
  let runs: ReadonlyMap<string, Promise<PageRun>>

  beforeAll(() => {
    runs = runPages(new Map(PROGRAMS.map(({ path, text }) => [path, stepsOf(text)])), AT_ONCE)
  })

  it('is on the page of every task', () => {
    expect(PROGRAMS.length).toBeGreaterThanOrEqual(13)
  })

  it.each(PROGRAMS)('$path prints what the page says', async ({ path, text }) => {
    const { prints, stderr, status } = (await runs.get(path)) as PageRun
    expect({ stderr, status }).toEqual({ stderr: '', status: 0 })
    for (const [i, step] of stepsOf(text).entries()) {
      expect(prints[i], `the program at line ${step.line}`).toBe(step.prints)
    }
  })

  it('that prints something else, fails or cannot be loaded is found out', async () => {
    const one = (text: string): Promise<PageRun> => runPage([{ text, prints: '', line: 1 }])
    const [loaded, late, failed, missing] = await Promise.all([
      one("import { PocketMQ } from 'pocketmq'\nconsole.log(typeof PocketMQ)\n"),
      one("process.on('exit', () => console.log('late'))\n"),
      one("throw new Error('no')\n"),
      one("import 'pocketmq/none'\n"),
    ])
    expect(loaded.prints).toEqual(['function\n'])
    expect(late.prints).toEqual(['late\n'])
    expect(failed).toMatchObject({ status: 1, stderr: expect.stringContaining('no') })
    expect(missing.status).toBe(1)
  })
})

describe('a page', () => {
  it.each(PAGES)('$path has no program that is not run', ({ text }) => {
    expect(faultsOf(text)).toEqual([])
  })

  it('with a program that is not run, or output of none, is refused', () => {
    const fenced = (language: string, text = 'x\n'): string => `\`\`\`${language}\n${text}\`\`\`\n`
    expect(faultsOf(fenced('ts'))).toHaveLength(1)
    expect(faultsOf(fenced(''))).toHaveLength(1)
    expect(faultsOf(fenced('js not run'))).toHaveLength(1)
    expect(faultsOf(fenced('text', "import { a } from 'b'\n"))).toHaveLength(1)
    expect(faultsOf(fenced('output'))).toHaveLength(1)
    expect(faultsOf('```js\nx\n')).toHaveLength(1)
    expect(faultsOf(`${fenced('js')}${fenced('output')}${fenced('sh')}`)).toEqual([])
  })

  it.each(PAGES)('$path links to files that are there', ({ path, text }) => {
    const links = [...text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)].map(([, link]) => link as string)
    const missing = links.filter(link => !/^https?:/.test(link) && !existsSync(join(REPOSITORY, dirname(path), link)))
    expect(missing).toEqual([])
  })

  it('is in the index, each once', () => {
    const index = readPage('docs/README.md')
    for (const { path } of PAGES.filter(page => page.path !== 'docs/README.md')) {
      expect(index.split(`](${path.slice('docs/'.length)})`).length - 1, path).toBe(1)
    }
  })

  it.each(PAGES)('$path names methods and error codes that exist', ({ text }) => {
    const named = (pattern: RegExp): string[] => [...text.matchAll(pattern)].map(([, name]) => name as string)
    expect(named(/\bmq\.admin\.(\w+)/g).filter(name => !(name in Admin.prototype))).toEqual([])
    const own = named(/\bmq\.(?!admin)(\w+)\(/g)
    expect(own.filter(name => !(name in PocketMQ.prototype))).toEqual([])
    const codes: readonly string[] = ERROR_CODES
    expect(named(/\b(POCKETMQ_[A-Z_]+)\b/g).filter(code => !codes.includes(code))).toEqual([])
  })

  it.each(PAGES.filter(({ path }) => path !== 'docs/format.md'))(
    '$path names source files that are there',
    ({ text }) => {
      const named = [...text.matchAll(/`(src\/[a-z0-9/-]+\.ts)`/g)].map(([, name]) => name as string)
      expect(named.filter(name => !existsSync(join(REPOSITORY, name)))).toEqual([])
    },
  )
})

describe('the page of terms', () => {
  it('maps the settings of a broker to settings that exist', () => {
    const retention = Object.keys(RETENTION_SETTINGS).map(name => `retention.${name}`)
    const settings = new Set([...Object.keys(STORE_SETTINGS), ...Object.keys(MESSAGING_SETTINGS), ...retention])
    const table = /^\| `broker\.conf` \|.*?\n\n/ms.exec(readPage('docs/rocketmq-terms.md'))?.[0] ?? ''
    const named = rowsOf(table).map(([, ours]) => /^`([\w.]+)`/.exec(ours as string)?.[1])
    expect(named.length).toBeGreaterThan(10)
    expect(named.filter(name => name === undefined || !settings.has(name))).toEqual([])
  })
})
