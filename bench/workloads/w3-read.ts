/**
 * W3: sequential reading, the page cache warm. One queue for everybody, as those have who know no queues: whole messages with their
 * bodies, and headers only, again and again; the first pass after opening, where checksums are looked at that nobody has looked at yet;
 * and eight queues that were written in turn, read in turn.
 */
import type { Case } from '../support/case.ts'
import * as at from './entries.ts'

const STORES = [at.OURS, at.OURS_MMAP, at.ROCKETMQ_1]
const ALL = [...STORES, at.CHRONICLE, at.LMDB, at.LEVEL, at.SQLITE, at.HYPERCORE]

export type Read = 'whole' | 'headers' | 'whole, first pass after opening' | 'whole, eight queues in turn'

export const w3 = (how: Read): string => `W3 read, ${how}, 1024 B`

const read = { workload: 'read', durability: 'memory', size: 1024, outstanding: 0 } as const
const one = { queues: 1 } as const

export const W3: readonly Case[] = [
  { ...read, id: w3('whole'), settings: { ...one, touch: 'whole' }, entries: at.entries(...ALL) },
  { ...read, id: w3('headers'), settings: { ...one, touch: 'headers' }, entries: at.entries(...STORES) },
  {
    ...read,
    id: w3('whole, first pass after opening'),
    settings: { ...one, touch: 'whole', pass: 'first' },
    entries: at.entries(...ALL),
  },
  {
    ...read,
    id: w3('whole, eight queues in turn'),
    settings: { queues: 8, touch: 'whole' },
    entries: at.entries(...STORES),
  },
]
