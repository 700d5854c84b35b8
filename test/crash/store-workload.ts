/** A seeded workload on a store in a simulated disk, and the check of what a power cut left of it. */

import { silentLogger } from '../../src/base/logger.ts'
import type { StoreOptions } from '../../src/store/message-store.ts'
import { MessageStore } from '../../src/store/message-store.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'

export const DIR = '/store'

/** One message as it was appended. `isFlushed`: its promise at `disk` has resolved. */
export type Sent = { readonly queue: string; readonly body: string; readonly end: number; readonly queueOffset: number }

/** What a cut is checked against: what had been appended and what had been acknowledged as flushed when it was made. */
export type Image = { readonly disk: SimulatedDisk; readonly sent: readonly Sent[]; readonly flushedUpTo: number }

export type Workload = {
  readonly seed: number
  readonly messages: number
  /** Called at every flush, before and after it takes effect. */
  readonly onFlush: (image: () => Image) => void
}

const OPTIONS: StoreOptions = {
  commitLogSegmentBytes: 8192,
  consumeQueueSegmentEntries: 16,
  indexSlots: 32,
  indexEntries: 64,
  flushIntervalMs: 50,
  retention: { freeBytesMin: 0, keepUnconsumed: false },
  logger: silentLogger,
}

export function storeOptions(disk: SimulatedDisk, clock: ManualClock): StoreOptions {
  return { ...OPTIONS, fileSystem: disk, clock }
}

/** Appends, batches, waits and lets time pass, as the seed says; then closes. */
export async function runWorkload({ seed, messages, onFlush }: Workload): Promise<void> {
  const random = seededRandom(seed)
  const clock = new ManualClock()
  const disk = new SimulatedDisk({ seed })
  const sent: Sent[] = []
  let flushedUpTo = 0
  const stop = disk.onFlush(() =>
    onFlush(() => ({ disk: disk.powerCut(random.below(2 ** 31)), sent: [...sent], flushedUpTo })),
  )
  const store = await MessageStore.open(DIR, storeOptions(disk, clock))
  const acknowledge = async (end: number): Promise<void> => {
    await store.flushed(end)
    flushedUpTo = Math.max(flushedUpTo, end)
  }
  while (sent.length < messages) {
    const records = Array.from({ length: random.chance(0.2) ? 1 + random.below(5) : 1 }, () => ({
      topic: `topic-${random.below(3)}`,
      queueId: random.below(2),
      body: Buffer.from(`${sent.length}:${'b'.repeat(random.chance(0.1) ? 3000 : random.below(300))}`),
      properties: { UNIQ_KEY: `id-${sent.length}-${random.below(1e9)}`, KEYS: `key-${random.below(20)}` },
    }))
    const results = records.length > 1 ? store.putAll(records) : records.map(record => store.put(record))
    for (const [i, { physicalOffset, sizeBytes, queueOffset }] of results.entries()) {
      const { topic, queueId, body } = records[i] as (typeof records)[number]
      sent.push({ queue: `${topic}/${queueId}`, body: body.toString(), end: physicalOffset + sizeBytes, queueOffset })
    }
    if (random.chance(0.3)) await acknowledge(sent.at(-1)?.end ?? 0)
    if (random.chance(0.3)) await clock.advance(random.below(120))
  }
  await acknowledge(sent.at(-1)?.end ?? 0)
  await store.close()
  stop()
}

/** Opens what a cut left, holds it against what was sent, and uses it: appends, closes, opens again. */
export async function checkImage(image: Image): Promise<string[]> {
  const clock = new ManualClock()
  const store = await MessageStore.open(DIR, storeOptions(image.disk, clock))
  const complaints = await compare(store, image)
  const { queueOffset } = store.put({ topic: 'topic-0', queueId: 0, body: Buffer.from('after') })
  await store.flushed(store.watermarks.appended)
  await store.close()
  const again = await MessageStore.open(DIR, storeOptions(image.disk, clock))
  if (!again.recovery.clean || again.recovery.scannedBytes > 0) complaints.push('a clean close was not clean')
  const found = await again.read({ topic: 'topic-0', queueId: 0, queueOffset, maxMessages: 2 })
  if (found.messages.map(message => message.body.toString()).join() !== 'after') {
    complaints.push(`what was appended after recovery reads as ${found.status}`)
  }
  await again.close()
  return complaints
}

async function compare(store: MessageStore, { sent, flushedUpTo }: Image): Promise<string[]> {
  const complaints: string[] = []
  const queues = new Map<string, Sent[]>()
  for (const message of sent) queues.set(message.queue, [...(queues.get(message.queue) ?? []), message])
  for (const [queue, expected] of queues) {
    const found = await readQueue(store, queue)
    const isPrefix = found.every((body, i) => body === expected[i]?.body)
    if (!isPrefix) complaints.push(`${queue} is not a prefix of what was appended`)
    const acknowledged = expected.filter(message => message.end <= flushedUpTo).length
    if (found.length < acknowledged)
      complaints.push(`${queue} lost ${acknowledged - found.length} acknowledged messages`)
  }
  for (const { topic, queueId } of store.queues()) {
    if (!queues.has(`${topic}/${queueId}`)) complaints.push(`${topic}/${queueId} was never sent to`)
  }
  if (store.recovery.damaged.length > 0) complaints.push(`damage: ${JSON.stringify(store.recovery.damaged)}`)
  return complaints
}

async function readQueue(store: MessageStore, queue: string): Promise<string[]> {
  const [topic = '', queueId = ''] = queue.split('/')
  const bodies: string[] = []
  for (let queueOffset = store.queueRange(topic, Number(queueId))?.minQueueOffset ?? 0; ; ) {
    const { status, messages, nextQueueOffset } = await store.read({
      topic,
      queueId: Number(queueId),
      queueOffset,
      maxMessages: 32,
    })
    if (status !== 'found') return bodies
    for (const message of messages) bodies.push(message.body.toString())
    queueOffset = nextQueueOffset
  }
}
