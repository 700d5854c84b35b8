/**
 * Every damage that a sweep tries: flipped bits of live and of dead bytes, and every length of every file. Damages that have
 * nothing to do with each other share a folder, each in a file or a record of its own, so that the sweep ends the same day.
 */
import type { Golden, Piece } from './facts.ts'

/** A flipped bit. */
export type Flip = { readonly path: string; readonly at: number; readonly bit: number }
/** A file that ends early. */
export type Cut = { readonly path: string; readonly length: number }

/** One damaged folder to look at. */
export type Case =
  /** One bit of a record or a filler. */
  | { readonly kind: 'log'; readonly flips: readonly [Flip]; readonly pieces: readonly [Piece] }
  /** One bit in each of several records that are no neighbours: each has to be named, and costs itself alone. */
  | { readonly kind: 'log, several'; readonly flips: readonly Flip[]; readonly pieces: readonly Piece[] }
  /** One bit of a live byte in each of several other files. */
  | { readonly kind: 'other files'; readonly flips: readonly Flip[] }
  /** Bits of bytes that mean nothing, one a file. */
  | { readonly kind: 'dead bytes'; readonly flips: readonly Flip[] }
  /** Files that end early. */
  | { readonly kind: 'lengths'; readonly cuts: readonly Cut[] }
  /** A stretch of a file that nobody asks for: nothing to look at. */
  | { readonly kind: 'read by nobody'; readonly path: string; readonly bytes: number }

/** One that there is something to look at. */
export type Damage = Exclude<Case, { readonly kind: 'read by nobody' }>

/** Records of one class have a sound one between them. */
const CLASSES = 2
/** Of a record, one byte in so many is also damaged alone. */
const ALONE_STEP = 7
/** So many bytes behind the last that means something are all tried, and every so many of the zeros after them. */
const DEAD_BYTES = 256
const DEAD_STEP = 65_521
/** What is found in other small files hangs on these: they are damaged alone. */
const DECIDES = /\/(?:checkpoint|pocketmq\/(?:state|closed))$/

/** All of them, in an order that never changes. `isEachAlone`: no two damages at once, which takes many times as long. */
export function* casesOf(golden: Golden, isEachAlone: boolean): Generator<Case> {
  for (const one of sharedCases(golden, isEachAlone ? 1 : ALONE_STEP)) {
    if (isEachAlone && one.kind !== 'read by nobody') yield* eachAlone(one)
    else yield one
  }
}

function* sharedCases(golden: Golden, aloneStep: number): Generator<Case> {
  const { liveEnds, lengths, readPaths } = golden
  for (const [path, end] of liveEnds)
    if (!readPaths.has(path)) yield { kind: 'read by nobody', path, bytes: end - startOf(golden, path) }
  const paths = [...liveEnds.keys()].filter(path => readPaths.has(path))
  const [logs, others] = [paths.filter(isLog), paths.filter(path => !isLog(path))]
  yield* logCases(golden, aloneStep)
  yield* severalCases(golden)
  for (const lanes of lanesOfFiles(others)) yield* flipCases(golden, lanes)
  const dead = paths.map(path => [...steps(liveEnds.get(path) ?? 0, lengths.get(path) ?? 0)].map(at => ({ path, at })))
  for (const row of rowsOf(dead)) {
    yield { kind: 'dead bytes', flips: row.map(({ path, at }) => ({ path, at, bit: at % 8 })) }
  }
  // Of the log one file at a time: what lies behind its end is missing from the queues and the index.
  for (const [i, lanes] of lanesOfFiles(others.filter(path => /\/(?:config|pocketmq|checkpoint)/.test(path))).entries())
    yield* cutCases(golden, i === 0 ? [logs, ...lanes] : lanes)
  for (const path of others.filter(path => /\/(?:consumequeue|index)\//.test(path))) yield* cutCases(golden, [[path]])
  for (const path of paths.filter(path => !/\/(?:config|pocketmq|checkpoint|consumequeue|index|commitlog)/.test(path)))
    yield* cutCases(golden, [[path]])
}

/** The damages of a case, each by itself. */
export function eachAlone(one: Damage): Damage[] {
  if (one.kind === 'lengths') return one.cuts.map(cut => ({ kind: 'lengths', cuts: [cut] }))
  if (one.kind === 'other files' || one.kind === 'dead bytes') {
    const { kind } = one
    return one.flips.map((flip): Damage => ({ kind, flips: [flip] }))
  }
  if (one.kind !== 'log, several') return [one]
  return one.flips.map((flip, i): Damage => ({ kind: 'log', flips: [flip], pieces: [one.pieces[i] as Piece] }))
}

/** How many flipped bits and lengths a case is. */
export function damageIn(one: Case): number {
  if (one.kind === 'read by nobody') return one.bytes * 9
  return one.kind === 'lengths' ? one.cuts.length : one.flips.length
}

/** Lists of files to damage side by side. A file and its `.bak` are in one list: both at once are a writer's work, no damage. */
function lanesOfFiles(paths: readonly string[]): string[][][] {
  const families = new Map<string, string[]>()
  for (const path of paths.filter(path => !DECIDES.test(path))) {
    const family = path.replace(/\.bak$/, '')
    families.set(family, [...(families.get(family) ?? []), path])
  }
  return [[...families.values()], ...paths.filter(path => DECIDES.test(path)).map(path => [[path]])]
}

/** Every bit of every live byte, a step in each lane at a time. */
function* flipCases(golden: Golden, lanes: readonly (readonly string[])[]): Generator<Case> {
  const flips = lanes.map(lane =>
    lane.flatMap(path => {
      const start = startOf(golden, path)
      const bytes = Array.from({ length: (golden.liveEnds.get(path) ?? 0) - start }, (_, i) => start + i)
      return bytes.flatMap(at => [0, 1, 2, 3, 4, 5, 6, 7].map(bit => ({ path, at, bit })))
    }),
  )
  for (const row of rowsOf(flips)) yield { kind: 'other files', flips: row }
}

/** Every length, a step in each lane at a time. */
function* cutCases(golden: Golden, lanes: readonly (readonly string[])[]): Generator<Case> {
  const { liveEnds, lengths } = golden
  const cuts = lanes.map(lane =>
    lane.flatMap(path => {
      const [start, end] = [startOf(golden, path), liveEnds.get(path) ?? 0]
      const live = Array.from({ length: end - start }, (_, i) => start + i)
      return [...live, ...steps(end, lengths.get(path) ?? 0)].map(length => ({ path, length }))
    }),
  )
  for (const row of rowsOf(cuts)) yield { kind: 'lengths', cuts: row }
}

/** The first of each list, then the second of each that has one, and so on. */
function* rowsOf<T>(lists: readonly (readonly T[])[]): Generator<T[]> {
  const longest = Math.max(0, ...lists.map(list => list.length))
  for (let i = 0; i < longest; i++) yield lists.flatMap(list => (i < list.length ? [list[i] as T] : []))
}

function* steps(from: number, to: number): Generator<number> {
  for (let at = from; at < to; at += at < from + DEAD_BYTES ? 1 : DEAD_STEP) yield at
}

/** Bytes of a record with one of their bits, another one for the next; all eight of a filler's. */
function* logCases({ pieces }: Golden, step: number): Generator<Case> {
  for (const piece of pieces) {
    for (let at = piece.from; at < piece.to; at += piece.isFiller ? 1 : step) {
      const bits = piece.isFiller ? [0, 1, 2, 3, 4, 5, 6, 7] : [(at * 5 + 3) % 8]
      for (const bit of bits) yield { kind: 'log', flips: [{ path: piece.path, at, bit }], pieces: [piece] }
    }
  }
}

/** Every bit of every record. */
function* severalCases({ pieces }: Golden): Generator<Case> {
  const records = pieces.filter(piece => !piece.isFiller)
  for (let part = 0; part < CLASSES; part++) {
    const hits = records
      .filter((_, i) => i % CLASSES === part)
      .map(piece => Array.from({ length: (piece.to - piece.from) * 8 }, (_, bit) => ({ piece, bit })))
    for (const row of rowsOf(hits)) {
      const flips = row.map(({ piece, bit }) => ({ path: piece.path, at: piece.from + (bit >> 3), bit: bit % 8 }))
      yield { kind: 'log, several', flips, pieces: row.map(({ piece }) => piece) }
    }
  }
}

function isLog(path: string): boolean {
  return path.includes('/commitlog/')
}

function startOf(golden: Golden, path: string): number {
  return golden.liveStarts.get(path) ?? 0
}

/** A case in words, for whoever has to look into it. */
export function caseText(one: Case): string {
  if (one.kind === 'read by nobody') return one.path
  if (one.kind === 'lengths') return one.cuts.map(({ path, length }) => `${path} cut to ${length} bytes`).join(', ')
  return one.flips.map(({ path, at, bit }) => `${path} byte ${at} bit ${bit}`).join(', ')
}
