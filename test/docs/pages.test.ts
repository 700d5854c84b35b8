/** What the pages of `docs/` show is what happens: every program is run, and prints what the page says. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ERROR_CODES } from '../../src/base/errors.ts'
import { Admin } from '../../src/messaging/admin.ts'
import { PocketMQ } from '../../src/messaging/pocket-mq.ts'
import { REPOSITORY } from '../house/sources.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { faultsOf, pagePaths, readPage, stepsOf } from './pages.ts'
import { runPage } from './run-page.ts'

const PAGES = pagePaths().map(path => ({ path, text: readPage(path) }))
const PROGRAMS = PAGES.filter(({ text }) => stepsOf(text).length > 0)

describe('a program in docs', () => {
  it('is on the page of every task', () => {
    expect(PROGRAMS.length).toBeGreaterThanOrEqual(13)
  })

  it.each(PROGRAMS)('$path prints what the page says', ({ text }) => {
    const steps = stepsOf(text)
    const { prints, stderr, status } = runPage(temporaryFolder(), steps)
    expect({ stderr, status }).toEqual({ stderr: '', status: 0 })
    for (const [i, step] of steps.entries()) expect(prints[i], `the program at line ${step.line}`).toBe(step.prints)
  })

  it('that prints something else, fails or cannot be loaded is found out', () => {
    const step = (text: string): ReturnType<typeof runPage> =>
      runPage(temporaryFolder(), [{ text, prints: '', line: 1 }])
    expect(step("import { PocketMQ } from 'pocketmq'\nconsole.log(typeof PocketMQ)\n").prints).toEqual(['function\n'])
    expect(step("process.on('exit', () => console.log('late'))\n").prints).toEqual(['late\n'])
    expect(step("throw new Error('no')\n")).toMatchObject({ status: 1, stderr: expect.stringContaining('no') })
    expect(step("import 'pocketmq/none'\n").status).toBe(1)
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
})
