/** Byte tables as they stand in doc comments: `| offset | bytes | field | meaning |`. */

/** One row of a table. */
export type Row = { readonly offset: number; readonly bytes: number; readonly field: string }

/** Every byte table of a source text, in order. @throws where a row of one is not three cells of offset, bytes and field */
export function byteTablesOf(text: string): Row[][] {
  const tables: Row[][] = []
  let table: Row[] | undefined
  for (const [i, line] of text.split('\n').entries()) {
    const cells = /^\s*\*\s*\|(.*)\|\s*$/
      .exec(line)?.[1]
      ?.split('|')
      .map(cell => cell.trim())
    if (cells === undefined) table = undefined
    else if (cells.slice(0, 3).join() === 'offset,bytes,field') {
      table = []
      tables.push(table)
    } else if (table !== undefined && !/^:?-+:?$/.test(cells[0] ?? '')) {
      const [offset = '', bytes = '', field = ''] = cells
      if (!/^\d+$/.test(offset) || !/^\d+$/.test(bytes) || !/^\w+$/.test(field))
        throw new Error(`line ${i + 1}: ${line.trim()}`)
      table.push({ offset: Number(offset), bytes: Number(bytes), field })
    }
  }
  return tables
}

/** What is wrong with a table by itself: holes, overlaps, a field twice, no rows. */
export function complaintsAbout(table: readonly Row[]): string[] {
  const complaints: string[] = table.length === 0 ? ['a table without rows'] : []
  const fields = new Set<string>()
  let end = 0
  for (const { offset, bytes, field } of table) {
    if (offset !== end) complaints.push(`${field} is at ${offset}; the field before it ends at ${end}`)
    if (bytes === 0) complaints.push(`${field} has no bytes`)
    if (fields.has(field)) complaints.push(`${field} is there twice`)
    fields.add(field)
    end = offset + bytes
  }
  return complaints
}

/** Whether a module's export is a byte table as a value. */
export function isLayout(value: unknown): value is readonly Row[] {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.every(row => Object.keys(row ?? {}).join() === 'offset,bytes,field')
  )
}
