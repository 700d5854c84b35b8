/** Every damage that a sweep tries: flipped bits of live and of dead bytes, and every length of every file. */
import type { Golden, Piece } from './facts.ts'

/** A flipped bit. */
export type Flip = { readonly path: string; readonly at: number; readonly bit: number }

/** One damaged folder to look at. */
export type Case =
  /** One bit of a record or a filler. */
  | { readonly kind: 'log'; readonly flips: readonly [Flip]; readonly pieces: readonly [Piece] }
  /** One bit in each of several records that are no neighbours: each has to be named, and costs itself alone. */
  | { readonly kind: 'log, several'; readonly flips: readonly Flip[]; readonly pieces: readonly Piece[] }
  /** One bit of a live byte of another file. */
  | { readonly kind: 'other files'; readonly flips: readonly [Flip] }
  /** One bit of a byte that means nothing. */
  | { readonly kind: 'dead bytes'; readonly flips: readonly [Flip] }
  /** A file that ends early. */
  | { readonly kind: 'lengths'; readonly path: string; readonly length: number }

/** Records of one class are so far apart that damage in one does not touch the next. */
const CLASSES = 4
/** So many bytes behind the last that means something are all tried, and every so many of the zeros after them. */
const DEAD_BYTES = 256
const DEAD_STEP = 65_521

/** All of them, in an order that never changes. `isEachAlone`: no two bits at once, which takes many times as long. */
export function* casesOf(golden: Golden, isEachAlone: boolean): Generator<Case> {
  yield* logCases(golden, isEachAlone)
  if (!isEachAlone) yield* severalCases(golden)
  for (const [path, liveEnd] of golden.liveEnds) {
    const liveStart = golden.liveStarts.get(path) ?? 0
    if (!path.includes('/commitlog/')) {
      for (let at = liveStart; at < liveEnd; at++)
        for (let bit = 0; bit < 8; bit++) yield { kind: 'other files', flips: [{ path, at, bit }] }
    }
    const length = golden.lengths.get(path) ?? 0
    for (const at of steps(liveEnd, length)) yield { kind: 'dead bytes', flips: [{ path, at, bit: at % 8 }] }
    for (let to = liveStart; to < liveEnd; to++) yield { kind: 'lengths', path, length: to }
    for (const to of steps(liveEnd, length)) yield { kind: 'lengths', path, length: to }
  }
}

function* steps(from: number, to: number): Generator<number> {
  for (let at = from; at < to; at += at < from + DEAD_BYTES ? 1 : DEAD_STEP) yield at
}

/** Each byte with one of its bits, another one for the next; or with all eight. */
function* logCases({ pieces }: Golden, isEachAlone: boolean): Generator<Case> {
  for (const piece of pieces) {
    for (let at = piece.from; at < piece.to; at++) {
      const bits = isEachAlone || piece.isFiller ? [0, 1, 2, 3, 4, 5, 6, 7] : [(at * 5 + 3) % 8]
      for (const bit of bits) yield { kind: 'log', flips: [{ path: piece.path, at, bit }], pieces: [piece] }
    }
  }
}

function* severalCases({ pieces }: Golden): Generator<Case> {
  const records = pieces.filter(piece => !piece.isFiller)
  for (let part = 0; part < CLASSES; part++) {
    const lanes = lanesOf(records.filter((_, i) => i % CLASSES === part))
    const longest = Math.max(...lanes.map(bytesOf))
    for (let step = 0; step < longest * 8; step++) {
      const hit: Piece[] = []
      const flips: Flip[] = []
      for (const lane of lanes) {
        const found = at(lane, step >> 3)
        if (found === undefined) continue
        hit.push(found.piece)
        flips.push({ path: found.piece.path, at: found.position, bit: step % 8 })
      }
      yield { kind: 'log, several', flips, pieces: hit }
    }
  }
}

/** As many lists of records as are about as long as the longest record. */
function lanesOf(records: readonly Piece[]): Piece[][] {
  const sizes = records.map(({ from, to }) => to - from)
  const count = Math.max(1, Math.floor(sizes.reduce((sum, size) => sum + size, 0) / Math.max(...sizes)))
  const lanes: Piece[][] = Array.from({ length: count }, () => [])
  for (const record of [...records].sort((a, b) => b.to - b.from - (a.to - a.from))) {
    const shortest = lanes.reduce((one, other) => (bytesOf(other) < bytesOf(one) ? other : one))
    shortest.push(record)
  }
  return lanes
}

function at(lane: readonly Piece[], byte: number): { piece: Piece; position: number } | undefined {
  let left = byte
  for (const piece of lane) {
    if (left < piece.to - piece.from) return { piece, position: piece.from + left }
    left -= piece.to - piece.from
  }
  return undefined
}

function bytesOf(lane: readonly Piece[]): number {
  return lane.reduce((sum, { from, to }) => sum + to - from, 0)
}

/** A case in words, for whoever has to look into it. */
export function caseText(one: Case): string {
  if (one.kind === 'lengths') return `${one.path} cut to ${one.length} bytes`
  return one.flips.map(({ path, at, bit }) => `${path} byte ${at} bit ${bit}`).join(', ')
}
