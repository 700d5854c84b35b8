/** `config/consumerOffset.json`: the next queueOffset each group consumes.   RocketMQ: ConsumerOffsetManager. */
import type { DataVersion } from './data-version.ts'
import { decodeDataVersion } from './data-version.ts'
import { JsonFields } from './json-fields.ts'
import type { JsonObject } from './loose-json.ts'
import { corruptJson, parseLooseJsonObject } from './loose-json.ts'

/** One group's position in one queue. */
export type ConsumerOffset = {
  readonly group: string
  readonly topic: string
  readonly queueId: number
  /** The next queueOffset to consume. */
  readonly queueOffset: number
}

/** What the file says. */
export type ConsumerOffsetFile = {
  readonly dataVersion: DataVersion
  /** One for each group, topic and queue; in no particular order. */
  readonly offsets: readonly ConsumerOffset[]
  readonly rest: JsonObject
}

const SEPARATOR = '@'
const I32_MAX = 0x7fffffff

/** @throws CORRUPT */
export function decodeConsumerOffsets(text: string, file = 'config/consumerOffset.json'): ConsumerOffsetFile {
  const fields = new JsonFields(parseLooseJsonObject(text, file), file, 'the file')
  const dataVersion = decodeDataVersion(fields.object('dataVersion'), file)
  // A broker derives both from the offsets.
  fields.drop('groupTopicMap')
  fields.drop('pullOffsetTable')
  const offsets: ConsumerOffset[] = []
  for (const [key, value] of Object.entries(fields.object('offsetTable'))) {
    const [topic, group, ...more] = key.split(SEPARATOR)
    if (!topic || !group || more.length > 0) throw corruptJson(file, 'a key topic@group', JSON.stringify(key))
    const queues = new JsonFields(value, file, key)
    for (const name of Object.keys(value as JsonObject)) {
      offsets.push({
        group,
        topic,
        queueId: queueIdOf(name, file, key),
        queueOffset: queues.whole(name, 0, Number.MAX_SAFE_INTEGER),
      })
    }
  }
  return { dataVersion, offsets, rest: fields.rest() }
}

/** Standard JSON. */
export function encodeConsumerOffsets({ dataVersion, offsets, rest }: ConsumerOffsetFile): string {
  const table = new Map<string, Record<string, number>>()
  for (const { group, topic, queueId, queueOffset } of offsets) {
    const key = `${topic}${SEPARATOR}${group}`
    let queues = table.get(key)
    if (queues === undefined) {
      queues = {}
      table.set(key, queues)
    }
    queues[queueId] = queueOffset
  }
  return JSON.stringify({ ...rest, dataVersion, offsetTable: Object.fromEntries(table) })
}

function queueIdOf(name: string, file: string, key: string): number {
  const queueId = Number(name)
  if (/^\d+$/.test(name) && queueId <= I32_MAX) return queueId
  throw corruptJson(file, `a queue number in ${key}`, JSON.stringify(name))
}
