/** W2: appends that survive a power cut, with 1, 16 and 256 callers waiting. */
import type { Case } from '../support/case.ts'
import * as at from './entries.ts'

const CONTESTANTS = [
  ...[at.OURS, at.OURS_MMAP, at.OURS_PRODUCER, at.ROCKETMQ_1, at.ROCKETMQ_4],
  ...[at.LMDB, at.LEVEL, at.SQLITE, at.HYPERCORE, at.WRITEV, at.REDIS, at.NATS],
]

export const w2 = (outstanding: number): string => `W2 on the device, ${outstanding} outstanding, 1024 B`

export const W2: readonly Case[] = [1, 16, 256].map(outstanding => ({
  id: w2(outstanding),
  workload: 'append',
  durability: 'disk',
  size: 1024,
  outstanding,
  entries: at.entries(...CONTESTANTS),
}))
