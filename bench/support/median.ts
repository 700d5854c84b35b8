/** The median of a figure (the case's own, or a named one) of a contestant; undefined where it was not measured. */
export type Median = (caseId: string, entry: string, figure?: string) => number | undefined
