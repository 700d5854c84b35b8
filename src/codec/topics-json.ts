/** `config/topics.json`: which topics there are, with how many queues.   RocketMQ: TopicConfigManager. */
import type { DataVersion } from './data-version.ts'
import { decodeDataVersion } from './data-version.ts'
import { JsonFields } from './json-fields.ts'
import type { JsonObject } from './loose-json.ts'
import { corruptJson, parseLooseJsonObject } from './loose-json.ts'

/** Bits of {@link TopicConfig.perm}. */
export const PERM_READ = 4
export const PERM_WRITE = 2
export const PERM_INHERIT = 1

/** One topic, with RocketMQ's own field names. */
export type TopicConfig = {
  readonly topicName: string
  readonly readQueueNums: number
  readonly writeQueueNums: number
  /** {@link PERM_READ} | {@link PERM_WRITE} | ... */
  readonly perm: number
  readonly topicFilterType: string
  readonly topicSysFlag: number
  readonly order: boolean
  /** `message.type` (NORMAL, FIFO, DELAY, TRANSACTION, MIXED), `queue.type` (SimpleCQ, BatchCQ), `cleanup.policy`, ... */
  readonly attributes: Readonly<Record<string, string>>
  /** Fields we do not know; they go back into the file. */
  readonly rest: JsonObject
}

/** What the file says. */
export type TopicsFile = {
  readonly dataVersion: DataVersion
  readonly topics: ReadonlyMap<string, TopicConfig>
  readonly rest: JsonObject
}

const I32_MAX = 0x7fffffff
/** More queues than any store has; a hostile number must not become a loop. */
const QUEUES_MAX = 65_536

/** A topic as `createTopic` makes it. */
export function topicConfig(
  topicName: string,
  queues: number,
  attributes: Readonly<Record<string, string>> = {},
): TopicConfig {
  return {
    topicName,
    readQueueNums: queues,
    writeQueueNums: queues,
    perm: PERM_READ | PERM_WRITE,
    topicFilterType: 'SINGLE_TAG',
    topicSysFlag: 0,
    order: false,
    attributes,
    rest: {},
  }
}

/** @throws CORRUPT */
export function decodeTopics(text: string, file = 'config/topics.json'): TopicsFile {
  const fields = new JsonFields(parseLooseJsonObject(text, file), file, 'the file')
  const dataVersion = decodeDataVersion(fields.object('dataVersion'), file)
  const topics = new Map<string, TopicConfig>()
  for (const [name, value] of Object.entries(fields.object('topicConfigTable'))) {
    const topic = new JsonFields(value, file, `topic ${name}`)
    const config = {
      topicName: topic.text('topicName', name),
      readQueueNums: topic.whole('readQueueNums', 0, QUEUES_MAX, 16),
      writeQueueNums: topic.whole('writeQueueNums', 0, QUEUES_MAX, 16),
      perm: topic.whole('perm', 0, I32_MAX, PERM_READ | PERM_WRITE),
      topicFilterType: topic.text('topicFilterType', 'SINGLE_TAG'),
      topicSysFlag: topic.whole('topicSysFlag', -I32_MAX, I32_MAX, 0),
      order: topic.flag('order', false),
      attributes: topic.texts('attributes'),
      rest: topic.rest(),
    }
    if (config.topicName !== name) throw corruptJson(file, `topicName ${name}`, config.topicName)
    topics.set(name, config)
  }
  return { dataVersion, topics, rest: fields.rest() }
}

/** Standard JSON. */
export function encodeTopics({ dataVersion, topics, rest }: TopicsFile): string {
  const topicConfigTable = Object.fromEntries(
    [...topics].map(([name, { rest: unknown, ...config }]) => [name, { ...unknown, ...config }]),
  )
  return JSON.stringify({ ...rest, dataVersion, topicConfigTable })
}
