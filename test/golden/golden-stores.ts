/** The golden stores of data/golden: what is in them, and how they are unpacked and compared. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { closeSync, existsSync, lstatSync, openSync, readdirSync, readFileSync, readSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { REPOSITORY } from '../house/sources.ts'

const GOLDEN = join(REPOSITORY, 'data/golden/rocketmq-5.5.0')

/** Names of the stores, as data/golden/README.md lists them. */
export const STORE_NAMES = ['g1', 'g2', 'g3', 'g3b', 'g4', 'g5', 'g5b', 'g5c', 'g5d', 'g5e', 'g6', 'g7'] as const

/** One of the golden stores. */
export type StoreName = (typeof STORE_NAMES)[number]

/** What of the derived files is there when a store is opened. */
export type Variant = { readonly consumeQueues: boolean; readonly index: boolean }

/** Every combination of derived files. */
export const VARIANTS: readonly Variant[] = [
  { consumeQueues: true, index: true },
  { consumeQueues: false, index: true },
  { consumeQueues: true, index: false },
  { consumeQueues: false, index: false },
]

/** A variant in words. */
export function variantText({ consumeQueues, index }: Variant): string {
  if (consumeQueues && index) return 'as it was left'
  const gone = [consumeQueues ? '' : 'consume queues', index ? '' : 'index'].filter(text => text !== '')
  return `without ${gone.join(' and ')}`
}

/** Unpacks a store into `into` (modification times kept) and takes away what the variant leaves out; answers its folder. */
export function unpack(name: StoreName, into: string, variant: Variant = { consumeQueues: true, index: true }): string {
  execFileSync('tar', ['-xzf', join(GOLDEN, name, 'store.tar.gz'), '-C', into])
  const folder = join(into, 'store')
  if (!variant.consumeQueues) rmSync(join(folder, 'consumequeue'), { recursive: true, force: true })
  if (!variant.index) rmSync(join(folder, 'index'), { recursive: true, force: true })
  return folder
}

/** A queue as RocketMQ reads it. */
export type QueueLine = { t: 'queue'; topic: string; queueId: number; cqType: string; min: number; max: number }

/** A message as RocketMQ reads it; only the fields that tests name one by one. */
export type MessageLine = {
  t: 'msg'
  topic: string
  queueId: number
  queueOffset: number
  msgTopic: string
  commitLogOffset: number
  storeSize: number
  storeTimestamp: number
  properties: Record<string, string>
  body?: string | null
  bodySha1?: string
}

/** Where RocketMQ finds a timestamp in a queue. */
export type TimeLine = { t: 'bytime'; topic: string; queueId: number; timestamp: number; lower: number; upper: number }

/** Where RocketMQ's index finds a key; not `complete` where the index had lost some. */
export type KeyLine = { t: 'key'; topic: string; key: string; offsets: number[]; complete: boolean }

/** What RocketMQ reads from a store. */
export type Expected = {
  readonly queues: readonly QueueLine[]
  readonly messages: readonly MessageLine[]
  readonly times: readonly TimeLine[]
  readonly keys: readonly KeyLine[]
}

/** What RocketMQ reads from the store, line by line as it was recorded. */
export function expected(name: StoreName): Expected {
  const lines = readFileSync(join(GOLDEN, name, 'expected.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
  const all = lines.map(line => JSON.parse(line) as QueueLine | MessageLine | TimeLine | KeyLine)
  return {
    queues: all.filter(line => line.t === 'queue'),
    messages: all.filter(line => line.t === 'msg'),
    times: all.filter(line => line.t === 'bytime'),
    keys: all.filter(line => line.t === 'key'),
  }
}

/** How many differences a report shows; the rest is counted. */
const SHOWN_MAX = 10

/**
 * Compares two lists of plain objects as multisets ordered by `keyOf`: what is missing, what is there too much,
 * and field by field what differs. Empty where they are equal.
 */
export function differences<T extends object>(
  actual: readonly object[],
  wanted: readonly T[],
  keyOf: (line: T) => string,
): string[] {
  const report: string[] = []
  const left = new Map(actual.map(line => [keyOf(line as T), line as Record<string, unknown>]))
  if (left.size !== actual.length) report.push(`${actual.length - left.size} lines are there twice`)
  for (const line of wanted) {
    const key = keyOf(line)
    const mine = left.get(key)
    left.delete(key)
    if (mine === undefined) report.push(`missing: ${key}`)
    else report.push(...fieldDifferences(key, mine, line as Record<string, unknown>))
  }
  for (const key of left.keys()) report.push(`too much: ${key}`)
  return report.length > SHOWN_MAX ? [...report.slice(0, SHOWN_MAX), `and ${report.length - SHOWN_MAX} more`] : report
}

function fieldDifferences(key: string, mine: Record<string, unknown>, wanted: Record<string, unknown>): string[] {
  const report: string[] = []
  for (const field of new Set([...Object.keys(mine), ...Object.keys(wanted)])) {
    // Longer bodies were not recorded, only their length and hash.
    if (field === 'body' && wanted.body === null) continue
    const [got, want] = [canonical(mine[field]), canonical(wanted[field])]
    if (got !== want) report.push(`${key}: ${field} is ${got?.slice(0, 200)}, not ${want?.slice(0, 200)}`)
  }
  return report
}

/** JSON with the keys of objects in order. */
function canonical(value: unknown): string | undefined {
  return JSON.stringify(value, (_, inner: unknown) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  )
}

/** Every file and folder under `folder`: kind, length, modification time and content, as one line each. */
export function fingerprint(folder: string): string[] {
  const lines: string[] = []
  const walk = (path: string, name: string): void => {
    const stat = lstatSync(path, { bigint: true })
    const content = stat.isDirectory() ? 'folder' : `${stat.size} bytes, sha256 ${hashOf(path)}`
    lines.push(`${name} ${stat.mode.toString(8)} ${stat.mtimeNs} ${content}`)
    if (stat.isDirectory()) for (const entry of readdirSync(path).sort()) walk(join(path, entry), `${name}/${entry}`)
  }
  if (existsSync(folder)) walk(folder, '.')
  return lines
}

const CHUNK = Buffer.alloc(1 << 20)

function hashOf(path: string): string {
  const hash = createHash('sha256')
  const file = openSync(path, 'r')
  try {
    for (;;) {
      const count = readSync(file, CHUNK, 0, CHUNK.length, null)
      if (count === 0) return hash.digest('hex')
      hash.update(CHUNK.subarray(0, count))
    }
  } finally {
    closeSync(file)
  }
}
