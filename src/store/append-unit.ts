/** Append units as records tell of them: `PMQ_UNIT=<i>/<n>`. ARCHITECTURE decision 20. */
import { PROPERTY_PMQ_UNIT, propertyValue } from '../codec/properties.ts'

/** A record's place in the unit it was appended in: `index` of `count`, from 1. */
export type UnitPlace = { readonly index: number; readonly count: number }

/** The place that a record's properties tell; undefined where it was appended alone. */
export function unitPlaceOf(properties: string): UnitPlace | undefined {
  const parts = /^(\d{1,9})\/(\d{1,9})$/.exec(propertyValue(properties, PROPERTY_PMQ_UNIT) ?? '')
  return parts === null ? undefined : { index: Number(parts[1]), count: Number(parts[2]) }
}
