/** W1: appends that survive the process: one by one, awaited one by one, 256 outstanding. Like for like is RocketMQ's default: no record checksum. */
import type { Case } from '../support/case.ts'
import * as at from './entries.ts'

export const SIZES = [100, 1024, 10_240] as const

const PUT = [
  ...[at.OURS_LIKE, at.OURS_LIKE_MMAP, at.OURS, at.OURS_MMAP, at.OURS_NO_KEYS, at.PLAIN],
  ...[at.ROCKETMQ_1, at.ROCKETMQ_4, at.CHRONICLE, at.LMDB, at.SQLITE, at.WRITE_SYNC],
]
const AWAITED = [
  ...[at.OURS, at.OURS_MMAP, at.OURS_PRODUCER],
  ...[at.LMDB, at.LEVEL, at.HYPERCORE, at.WRITEV, at.REDIS, at.NATS],
]
const OUTSTANDING = [
  ...[at.OURS_LIKE, at.OURS, at.OURS_MMAP, at.OURS_PRODUCER, at.ROCKETMQ_4],
  ...[at.LMDB, at.LMDB_256, at.LEVEL, at.HYPERCORE, at.WRITEV, at.REDIS, at.NATS],
]

export const w1Put = (size: number): string => `W1 put, one by one, ${size} B`
export const w1Awaited = (size: number): string => `W1 awaited, one by one, ${size} B`
export const w1Outstanding = (size: number): string => `W1 256 outstanding, ${size} B`

const memory = { workload: 'append', durability: 'memory' } as const

export const W1: readonly Case[] = SIZES.flatMap(size => [
  { ...memory, id: w1Put(size), size, outstanding: 0, entries: at.entries(...PUT) },
  { ...memory, id: w1Awaited(size), size, outstanding: 1, entries: at.entries(...AWAITED) },
  { ...memory, id: w1Outstanding(size), size, outstanding: 256, entries: at.entries(...OUTSTANDING) },
])
