/** What README.md says is what the code does. `UPDATE_README=1` writes the tables anew. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import { ERROR_CODES } from '../../src/base/errors.ts'
import { MESSAGING_SETTINGS } from '../../src/messaging/settings.ts'
import { RETENTION_SETTINGS, STORE_SETTINGS } from '../../src/store/settings.ts'
import { COMMANDS } from '../../src/surfaces/cli/commands.ts'
import { childScript } from '../support/child-scripts.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { commandsText, partOf, programOf, README, rowsOf, settingsText } from './readme.ts'
import { REPOSITORY } from './sources.ts'

const TABLES: Readonly<Record<string, string>> = {
  'table: commands': commandsText(COMMANDS),
  'table: store settings': settingsText(STORE_SETTINGS),
  'table: messaging settings': settingsText(MESSAGING_SETTINGS),
  'table: retention settings': settingsText(RETENTION_SETTINGS),
}

if (process.env.UPDATE_README === '1') {
  let text = README
  for (const [name, table] of Object.entries(TABLES)) {
    const start = `<!-- ${name} -->\n`
    text = text.replace(`${start}${partOf(name)}`, () => `${start}${table}`)
  }
  writeFileSync(join(REPOSITORY, 'README.md'), text)
}

describe('README.md', () => {
  it.each(Object.entries(TABLES))('shows the %s as they are in the code', (name, table) => {
    expect(partOf(name)).toBe(table)
  })

  it('lists every error code, each once, in the order of the code, with what to do', () => {
    const rows = rowsOf(partOf('table: errors'))
    expect(rows.map(([code]) => code)).toEqual(ERROR_CODES.map(code => `\`${code}\``))
    for (const row of rows) expect(row.every(cell => cell !== '')).toBe(true)
  })

  it('names the two commands that package.json and CI have', () => {
    const { scripts } = JSON.parse(readFileSync(join(REPOSITORY, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>
    }
    expect(README).toMatch(/^npm ci && npm run demo\b/m)
    expect(README).toMatch(/^npm ci && npm test\b/m)
    expect(scripts.demo).toBeDefined()
    expect(scripts.test).toBeDefined()
    const ci = readFileSync(join(REPOSITORY, '.ci/run'), 'utf8')
    expect(ci).toMatch(/^npm ci /m)
    expect(ci).toMatch(/^npm test /m)
  })

  it('links to files that are there', () => {
    const links = [...README.matchAll(/\]\(([^)#]+)\)/g)].map(([, link]) => link as string)
    expect(links.length).toBeGreaterThan(2)
    for (const link of links.filter(link => !link.startsWith('http')))
      expect(existsSync(join(REPOSITORY, link)), link).toBe(true)
  })

  it.each([
    { name: 'quick start', says: 'on disk: orders/\\d at 0\nbilling got: one coffee\n' },
    { name: 'quick start: store', says: 'read back: 21.5\n' },
  ])('has a program "$name" that runs as it stands', ({ name, says }) => {
    const folder = temporaryFolder()
    const url = (path: string): string => pathToFileURL(childScript(path)).href
    const program = programOf(name)
      .replace("'pocketmq/store'", `'${url('src/store/message-store.ts')}'`)
      .replace("'pocketmq'", `'${url('src/index.ts')}'`)
    writeFileSync(join(folder, 'program.mjs'), program)
    const { stdout, stderr, status } = spawnSync(process.execPath, ['program.mjs'], {
      cwd: folder,
      encoding: 'utf8',
      timeout: 20_000,
    })
    expect({ stdout, stderr, status }).toEqual({
      stdout: expect.stringMatching(new RegExp(`^${says}$`)),
      stderr: '',
      status: 0,
    })
  })
})

describe('docs/format.md', () => {
  it('names source files that are there', () => {
    const text = readFileSync(join(REPOSITORY, 'docs/format.md'), 'utf8')
    const names = [...text.matchAll(/`([a-z0-9/-]+\.ts)`/g)].map(([, name]) => name as string)
    expect(names.length).toBeGreaterThan(15)
    const pathOf = (name: string): string => join(REPOSITORY, name.includes('/') ? name : `src/codec/${name}`)
    expect(names.filter(name => !existsSync(pathOf(name)))).toEqual([])
  })
})
