/** A run as it is kept: every answer of every round, so that a table can be made of it at any time, and a later call can go on. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Case } from './case.ts'
import type { Machine } from './machine.ts'
import type { Answer } from './protocol.ts'
import type { Row } from './rows.ts'

/** How long and how often. */
export type RunSettings = { readonly seconds: number; readonly warmUpSeconds: number; readonly rounds: number }

/** A contestant's answers in a case, one a round; or why there are none. */
export type SavedEntry = { readonly entry: string; readonly skipped?: string; readonly answers: readonly Answer[] }

export type SavedCase = Pick<Case, 'id' | 'figure'> & { readonly entries: readonly SavedEntry[] }

export type SavedRun = {
  readonly machine: Machine
  readonly versions: Readonly<Record<string, string>>
  readonly settings: RunSettings
  readonly cases: readonly SavedCase[]
  readonly codec: readonly Row[]
}

/** What was saved there; undefined where nothing was. */
export function readRun(file: string): SavedRun | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as SavedRun
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Writes all of it anew; whoever is cut off leaves the old one. */
export function writeRun(file: string, run: SavedRun): void {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(`${file}.tmp`, `${textOf(run)}\n`)
  renameSync(`${file}.tmp`, file)
}

/** Why a run cannot go on from what was saved before; undefined where it can. */
export function differenceOf(saved: SavedRun, now: Omit<SavedRun, 'cases' | 'codec'>): string | undefined {
  const compared = [
    ['commit', saved.machine.commit, now.machine.commit],
    ['processor', saved.machine.cpu, now.machine.cpu],
    ['Node', saved.machine.node, now.machine.node],
    ['seconds', saved.settings.seconds, now.settings.seconds],
  ] as const
  const differs = compared.find(([, before, after]) => before !== after)
  return differs === undefined ? undefined : `${differs[0]}: ${differs[1]} before, ${differs[2]} now`
}

/** The run with these answers of a case added. Contestants keep the order of `order`. */
export function withAnswers(
  run: SavedRun,
  { id, figure }: Pick<Case, 'id' | 'figure'>,
  added: readonly SavedEntry[],
  order: readonly string[],
): SavedRun {
  const before = run.cases.find(each => each.id === id)?.entries ?? []
  const names = [...order.filter(name => [...before, ...added].some(({ entry }) => entry === name))]
  const entries = names.map(name => merged(name, [...before, ...added]))
  const one: SavedCase = { id, ...(figure === undefined ? {} : { figure }), entries }
  const others = run.cases.filter(each => each.id !== id)
  const at = run.cases.findIndex(each => each.id === id)
  const cases = at < 0 ? [...others, one] : [...others.slice(0, at), one, ...others.slice(at)]
  return { ...run, cases }
}

/** How many rounds of this contestant are there. */
export function roundsOf(run: SavedRun, caseId: string, entry: string): number {
  const one = run.cases.find(({ id }) => id === caseId)
  return one?.entries.find(each => each.entry === entry)?.answers.length ?? 0
}

function merged(name: string, all: readonly SavedEntry[]): SavedEntry {
  const its = all.filter(({ entry }) => entry === name)
  const skipped = its.at(-1)?.skipped
  return { entry: name, ...(skipped === undefined ? {} : { skipped }), answers: its.flatMap(({ answers }) => answers) }
}

/** An answer a line: a table's worth of lines, and differences that can be read. */
function textOf(run: SavedRun): string {
  const lines: string[] = []
  const marked = JSON.stringify(
    run,
    (key, value: unknown) => {
      if (key !== 'answers') return value
      return (value as readonly Answer[]).map(answer => `@${lines.push(JSON.stringify(answer)) - 1}@`)
    },
    2,
  )
  return marked.replace(/"@(\d+)@"/g, (_, line: string) => lines[Number(line)] as string)
}
