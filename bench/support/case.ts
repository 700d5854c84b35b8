/** What is measured: cases, each with the contestants that stand side by side in it. */
import type { Outcome } from './child.ts'
import type { Program } from './programs.ts'
import type { Request, Settings } from './protocol.ts'

/** One contestant in a case. */
export type Entry = {
  /** As it stands in tables. */
  readonly name: string
  readonly program: string
  readonly settings?: Settings
  /** Where the contestant's own word for this case differs. */
  readonly workload?: string
}

/** One row of figures, side by side. */
export type Case = {
  /** W1 to W9, and which of them: `W1 put 100 B`. */
  readonly id: string
  readonly workload: string
  readonly size: number
  readonly outstanding: number
  readonly durability: 'memory' | 'disk'
  readonly settings?: Settings
  readonly entries: readonly Entry[]
  /** The figure the case is about; without it operations a second. */
  readonly figure?: { readonly name: string; readonly unit: string }
  /** For those that need more than one process. */
  readonly measure?: (ask: { readonly program: Started; readonly request: Request }) => Promise<Outcome>
  /** At least so many seconds where figures are to be kept; a minute and more once, however many rounds the others have. */
  readonly secondsMin?: number
  /** The same for its warm-up. */
  readonly warmUpSecondsMin?: number
}

/** A program that is there. */
export type Started = Exclude<Program, { missing: string }>
