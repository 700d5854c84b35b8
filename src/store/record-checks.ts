/**
 * Which checksums a record must have, by where it lies. ARCHITECTURE decision 8: in ranges that another writer appended a
 * missing or wrong `__CRC32#` means nothing (a broker copies it stale into records it rewrites); elsewhere it must be there.
 */
import type { RecordChecks } from '../codec/record-cursor.ts'
import { ALL_CHECKS } from '../codec/record-cursor.ts'
import type { PhysicalRange } from '../codec/state-lists.ts'

/** For records of a foreign range. */
export const FOREIGN_CHECKS: RecordChecks = { body: true, record: 'ignore', position: true }

/** End of a range that goes on: its records are still being appended. */
export const OPEN_END: number = Number.MAX_SAFE_INTEGER

/** The checks for a place, given the foreign ranges, which are in order and do not overlap. */
export function recordChecksOf(foreignRanges: readonly PhysicalRange[]): (physicalOffset: number) => RecordChecks {
  if (foreignRanges.length === 0) return () => ALL_CHECKS
  // Places are asked for in order, so the range of the last answer almost always answers again.
  let last: PhysicalRange = { start: 0, end: 0 }
  let lastChecks = ALL_CHECKS
  return physicalOffset => {
    if (physicalOffset >= last.start && physicalOffset < last.end) return lastChecks
    const next = foreignRanges.findIndex(range => physicalOffset < range.end)
    const range = foreignRanges[next]
    const isForeign = range !== undefined && physicalOffset >= range.start
    lastChecks = isForeign ? FOREIGN_CHECKS : ALL_CHECKS
    if (range !== undefined && isForeign) last = range
    else last = between(foreignRanges, next)
    return lastChecks
  }
}

/** What lies between the foreign range before `next` and that one; -1 is behind the last. */
function between(ranges: readonly PhysicalRange[], next: number): PhysicalRange {
  const before = next < 0 ? ranges.at(-1) : ranges[next - 1]
  return { start: before?.end ?? 0, end: ranges[next]?.start ?? OPEN_END }
}

/** The ranges with [start, end) added; in order, neighbours joined. */
export function withRange(ranges: readonly PhysicalRange[], added: PhysicalRange): readonly PhysicalRange[] {
  if (added.start >= added.end) return ranges
  const sorted = [...ranges, added].sort((a, b) => a.start - b.start)
  const joined: PhysicalRange[] = []
  for (const range of sorted) {
    const before = joined.at(-1)
    if (before === undefined || range.start > before.end) joined.push(range)
    else joined[joined.length - 1] = { start: before.start, end: Math.max(before.end, range.end) }
  }
  return joined
}

/** The ranges as far as they lie within [start, end); the very same array where nothing is cut off. */
export function rangesWithin(ranges: readonly PhysicalRange[], start: number, end: number): readonly PhysicalRange[] {
  if (ranges.every(range => range.start >= start && range.end <= end)) return ranges
  return ranges
    .filter(range => range.start < end && range.end > start)
    .map(range => ({ start: Math.max(start, range.start), end: Math.min(end, range.end) }))
}
