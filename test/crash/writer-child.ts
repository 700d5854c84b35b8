/**
 * A writer that is killed: opens a folder, reads back what it has not seen yet, says so, then appends until it is ended.
 * Lines on standard output: one JSON object when it has opened, then `queue queueOffset` for every acknowledged message.
 */
import { writeSync } from 'node:fs'
import { isErrorNamed } from '../../src/base/errors.ts'
import { silentLogger } from '../../src/base/logger.ts'
import { nextTurn } from '../../src/base/turns.ts'
import type { Durability, PutResult } from '../../src/store/message-store.ts'
import { MessageStore } from '../../src/store/message-store.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import { readBack } from './reading.ts'
import type { Queue } from './workload.ts'
import { QUEUES, recordAt, SIZES, unitAt } from './workload.ts'

/** What a writer is told, as JSON in its first argument. */
export type WriterOrders = {
  readonly dir: string
  readonly io: 'file' | 'mmap'
  readonly durability: Durability
  /** Of the messages; the same for all writers of a folder. */
  readonly seed: number
  /** Of this writer's choices. */
  readonly run: number
  /** Queue offsets up to which an earlier writer has read back. */
  readonly readFrom: readonly number[]
  /** How it ends by itself, after so many acknowledged messages; without it, it goes on. */
  readonly end?: { readonly after: number; readonly by: 'exit' | 'throw' | 'return' }
  /** A planted bug: acknowledges a message that it never put. */
  readonly lies?: boolean
}

const orders = JSON.parse(process.argv[2] ?? '{}') as WriterOrders
const IN_FLIGHT_MAX = 64
/** More than three records of the workload take. */
const UNIT_BYTES_MAX = 62 * 1024

const store = await MessageStore.open(orders.dir, {
  ...SIZES,
  io: orders.io,
  durability: orders.durability,
  flushIntervalMs: 20,
  lockWaitMs: 10_000,
  logger: silentLogger,
})
const { maxima, complaints } = await readBack(store, orders.seed, orders.readFrom)
writeSync(1, `${JSON.stringify({ maxima, complaints, recovery: store.recovery })}\n`)

const random = seededRandom(orders.run)
const next = [...maxima]
let inFlight = 0
let acknowledged = 0

function acknowledge(queue: number, results: readonly PutResult[]): void {
  inFlight--
  acknowledged += results.length
  const lied = orders.lies === true ? 1000 : 0
  writeSync(1, results.map(result => `${queue} ${result.queueOffset + lied}\n`).join(''))
  const { end } = orders
  if (end === undefined || acknowledged < end.after) return
  if (end.by === 'exit') process.exit(0)
  if (end.by === 'throw')
    queueMicrotask(() => {
      throw new Error('nobody handles this')
    })
}

/** Puts what comes next in a queue; undefined where there is no room for it now. */
function tryPut(queue: number): readonly PutResult[] | undefined {
  const at = next[queue] as number
  const records = Array.from({ length: unitAt(at) }, (_, i) => recordAt(orders.seed, QUEUES[queue] as Queue, at + i))
  try {
    const results = records.length === 1 ? records.map(record => store.put(record)) : store.putAll(records)
    next[queue] = at + records.length
    return results
  } catch (error) {
    if (isErrorNamed(error, 'BACKPRESSURE')) return undefined
    throw error
  }
}

async function putSome(): Promise<void> {
  const queue = random.below(QUEUES.length)
  inFlight++
  let results = tryPut(queue)
  while (results === undefined) {
    await store.admitted(UNIT_BYTES_MAX)
    results = tryPut(queue)
  }
  const last = results.at(-1) as PutResult
  await store.reached(orders.durability, last.physicalOffset + last.sizeBytes)
  acknowledge(queue, results)
}

const putting = new Set<Promise<void>>()
while (orders.end?.by !== 'return' || acknowledged < orders.end.after) {
  const one: Promise<void> = putSome().finally(() => putting.delete(one))
  putting.add(one)
  if (inFlight >= IN_FLIGHT_MAX || random.chance(0.3)) await Promise.race(putting)
  if (random.chance(0.1)) await nextTurn()
}
await Promise.all(putting)
await store.close()
