/** What the published run measures: both sides of every target, and some whom people ask about. The rest is for a run without a bound on its time. */
import type { Case, Entry } from './support/case.ts'
import { placesOf, TARGETS } from './targets.ts'
import { CASES } from './workloads/all.ts'
import * as at from './workloads/entries.ts'
import { w1Awaited, w1Outstanding, w1Put } from './workloads/w1-append.ts'
import { W3, w3 } from './workloads/w3-read.ts'
import { W5 } from './workloads/w5-open.ts'
import { W8 } from './workloads/w8-select.ts'
import { w9 } from './workloads/w9-memory.ts'

/** Three times twenty seconds of each rate, everybody in turn each time; a minute or ten where a case is about a long time. A call has time for one round. */
export const PUBLISHED = { seconds: 20, warmUpSeconds: 2, rounds: 3, longSecondsMax: 600, minutes: 70 } as const

/** A contestant takes so long beside its measurement: starting, filling a store, what it leaves to be written. */
const BESIDE_SECONDS = 3
/** What is no rate: opening a store, memory at rest. */
const STATE_SECONDS = 8

/** One case, and who is measured in it. */
export type Chosen = { readonly one: Case; readonly entries: readonly Entry[] }

const LEFT_OUT: ReadonlySet<string> = new Set([
  w1Put(10_240),
  w1Outstanding(10_240),
  ...[100, 1024, 10_240].map(w1Awaited),
])
const SLOW_READERS: ReadonlySet<string> = new Set([at.LEVEL, at.SQLITE, at.HYPERCORE])
const LISTED_BESIDE = [
  ...[100, 1024].map(size => ({ caseId: w1Outstanding(size), entry: at.LMDB_256 })),
  ...[at.REDIS, at.NATS, at.ROCKETMQ_4].map(entry => ({ caseId: w1Outstanding(1024), entry })),
  ...[...W3, ...W5, ...W8]
    .flatMap(({ id, entries }) => entries.map(({ name }) => ({ caseId: id, entry: name })))
    .filter(({ caseId, entry }) => caseId !== w3('whole, first pass after opening') || !SLOW_READERS.has(entry)),
  { caseId: w9('group'), entry: at.OURS },
]

/** The cases and contestants of the published run. */
export function publishedCases(): Chosen[] {
  const places = [...placesOf(TARGETS), ...LISTED_BESIDE].filter(({ caseId }) => !LEFT_OUT.has(caseId))
  return CASES.flatMap(one => {
    const entries = one.entries.filter(({ name }) =>
      places.some(({ caseId, entry }) => caseId === one.id && entry === name),
    )
    return entries.length === 0 ? [] : [{ one, entries }]
  })
}

/** Seconds that measuring these once takes, more or less. */
export function secondsFor({ one, entries }: Chosen, seconds: number, warmUpSeconds: number): number {
  const isRate = one.figure === undefined || one.secondsMin !== undefined
  return entries.length * (isRate ? seconds + warmUpSeconds + BESIDE_SECONDS : STATE_SECONDS)
}
