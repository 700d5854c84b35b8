/** Options of `mq.producer`; defaults and bounds are in `settings.ts`. */
import type { Durability } from '../store/message-store.ts'
import type { LingerOptions, QueueSelector } from './settings.ts'
import type { TransactionChecker } from './transaction.ts'

/** How a producer differs from the defaults. All optional. */
export type ProducerOptions = {
  /** The producer group: needed for transactions only. */
  readonly group?: string | undefined
  /** Answers what became of a transaction that stayed undecided. */
  readonly checker?: TransactionChecker | undefined
  readonly durability?: Durability | undefined
  readonly selectQueue?: QueueSelector | undefined
  readonly allowEmptyBody?: boolean
  readonly onBackpressure?: 'throw' | 'drop'
  readonly waitingBytesMax?: number
  readonly maxAttempts?: number
  /** Milliseconds a send waits for room; then it rejects with TIMEOUT, and nothing was stored. Default: until there is room. */
  readonly requestTimeout?: number
  readonly retryDelayMs?: number
  readonly compression?: 'none' | 'zlib' | 'lz4' | 'zstd'
  readonly compressionLevel?: number
  readonly compressionBytesMin?: number
  /** Collect sends into batches. */
  readonly linger?: LingerOptions | undefined
  readonly clientId?: string | undefined
}
