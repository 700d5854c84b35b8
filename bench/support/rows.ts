/** Results as rows: a table for people, JSON for `data/bench`. */
import Table from 'cli-table3'

export type Row = Readonly<Record<string, string | number>>

/** Prints rows under their keys. */
export function printRows(title: string, rows: readonly Row[]): void {
  const columns = [...new Set(rows.flatMap(row => Object.keys(row)))]
  const table = new Table({ head: columns, style: { head: [], border: [] } })
  for (const row of rows) table.push(columns.map(column => String(row[column] ?? '')))
  console.log(`\n${title}\n${table.toString()}`)
}

/** Middle value of some runs, and how far apart they lie. */
export function median(values: readonly number[]): { readonly median: number; readonly spread: string } {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted[Math.floor(sorted.length / 2)] ?? 0
  return { median: middle, spread: `${Math.round(sorted[0] ?? 0)}-${Math.round(sorted.at(-1) ?? 0)}` }
}
