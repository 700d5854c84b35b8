/** What the suite has to show, as ratios of medians in one run. */
import type { Median } from './support/median.ts'
import * as at from './workloads/entries.ts'
import { SIZES, w1Awaited, w1Outstanding, w1Put } from './workloads/w1-append.ts'
import { w2 } from './workloads/w2-disk.ts'
import { w3 } from './workloads/w3-read.ts'
import { W4_FLAT_OUT, W4_PACED } from './workloads/w4-queue.ts'
import { W5_CLOSED, W5_KILLED, W5_LOST } from './workloads/w5-open.ts'
import { w6 } from './workloads/w6-queues.ts'
import { W7_ID } from './workloads/w7-delay.ts'
import { w8 } from './workloads/w8-select.ts'
import { w9 } from './workloads/w9-memory.ts'

/** One bound. */
export type Target = {
  readonly id: string
  readonly says: string
  readonly atLeast?: number
  readonly atMost?: number
  readonly unit: string
  readonly value: (median: Median) => number | undefined
  /** The figures that are divided: ours, and the best of theirs. */
  readonly sides: (median: Median) => readonly (number | undefined)[]
}

type Place = readonly [caseId: string, entry: string, figure?: string]

/** Ours divided by the best of theirs. */
function ratio(id: string, says: string, atLeast: number, ours: Place, ...theirs: readonly Place[]): Target {
  const sides = (median: Median): readonly (number | undefined)[] => {
    const known = theirs.map(place => median(...place)).filter(figure => figure !== undefined)
    return [median(...ours), known.length === 0 ? undefined : Math.max(...known)]
  }
  return { id, says, atLeast, unit: 'x', value: median => quotient(sides(median)), sides }
}

/** A figure that is bound by itself. */
function bound(id: string, says: string, limit: Pick<Target, 'atLeast' | 'atMost' | 'unit'>, place: Place): Target {
  return { id, says, ...limit, value: median => median(...place), sides: median => [median(...place)] }
}

/** Ours divided by better-sqlite3's, at most a half. */
function latency(id: string, says: string, figure: string): Target {
  const sides = (median: Median): readonly (number | undefined)[] =>
    [at.OURS, at.SQLITE].map(entry => median(W4_PACED, entry, figure))
  return { id, says, atMost: 0.5, unit: 'x', value: median => quotient(sides(median)), sides }
}

/** The slower of `io: file` and `io: mmap` divided by the faster one, in the worst of these cases. */
function slower(workload: string, cases: readonly string[]): Target {
  const sides = (median: Median): readonly (number | undefined)[] => {
    const pairs = cases.flatMap(id => {
      const [file, mmap] = [at.OURS, at.OURS_MMAP].map(entry => median(id, entry))
      return file === undefined || mmap === undefined ? [] : [[Math.min(file, mmap), Math.max(file, mmap)] as const]
    })
    const worst = pairs.sort(([a, b], [c, d]) => a / b - c / d)[0]
    return worst ?? [undefined, undefined]
  }
  const says = `${workload}, the slower of file and mmap / the faster`
  return { id: 'M', says, atLeast: 0.6, unit: 'x', value: median => quotient(sides(median)), sides }
}

function quotient([mine, theirs]: readonly (number | undefined)[]): number | undefined {
  return mine === undefined || theirs === undefined || theirs === 0 ? undefined : mine / theirs
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
  ratio(
    'I',
    'queue work flat out / best peer',
    3,
    [W4_FLAT_OUT, at.OURS],
    [W4_FLAT_OUT, at.LMDB],
    [W4_FLAT_OUT, at.SQLITE],
  ),
  latency('I', 'send to handler at 1,000 a second, p50 / better-sqlite3', 'p50Us'),
  latency('I', 'send to handler at 1,000 a second, p99 / better-sqlite3', 'p99Us'),
  bound('J', 'open 1 GiB, closed cleanly', { atMost: 15, unit: 'ms' }, [W5_CLOSED, at.OURS]),
  bound('J', 'open 1 GiB, killed while appending', { atMost: 300, unit: 'ms' }, [W5_KILLED, at.OURS]),
  bound('J', 'scan 1 GiB with every checksum', { atLeast: 1000, unit: 'MB/s' }, [
    W5_LOST,
    at.OURS,
    'scannedMBPerSecond',
  ]),
  ratio('K', '10,000 queues / one', 0.8, [w6(10_000), at.OURS], [w6(1), at.OURS]),
  bound('L', 'longest event-loop delay, appending flat out', { atMost: 20, unit: 'ms' }, [W7_ID, at.OURS]),
  bound('L', '99th percentile of it', { atMost: 3, unit: 'ms' }, [W7_ID, at.OURS, 'loopDelayP99Ms']),
  slower('W1', [...SIZES.map(w1Put), ...SIZES.map(w1Outstanding), ...SIZES.map(w1Awaited)]),
  slower('W2', [1, 16, 256].map(w2)),
  slower('W3', [w3('whole'), w3('headers')]),
  slower('W4', [W4_FLAT_OUT]),
  slower('W5', [W5_CLOSED, W5_KILLED]),
  slower('W6', [1, 10_000].map(w6)),
  slower('W8', (['tag', 'sql', 'key'] as const).map(w8)),
  bound('N', 'memory for each idle queue', { atMost: 2048, unit: 'bytes' }, [w9('queue'), at.OURS]),
  bound('N', 'memory for each message in flight, without the message', { atMost: 300, unit: 'bytes' }, [
    w9('in flight'),
    at.OURS,
  ]),
  bound('N', 'growth in 10 minutes flat out', { atMost: 1_000_000, unit: 'bytes' }, [
    w9('growth in 10 minutes'),
    at.OURS,
  ]),
  ...[100, 1024].map(size =>
    ratio(
      'O',
      `one by one, ${size} B / the same bytes without a key`,
      0.85,
      put(size, at.OURS),
      put(size, at.OURS_NO_KEYS),
    ),
  ),
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
