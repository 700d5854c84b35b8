/** What is in a golden folder: its messages, and which bytes of its files mean something. */
import { silentLogger } from '../../../src/base/logger.ts'
import { CONSUME_QUEUE_ENTRY_BYTES } from '../../../src/codec/consume-queue-entry.ts'
import { MAGIC_FILLER } from '../../../src/codec/record-layout.ts'
import { TIMER_SLOT_BYTES } from '../../../src/codec/timer-wheel.ts'
import type { StoredMessage } from '../../../src/store/message-store.ts'
import { MessageStore } from '../../../src/store/message-store.ts'
import type { SimulatedDisk } from '../../../src/testing/testing.ts'
import { ManualClock } from '../../../src/testing/testing.ts'
import { DIR, OPENED_MS, ownerOptionsOn } from './full-store.ts'

/** A stretch of a file: a record or a filler of the log. */
export type Piece = { readonly path: string; readonly from: number; readonly to: number; readonly isFiller: boolean }

/** A golden folder and what is known of it. */
export type Golden = {
  readonly name: string
  readonly disk: SimulatedDisk
  /** Written by us: every byte of a record is covered by a checksum. */
  readonly isOurs: boolean
  /** Records as stored, by `topic/queueId`, in the order of their queue; the first one's queueOffset is in `firstSlots`. */
  readonly messages: ReadonlyMap<string, readonly Buffer[]>
  readonly firstSlots: ReadonlyMap<string, number>
  /** Of the log, in order. */
  readonly pieces: readonly Piece[]
  /** Bytes from here on mean nothing, by path. */
  readonly liveEnds: ReadonlyMap<string, number>
  /** Where they begin to mean something: all of them do up to the end, but in a timer wheel, which is empty around its slots. */
  readonly liveStarts: ReadonlyMap<string, number>
  readonly lengths: ReadonlyMap<string, number>
  /** Files that somebody asked for who opened the folder, audited it and read everything. Damage in another has no effect. */
  readonly readPaths: ReadonlySet<string>
}

const CHECKPOINT_BYTES = 48

export async function factsOf(name: string, disk: SimulatedDisk, isOurs: boolean): Promise<Golden> {
  const store = await openReader(disk)
  const messages = new Map<string, Buffer[]>()
  const firstSlots = new Map<string, number>()
  const queueEnds = new Map<string, number>()
  for (const { topic, queueId, minQueueOffset, maxQueueOffset } of store.queues()) {
    queueEnds.set(`${topic}/${queueId}`, maxQueueOffset)
    // A light queue shows records of other queues once more.
    if (topic.startsWith('%LMQ%')) continue
    const records: Buffer[] = []
    await readQueue(store, topic, queueId, minQueueOffset, message => records.push(Buffer.from(message.record)))
    messages.set(`${topic}/${queueId}`, records)
    firstSlots.set(`${topic}/${queueId}`, minQueueOffset)
  }
  const indexSlots = Number(store.stats().indexSlots ?? 0)
  await store.close()
  const pieces = disk.paths().flatMap(path => (path.includes('/commitlog/') ? piecesOf(disk, path) : []))
  const liveEnds = new Map(disk.paths().map(path => [path, liveEndOf(disk, path, { pieces, queueEnds, indexSlots })]))
  const liveStarts = new Map(disk.paths().map(path => [path, path.endsWith('/timerwheel') ? firstUsed(disk, path) : 0]))
  const lengths = new Map<string, number>()
  for (const path of disk.paths()) lengths.set(path, (await disk.stat(path))?.sizeBytes ?? 0)
  const readPaths = new Set<string>()
  await readEverything(disk.kill(), [...messages.keys()], readPaths)
  return { name, disk, isOurs, messages, firstSlots, pieces, liveEnds, liveStarts, lengths, readPaths }
}

/** What a case of the sweep does, on a disk that notes which files it is asked for. */
async function readEverything(disk: SimulatedDisk, queues: readonly string[], asked: Set<string>): Promise<void> {
  const noting = new Proxy(disk, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target)
      if (typeof member !== 'function') return member
      return (...args: unknown[]) => {
        if (/^(?:open|stat|rename|link)/.test(String(name))) asked.add(String(args[0]))
        return Reflect.apply(member, target, args) as unknown
      }
    },
  })
  const reader = await openReader(noting)
  await reader.verify()
  await readAll(reader, queues)
  await reader.close()
  const owner = await MessageStore.open(DIR, ownerOptionsOn(noting))
  await readAll(owner, queues)
  await owner.close()
}

async function readAll(store: MessageStore, queues: readonly string[]): Promise<void> {
  for (const queue of queues) {
    const slash = queue.lastIndexOf('/')
    await readQueue(store, queue.slice(0, slash), Number(queue.slice(slash + 1)), 0, () => undefined)
  }
}

/** A reader of a folder, with the sizes it has. */
export function openReader(disk: SimulatedDisk): Promise<MessageStore> {
  return MessageStore.openReadOnly(DIR, {
    fileSystem: disk,
    clock: new ManualClock(OPENED_MS),
    logger: silentLogger,
  })
}

/** Everything of a queue from an offset on. */
export async function readQueue(
  store: MessageStore,
  topic: string,
  queueId: number,
  from: number,
  take: (message: StoredMessage) => void,
): Promise<void> {
  const end = store.queueRange(topic, queueId)?.maxQueueOffset ?? 0
  for (let queueOffset = from; queueOffset < end; ) {
    const { messages, nextQueueOffset } = await store.read({ topic, queueId, queueOffset, maxMessages: 32 })
    for (const message of messages) take(message)
    if (nextQueueOffset <= queueOffset) return
    queueOffset = nextQueueOffset
  }
}

/** Records say their own length; a filler ends its segment. */
function piecesOf(disk: SimulatedDisk, path: string): Piece[] {
  const bytes = disk.contentOf(path)
  const pieces: Piece[] = []
  for (let from = 0; from + 8 <= bytes.length; ) {
    const isFiller = bytes.readInt32BE(from + 4) === MAGIC_FILLER
    const to = isFiller ? from + 8 : from + bytes.readInt32BE(from)
    if (to <= from) break
    pieces.push({ path, from, to, isFiller })
    if (isFiller) break
    from = to
  }
  return pieces
}

type Ends = {
  readonly pieces: readonly Piece[]
  readonly queueEnds: ReadonlyMap<string, number>
  readonly indexSlots: number
}

function liveEndOf(disk: SimulatedDisk, path: string, { pieces, queueEnds, indexSlots }: Ends): number {
  const name = path.slice(DIR.length + 1)
  const bytes = disk.contentOf(path)
  if (name.startsWith('commitlog/')) return pieces.findLast(piece => piece.path === path)?.to ?? 0
  if (name.startsWith('consumequeue/')) {
    const [, topic, queueId, file] = name.split('/')
    const end = (queueEnds.get(`${topic}/${queueId}`) ?? 0) * CONSUME_QUEUE_ENTRY_BYTES - Number(file)
    return Math.max(0, Math.min(bytes.length, end))
  }
  // Header, slots, and entries up to the one that is written next.
  if (name.startsWith('index/')) return 40 + 4 * indexSlots + 20 * bytes.readInt32BE(36)
  if (name === 'checkpoint') return CHECKPOINT_BYTES
  if (name === 'lock' || name === 'abort.bak') return 0
  if (name.startsWith('timer') || name === 'config/timercheck') {
    let end = bytes.length
    while (end > 0 && bytes[end - 1] === 0) end--
    return end
  }
  return bytes.length
}

/** First byte of a timer wheel's first slot in use. */
function firstUsed(disk: SimulatedDisk, path: string): number {
  const at = disk.contentOf(path).findIndex(byte => byte !== 0)
  return at - (at % TIMER_SLOT_BYTES)
}
