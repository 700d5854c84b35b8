/** W9: memory that is held, in bytes; what appending adds in ten minutes. */
import type { Case } from '../support/case.ts'
import * as at from './entries.ts'

const GROWTH_SECONDS = { 'growth in 2 minutes': 120, 'growth in 10 minutes': 600 } as const

export type Held = 'queue' | 'group' | 'in flight' | keyof typeof GROWTH_SECONDS

export const w9 = (of: Held): string => `W9 memory, ${of}`

const memory = {
  workload: 'memory',
  durability: 'memory',
  size: 1024,
  outstanding: 0,
  figure: { name: 'heldBytes', unit: 'bytes' },
  entries: at.entries(at.OURS, at.OURS_MMAP),
} as const

export const W9: readonly Case[] = [
  ...(['queue', 'group', 'in flight'] as const).map(of => ({ ...memory, id: w9(of), settings: { of } })),
  ...(['growth in 2 minutes', 'growth in 10 minutes'] as const).map(of => ({
    ...memory,
    id: w9(of),
    settings: { of: 'growth' },
    secondsMin: GROWTH_SECONDS[of],
    entries: at.entries(at.OURS),
  })),
]
