/** Consume queues against a model: every entry, range and file, through flushes, cuts, retention, kills and power cuts. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  CONSUME_QUEUE_ENTRY_BYTES as ENTRY,
  PRE_BLANK_SIZE_BYTES,
  writeConsumeQueueEntry,
} from '../../src/codec/consume-queue-entry.ts'
import type { ConsumeQueue } from '../../src/store/consume-queue.ts'
import { ConsumeQueues } from '../../src/store/consume-queues.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import { collectGarbage } from '../support/collect-garbage.ts'

const DIR = '/store'
const PER_FILE = 20

type Events = { readonly name: string; readonly details: Readonly<Record<string, unknown>> }[]

async function open(
  disk: SimulatedDisk,
  more: { readOnly?: boolean; events?: Events; logMinOffset?: number } = {},
): Promise<ConsumeQueues> {
  const { events, ...options } = more
  return await ConsumeQueues.open({
    fileSystem: disk,
    dir: DIR,
    entriesPerFile: PER_FILE,
    mode: 0o700,
    clock: new ManualClock(),
    onEvent: (name, details) => events?.push({ name, details }),
    ...options,
  })
}

/** Every entry of a queue, from memory and files, in pieces of an odd size. */
async function contentOf(queue: ConsumeQueue, how: 'sync' | 'async' = 'async'): Promise<string[]> {
  const entries: string[] = []
  for (let slot = queue.minQueueOffset; slot < queue.maxQueueOffset; ) {
    const bytes = how === 'sync' ? queue.entriesSync(slot, 7) : await queue.readEntries(slot, 7)
    expect(bytes.length).toBeGreaterThan(0)
    for (let at = 0; at < bytes.length; at += ENTRY)
      entries.push(`${slot + at / ENTRY} ${bytes.toString('hex', at, at + ENTRY)}`)
    slot += bytes.length / ENTRY
  }
  return entries
}

function entryHex({ physicalOffset, sizeBytes, tagsCode }: ModelEntry): string {
  const bytes = Buffer.alloc(ENTRY)
  writeConsumeQueueEntry(new DataView(bytes.buffer, bytes.byteOffset, ENTRY), 0, physicalOffset, sizeBytes, tagsCode)
  return bytes.toString('hex')
}

/** Bytes of one queue's files, by name; nothing but what was written. */
function filesOf(disk: SimulatedDisk, topic: string, queueId: number): Map<string, Buffer> {
  const folder = `${DIR}/consumequeue/${topic}/${queueId}/`
  const paths = disk.paths().filter(path => path.startsWith(folder))
  return new Map(paths.map(path => [path.slice(folder.length), disk.contentOf(path)]))
}

type ModelEntry = { physicalOffset: number; sizeBytes: number; tagsCode: number }

/** What a queue is to hold, written down without any cleverness. */
class ModelQueue {
  entries = new Map<number, ModelEntry>()
  max = 0

  put(slot: number, entry: ModelEntry): void {
    const isNew = this.entries.size === 0
    const from = isNew ? slot - (slot % PER_FILE) : this.max
    const filler = { physicalOffset: isNew ? 0 : entry.physicalOffset, sizeBytes: PRE_BLANK_SIZE_BYTES, tagsCode: 0 }
    for (let blank = from; blank < slot; blank++) this.entries.set(blank, filler)
    this.entries.set(slot, entry)
    this.max = Math.max(this.max, slot + 1)
  }

  cut(physicalOffset: number): void {
    for (const [slot, entry] of this.entries)
      if (entry.physicalOffset >= physicalOffset && !isHead(entry)) this.entries.delete(slot)
    const isEmpty = [...this.entries.values()].every(isHead)
    if (isEmpty) this.entries.clear()
    this.max = isEmpty ? 0 : Math.max(...this.entries.keys()) + 1
  }

  min(logMinOffset: number): number {
    const live = [...this.entries].filter(([, entry]) => !isHead(entry) && entry.physicalOffset >= logMinOffset)
    return live.length === 0 ? this.max : Math.min(...live.map(([slot]) => slot))
  }

  content(logMinOffset: number): string[] {
    const lines: string[] = []
    for (let slot = this.min(logMinOffset); slot < this.max; slot++) {
      lines.push(`${slot} ${entryHex(this.entries.get(slot) as ModelEntry)}`)
    }
    return lines
  }
}

function isHead({ physicalOffset, sizeBytes }: ModelEntry): boolean {
  return physicalOffset === 0 && sizeBytes === PRE_BLANK_SIZE_BYTES
}

type Step =
  | { do: 'put'; queue: number; count: number; gap: number }
  | { do: 'tag again'; queue: number; back: number }
  | { do: 'write out' | 'flush' | 'kill' | 'reopen' }
  | { do: 'power cut'; seed: number; lose: number }
  | { do: 'cut'; back: number }
  | { do: 'retain'; share: number }
  | { do: 'drop'; queue: number }

const STEP: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('put' as const),
      queue: fc.nat(2),
      count: fc.integer({ min: 1, max: 50 }),
      gap: fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, fc.nat(45)),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('tag again' as const), queue: fc.nat(2), back: fc.nat(60) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('write out' as const, 'flush' as const, 'kill' as const, 'reopen' as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('power cut' as const), seed: fc.nat(), lose: fc.nat(40) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cut' as const), back: fc.nat(100) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('retain' as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('drop' as const), queue: fc.nat(2) }) },
)

const NAMES = [
  { topic: 'orders', queueId: 0 },
  { topic: 'orders', queueId: 7 },
  { topic: '%RETRY%group', queueId: 0 },
] as const

type LogRecord = { queue: number; slot: number; entry: ModelEntry }

/** A log without bytes, its queues, and their model. */
class World {
  disk = new SimulatedDisk({ seed: 1 })
  queues!: ConsumeQueues
  models = NAMES.map(() => new ModelQueue())
  log: LogRecord[] = []
  next = NAMES.map(() => 0)
  /** How many records are in queues that are on the device. */
  durable = 0
  end = 1000
  logMin = 0

  async run(step: Step): Promise<void> {
    switch (step.do) {
      case 'put':
        for (let i = 0; i < step.count; i++) this.#append(step.queue, i === 0 ? step.gap : 0)
        return
      case 'tag again':
        return this.#tagAgain(step.queue, step.back)
      case 'write out':
        return await this.queues.writeOut()
      case 'flush':
        return await this.#flush()
      case 'kill':
        return await this.#recover(this.disk.kill(), this.log.length)
      case 'power cut':
        return await this.#recover(this.disk.powerCut(step.seed), this.log.length - step.lose)
      case 'reopen':
        await this.#flush()
        await this.queues.close()
        this.queues = await open(this.disk, { logMinOffset: this.logMin })
        return
      case 'cut':
        return await this.#cut(Math.max(this.logMin, this.end - step.back * 100))
      case 'retain':
        // Retention never goes past what is on the device.
        this.logMin = Math.max(
          this.logMin,
          Math.floor((this.log[this.durable]?.entry.physicalOffset ?? this.end) * step.share),
        )
        return await this.queues.removeFilesBelow(this.logMin)
      case 'drop':
        return await this.#drop(step.queue)
    }
  }

  async check(): Promise<void> {
    for (const [i, { topic, queueId }] of NAMES.entries()) {
      const model = this.models[i] as ModelQueue
      const queue = this.queues.queue(topic, queueId)
      if (model.max === 0 && queue === undefined) continue
      expect(queue?.maxQueueOffset).toBe(model.max)
      expect(queue?.minQueueOffset).toBe(model.min(this.logMin))
      expect(await contentOf(queue as ConsumeQueue)).toEqual(model.content(this.logMin))
      expect(await contentOf(queue as ConsumeQueue, 'sync')).toEqual(model.content(this.logMin))
    }
  }

  #append(queue: number, gap: number): void {
    const slot = (this.next[queue] as number) + gap
    const entry = {
      physicalOffset: this.end,
      sizeBytes: 92 + (this.log.length % 50),
      tagsCode: this.log.length * 7 - 100,
    }
    this.end += entry.sizeBytes
    this.next[queue] = slot + 1
    this.log.push({ queue, slot, entry })
    this.#put({ queue, slot, entry })
  }

  #put({ queue, slot, entry }: LogRecord): void {
    const { topic, queueId } = NAMES[queue] as (typeof NAMES)[number]
    const { physicalOffset, sizeBytes, tagsCode } = entry
    expect(this.queues.obtain(topic, queueId).put(slot, physicalOffset, sizeBytes, tagsCode)).toBe(true)
    this.models[queue]?.put(slot, entry)
  }

  #tagAgain(queue: number, back: number): void {
    // Only what a power cut would have dispatched again may differ from what is on the device.
    const mine = this.log.slice(this.durable).filter(record => record.queue === queue)
    const record = mine.at(-1 - back)
    if (record === undefined) return
    record.entry = { ...record.entry, tagsCode: 123_456_789_012 }
    this.#put(record)
  }

  async #flush(): Promise<void> {
    await this.queues.flush()
    this.durable = this.log.length
    for (const { topic, queueId } of NAMES) {
      for (const [name, bytes] of filesOf(this.disk, topic, queueId)) {
        expect(bytes.length, name).toBe(PER_FILE * ENTRY)
        expect(
          bytes.every(byte => byte === 0),
          `${name} holds no entry`,
        ).toBe(false)
      }
    }
  }

  /** As recovery does: cut at the log's end, then dispatch again what was put since the last flush. */
  async #recover(disk: SimulatedDisk, kept: number): Promise<void> {
    const lost = this.log.splice(Math.max(this.durable, kept))
    this.end = lost[0]?.entry.physicalOffset ?? this.end
    this.disk = disk
    this.queues = await open(disk, { logMinOffset: this.logMin })
    await this.queues.cutAt(this.end)
    for (const model of this.models) model.cut(this.end)
    for (const [queue] of NAMES.entries()) this.next[queue] = (this.models[queue] as ModelQueue).max
    for (const record of this.log.slice(this.durable)) this.#put(record)
    await this.#flush()
    for (const [queue] of NAMES.entries()) this.next[queue] = (this.models[queue] as ModelQueue).max
  }

  async #cut(physicalOffset: number): Promise<void> {
    this.log = this.log.filter(record => record.entry.physicalOffset < physicalOffset)
    this.end = Math.min(this.end, physicalOffset)
    await this.queues.cutAt(physicalOffset)
    for (const [queue, model] of this.models.entries()) {
      model.cut(physicalOffset)
      this.next[queue] = model.max
    }
    await this.#flush()
  }

  async #drop(queue: number): Promise<void> {
    const { topic } = NAMES[queue] as (typeof NAMES)[number]
    await this.queues.drop(topic)
    for (const [i, name] of NAMES.entries()) if (name.topic === topic) this.models[i] = new ModelQueue()
    this.log = this.log.filter(record => NAMES[record.queue]?.topic !== topic)
    // A topic made again goes on counting.
    await this.#flush()
    expect(this.disk.paths().filter(path => path.includes(`/${topic}/`))).toEqual([])
  }
}

describe('consume queues', () => {
  test('hold what was put, whatever is flushed, cut, retained, dropped, killed or loses power', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(STEP, { minLength: 1, maxLength: 25 }), async steps => {
        const world = new World()
        world.queues = await open(world.disk)
        for (const step of steps) {
          await world.run(step)
          await world.check()
        }
      }),
      { numRuns: Number(process.env.RUNS ?? 150) },
    )
  })

  test('a queue that starts within a file is filled up as RocketMQ fills it, and begins behind that', async () => {
    const disk = new SimulatedDisk()
    const queues = await open(disk)
    const queue = queues.obtain('orders', 0)
    queue.put(25, 5000, 100, 1)
    await queues.flush()
    expect([queue.minQueueOffset, queue.maxQueueOffset]).toEqual([25, 26])
    const [[name, bytes]] = [...filesOf(disk, 'orders', 0)] as [[string, Buffer]]
    expect(name).toBe('00000000000000000400')
    expect(bytes.toString('hex', 0, 6 * ENTRY)).toBe(
      `${'00000000000000007fffffff0000000000000000'.repeat(5)}0000000000001388000000640000000000000001`,
    )
    const again = (await open(disk)).queue('orders', 0)
    expect([again?.minQueueOffset, again?.maxQueueOffset, again?.lastPhysicalEnd]).toEqual([25, 26, 5100])
  })

  test('a hole in a queue is filled with slots that hold nothing, and is told of', async () => {
    const events: Events = []
    const queues = await open(new SimulatedDisk(), { events })
    const queue = queues.obtain('orders', 0)
    queue.put(0, 0, 100, 1)
    queue.put(3, 300, 100, 1)
    expect(queue.maxQueueOffset).toBe(4)
    expect(events).toEqual([{ name: 'queue-gap', details: { topic: 'orders', queueId: 0, queueOffset: 1, count: 2 } }])
    expect([queue.physicalEndOf(0), queue.physicalEndOf(1), queue.physicalEndOf(3)]).toEqual([100, -1, 400])
  })

  test('a slot absurdly far behind the end is refused, not filled up to', async () => {
    const events: Events = []
    const queues = await open(new SimulatedDisk(), { events })
    const queue = queues.obtain('orders', 0)
    queue.put(0, 0, 100, 1)
    expect(queue.put(2 ** 40, 100, 100, 1)).toBe(false)
    expect(queue.maxQueueOffset).toBe(1)
    expect(events.map(event => event.name)).toEqual(['queue-entry-refused'])
  })

  test('a last file of zeros is removed by a writer and passed over by a reader', async () => {
    const disk = new SimulatedDisk()
    const queues = await open(disk)
    for (let slot = 0; slot < PER_FILE; slot++) queues.obtain('orders', 0).put(slot, slot * 100, 100, 1)
    await queues.flush()
    const empty = `${DIR}/consumequeue/orders/0/00000000000000000400`
    disk.place(empty, Buffer.alloc(PER_FILE * ENTRY))
    const reader = await open(disk, { readOnly: true })
    expect(reader.queue('orders', 0)?.maxQueueOffset).toBe(PER_FILE)
    await reader.flush()
    expect(disk.paths()).toContain(empty)
    const writer = await open(disk)
    await writer.lookUpAll()
    await writer.flush()
    expect(disk.paths()).not.toContain(empty)
    expect(writer.queue('orders', 0)?.maxQueueOffset).toBe(PER_FILE)
  })

  test('a read-only view keeps in memory what it is told and changes no byte', async () => {
    const disk = new SimulatedDisk()
    const queues = await open(disk)
    for (let slot = 0; slot < 30; slot++) queues.obtain('orders', 0).put(slot, slot * 100, 100, 1)
    await queues.flush()
    const digest = disk.digest()
    const view = await open(disk, { readOnly: true })
    await view.cutAt(2500)
    const queue = view.obtain('orders', 0)
    expect(queue.maxQueueOffset).toBe(25)
    for (let slot = 25; slot < 70; slot++) queue.put(slot, slot * 100, 100, 2)
    view.obtain('new', 3).put(0, 9000, 100, 2)
    await view.writeOut()
    await view.flush()
    await view.drop('new')
    expect(queue.maxQueueOffset).toBe(70)
    const tags = (await contentOf(queue)).map(line => Number(`0x${line.slice(-2)}`))
    expect(tags).toEqual([...Array<number>(25).fill(1), ...Array<number>(45).fill(2)])
    await view.close()
    expect(disk.digest()).toBe(digest)
  })

  test('entries outlive a full disk in memory and are written when there is room again', async () => {
    const disk = new SimulatedDisk({ seed: 3 })
    const queues = await open(disk)
    const queue = queues.obtain('orders', 0)
    queue.put(0, 0, 100, 1)
    disk.freeBytes = 0
    await expect(queues.flush()).rejects.toMatchObject({ code: 'POCKETMQ_DISK_FULL' })
    queue.put(1, 100, 100, 1)
    expect(await contentOf(queue)).toHaveLength(2)
    disk.freeBytes = 1 << 20
    await queues.flush()
    expect(await contentOf((await open(disk.powerCut(1))).obtain('orders', 0))).toHaveLength(2)
  })

  test('a shorter file is made as long as a broker wants it when it is written to', async () => {
    const disk = new SimulatedDisk()
    const queues = await open(disk)
    queues.obtain('orders', 0).put(0, 0, 100, 1)
    await queues.flush()
    const path = `${DIR}/consumequeue/orders/0/00000000000000000000`
    disk.place(path, disk.contentOf(path, 0, ENTRY))
    const again = await open(disk)
    again.obtain('orders', 0).put(1, 100, 100, 1)
    await again.flush()
    expect(disk.contentOf(path)).toHaveLength(PER_FILE * ENTRY)
    expect(again.queue('orders', 0)?.maxQueueOffset).toBe(2)
  })

  test('retention keeps the last file of a queue whose messages are all gone, and its numbering', async () => {
    const disk = new SimulatedDisk()
    const queues = await open(disk)
    const queue = queues.obtain('orders', 0)
    for (let slot = 0; slot < 50; slot++) queue.put(slot, slot * 100, 100, 1)
    await queues.flush()
    await queues.removeFilesBelow(100_000)
    expect([...filesOf(disk, 'orders', 0).keys()]).toEqual(['00000000000000000800'])
    expect([queue.minQueueOffset, queue.maxQueueOffset]).toEqual([50, 50])
    expect((await open(disk, { logMinOffset: 100_000 })).queue('orders', 0)?.maxQueueOffset).toBe(50)
  })

  test('folders and files that are no queue of ours are left alone and told of', async () => {
    const disk = new SimulatedDisk()
    const events: Events = []
    for (const path of [
      'orders/0/notes.txt',
      'orders/x/00000000000000000000',
      '.DS_Store',
      'orders/0/00000000000000000007',
    ]) {
      disk.place(`${DIR}/consumequeue/${path}`, Buffer.alloc(PER_FILE * ENTRY))
    }
    disk.place(`${DIR}/batchconsumequeue/batches/0/00000000000000000000`, Buffer.alloc(46))
    const queues = await open(disk, { events })
    expect([...queues.all()].map(queue => `${queue.topic}/${queue.queueId}`)).toEqual(['orders/0'])
    expect([...queues.batchTopics]).toEqual(['batches'])
    expect(events.map(event => event.name)).toEqual(['stray-file', 'stray-file'])
    await queues.drop('orders')
    expect(disk.paths()).toContain(`${DIR}/consumequeue/orders/0/notes.txt`)
  })

  test.each(['..', '.', '', 'a/b', 'a\u0000b', 'x'.repeat(256)])('a topic named %j has no queue', topic => {
    expect(ConsumeQueues.canHold(topic, 0)).toBe(false)
    expect(ConsumeQueues.canHold('orders', -1)).toBe(false)
  })

  test('ten thousand queues share few descriptors, and an idle one takes less than 2 KiB', async () => {
    const disk = new SimulatedDisk({ writeBackChance: 0 })
    const files = countOpenFiles(disk)
    const content = Buffer.alloc(PER_FILE * ENTRY)
    content.write(entryHex({ physicalOffset: 0, sizeBytes: 100, tagsCode: 1 }), 'hex')
    for (let i = 0; i < 10_000; i++) disk.place(`${DIR}/consumequeue/topic-${i}/0/00000000000000000000`, content)
    collectGarbage()
    collectGarbage()
    const before = process.memoryUsage()
    const queues = await open(disk)
    await queues.lookUpAll()
    for (let i = 0; i < 10_000; i++) queues.obtain(`topic-${i}`, 0).put(1, 1000 + i * 100, 100, 1)
    await queues.flush()
    await queues.flush()
    expect(queues.unwrittenBytes).toBe(0)
    expect(files.most).toBeLessThanOrEqual(257)
    collectGarbage()
    collectGarbage()
    const after = process.memoryUsage()
    const bytes = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers
    expect(bytes / 10_000).toBeLessThan(2048)
    expect(queues.queue('topic-9999', 0)?.maxQueueOffset).toBe(2)
  })
})

/** How many files were open at once. */
function countOpenFiles(disk: SimulatedDisk): { most: number } {
  const count = { now: 0, most: 0 }
  const openSync = disk.openSync.bind(disk)
  disk.openSync = (path, how, mode) => {
    const file = openSync(path, how, mode)
    const [close, closeSync] = [file.close.bind(file), file.closeSync.bind(file)]
    count.most = Math.max(count.most, ++count.now)
    file.close = () => {
      count.now--
      return close()
    }
    file.closeSync = () => {
      count.now--
      closeSync()
    }
    return file
  }
  return count
}
