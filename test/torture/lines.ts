/**
 * What a process under torture is told, and the lines it says. Its standard output is a file that its parent keeps outside the
 * tortured folder; a line is written by one write(2) before anything else happens, so that a SIGKILL loses no line.
 *
 * | line                                    | said                                                                  |
 * | --------------------------------------- | --------------------------------------------------------------------- |
 * | `> ID KIND KEY`                         | before it is sent; KEY is its batch or message group, else `-`        |
 * | `+ ID LEVEL QUEUE_ID QUEUE_OFFSET`      | after its promise (for a transaction, of the commit) has resolved     |
 * | `~ ID LEVEL`                            | after the promise of a half message has resolved                      |
 * | `< GROUP ID`                            | a consumer has got it                                                 |
 * | `n GROUP ID`                            | it is about to fail there, and has to come again                      |
 * | `a GROUP ID`, `d GROUP ID`              | its acknowledgement is kept; it is a dead letter for good             |
 * | `= TOPIC QUEUE_ID QUEUE_OFFSET ID`      | it lies there                                                         |
 * | `O JSON`                                | opened, and everything that was asked for with `readFrom` was listed  |
 * | `! WHERE CODE ERRNO`                    | an error that PocketMQ gave                                           |
 * | `x TEXT`                                | something that must not be                                            |
 * | `e`                                     | drained, listed and closed                                            |
 */
import type { Durability } from '../../src/store/message-store.ts'

/** What is sent and what is to become of it; `asked-…`: the producer never decides, its checker does. */
export const KINDS = [
  'plain',
  'batch',
  'grouped',
  'delayed',
  'committed',
  'rolled-back',
  'asked-commit',
  'asked-rollback',
] as const

export type Kind = (typeof KINDS)[number]

/** Where messages of a kind lie in the end. */
export const TOPIC_OF: Readonly<Record<Kind, string>> = {
  plain: 'orders',
  batch: 'orders',
  grouped: 'grouped',
  delayed: 'later',
  committed: 'paid',
  'rolled-back': 'paid',
  'asked-commit': 'paid',
  'asked-rollback': 'paid',
}

/** Messages of a batch. */
export const BATCH_MESSAGES = 3

/** The consumer groups, and the topics each gets all messages of. */
export const GROUPS: Readonly<Record<string, readonly string[]>> = {
  push: ['orders', 'later', 'paid'],
  simple: ['orders', 'later', 'paid'],
  fifo: ['grouped'],
}

/** Bugs that a process can be told to have, to show that the harness finds them. */
export const PLANTED = ['early-acknowledgement', 'forgotten-acknowledgement', 'swapped-group'] as const

export type Planted = (typeof PLANTED)[number]

/** What a process is told, as JSON in its first argument. */
export type Orders = {
  readonly dir: string
  readonly io: 'file' | 'mmap'
  readonly durability: Durability
  /** Of this process' choices. */
  readonly seed: number
  /** Its number in its folder: part of the ids of its messages. */
  readonly life: number
  /** Of every queue, `topic/queueId`, how many messages are known already. */
  readonly readFrom: Readonly<Record<string, number>>
  /** `work` goes on until it is killed; `drain` sends nothing, consumes all there is, lists it, and closes. */
  readonly task: 'work' | 'drain'
  readonly isProducing: boolean
  readonly isConsuming: boolean
  /** For `drain`: path of a JSON file with the ids that each group must still get. */
  readonly wanted?: string
  readonly planted?: Planted
}

/** Settings that make everything roll, flush and ask often. */
export const SETTINGS = {
  commitLogSegmentBytes: 128 * 1024,
  consumeQueueSegmentEntries: 100,
  indexSlots: 100,
  indexEntries: 400,
  flushIntervalMs: 30,
  lockWaitMs: 10_000,
  topicQueues: 2,
  transactionTimeoutMs: 100,
  transactionCheckIntervalMs: 100,
  // On a busy machine answers take long, and questions go on meanwhile.
  transactionChecksMax: 100_000,
  retention: { freeBytesMin: 0 },
} as const
