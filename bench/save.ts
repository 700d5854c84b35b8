/** Writes a run to `data/bench/`: machine, versions, settings and every figure. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Machine } from './support/machine.ts'
import { projectRoot } from './support/machine.ts'
import type { CaseResult, TargetResult } from './support/report.ts'
import type { Row } from './support/rows.ts'

export type Run = {
  readonly machine: Machine
  readonly versions: Readonly<Record<string, string>>
  readonly settings: Readonly<Record<string, number>>
  readonly results: readonly CaseResult[]
  readonly targets: readonly TargetResult[]
  readonly codec: readonly Row[]
}

/** Answers which files were written. */
export function saveRun(run: Run): string[] {
  const folder = new URL('data/bench/', projectRoot())
  mkdirSync(folder, { recursive: true })
  const file = fileURLToPath(new URL(`${run.machine.date}-${run.machine.commit}.json`, folder))
  writeFileSync(file, `${JSON.stringify(run, null, 2)}\n`)
  return [file]
}
