/** `config/delayOffset.json`: per delay level, the next queueOffset to deliver.   RocketMQ: ScheduleMessageService. */
import type { DataVersion } from './data-version.ts'
import { decodeDataVersion } from './data-version.ts'
import { JsonFields } from './json-fields.ts'
import type { JsonObject } from './loose-json.ts'
import { corruptJson, parseLooseJsonObject } from './loose-json.ts'

/** What the file says. */
export type DelayOffsetFile = {
  readonly dataVersion: DataVersion
  /** Delay level (from 1; its queue is level - 1) to the next queueOffset. */
  readonly offsets: ReadonlyMap<number, number>
  readonly rest: JsonObject
}

/** @throws CORRUPT */
export function decodeDelayOffsets(text: string, file = 'config/delayOffset.json'): DelayOffsetFile {
  const fields = new JsonFields(parseLooseJsonObject(text, file), file, 'the file')
  const dataVersion = decodeDataVersion(fields.object('dataVersion'), file)
  const table = fields.object('offsetTable')
  const levels = new JsonFields(table, file, 'offsetTable')
  const offsets = new Map<number, number>()
  for (const name of Object.keys(table)) {
    if (!/^[1-9]\d{0,3}$/.test(name)) throw corruptJson(file, 'a delay level', JSON.stringify(name))
    offsets.set(Number(name), levels.whole(name, 0, Number.MAX_SAFE_INTEGER))
  }
  return { dataVersion, offsets, rest: fields.rest() }
}

/** Standard JSON. */
export function encodeDelayOffsets({ dataVersion, offsets, rest }: DelayOffsetFile): string {
  return JSON.stringify({ ...rest, dataVersion, offsetTable: Object.fromEntries(offsets) })
}
