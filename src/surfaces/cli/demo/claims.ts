/** What the demo claims, each counted from what is in the folder and from what its processes said, not from what it hopes. */
import type { Consumed, HandledFlight } from './consume-phase.ts'
import type { Flight } from './flights.ts'
import { messageOfFlight } from './flights.ts'
import type { Produced } from './produce-phase.ts'

/** A flight's message as it lies in the folder. */
export type StoredFlight = {
  readonly number: number
  readonly queueId: number
  readonly queueOffset: number
  readonly body: string
  readonly tag: string | undefined
  readonly keys: readonly string[]
  readonly messageGroup: string | undefined
}

/** A sentence that has to be true. */
export type Claim = { readonly says: string; readonly holds: boolean; readonly found: string }

/** What came of sending. */
export type SentFigures = {
  readonly flights: number
  readonly acknowledged: number
  /** Acknowledged, and not in the folder as sent. */
  readonly lost: number
  /** Messages beyond one for each flight: sent again because a kill had cut off the acknowledgement. */
  readonly duplicated: number
  /** Duplicates of flights that no kill had left unacknowledged. */
  readonly unexplained: number
  /** Flights of an airport that come before an earlier one of it. */
  readonly outOfOrder: number
}

/** What came of reading. */
export type ReadFigures = {
  readonly messages: number
  readonly handled: number
  /** Messages that no consumer handled. */
  readonly unread: number
  /** Handled again after the kill: their acknowledgement had not been written. */
  readonly repeated: number
  /** Handled before an earlier message of the same airport. */
  readonly outOfOrder: number
}

/** Compares what is in the folder with what was sent. */
export function sentFigures(
  flights: readonly Flight[],
  produced: Produced,
  stored: readonly StoredFlight[],
  inFlight: number,
): SentFigures {
  const copies = new Map<number, number>()
  for (const one of stored) if (isAsSent(one, flights)) copies.set(one.number, (copies.get(one.number) ?? 0) + 1)
  const lost = [...produced.acknowledged.keys()].filter(number => !copies.has(number)).length
  let unexplained = 0
  for (const [number, count] of copies) unexplained += Math.max(0, count - 1 - resends(number, produced, inFlight))
  return {
    flights: flights.length,
    acknowledged: produced.acknowledged.size,
    lost,
    duplicated: stored.length - copies.size,
    unexplained,
    outOfOrder: [...byAirport(stored).values()].reduce((sum, list) => sum + backwardSteps(list), 0),
  }
}

/** How often a flight was sent again: it was among the last ones in flight when a process was killed. */
function resends(number: number, { runs }: Produced, inFlight: number): number {
  return runs.filter(({ first }, i) => i > 0 && number >= first && number < first + inFlight).length
}

function isAsSent(one: StoredFlight, flights: readonly Flight[]): boolean {
  const flight = flights[one.number]
  if (flight === undefined) return false
  const sent = messageOfFlight(flight, one.number)
  return (
    one.body === sent.body &&
    one.tag === sent.tag &&
    one.keys.join() === sent.keys.join() &&
    one.messageGroup === sent.messageGroup
  )
}

/** Each airport's messages in the order of its queue. */
function byAirport(stored: readonly StoredFlight[]): Map<string, StoredFlight[]> {
  const airports = new Map<string, StoredFlight[]>()
  for (const one of stored) {
    const airport = one.messageGroup ?? ''
    const list = airports.get(airport)
    if (list === undefined) airports.set(airport, [one])
    else list.push(one)
  }
  for (const list of airports.values()) list.sort((a, b) => a.queueId - b.queueId || a.queueOffset - b.queueOffset)
  return airports
}

/** First copies that come after a later flight; copies of one that was there already do not count. */
function backwardSteps(list: readonly StoredFlight[]): number {
  const seen = new Set<number>()
  let highest = -1
  let steps = 0
  for (const { number } of list) {
    if (seen.has(number)) continue
    seen.add(number)
    if (number < highest) steps++
    highest = Math.max(highest, number)
  }
  return steps
}

/** Compares what was handled with what is in the folder. */
export function readFigures(stored: readonly StoredFlight[], { runs }: Consumed): ReadFigures {
  const places = new Map<string, Map<string, number>>()
  for (const [airport, list] of byAirport(stored)) {
    places.set(airport, new Map(list.map((one, index) => [placeOf(one), index])))
  }
  /** For each airport, how many of its messages have been handled; and in this run, which one comes next. */
  const done = new Map<string, number>()
  let repeated = 0
  let outOfOrder = 0
  for (const run of runs) {
    const next = new Map<string, number>()
    for (const handled of run) {
      const { airport } = handled
      const index = places.get(airport)?.get(placeOf(handled)) ?? -1
      const doneBefore = done.get(airport) ?? 0
      const expected = next.get(airport)
      // A process starts at or before what was done when the one before it was killed, and goes on one by one.
      if (index < 0 || (expected === undefined ? index > doneBefore : index !== expected)) outOfOrder++
      if (index >= 0 && index < doneBefore) repeated++
      next.set(airport, index + 1)
      done.set(airport, Math.max(doneBefore, index + 1))
    }
  }
  const handled = runs.reduce((sum, run) => sum + run.length, 0)
  return { messages: stored.length, handled, unread: unreadCount(stored, runs), repeated, outOfOrder }
}

function unreadCount(stored: readonly StoredFlight[], runs: readonly (readonly HandledFlight[])[]): number {
  const handled = new Set(runs.flat().map(placeOf))
  return stored.filter(one => !handled.has(placeOf(one))).length
}

function placeOf({ queueId, queueOffset }: { readonly queueId: number; readonly queueOffset: number }): string {
  return `${queueId}/${queueOffset}`
}
