/** Opens what a power cut left of an engine's workload, holds it against what was promised, and goes on using it. */
import { MessageStore } from '../../src/store/message-store.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import type { SeededRandom } from '../../src/testing/seeded-random.ts'
import type { Image, Promised, Sent } from './store-workload.ts'
import { CONFIG_FILE, DIR } from './store-workload.ts'

/** Of the keys, every so many-th is asked for. */
const KEY_STEP = 4

type Found = { readonly queueOffset: number; readonly body: string }

/** Answers what is wrong; nothing where all is well. `onFlush` is called at every flush of the recovery. */
export async function checkImage(image: Image, random: SeededRandom, onFlush: () => void): Promise<string[]> {
  const { disk, options } = image
  const clock = new ManualClock(image.nowMs)
  const open = (): Promise<MessageStore> => MessageStore.open(DIR, { ...options, fileSystem: disk, clock })
  const stop = disk.onFlush(onFlush)
  const store = await open()
  stop()
  const complaints = [...(await compare(store, image)), ...checkConfig(image)]
  if (!disk.paths().includes(`${DIR}/abort`)) complaints.push('nothing tells a broker that the store is open')
  // Of its two slots one is whole at any moment once there was one.
  const isStateLost = store.recovery.notes.some(note => note.includes('pocketmq/state was damaged'))
  if (image.former !== 'nobody' && isStateLost) complaints.push('the state page is lost')
  if (image.isClosed && !store.recovery.clean && image.depth === 0) complaints.push('a closed store was not clean')
  if (store.recovery.damaged.length > 0) complaints.push(`damage: ${JSON.stringify(store.recovery.damaged)}`)
  const { queueOffset } = store.put({ topic: 'topic-0', queueId: 0, body: Buffer.from('after') })
  await store.flushed(store.watermarks.appended)
  await store.dispatched(store.watermarks.appended)
  const counted = await readFrom(store, 'topic-0', 0, queueOffset)
  if (counted.map(found => found.body).join() !== 'after') complaints.push('what was put after recovery does not read')
  await store.close()
  if (!random.chance(0.3)) return complaints
  const again = await open()
  if (!again.recovery.clean || again.recovery.scannedBytes > 0)
    complaints.push(
      `a clean close was not clean: ${again.recovery.scannedBytes} bytes read again; ${again.recovery.notes.join(', ')}`,
    )
  const found = await readFrom(again, 'topic-0', 0, queueOffset)
  if (found.map(one => one.body).join() !== 'after') complaints.push('what was put after recovery is gone')
  await again.close()
  return complaints
}

async function compare(store: MessageStore, image: Image): Promise<string[]> {
  const complaints: string[] = []
  const queues = new Map<string, Sent[]>()
  const units = new Map<number, boolean[]>()
  for (const message of image.sent.slice(0, image.sentCount)) {
    const known = queues.get(message.queue)
    if (known === undefined) queues.set(message.queue, [message])
    else known.push(message)
  }
  for (const [queue, expected] of queues) {
    const found = await readQueue(store, queue)
    const byOffset = new Map(found.map(one => [one.queueOffset, one.body]))
    complaints.push(...compareQueue(queue, expected, byOffset, image))
    const acknowledged = expected.filter(message => message.end <= image.flushedUpTo).at(-1)
    const [topic = '', queueId = ''] = queue.split('/')
    const next = nextOffset(store, topic, Number(queueId))
    const isDeleting = image.deletions.some(deletion => deletion.topic === topic)
    if (acknowledged !== undefined && next <= acknowledged.queueOffset && !isDeleting) {
      complaints.push(`${queue} goes on counting at ${next}, and ${acknowledged.queueOffset} was acknowledged`)
    }
    for (const { unitEnd, queueOffset, start } of expected) {
      if (unitEnd === undefined || start < image.removedUpTo || isDeleting) continue
      units.set(unitEnd, [...(units.get(unitEnd) ?? []), byOffset.has(queueOffset)])
    }
  }
  for (const [unitEnd, isThere] of units) {
    if (new Set(isThere).size > 1) complaints.push(`the append unit that ends at ${unitEnd} is not whole`)
  }
  for (const { topic, queueId } of store.queues()) {
    if (!queues.has(`${topic}/${queueId}`)) complaints.push(`${topic}/${queueId} was never sent to`)
  }
  return [...complaints, ...(await compareKeys(store, image))]
}

function compareQueue(
  queue: string,
  expected: readonly Sent[],
  found: ReadonlyMap<number, string>,
  image: Promised,
): string[] {
  const complaints: string[] = []
  const byOffset = new Map(expected.map(message => [message.queueOffset, message]))
  let isOver = false
  for (const message of expected) {
    const { queueOffset, body, start, end } = message
    const isThere = found.has(queueOffset)
    const mayBeGone = start < image.removedUpTo || wasDeleted(message, image, false)
    if (isThere && found.get(queueOffset) !== body) complaints.push(`${queue}/${queueOffset} has another body`)
    if (isThere && wasDeleted(message, image, true))
      complaints.push(`${queue}/${queueOffset} is back after its deletion`)
    if (isThere && isOver) complaints.push(`${queue}/${queueOffset} is there, and one before it is not`)
    if (!isThere && !mayBeGone && end <= image.flushedUpTo)
      complaints.push(`${queue}/${queueOffset} was acknowledged and is lost`)
    if (!isThere && !mayBeGone) isOver = true
  }
  for (const queueOffset of found.keys()) {
    if (!byOffset.has(queueOffset)) complaints.push(`${queue}/${queueOffset} was never sent`)
  }
  return complaints
}

function wasDeleted({ topic, start }: Sent, { deletions }: Promised, isDone: boolean): boolean {
  return deletions.some(one => one.topic === topic && start < one.at && (one.isDone || !isDone))
}

/** A few keys: what the queues show, they find. */
async function compareKeys(store: MessageStore, image: Image): Promise<string[]> {
  const complaints: string[] = []
  for (let at = image.sentCount % KEY_STEP; at < image.sentCount; at += KEY_STEP) {
    const message = image.sent[at]
    if (message === undefined || message.end > image.flushedUpTo) continue
    if (message.start < image.removedUpTo || wasDeleted(message, image, false)) continue
    const found = await store.queryByKey(message.topic, message.key)
    if (!found.some(one => one.body.toString() === message.body))
      complaints.push(`key ${message.key} does not find its message`)
  }
  return complaints
}

function checkConfig({ disk, configSaved, configBegun }: Image): string[] {
  const path = `${DIR}/${CONFIG_FILE}`
  const complaints: string[] = []
  const isBackupDue = configSaved > 1 && configSaved === configBegun
  if (isBackupDue && !disk.paths().includes(`${path}.bak`)) complaints.push('the version before is not kept')
  for (const [name, least] of [
    [path, configSaved],
    [`${path}.bak`, 0],
  ] as const) {
    if (!disk.paths().includes(name)) {
      if (least > 0) complaints.push(`${name} is gone`)
      continue
    }
    try {
      const { version, ends } = JSON.parse(disk.contentOf(name).toString())
      if (version !== ends || version < least || version > configBegun)
        complaints.push(`${name} is of version ${version}, and ${least} was saved`)
    } catch (error) {
      complaints.push(`${name} is not whole: ${String(error)}`)
    }
  }
  return complaints
}

function nextOffset(store: MessageStore, topic: string, queueId: number): number {
  return store.queueRange(topic, queueId)?.maxQueueOffset ?? 0
}

async function readQueue(store: MessageStore, queue: string): Promise<Found[]> {
  const [topic = '', queueId = ''] = queue.split('/')
  return await readFrom(store, topic, Number(queueId), store.queueRange(topic, Number(queueId))?.minQueueOffset ?? 0)
}

async function readFrom(store: MessageStore, topic: string, queueId: number, from: number): Promise<Found[]> {
  const found: Found[] = []
  for (let queueOffset = from; ; ) {
    const { messages, nextQueueOffset } = await store.read({ topic, queueId, queueOffset, maxMessages: 32 })
    // A consumer goes on too where entries point to what retention has removed.
    if (nextQueueOffset <= queueOffset) return found
    for (const message of messages) found.push({ queueOffset: message.queueOffset, body: message.body.toString() })
    queueOffset = nextQueueOffset
  }
}
