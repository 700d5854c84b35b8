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
