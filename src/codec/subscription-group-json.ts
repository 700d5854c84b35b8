/** `config/subscriptionGroup.json`: a broker's settings of each consumer group.   RocketMQ: SubscriptionGroupManager. */
import type { DataVersion } from './data-version.ts'
import { decodeDataVersion } from './data-version.ts'
import { JsonFields } from './json-fields.ts'
import type { JsonObject } from './loose-json.ts'
import { corruptJson, parseLooseJsonObject } from './loose-json.ts'

/** One group, with RocketMQ's own field names. */
export type SubscriptionGroupConfig = {
  readonly groupName: string
  readonly consumeEnable: boolean
  readonly consumeFromMinEnable: boolean
  readonly consumeBroadcastEnable: boolean
  readonly consumeMessageOrderly: boolean
  readonly retryQueueNums: number
  readonly retryMaxTimes: number
  readonly brokerId: number
  readonly whichBrokerWhenConsumeSlowly: number
  readonly notifyConsumerIdsChangedEnable: boolean
  readonly groupSysFlag: number
  readonly consumeTimeoutMinute: number
  readonly groupRetryPolicy: JsonObject
  readonly attributes: Readonly<Record<string, string>>
  /** Fields we do not know; they go back into the file. */
  readonly rest: JsonObject
}

/** What the file says. */
export type SubscriptionGroupFile = {
  readonly dataVersion: DataVersion
  readonly groups: ReadonlyMap<string, SubscriptionGroupConfig>
  readonly rest: JsonObject
}

const I32_MAX = 0x7fffffff

/** A group as a broker creates it by itself. */
export function subscriptionGroupConfig(groupName: string): SubscriptionGroupConfig {
  return decodeGroup(groupName, {}, 'config/subscriptionGroup.json')
}

/** @throws CORRUPT */
export function decodeSubscriptionGroups(text: string, file = 'config/subscriptionGroup.json'): SubscriptionGroupFile {
  const fields = new JsonFields(parseLooseJsonObject(text, file), file, 'the file')
  const dataVersion = decodeDataVersion(fields.object('dataVersion'), file)
  const groups = new Map<string, SubscriptionGroupConfig>()
  for (const [name, value] of Object.entries(fields.object('subscriptionGroupTable'))) {
    if (value === null || typeof value !== 'object')
      throw corruptJson(file, `an object as group ${name}`, String(value))
    groups.set(name, decodeGroup(name, value as JsonObject, file))
  }
  return { dataVersion, groups, rest: fields.rest() }
}

function decodeGroup(name: string, value: JsonObject, file: string): SubscriptionGroupConfig {
  const fields = new JsonFields(value, file, `group ${name}`)
  const groupName = fields.text('groupName', name)
  if (groupName !== name) throw corruptJson(file, `groupName ${name}`, groupName)
  const policy = fields.object('groupRetryPolicy')
  return {
    groupName,
    consumeEnable: fields.flag('consumeEnable', true),
    consumeFromMinEnable: fields.flag('consumeFromMinEnable', true),
    consumeBroadcastEnable: fields.flag('consumeBroadcastEnable', true),
    consumeMessageOrderly: fields.flag('consumeMessageOrderly', false),
    retryQueueNums: fields.whole('retryQueueNums', 0, I32_MAX, 1),
    retryMaxTimes: fields.whole('retryMaxTimes', -1, I32_MAX, 16),
    brokerId: fields.whole('brokerId', 0, Number.MAX_SAFE_INTEGER, 0),
    whichBrokerWhenConsumeSlowly: fields.whole('whichBrokerWhenConsumeSlowly', 0, Number.MAX_SAFE_INTEGER, 1),
    notifyConsumerIdsChangedEnable: fields.flag('notifyConsumerIdsChangedEnable', true),
    groupSysFlag: fields.whole('groupSysFlag', -I32_MAX, I32_MAX, 0),
    consumeTimeoutMinute: fields.whole('consumeTimeoutMinute', 0, I32_MAX, 15),
    groupRetryPolicy: Object.keys(policy).length === 0 ? { type: 'CUSTOMIZED' } : policy,
    attributes: fields.texts('attributes'),
    rest: fields.rest(),
  }
}

/** Standard JSON. */
export function encodeSubscriptionGroups({ dataVersion, groups, rest }: SubscriptionGroupFile): string {
  const subscriptionGroupTable = Object.fromEntries(
    [...groups].map(([name, { rest: unknown, ...config }]) => [name, { ...unknown, ...config }]),
  )
  return JSON.stringify({ forbiddenTable: {}, ...rest, dataVersion, subscriptionGroupTable })
}
