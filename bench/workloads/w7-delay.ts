/** W7: how long the event loop is kept waiting while everything runs flat out, for a minute. */
import type { Case } from '../support/case.ts'
import * as at from './entries.ts'

export const W7_ID = 'W7 longest event-loop delay, appending flat out, 1024 B'

export const W7: readonly Case[] = [
  {
    id: W7_ID,
    workload: 'append',
    durability: 'memory',
    size: 1024,
    outstanding: 0,
    secondsMin: 60,
    figure: { name: 'loopDelayMaxMs', unit: 'ms' },
    entries: at.entries(at.OURS, at.OURS_MMAP, at.LMDB, at.SQLITE, at.WRITE_SYNC),
  },
]
