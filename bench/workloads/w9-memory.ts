/** W9: memory that is held, in bytes; what appending adds in ten minutes. */
import type { Case } from '../support/case.ts'
import * as at from './entries.ts'

export type Held = 'queue' | 'group' | 'in flight' | 'growth in 10 minutes'

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
  {
    ...memory,
    id: w9('growth in 10 minutes'),
    // Without retention they would need 200 GB.
    settings: { of: 'growth', retentionGiB: 2 },
    secondsMin: 600,
    entries: at.entries(at.OURS),
  },
]
