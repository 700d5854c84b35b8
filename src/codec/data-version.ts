/** The `dataVersion` of RocketMQ's config files; a broker refuses some of them without it.   RocketMQ: DataVersion. */
import { JsonFields } from './json-fields.ts'
import type { Json } from './loose-json.ts'

/** Compared as (stateVersion, counter, timestamp). It is no evidence of who wrote a file: 5.5 bumps it once in 500 commits. */
export type DataVersion = {
  /** Logical changes so far. */
  readonly counter: number
  readonly stateVersion: number
  /** Of the last change, in epoch milliseconds. */
  readonly timestamp: number
}

/** The version of a file that was never written. */
export const FIRST_DATA_VERSION: DataVersion = { counter: 0, stateVersion: 0, timestamp: 0 }

/** The version after a logical change. */
export function nextDataVersion({ counter, stateVersion }: DataVersion, nowMs: number): DataVersion {
  return { counter: counter + 1, stateVersion, timestamp: nowMs }
}

/** A field `dataVersion`; a missing one is the first. @throws CORRUPT */
export function decodeDataVersion(value: Json | undefined, file: string): DataVersion {
  const fields = new JsonFields(value ?? {}, file, 'dataVersion')
  return {
    counter: fields.whole('counter', 0, Number.MAX_SAFE_INTEGER, 0),
    stateVersion: fields.whole('stateVersion', 0, Number.MAX_SAFE_INTEGER, 0),
    timestamp: fields.whole('timestamp', 0, Number.MAX_SAFE_INTEGER, 0),
  }
}
