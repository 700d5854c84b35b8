/**
 * How a byte table is written down as a value. A codec derives its positions from its table, so that encoder, decoder
 * and the table in its header comment cannot differ.
 */
import { assert } from '../base/assert.ts'

/** One row of a byte table. */
export type LayoutField = { readonly offset: number; readonly bytes: number; readonly field: string }

/** A byte table: rows in order, without hole or overlap. */
export type Layout = readonly LayoutField[]

/** The offset of each field of a byte table, by its name. */
export function offsetsOf<const L extends Layout>(layout: L): { readonly [F in L[number]['field']]: number } {
  const offsets: Record<string, number> = {}
  let end = 0
  for (const { offset, bytes, field } of layout) {
    assert(offset === end, `${field} starts at ${end}, not at ${offset}`)
    assert(!Object.hasOwn(offsets, field), `${field} is named once`)
    offsets[field] = offset
    end = offset + bytes
  }
  return offsets as { readonly [F in L[number]['field']]: number }
}

/** Bytes that a byte table describes. */
export function layoutBytes(layout: Layout): number {
  return layout.reduce((end, { offset, bytes }) => Math.max(end, offset + bytes), 0)
}

/** The offset of one field of a byte table. */
export function offsetIn(layout: Layout, field: string): number {
  const row = layout.find(one => one.field === field)
  assert(row !== undefined, `the byte table has a field ${field}`)
  return row.offset
}
