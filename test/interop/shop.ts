/** What PocketMQ writes for RocketMQ to read: several topics of every kind a broker knows, and both sides' view of a folder. */
import { createHash } from 'node:crypto'
import { silentLogger } from '../../src/base/logger.ts'
import type { MessageStore, PutRecord, PutResult } from '../../src/store/message-store.ts'
import { MessageStore as Store } from '../../src/store/message-store.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import type { BrokerMessage, BrokerSettings } from './broker.ts'
import { brokerSizes } from './broker.ts'

/** Sizes of the folder, small enough for several files of each kind. */
export const SIZES = {
  commitLogSegmentBytes: 1 << 20,
  consumeQueueSegmentEntries: 500,
  indexSlots: 2000,
  indexEntries: 20_000,
} as const

/** The same, in RocketMQ's words. */
export const BROKER_SIZES: BrokerSettings = brokerSizes(SIZES)

/** A topic too long for a V1 record. */
export const LONG_TOPIC: string = `%RETRY%${'a-long-group-name_'.repeat(8)}`
const QUEUE_COUNT = 8
const MESSAGE_COUNT = 20_000
/** Every so many messages one batch is put as a unit. */
const BATCH_EVERY = 50
const BATCH_COUNT = 7

/** Opens a folder of this shop's sizes. */
export async function openShop(dir: string, recordCrc = true): Promise<MessageStore> {
  return await Store.open(dir, { ...SIZES, recordCrc, logger: silentLogger })
}

/** Where message `n` of the shop went. */
export type Place = { readonly topic: string; readonly physicalOffset: number }

/** Puts 20,000 messages: eight queues, tags, keys, batches, empty and large bodies, a topic for V2 records. Answers where each went. */
export async function fillShop(store: MessageStore): Promise<Place[]> {
  const random = seededRandom(20_000)
  const places: Place[] = []
  const put = (records: readonly PutRecord[]): void => {
    const results = records.length === 1 ? records.map(record => store.put(record)) : store.putAll(records)
    for (const [i, record] of records.entries()) {
      places.push({ topic: record.topic, physicalOffset: (results[i] as PutResult).physicalOffset })
    }
  }
  while (places.length < MESSAGE_COUNT) {
    const n = places.length
    const queueId = random.below(QUEUE_COUNT)
    if (n % BATCH_EVERY === 0) {
      put(Array.from({ length: BATCH_COUNT }, (_, i) => recordOf('batches', queueId % 2, n + i, random.below(200))))
    } else {
      const topic = random.chance(0.02) ? LONG_TOPIC : random.chance(0.3) ? 'audit' : 'orders'
      const sizeBytes = random.chance(0.001) ? random.below(100_000) : random.below(300)
      put([recordOf(topic, topic === LONG_TOPIC ? 0 : queueId, n, sizeBytes)])
    }
    if (n % 500 === 0) await store.written(store.watermarks.appended)
  }
  await store.dispatched(store.watermarks.appended)
  return places
}

/** Keys of some messages, and where RocketMQ and PocketMQ must find them. */
export function sampleKeys(
  places: readonly Place[],
): { readonly topic: string; readonly key: string; readonly offsets: readonly number[] }[] {
  const keys: { topic: string; key: string; offsets: number[] }[] = []
  for (let n = 1; n < places.length; n += 311) {
    const { topic, physicalOffset } = places[n] as Place
    keys.push({ topic, key: uniqueKeyOf(n), offsets: [physicalOffset] })
    keys.push({ topic, key: `order-${n}`, offsets: n % 3 === 0 ? [] : [physicalOffset] })
  }
  return keys
}

/** Message `n` of the shop. */
export function recordOf(topic: string, queueId: number, n: number, sizeBytes: number): PutRecord {
  const properties = {
    ...(n % 5 === 0 ? {} : { TAGS: ['paid', 'refunded', 'żółć', '商品'][n % 4] as string }),
    ...(n % 3 === 0 ? {} : { KEYS: `order-${n} customer-${n % 100}` }),
    UNIQ_KEY: uniqueKeyOf(n),
    region: 'eu',
  }
  return {
    topic,
    queueId,
    body: Buffer.alloc(sizeBytes, `message ${n} `),
    properties,
    flag: n,
    bornHost: n % 7 === 0 ? '[fe80::1]:4711' : '10.1.2.3:4711',
  }
}

/** The UNIQ_KEY of message `n`. */
export function uniqueKeyOf(n: number): string {
  return n.toString(16).toUpperCase().padStart(32, '0')
}

/** Every message of a store as both sides can tell it, in order of topic, queue and offset. */
export async function readAll(store: MessageStore): Promise<BrokerMessage[]> {
  const messages: BrokerMessage[] = []
  const queues = [...store.queues()].sort((a, b) =>
    a.topic === b.topic ? a.queueId - b.queueId : a.topic < b.topic ? -1 : 1,
  )
  for (const { topic, queueId, minQueueOffset, maxQueueOffset } of queues) {
    let next = minQueueOffset
    while (next < maxQueueOffset) {
      const result = await store.read({ topic, queueId, queueOffset: next, maxMessages: 256, maxBytes: 1 << 20 })
      if (result.status !== 'found') throw new Error(`${topic}/${queueId}/${next}: ${result.status}`)
      for (const message of result.messages) {
        messages.push({
          t: 'msg',
          topic,
          queueId,
          queueOffset: message.queueOffset,
          commitLogOffset: message.physicalOffset,
          storeSize: message.sizeBytes,
          tagsCode: message.tagsCode,
          rawSha1: createHash('sha1').update(message.record).digest('hex'),
          decodes: true,
        })
      }
      next = result.nextQueueOffset
    }
  }
  return messages
}

/** How two lists of messages differ, in a few lines; empty where they are equal. */
export function differences(actual: readonly BrokerMessage[], wanted: readonly BrokerMessage[]): string[] {
  const report = actual.length === wanted.length ? [] : [`${actual.length} messages, not ${wanted.length}`]
  for (const [i, message] of wanted.entries()) {
    const [got, want] = [JSON.stringify(actual[i], FIELDS), JSON.stringify(message, FIELDS)]
    if (got !== want) report.push(`${got}, not ${want}`)
    if (report.length > 5) break
  }
  return report
}

const FIELDS = ['topic', 'queueId', 'queueOffset', 'commitLogOffset', 'storeSize', 'tagsCode', 'rawSha1', 'decodes']

/** Log offsets of the messages that our index has under a key, ascending. */
export async function queryOffsets(store: MessageStore, topic: string, key: string): Promise<number[]> {
  const messages = await store.queryByKey(topic, key, { max: 64 })
  return messages.map(message => message.physicalOffset).sort((a, b) => a - b)
}
