/** The demo's claims can fail: each kind of wrong is planted, and has to be counted. */
import { describe, expect, it } from 'vitest'
import type { StoredFlight } from '../../../src/surfaces/cli/demo/claims.ts'
import { readFigures, sentFigures } from '../../../src/surfaces/cli/demo/claims.ts'
import type { Consumed, HandledFlight } from '../../../src/surfaces/cli/demo/consume-phase.ts'
import type { Flight } from '../../../src/surfaces/cli/demo/flights.ts'
import { messageOfFlight } from '../../../src/surfaces/cli/demo/flights.ts'
import { claimsOf } from '../../../src/surfaces/cli/demo/judgement.ts'
import type { Produced } from '../../../src/surfaces/cli/demo/produce-phase.ts'

const IN_FLIGHT = 3
const AIRPORTS = ['ATL', 'DFW']
/** Twelve flights, by turns from two airports; each airport has a queue of its own. */
const FLIGHTS: readonly Flight[] = Array.from({ length: 12 }, (_, n) => ({
  date: `2001/01/01 00:${10 + n}`,
  delay: n * 5,
  distance: 100 + n,
  origin: AIRPORTS[n % 2] as string,
  destination: 'LAX',
}))

/** What lies in the folder when these flights were appended in this order. */
function storedAs(numbers: readonly number[]): StoredFlight[] {
  const next = [0, 0]
  return numbers.map(number => {
    const { body, tag, keys, messageGroup } = messageOfFlight(FLIGHTS[number] as Flight, number)
    const queueId = number % 2
    const queueOffset = next[queueId] as number
    next[queueId] = queueOffset + 1
    return { number, queueId, queueOffset, body, tag, keys, messageGroup }
  })
}

const ALL = FLIGHTS.map((_, number) => number)

/** Killed once, with flights 0 to 4 acknowledged: sending went on at 5. */
function produced(acknowledged: readonly number[] = ALL): Produced {
  return {
    runs: [
      { first: 0, acknowledged: 5, killed: true, lost: 0 },
      { first: 5, acknowledged: acknowledged.length, killed: false, lost: 0 },
    ],
    acknowledged: new Map(acknowledged.map(number => [number, number * 100])),
    weakReceipts: 0,
    ms: 1000,
  }
}

/** 5 and 6 were on the device when the kill came, and were sent again. */
const RESENT = [0, 1, 2, 3, 4, 5, 6, 5, 6, 7, 8, 9, 10, 11]

describe('what was sent', () => {
  it('is all there, in order, when nothing went wrong', () => {
    expect(sentFigures(FLIGHTS, produced(), storedAs(RESENT), IN_FLIGHT)).toEqual({
      flights: 12,
      acknowledged: 12,
      lost: 0,
      duplicated: 2,
      unexplained: 0,
      outOfOrder: 0,
    })
  })

  it('counts an acknowledged flight that is missing as lost', () => {
    const without = storedAs(RESENT.filter(number => number !== 8))
    expect(sentFigures(FLIGHTS, produced(), without, IN_FLIGHT).lost).toBe(1)
  })

  it('counts an acknowledged flight whose message was altered as lost', () => {
    for (const altered of [{ body: '{}' }, { tag: 'other' }, { keys: ['x'] }, { messageGroup: 'XXX' }]) {
      const stored = storedAs(ALL).map(one => (one.number === 8 ? { ...one, ...altered } : one))
      expect(sentFigures(FLIGHTS, produced(), stored, IN_FLIGHT).lost).toBe(1)
    }
  })

  it('does not explain a duplicate that no kill can have caused', () => {
    expect(sentFigures(FLIGHTS, produced(), storedAs([...ALL, 2]), IN_FLIGHT).unexplained).toBe(1)
    expect(sentFigures(FLIGHTS, produced(), storedAs([...ALL, 8]), IN_FLIGHT).unexplained).toBe(1)
    expect(
      sentFigures(FLIGHTS, produced(), storedAs([0, 1, 2, 3, 4, 5, 5, 5, 6, 7, 8, 9, 10, 11]), IN_FLIGHT).unexplained,
    ).toBe(1)
  })

  it('counts a flight that comes after a later one of its airport', () => {
    expect(
      sentFigures(FLIGHTS, produced(), storedAs([0, 1, 4, 3, 2, 5, 6, 7, 8, 9, 10, 11]), IN_FLIGHT).outOfOrder,
    ).toBe(1)
    expect(
      sentFigures(FLIGHTS, produced(), storedAs([1, 0, 2, 3, 4, 5, 6, 7, 8, 9, 11, 10]), IN_FLIGHT).outOfOrder,
    ).toBe(0)
  })
})

/** The lines of consumers that handle these messages, by their index in the folder. */
function handled(stored: readonly StoredFlight[], indexes: readonly number[], consumer = 1): HandledFlight[] {
  return indexes.map(index => {
    const { number, queueId, queueOffset, messageGroup = '' } = stored[index] as StoredFlight
    return { consumer, flight: number, airport: messageGroup, queueId, queueOffset, attempt: 1 }
  })
}

function consumed(...runs: HandledFlight[][]): Consumed {
  return { runs, breakDown: undefined, ms: 1000 }
}

describe('what was read', () => {
  const stored = storedAs(ALL)
  const [first, rest] = [ALL.slice(0, 6), ALL.slice(6)]

  it('is everything, once and in order, when nothing went wrong', () => {
    const figures = readFigures(stored, consumed(handled(stored, first), handled(stored, rest)))
    expect(figures).toEqual({ messages: 12, handled: 12, unread: 0, repeated: 0, outOfOrder: 0 })
  })

  it('may mix airports, but not the flights of one', () => {
    const mixed = [1, 3, 0, 5, 2, 4, 7, 6, 9, 11, 8, 10]
    expect(readFigures(stored, consumed(handled(stored, mixed))).outOfOrder).toBe(0)
    expect(readFigures(stored, consumed(handled(stored, [0, 4, 2, 6, 8, 10]))).outOfOrder).toBeGreaterThan(0)
  })

  it('counts what was handled again after a kill, and that is not out of order', () => {
    const again = consumed(handled(stored, first), handled(stored, [4, 5, ...rest]))
    expect(readFigures(stored, again)).toMatchObject({ repeated: 2, outOfOrder: 0, unread: 0 })
  })

  it('counts a repeat without a kill as out of order', () => {
    expect(readFigures(stored, consumed(handled(stored, [0, 2, 2, 4]))).outOfOrder).toBe(1)
  })

  it('counts a message that nobody handled', () => {
    expect(readFigures(stored, consumed(handled(stored, first))).unread).toBe(6)
  })

  it('counts a process that begins behind a message nobody handled', () => {
    const skipping = consumed(handled(stored, [0, 2]), handled(stored, [6, 8, 10]))
    expect(readFigures(stored, skipping)).toMatchObject({ outOfOrder: 1 })
  })

  it('counts a message that is not in the folder', () => {
    const [line] = handled(stored, [0])
    const invented = { ...(line as HandledFlight), queueOffset: 99 }
    expect(readFigures(stored, consumed([invented])).outOfOrder).toBe(1)
  })
})

describe('the claims', () => {
  const stored = storedAs(ALL)
  const runs = [handled(stored, ALL.slice(0, 6)), handled(stored, ALL.slice(6))]
  const good = {
    sent: sentFigures(FLIGHTS, produced(), stored, IN_FLIGHT),
    read: readFigures(stored, consumed(...runs)),
    produced: produced(),
    consumed: { ...consumed(...runs), breakDown: { consumer: 2, flight: 3, run: 0, after: 2 } },
    lag: 0,
    findings: 0,
    repeatedMax: 12,
    plannedKills: 1,
  }

  it('hold when nothing went wrong', () => {
    expect(claimsOf(good).filter(claim => !claim.holds)).toEqual([])
  })

  it('fail one by one when one thing went wrong', () => {
    const { sent, read } = good
    const wrongs = [
      { plannedKills: 2 },
      { produced: { ...good.produced, runs: good.produced.runs.map(run => ({ ...run, lost: 1 })) } },
      { produced: { ...good.produced, weakReceipts: 1 } },
      { sent: { ...sent, acknowledged: 11 } },
      { sent: { ...sent, lost: 1 } },
      { sent: { ...sent, unexplained: 1 } },
      { sent: { ...sent, outOfOrder: 1 } },
      { consumed: { ...good.consumed, breakDown: undefined } },
      { consumed: { ...good.consumed, breakDown: { consumer: 1, flight: 0, run: 0, after: 5 } } },
      { read: { ...read, unread: 1 } },
      { lag: 1 },
      { read: { ...read, outOfOrder: 1 } },
      { read: { ...read, repeated: 13 } },
      { findings: 1 },
    ]
    for (const wrong of wrongs) {
      const failed = claimsOf({ ...good, ...wrong }).filter(claim => !claim.holds)
      expect(failed.length, JSON.stringify(wrong)).toBeGreaterThan(0)
    }
  })
})
