/** First half of the demo: flights are sent by a process that is killed again and again, and each time the folder is opened anew. */
import { systemClock } from '../../../base/clock.ts'
import { PocketMQ } from '../../../messaging/pocket-mq.ts'
import type { RecoveryReport } from '../../../store/message-store.ts'
import { MessageStore } from '../../../store/message-store.ts'
import type { Output } from '../output.ts'
import { runChild } from './child.ts'
import type { ProducedLine } from './demo-lines.ts'
import type { Flight } from './flights.ts'
import { FLIGHTS_TOPIC, messageOfFlight, NUMBER_PROPERTY } from './flights.ts'

/** Sends that may be unacknowledged at once. */
export const IN_FLIGHT = 64

/** One life of the sending process. */
export type ProducerRun = {
  /** Number of the first flight it sent. */
  readonly first: number
  /** Flights acknowledged when it ended, of all runs so far. */
  readonly acknowledged: number
  readonly killed: boolean
  /** What opening the folder did after it was killed. */
  readonly recovery?: RecoveryReport
  /** Acknowledged flights that were not there when the folder was opened anew. */
  readonly lost: number
}

/** What the first half came to. */
export type Produced = {
  readonly runs: readonly ProducerRun[]
  /** Acknowledged flights, by number, with the physicalOffset their receipt named. */
  readonly acknowledged: ReadonlyMap<number, number>
  /** Acknowledgements at another level than 'disk'. */
  readonly weakReceipts: number
  readonly ms: number
}

/** Who watches. */
export type ProduceWatcher = { onRun(run: ProducerRun): Promise<void>; onProgress(acknowledged: number): void }

/** Sends all flights; kills the process when so many are acknowledged, once for each number of `kills` (ascending). */
export async function produceFlights(
  dir: string,
  flights: readonly Flight[],
  kills: readonly number[],
  output: Output,
  watcher: ProduceWatcher,
): Promise<Produced> {
  const acknowledged = new Map<number, number>()
  const runs: ProducerRun[] = []
  const startMs = systemClock.monotonicMs()
  let weakReceipts = 0
  for (;;) {
    const first = firstUnacknowledged(acknowledged, flights.length)
    const killAt = kills[runs.length] ?? Number.POSITIVE_INFINITY
    const { killed } = await runChild<ProducedLine>(
      'produce-flights',
      [dir, first, flights.length, IN_FLIGHT],
      line => {
        acknowledged.set(line.flight, line.physicalOffset)
        if (line.durability !== 'disk') weakReceipts++
        watcher.onProgress(acknowledged.size)
        return acknowledged.size >= killAt
      },
    )
    const recovery = killed ? await reopen(dir, output) : undefined
    const lost = await countLost(dir, flights, acknowledged, output)
    const run = {
      first,
      acknowledged: acknowledged.size,
      killed,
      lost,
      ...(recovery === undefined ? {} : { recovery }),
    }
    runs.push(run)
    await watcher.onRun(run)
    if (!killed) return { runs, acknowledged, weakReceipts, ms: systemClock.monotonicMs() - startMs }
  }
}

/** Where sending goes on: at the first flight without an acknowledgement. */
export function firstUnacknowledged(acknowledged: ReadonlyMap<number, number>, end: number): number {
  for (let number = 0; number < end; number++) if (!acknowledged.has(number)) return number
  return end
}

async function reopen(dir: string, output: Output): Promise<RecoveryReport> {
  await using mq = await PocketMQ.open(dir, { durability: 'disk', lockWaitMs: 10_000, logger: output.logger })
  return mq.recovery
}

/** Acknowledged flights that are not, byte for byte, where their receipt said. */
async function countLost(
  dir: string,
  flights: readonly Flight[],
  acknowledged: ReadonlyMap<number, number>,
  output: Output,
): Promise<number> {
  await using store = await MessageStore.openReadOnly(dir, { logger: output.logger })
  let found = 0
  for await (const message of store.scan(0)) {
    if (message.topic !== FLIGHTS_TOPIC) continue
    const number = Number(message.property(NUMBER_PROPERTY))
    const flight = flights[number]
    if (flight === undefined || acknowledged.get(number) !== message.physicalOffset) continue
    if (message.body.toString() === messageOfFlight(flight, number).body) found++
  }
  return acknowledged.size - found
}
