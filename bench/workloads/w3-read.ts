/** W3: sequential reading, the page cache warm: whole messages with their bodies, and headers only. */
import type { Case } from '../support/case.ts'
import * as at from './entries.ts'

const WHOLE = [at.OURS, at.OURS_MMAP, at.ROCKETMQ_1, at.CHRONICLE, at.LMDB, at.LEVEL, at.SQLITE, at.HYPERCORE]
const HEADERS = [at.OURS, at.OURS_MMAP, at.ROCKETMQ_1]

export const w3 = (touch: 'whole' | 'headers'): string => `W3 read, ${touch}, 1024 B`

const read = { workload: 'read', durability: 'memory', size: 1024, outstanding: 0 } as const

export const W3: readonly Case[] = [
  { ...read, id: w3('whole'), settings: { touch: 'whole' }, entries: at.entries(...WHOLE) },
  { ...read, id: w3('headers'), settings: { touch: 'headers' }, entries: at.entries(...HEADERS) },
]
