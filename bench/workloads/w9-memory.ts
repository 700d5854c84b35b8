/** W9: memory that is held, in bytes; what appending adds in ten minutes. */
import type { Case } from '../support/case.ts'
import * as at from './entries.ts'

export type Held = 'queue' | 'group' | 'in flight' | 'growth'

export const w9 = (of: Held): string =>
  of === 'growth' ? 'W9 memory, growth while appending flat out' : `W9 memory, ${of}`

export const W9: readonly Case[] = (['queue', 'group', 'in flight', 'growth'] as const).map(of => ({
  id: w9(of),
  workload: 'memory',
  durability: 'memory',
  size: 1024,
  outstanding: 0,
  settings: { of },
  ...(of === 'growth' ? { secondsMin: 600 } : {}),
  figure: { name: 'heldBytes', unit: 'bytes' },
  entries: at.entries(at.OURS, at.OURS_MMAP),
}))
