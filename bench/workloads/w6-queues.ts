/** W6: 10,000 queues against one, appended and dispatched. */
import type { Case } from '../support/case.ts'
import * as at from './entries.ts'

export const w6 = (queues: number): string => `W6 ${queues} queues, one by one, 1024 B`

export const W6: readonly Case[] = [1, 10_000].map(queues => ({
  id: w6(queues),
  workload: 'append',
  durability: 'memory',
  size: 1024,
  outstanding: 0,
  settings: { queues },
  // Making 10,000 folders and files takes seconds; it is to be over when the figures begin.
  warmUpSecondsMin: 15,
  entries: at.entries(at.OURS, at.OURS_MMAP, at.ROCKETMQ_1),
}))
