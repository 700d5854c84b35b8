/** What the suite has to show, as ratios of medians in one run. */
import * as at from './workloads/entries.ts'
import { w1Outstanding, w1Put } from './workloads/w1-append.ts'
import { w2 } from './workloads/w2-disk.ts'
import { w3 } from './workloads/w3-read.ts'

/** The median of a figure (the case's own, or a named one) of a contestant; undefined where it was not measured. */
export type Median = (caseId: string, entry: string, figure?: string) => number | undefined

/** One bound. */
export type Target = {
  readonly id: string
  readonly says: string
  readonly atLeast?: number
  readonly atMost?: number
  readonly unit: string
  readonly value: (median: Median) => number | undefined
}

type Place = readonly [caseId: string, entry: string, figure?: string]

/** Ours divided by the best of theirs. */
function ratio(id: string, says: string, atLeast: number, ours: Place, ...theirs: readonly Place[]): Target {
  const value = (median: Median): number | undefined => {
    const mine = median(...ours)
    const best = theirs.map(place => median(...place)).filter(figure => figure !== undefined)
    return mine === undefined || best.length === 0 ? undefined : mine / Math.max(...best)
  }
  return { id, says, atLeast, unit: 'x', value }
}

const put = (size: number, entry: string): Place => [w1Put(size), entry]
const outstanding = (size: number, entry: string): Place => [w1Outstanding(size), entry]
const disk = (callers: number, ...names: readonly string[]): Place[] => names.map(name => [w2(callers), name])

/** Those of the Node peers that answer without blocking the event loop. */
const NOT_BLOCKING = [at.LMDB, at.LEVEL, at.HYPERCORE, at.WRITEV]
const ROCKETMQ = [at.ROCKETMQ_1, at.ROCKETMQ_4]
const consumable = (entry: string): Place => [w1Put(100), entry, 'consumablePerSecond']

export const TARGETS: readonly Target[] = [
  ratio(
    'A',
    '100 B one by one, like for like / RocketMQ, 1 thread',
    1.8,
    put(100, at.OURS_LIKE),
    put(100, at.ROCKETMQ_1),
  ),
  ratio(
    'A',
    '100 B one by one, like for like / RocketMQ, 4 threads',
    1.2,
    put(100, at.OURS_LIKE),
    put(100, at.ROCKETMQ_4),
  ),
  ratio('A', '100 B one by one, default / RocketMQ, 1 thread', 1.4, put(100, at.OURS), put(100, at.ROCKETMQ_1)),
  ratio('A', '100 B one by one, default / RocketMQ, 4 threads', 1.0, put(100, at.OURS), put(100, at.ROCKETMQ_4)),
  ratio(
    'B',
    '1 KiB one by one, like for like / RocketMQ',
    2,
    put(1024, at.OURS_LIKE),
    ...ROCKETMQ.map(name => put(1024, name)),
  ),
  ratio(
    'B',
    '1 KiB one by one, like for like / Chronicle Queue',
    1.2,
    put(1024, at.OURS_LIKE),
    put(1024, at.CHRONICLE),
  ),
  ratio('B', '1 KiB one by one, like for like / writeSync log', 1.3, put(1024, at.OURS_LIKE), put(1024, at.WRITE_SYNC)),
  ratio('C', '1 KiB one by one / lmdb putSync', 5, put(1024, at.OURS), put(1024, at.LMDB)),
  ratio('C', '1 KiB one by one / better-sqlite3', 7, put(1024, at.OURS), put(1024, at.SQLITE)),
  ...[100, 1024].flatMap(size => [
    ratio(
      'D',
      `256 outstanding, ${size} B / batched writev log`,
      0.6,
      outstanding(size, at.OURS),
      outstanding(size, at.WRITEV),
    ),
    ratio('D', `256 outstanding, ${size} B / lmdb put`, 1.2, outstanding(size, at.OURS), outstanding(size, at.LMDB)),
  ]),
  ...[100, 1024].map(size =>
    ratio('E', `one by one, ${size} B / the same work in plain memory`, 0.7, put(size, at.OURS), put(size, at.PLAIN)),
  ),
  ...(
    [
      [1, 1],
      [16, 1],
      [256, 0.8],
    ] as const
  ).map(([callers, atLeast]) =>
    ratio(
      'F',
      `on the device, ${callers} outstanding / best Node peer that does not block`,
      atLeast,
      [w2(callers), at.OURS],
      ...disk(callers, ...NOT_BLOCKING),
    ),
  ),
  ...(
    [
      [1, 1.2],
      [16, 2],
      [256, 4],
    ] as const
  ).map(([callers, atLeast]) =>
    ratio(
      'F',
      `on the device, ${callers} outstanding / RocketMQ`,
      atLeast,
      [w2(callers), at.OURS],
      ...disk(callers, ...ROCKETMQ),
    ),
  ),
  ratio('G', 'appended to consumable, 100 B / RocketMQ', 2, consumable(at.OURS), ...ROCKETMQ.map(consumable)),
  ratio('H', 'read whole / RocketMQ', 1.5, [w3('whole'), at.OURS], [w3('whole'), at.ROCKETMQ_1]),
  ratio(
    'H',
    'read whole / best Node peer',
    4,
    [w3('whole'), at.OURS],
    ...[at.LMDB, at.LEVEL, at.SQLITE, at.HYPERCORE].map((name): Place => [w3('whole'), name]),
  ),
  ratio('H', 'read headers / RocketMQ', 1, [w3('headers'), at.OURS], [w3('headers'), at.ROCKETMQ_1]),
]

/** Which contestants of which cases these targets compare. */
export function placesOf(targets: readonly Target[]): readonly { readonly caseId: string; readonly entry: string }[] {
  const places: { caseId: string; entry: string }[] = []
  for (const target of targets) {
    target.value((caseId, entry) => {
      places.push({ caseId, entry })
      return 1
    })
  }
  return places
}
