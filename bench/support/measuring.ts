/** Measures one round of a case: everybody in turn, each in a fresh process and a fresh folder. */
import type { Case, Entry } from './case.ts'
import type { Outcome } from './child.ts'
import { Child } from './child.ts'
import { deviceStatOf } from './device.ts'
import type { Program } from './programs.ts'
import type { Answer, Request } from './protocol.ts'
import type { SavedEntry } from './saved-run.ts'
import { inTemporaryFolder } from './temporary-folder.ts'

export type Plan = {
  readonly seconds: number
  readonly warmUpSeconds: number
  /** Cases that ask for more seconds get them up to here. */
  readonly longSecondsMax: number
  readonly programs: Readonly<Record<string, Program>>
  readonly log: (line: string) => void
  /** What one contestant has left to be written is not to disturb the next. */
  readonly between: () => void
}

/** Measures these contestants once, beginning with another one each round. */
export async function measureRound(
  one: Case,
  entries: readonly Entry[],
  round: number,
  plan: Plan,
): Promise<SavedEntry[]> {
  const measured: SavedEntry[] = []
  for (const entry of turned(entries, round)) {
    const program = plan.programs[entry.program]
    const outcome: Outcome =
      program === undefined
        ? { unsupported: 'only with --peers' }
        : 'missing' in program
          ? { unsupported: program.missing }
          : await measureOnce(one, entry, program, plan)
    plan.log(`${one.id} | ${entry.name} | round ${round + 1}: ${describe(one, outcome)}`)
    if ('unsupported' in outcome) measured.push({ entry: entry.name, skipped: outcome.unsupported, answers: [] })
    else if ('failed' in outcome)
      measured.push({ entry: entry.name, skipped: `failed: ${outcome.failed.split('\n')[0]}`, answers: [] })
    else measured.push({ entry: entry.name, answers: [outcome] })
  }
  return measured
}

/** The figure a case is about: its own, or operations a second. */
export function figureOf(one: Pick<Case, 'figure'>, answer: Answer): number {
  return one.figure === undefined ? answer.operations / answer.seconds : (answer.figures?.[one.figure.name] ?? 0)
}

/** How long a contestant of this case is measured. */
export function secondsOf(one: Case, { seconds, longSecondsMax }: Pick<Plan, 'seconds' | 'longSecondsMax'>): number {
  return Math.max(seconds, Math.min(one.secondsMin ?? 0, longSecondsMax))
}

/** How long a contestant of this case warms up. */
export function warmUpSecondsOf(one: Case, plan: Pick<Plan, 'warmUpSeconds' | 'longSecondsMax'>): number {
  return Math.max(plan.warmUpSeconds, Math.min(one.warmUpSecondsMin ?? 0, plan.longSecondsMax))
}

async function measureOnce(
  one: Case,
  entry: Entry,
  program: Exclude<Program, { missing: string }>,
  plan: Plan,
): Promise<Outcome> {
  const outcome = await inTemporaryFolder(async folder => {
    const deviceStat = deviceStatOf(folder)
    const request: Request = {
      workload: entry.workload ?? one.workload,
      folder,
      size: one.size,
      outstanding: one.outstanding,
      seconds: secondsOf(one, plan),
      warmUpSeconds: warmUpSecondsOf(one, plan),
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
  plan.between()
  return outcome
}

function turned<T>(values: readonly T[], by: number): readonly T[] {
  const from = by % Math.max(1, values.length)
  return [...values.slice(from), ...values.slice(0, from)]
}

function describe(one: Case, outcome: Outcome): string {
  if ('unsupported' in outcome) return `skipped: ${outcome.unsupported}`
  if ('failed' in outcome) return `failed: ${outcome.failed.split('\n')[0]}`
  return `${Math.round(figureOf(one, outcome))} ${one.figure?.unit ?? '/s'}`
}
