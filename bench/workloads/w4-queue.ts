/** W4: queue work, from producing to the acknowledgement, progress persisted: flat out, and its latency at 1,000 a second. */
import type { Case } from '../support/case.ts'
import * as at from './entries.ts'

export const W4_FLAT_OUT = 'W4 queue work, flat out, 1024 B'
export const W4_PACED = 'W4 queue work, 1,000 a second, 1024 B'

const work = { workload: 'queue', durability: 'memory', size: 1024, outstanding: 256 } as const
const contestants = at.entries(at.OURS, at.OURS_MMAP, at.LMDB, at.SQLITE)

export const W4_PACED_DISK = 'W4 queue work on the device, 1,000 a second, 1024 B'

export const W4: readonly Case[] = [
  { ...work, id: W4_FLAT_OUT, entries: contestants },
  { ...work, id: W4_PACED, settings: { rate: 1000 }, entries: contestants },
  { ...work, id: W4_PACED_DISK, durability: 'disk', settings: { rate: 1000 }, entries: at.entries(at.OURS, at.SQLITE) },
]
