/** Runs cases: round by round, everybody in turn, each measurement in a fresh process and a fresh folder. */
import { spawnSync } from 'node:child_process'
import type { Case, Entry } from './case.ts'
import type { Outcome } from './child.ts'
import { Child } from './child.ts'
import { deviceStatOf } from './device.ts'
import type { Program } from './programs.ts'
import type { Answer, Request } from './protocol.ts'
import { inTemporaryFolder } from './temporary-folder.ts'

export type Plan = {
  readonly seconds: number
  readonly warmUpSeconds: number
  readonly rounds: number
  readonly programs: Readonly<Record<string, Program>>
  readonly log: (line: string) => void
}

/** A contestant's answers in a case, one a round; or why there are none. */
export type Measured = { readonly entry: string; readonly answers: readonly Answer[]; readonly skipped?: string }

/** Measures one case. */
export async function measureCase(one: Case, entries: readonly Entry[], plan: Plan): Promise<Measured[]> {
  const answers = new Map<string, Answer[]>()
  const skipped = new Map<string, string>()
  for (const entry of entries) {
    const program = plan.programs[entry.program]
    if (program === undefined) skipped.set(entry.name, 'only with --peers')
    else if ('missing' in program) skipped.set(entry.name, program.missing)
  }
  for (let round = 0; round < plan.rounds; round++) {
    for (const entry of turned(entries, round)) {
      if (skipped.has(entry.name)) continue
      const outcome = await measureOnce(one, entry, plan)
      if ('unsupported' in outcome) skipped.set(entry.name, outcome.unsupported)
      else if ('failed' in outcome) skipped.set(entry.name, `failed: ${outcome.failed.split('\n')[0]}`)
      else answers.set(entry.name, [...(answers.get(entry.name) ?? []), outcome])
      plan.log(`${one.id} | ${entry.name} | round ${round + 1}: ${describe(one, outcome)}`)
    }
  }
  return entries.map(({ name }) => {
    const why = skipped.get(name)
    return { entry: name, answers: answers.get(name) ?? [], ...(why === undefined ? {} : { skipped: why }) }
  })
}

/** The figure a case is about: its own, or operations a second. */
export function figureOf(one: Pick<Case, 'figure'>, answer: Answer): number {
  return one.figure === undefined ? answer.operations / answer.seconds : (answer.figures?.[one.figure.name] ?? 0)
}

async function measureOnce(one: Case, entry: Entry, plan: Plan): Promise<Outcome> {
  const program = plan.programs[entry.program] as Exclude<Program, { missing: string }>
  const outcome = await inTemporaryFolder(async folder => {
    const deviceStat = deviceStatOf(folder)
    const request: Request = {
      workload: entry.workload ?? one.workload,
      folder,
      size: one.size,
      outstanding: one.outstanding,
      seconds: Math.max(plan.seconds, plan.seconds >= FULL_SECONDS ? (one.secondsMin ?? 0) : 0),
      warmUpSeconds: plan.warmUpSeconds,
      durability: one.durability,
      ...(deviceStat === undefined ? {} : { deviceStat }),
      settings: { ...one.settings, ...entry.settings },
    }
    if (one.measure !== undefined) return await one.measure({ program, request })
    const child = new Child(program)
    const answer = await child.ask(request)
    await child.end()
    return answer
  })
  // What one contestant has left to be written is not to disturb the next.
  spawnSync('sync')
  return outcome
}

/** A full run, rather than one for trying. */
const FULL_SECONDS = 20

function turned<T>(values: readonly T[], by: number): readonly T[] {
  const from = by % Math.max(1, values.length)
  return [...values.slice(from), ...values.slice(0, from)]
}

function describe(one: Case, outcome: Outcome): string {
  if ('unsupported' in outcome) return `skipped: ${outcome.unsupported}`
  if ('failed' in outcome) return `failed: ${outcome.failed.split('\n')[0]}`
  return `${Math.round(figureOf(one, outcome))} ${one.figure?.unit ?? '/s'}`
}
