/** The median of a figure (the case's own, or a named one) of a contestant; undefined where it was not measured. */
export type Median = (caseId: string, entry: string, figure?: string) => number | undefined

/** The middle of some values, or between the two in the middle. */
export function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  return sorted.length % 2 === 1
    ? (sorted[Math.floor(middle)] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2
}
