/** Parts of README.md that are held equal to the code: `<!-- name -->` … `<!-- end -->`. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SettingsTable } from '../../src/base/settings-table.ts'
import { REPOSITORY } from './sources.ts'

/** The README's text. */
export const README: string = readFileSync(join(REPOSITORY, 'README.md'), 'utf8')

/** What stands between `<!-- name -->` and the next `<!-- end -->`. */
export function partOf(name: string): string {
  const start = README.indexOf(`<!-- ${name} -->\n`)
  const end = README.indexOf('<!-- end -->', start)
  if (start < 0 || end < 0) throw new Error(`README.md has no part '${name}'`)
  return README.slice(README.indexOf('\n', start) + 1, end)
}

/** The cells of a table's rows, without its head. */
export function rowsOf(table: string): string[][] {
  const rows = table.trim().split('\n').slice(2)
  return rows.map(row =>
    row
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map(cell => cell.trim()),
  )
}

/** A program in a part: the text of its fenced block. */
export function programOf(name: string): string {
  const program = /^```js\n(.*?)^```/ms.exec(partOf(name))?.[1]
  if (program === undefined) throw new Error(`README.md's part '${name}' has no program`)
  return program
}

/** Commands of the command line, in the words of their help. */
export function commandsText(commands: readonly { readonly usage: string; readonly about: string }[]): string {
  const rows = commands.map(({ usage, about }) => `| \`pocketmq ${usage}\` | ${about.replaceAll('|', '\\|')} |`)
  return `${['| command | does |', '| --- | --- |', ...rows].join('\n')}\n`
}

/** A settings table as README.md shows it. */
export function settingsText(table: SettingsTable): string {
  const rows = Object.entries(table).map(
    ([name, { about, fallback }]) => `| \`${name}\` | ${shown(fallback, about)} | ${about.replaceAll('|', '\\|')} |`,
  )
  return `${['| option | default | meaning |', '| --- | --- | --- |', ...rows].join('\n')}\n`
}

const UNITS: readonly (readonly [string, number])[] = [
  ['GiB', 2 ** 30],
  ['MiB', 2 ** 20],
  ['KiB', 2 ** 10],
]

function shown(fallback: unknown, about: string): string {
  if (fallback === undefined) return 'not set'
  if (typeof fallback === 'number' && about.startsWith('bytes')) {
    const [unit, size] = UNITS.find(([, bytes]) => fallback >= bytes && fallback % bytes === 0) ?? ['bytes', 1]
    return `${fallback / size} ${unit}`
  }
  if (typeof fallback === 'number')
    return about.startsWith('permissions') ? `0o${fallback.toString(8)}` : fallback.toLocaleString('en')
  if (typeof fallback === 'string') return `\`'${fallback}'\``
  const hasFunctions =
    typeof fallback === 'function' || Object.values(fallback as object).some(value => typeof value === 'function')
  return hasFunctions ? 'built in' : `\`${JSON.stringify(fallback)}\``
}
