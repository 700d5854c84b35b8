/**
 * `pocketmq/groups.json`: the durable subscription record of each group. Ours alone, so it carries our magic and version,
 * and a CRC-32 of the text of `groups`; as JSON, so that people can read it.
 */
import { PocketMQError } from '../base/errors.ts'
import { crc32 } from './crc.ts'
import { JsonFields } from './json-fields.ts'
import type { Json, JsonObject } from './loose-json.ts'
import { corruptJson, parseLooseJsonObject } from './loose-json.ts'
import { OWN_FILE_VERSION } from './own-file.ts'

const MAGIC = 'PMQ1'

/** One line of a subscription. */
export type SubscriptionRecord = {
  readonly topic: string
  readonly type: 'TAG' | 'SQL92'
  /** In its canonical form. */
  readonly expression: string
}

/** What a group has agreed on. */
export type GroupRecord = {
  readonly group: string
  /** Counts the changes, from 1. */
  readonly version: number
  readonly subscriptions: readonly SubscriptionRecord[]
  /** The client that set it. */
  readonly setBy: string
  readonly setAtMs: number
  /** Whatever else belongs to the record. */
  readonly rest: JsonObject
}

/** Our bytes for a file. */
export function encodeGroups(groups: Iterable<GroupRecord>): string {
  const list = [...groups].map(({ rest, ...record }) => ({ ...rest, ...record }))
  const text = JSON.stringify(list)
  return `{"magic":"${MAGIC}","version":${OWN_FILE_VERSION},"crc":${crcOf(text)},"groups":${text}}\n`
}

/** @throws CORRUPT where it is not what was written; UNSUPPORTED_FORMAT where a newer PocketMQ wrote it */
export function decodeGroups(text: string, file = 'pocketmq/groups.json'): Map<string, GroupRecord> {
  const fields = new JsonFields(parseLooseJsonObject(text, file), file, 'the file')
  const magic = fields.text('magic')
  if (magic !== MAGIC) throw corruptJson(file, `magic ${MAGIC}`, JSON.stringify(magic))
  const version = fields.whole('version', 1, 0xffffffff)
  if (version !== OWN_FILE_VERSION) {
    throw new PocketMQError(
      'UNSUPPORTED_FORMAT',
      `${file} has version ${version}, this PocketMQ reads ${OWN_FILE_VERSION}`,
      {
        hint: 'Open the folder with the PocketMQ that wrote it, or a newer one.',
        details: { file, expected: OWN_FILE_VERSION, found: version },
      },
    )
  }
  const crc = fields.whole('crc', 0, 0xffffffff)
  const list = fields.array('groups')
  const expected = crcOf(JSON.stringify(list))
  if (crc !== expected) throw corruptJson(file, `crc ${expected}`, `${crc}`)
  const groups = new Map<string, GroupRecord>()
  for (const one of list) {
    const record = decodeGroup(one, file)
    groups.set(record.group, record)
  }
  return groups
}

function decodeGroup(value: Json, file: string): GroupRecord {
  const fields = new JsonFields(value, file, 'a group')
  const group = fields.text('group')
  const subscriptions = fields.array('subscriptions').map(one => decodeSubscription(one, file, group))
  return {
    group,
    version: fields.whole('version', 0, Number.MAX_SAFE_INTEGER),
    subscriptions,
    setBy: fields.text('setBy'),
    setAtMs: fields.whole('setAtMs', 0, Number.MAX_SAFE_INTEGER),
    rest: fields.rest(),
  }
}

function decodeSubscription(value: Json, file: string, group: string): SubscriptionRecord {
  const fields = new JsonFields(value, file, `a subscription of ${group}`)
  const type = fields.text('type')
  if (type !== 'TAG' && type !== 'SQL92') throw corruptJson(file, 'type TAG or SQL92', JSON.stringify(type))
  return { topic: fields.text('topic'), type, expression: fields.text('expression') }
}

function crcOf(text: string): number {
  return crc32(Buffer.from(text))
}
