/** Opens what a power cut left of a messaging workload, takes everything out by a consumer, and holds it against what was promised. */
import { PocketMQ } from '../../src/messaging/pocket-mq.ts'
import type { SimpleConsumer } from '../../src/messaging/simple-consumer.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
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
/** More than there are queues. */
const NEW_BODIES: readonly string[] = ['new 0', 'new 1', 'new 2', 'new 3']

type OffsetFile = Readonly<Record<string, Readonly<Record<string, number>>>>

/** Answers what is wrong. `onFlush` is called at every flush of the recovery. */
export async function checkQueueImage(image: QueueImage, onFlush: () => void): Promise<string[]> {
  const { disk } = image
  const clock = new ManualClock(image.nowMs)
  const stop = disk.onFlush(onFlush)
  const offsets = brokersOffsets(image)
  const mq = await PocketMQ.open(DIR, queueOptions(image.seed, disk, clock, KEEP_HOURS))
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
  await mq.close({ drainMs: 0 })
  return complaints
}

/** `consumerOffset.json` as a broker would read it. */
function brokersOffsets({ disk }: QueueImage): OffsetFile {
  const path = `${DIR}/config/consumerOffset.json`
  return disk.paths().includes(path) ? JSON.parse(disk.contentOf(path).toString()).offsetTable : {}
}

/** A broker does not cut offsets: past the end of a queue they would skip what comes there. */
function compareOffsets(mq: PocketMQ, offsets: OffsetFile): string[] {
  return Object.entries(offsets).flatMap(([name, byQueue]) =>
    Object.entries(byQueue).flatMap(([queueId, queueOffset]) => {
      const end = mq.store.queueRange(name.split('@')[0] as string, Number(queueId))?.maxQueueOffset
      if (end === undefined || queueOffset <= end) return []
      return [`consumerOffset.json has ${queueOffset} for ${name}/${queueId}, which ends at ${end}`]
    }),
  )
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
  { fates }: QueueImage,
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
    for (const body of bodies.keys()) {
      if (!fates.has(body) && !NEW_BODIES.includes(body))
        complaints.push(`${body.slice(0, NAME_CHARS)} of ${topic} was never sent`)
    }
  }
  return complaints
}

/** Every config file is whole. */
function compareSmallFiles({ disk }: QueueImage): string[] {
  return disk.paths().flatMap(path => {
    if (!/\.json(\.bak)?$/.test(path)) return []
    try {
      JSON.parse(disk.contentOf(path).toString())
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
