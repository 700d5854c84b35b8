/** The contestants' names in tables, and how each is set there. */
import type { Entry } from '../support/case.ts'

export const OURS = 'PocketMQ'
export const OURS_MMAP = 'PocketMQ, mmap'
export const OURS_LIKE = 'PocketMQ, like for like'
export const OURS_LIKE_MMAP = 'PocketMQ, like for like, mmap'
export const OURS_PRODUCER = 'PocketMQ producer'
export const OURS_NO_KEYS = 'PocketMQ, without keys'
export const ROCKETMQ_1 = 'RocketMQ, 1 thread'
export const ROCKETMQ_4 = 'RocketMQ, 4 threads'
export const CHRONICLE = 'Chronicle Queue'
export const LMDB = 'lmdb'
export const LMDB_256 = 'lmdb, 256 a transaction'
export const SQLITE = 'better-sqlite3'
export const LEVEL = 'classic-level'
export const HYPERCORE = 'hypercore'
export const WRITEV = 'batched writev log'
export const WRITE_SYNC = 'writeSync log'
export const REDIS = 'Redis Streams'
export const NATS = 'NATS JetStream'
export const PLAIN = 'plain memory'

const ENTRIES: readonly Entry[] = [
  { name: OURS, program: 'pocketmq', settings: { io: 'file' } },
  { name: OURS_MMAP, program: 'pocketmq', settings: { io: 'mmap' } },
  { name: OURS_LIKE, program: 'pocketmq', settings: { io: 'file', recordCrc: false } },
  { name: OURS_LIKE_MMAP, program: 'pocketmq', settings: { io: 'mmap', recordCrc: false } },
  { name: OURS_PRODUCER, program: 'pocketmq', settings: { io: 'file', api: 'producer' } },
  { name: OURS_NO_KEYS, program: 'pocketmq', settings: { io: 'file', keys: false } },
  { name: ROCKETMQ_1, program: 'rocketmq', settings: { threads: 1 } },
  { name: ROCKETMQ_4, program: 'rocketmq', settings: { threads: 4 } },
  { name: CHRONICLE, program: 'chronicle-queue' },
  { name: LMDB, program: 'lmdb' },
  { name: LMDB_256, program: 'lmdb', workload: 'transactions' },
  { name: SQLITE, program: 'better-sqlite3' },
  { name: LEVEL, program: 'classic-level' },
  { name: HYPERCORE, program: 'hypercore' },
  { name: WRITEV, program: 'batched-writev' },
  { name: WRITE_SYNC, program: 'write-sync' },
  { name: REDIS, program: 'redis-streams' },
  { name: NATS, program: 'nats-jetstream' },
  { name: PLAIN, program: 'plain-memory' },
]

/** The entries of these names, in this order. */
export function entries(...names: readonly string[]): readonly Entry[] {
  return names.map(name => {
    const entry = ENTRIES.find(each => each.name === name)
    if (entry === undefined) throw new Error(`there is no contestant '${name}'`)
    return entry
  })
}
