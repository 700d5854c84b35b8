/** W8: selective reads, where one message in a hundred matches: messages passed over or delivered a second; look-ups by key. */
import type { Case } from '../support/case.ts'
import * as at from './entries.ts'

export type SelectedBy = 'tag' | 'sql' | 'key'

export const w8 = (by: SelectedBy): string => `W8 select by ${by}, 1024 B`

export const W8: readonly Case[] = (['tag', 'sql', 'key'] as const).map(by => ({
  id: w8(by),
  workload: 'select',
  durability: 'memory',
  size: 1024,
  outstanding: 0,
  settings: { by },
  entries: at.entries(at.OURS, at.OURS_MMAP, at.SQLITE),
}))
