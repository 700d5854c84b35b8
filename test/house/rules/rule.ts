/** What a house rule is: a check over all sources, and examples that it must refuse and accept. */
import type { Finding, Source } from '../sources.ts'

/** Files by path from the repository's root. */
export type Example = Readonly<Record<string, string>>

/** One rule of the house. */
export type Rule = {
  /** A sentence that is true of a tidy house. */
  readonly says: string
  readonly check: (sources: readonly Source[]) => Finding[]
  /** Each must be refused with at least one finding: a rule that cannot fail is no rule. */
  readonly refuses: readonly Example[]
  /** Each must pass: what lies close to the line. */
  readonly accepts?: readonly Example[]
}

/** A check that looks at one file at a time. */
export function eachSource(look: (source: Source, report: (finding: Finding) => void) => void): Rule['check'] {
  return sources => {
    const findings: Finding[] = []
    for (const source of sources) look(source, finding => findings.push(finding))
    return findings
  }
}
