/** Opens what a power cut left of a messaging workload, takes everything out by a consumer, and holds it against what was promised. */
import { createHash } from 'node:crypto'
import type { ConsumerOffset } from '../../src/codec/consumer-offset-json.ts'
import { decodeConsumerOffsets } from '../../src/codec/consumer-offset-json.ts'
import { parseLooseJson } from '../../src/codec/loose-json.ts'
import type { QueueProgress } from '../../src/messaging/core-types.ts'
import { PocketMQ } from '../../src/messaging/pocket-mq.ts'
import type { SimpleConsumer } from '../../src/messaging/simple-consumer.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import type { BrokersFolder } from './broker-ground.ts'
import { complaintsOf } from './queue-fates.ts'
import type { QueueImage, Versions } from './queue-workload.ts'
import { DIR, GROUP, queueOptions, shownSubscriptions, TOPIC } from './queue-workload.ts'

/** Longer than any delay of the workload, and than a transaction waits for its checker. */
const WAITS_MS = [4000, 20_000] as const
/** A key is remembered somewhat longer, of which the check itself takes a part. */
const REMEMBERED_MS = 300_000
/** Whoever looks what is there throws nothing away. */
const KEEP_HOURS = 1000
const NAME_CHARS = 16
/** Of the broker's topics the one that all its groups consumed. */
const BROKERS_TOPIC = 'normal'
/** More than there are queues. */
const NEW_BODIES: readonly string[] = ['new 0', 'new 1', 'new 2', 'new 3']

/** Answers what is wrong. `onFlush` is called at every flush of the recovery. */
export async function checkQueueImage(image: QueueImage, onFlush: () => void): Promise<string[]> {
  const { disk, ground } = image
  const clock = new ManualClock(image.nowMs)
  const stop = disk.onFlush(onFlush)
  const offsets = brokersOffsets(image)
  const mq = await PocketMQ.open(DIR, queueOptions({ ...image, clock }, KEEP_HOURS))
  stop()
  const complaints = [
    ...compareSmallFiles(image),
    ...(await compareTopics(mq, image)),
    ...(await compareGroups(mq, image)),
    ...compareOffsets(mq, offsets),
  ]
  mq.producer({
    group: 'shop',
    checker: message => (image.fates.get(message.body.toString())?.kind === 'rolled-back' ? 'rollback' : 'commit'),
  })
  const consumer = await mq.simpleConsumer({
    ...{ consumerGroup: GROUP, subscriptions: { [TOPIC]: '*' }, awaitDuration: 0 },
  })
  await sendAgain(mq, image)
  const received = await takeAll(consumer, clock)
  complaints.push(...(await compareMessages(mq, image, received)))
  if (ground !== undefined) complaints.push(...(await compareBrokers(mq, ground)))
  await mq.close({ drainMs: 0 })
  return complaints
}

/** `consumerOffset.json` as a broker would read it. */
function brokersOffsets({ disk }: QueueImage): readonly ConsumerOffset[] {
  const path = `${DIR}/config/consumerOffset.json`
  return disk.paths().includes(path) ? decodeConsumerOffsets(disk.contentOf(path).toString()).offsets : []
}

/** A broker does not cut offsets: past the end of a queue they would skip what comes there. */
function compareOffsets(mq: PocketMQ, offsets: readonly ConsumerOffset[]): string[] {
  return offsets.flatMap(({ group, topic, queueId, queueOffset }) => {
    const end = mq.store.queueRange(topic, queueId)?.maxQueueOffset
    if (end === undefined || queueOffset <= end) return []
    return [`consumerOffset.json has ${queueOffset} for ${group} in ${topic}/${queueId}, which ends at ${end}`]
  })
}

/** What was sent with a key, sent once more, is not stored once more; and what is new is taken. */
async function sendAgain(mq: PocketMQ, { fates, nowMs }: QueueImage): Promise<void> {
  const producer = mq.producer({ group: 'again' })
  for (const body of NEW_BODIES) await producer.send({ topic: TOPIC, body })
  for (const [body, { kind, isStored, sentMs }] of fates) {
    if (kind === 'keyed' && isStored && nowMs - sentMs < REMEMBERED_MS)
      await producer.send({ topic: TOPIC, body, dedupeKey: body })
  }
}

async function compareMessages(
  mq: PocketMQ,
  { fates, ground }: QueueImage,
  received: ReadonlyMap<string, number>,
): Promise<string[]> {
  const complaints = NEW_BODIES.flatMap(body =>
    received.get(body) === 1 ? [] : `${body} came ${received.get(body)} times`,
  )
  const stored = new Map<string, ReadonlyMap<string, number>>()
  for (const { topic } of mq.store.queues()) {
    if (!stored.has(topic)) stored.set(topic, await copiesOf(mq, topic))
  }
  const count = (topic: string, body: string): number => stored.get(topic)?.get(body) ?? 0
  for (const [body, fate] of fates) {
    const findings = {
      copies: count(fate.topic, body),
      received: received.get(body) ?? 0,
      dead: count(`%DLQ%${GROUP}`, body),
      retried: count(`%RETRY%${GROUP}`, body),
    }
    const found = complaintsOf(fate, findings, fate.topic === TOPIC)
    complaints.push(...found.map(what => `${fate.kind} ${body.slice(0, NAME_CHARS)} ${what}`))
  }
  for (const [topic, bodies] of stored) {
    if (topic.startsWith('rmq_sys') || topic.startsWith('RMQ_SYS') || topic.startsWith('SCHEDULE')) continue
    for (const body of ground === undefined ? bodies.keys() : []) {
      if (!fates.has(body) && !NEW_BODIES.includes(body))
        complaints.push(`${body.slice(0, NAME_CHARS)} of ${topic} was never sent`)
    }
  }
  return complaints
}

/** What a broker had left is there, byte for byte, its groups are no further back than it had them, and what waits still waits. */
async function compareBrokers(mq: PocketMQ, { messages, committed, pending }: BrokersFolder): Promise<string[]> {
  const complaints: string[] = []
  for (const { topic, queueId, queueOffset, bodySha1 } of messages) {
    const read = await mq.store.read({ topic, queueId, queueOffset, maxMessages: 1 })
    const body = read.messages[0]?.body
    if (body === undefined || createHash('sha1').update(body).digest('hex') !== bodySha1)
      complaints.push(`the broker's ${topic}/${queueId}/${queueOffset} is ${body === undefined ? 'lost' : 'another'}`)
  }
  const mine = committed.filter(({ topic }) => topic === BROKERS_TOPIC)
  const progress = new Map<string, readonly QueueProgress[]>()
  for (const { group } of mine) {
    if (!progress.has(group)) progress.set(group, (await mq.admin.groupProgress(group)).queues)
  }
  for (const { group, topic, queueId, queueOffset } of mine) {
    const found = progress.get(group)?.find(queue => queue.topic === topic && queue.queueId === queueId)?.committed
    if (found !== queueOffset)
      complaints.push(`${group} is at ${found} of ${topic}/${queueId}, and the broker had ${queueOffset}`)
  }
  const { delayed } = await mq.admin.stats()
  if (delayed !== pending) complaints.push(`${delayed} messages wait for their time, not the ${pending} of the broker`)
  return complaints
}

/** Every config file is whole. */
function compareSmallFiles({ disk }: QueueImage): string[] {
  return disk.paths().flatMap(path => {
    if (!/\.json(\.bak)?$/.test(path)) return []
    try {
      parseLooseJson(disk.contentOf(path).toString(), path)
      return []
    } catch (error) {
      return [`${path} is not whole: ${String(error)}`]
    }
  })
}

async function compareTopics(mq: PocketMQ, { topics }: QueueImage): Promise<string[]> {
  const there = new Map((await mq.admin.topics()).map(({ topic, writeQueues }) => [topic, String(writeQueues)]))
  return [...topics].flatMap(([topic, versions]) => compareVersions(`topic ${topic}`, versions, there.get(topic)))
}

async function compareGroups(mq: PocketMQ, { groups }: QueueImage): Promise<string[]> {
  const there = new Map(
    (await mq.admin.groups()).map(({ group, subscriptions }) => [group, shownSubscriptions(subscriptions)]),
  )
  return [...groups].flatMap(([group, versions]) => {
    // While it is being deleted its record may be gone and its offsets not yet.
    if (versions.begun === undefined && versions.saved !== undefined && there.get(group) === '') return []
    return compareVersions(`group ${group}`, versions, there.get(group))
  })
}

function compareVersions(what: string, { saved, begun }: Versions, found: string | undefined): string[] {
  if (found === saved || found === begun) return []
  return [`${what} is ${found}, and was saved as ${saved}${saved === begun ? '' : `, or as ${begun}`}`]
}

/** Receives and acknowledges until nothing comes, delayed and retried ones included. Answers how often each came. */
async function takeAll(consumer: SimpleConsumer, clock: ManualClock): Promise<Map<string, number>> {
  const received = new Map<string, number>()
  for (let idle = 0; ; ) {
    const messages = await consumer.receive(32)
    for (const message of messages) {
      const body = message.body.toString()
      received.set(body, (received.get(body) ?? 0) + 1)
      await message.ack()
    }
    if (messages.length > 0) continue
    const waitMs = WAITS_MS[idle++]
    if (waitMs === undefined) return received
    await clock.advance(waitMs)
  }
}

async function copiesOf(mq: PocketMQ, topic: string): Promise<Map<string, number>> {
  const copies = new Map<string, number>()
  for (const { queueId, minQueueOffset } of mq.store.queues().filter(range => range.topic === topic)) {
    for (let queueOffset = minQueueOffset; ; ) {
      const { messages, nextQueueOffset } = await mq.store.read({ topic, queueId, queueOffset, maxMessages: 32 })
      for (const message of messages)
        copies.set(message.body.toString(), (copies.get(message.body.toString()) ?? 0) + 1)
      if (nextQueueOffset <= queueOffset) break
      queueOffset = nextQueueOffset
    }
  }
  return copies
}
