/** The key index against a model: every key is found, whatever is flushed, rolled, removed, killed or loses power. */
import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { IndexEntry, IndexHeader } from '../../src/codec/index-layout.ts'
import {
  indexEntryPosition,
  indexFileBytes,
  indexKeyHash,
  indexSlotPosition,
  readIndexEntry,
  readIndexHeader,
} from '../../src/codec/index-layout.ts'
import { nodeFileSystem } from '../../src/files/node-file-system.ts'
import { nextIndexFileName } from '../../src/store/index-names.ts'
import { findIndexSizes } from '../../src/store/index-sizes.ts'
import { MessageIndex } from '../../src/store/message-index.ts'
import type { DispatchRequest } from '../../src/store/store-types.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import { expected, unpack } from '../golden/golden-stores.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { derivedRig } from './derived-rig.ts'

const DIR = '/store'
const SIZES = { slots: 7, entries: 20 }
const START_MS = 1_700_000_000_000

type OpenOptions = {
  readonly readOnly?: boolean
  readonly slots?: number
  readonly entries?: number
  readonly events?: string[]
}

async function open(disk: SimulatedDisk, options: OpenOptions = {}): Promise<MessageIndex> {
  const { events, ...more } = options
  const onEvent = (name: string): number | undefined => events?.push(name)
  return await MessageIndex.open({
    fileSystem: disk,
    dir: DIR,
    mode: 0o700,
    clock: new ManualClock(),
    ...SIZES,
    ...more,
    onEvent,
  })
}

type IndexedRecord = {
  topic: string
  uniqueKey: string | undefined
  keys: string[]
  physicalOffset: number
  storeTimestamp: number
}

function requestOf(
  { topic, uniqueKey, keys, physicalOffset, storeTimestamp }: IndexedRecord,
  sysFlag = 0,
): DispatchRequest {
  const unique = uniqueKey === undefined ? '' : `UNIQ_KEY\u0001${uniqueKey}\u0002`
  const properties = `${unique}TAGS\u0001x\u0002${keys.length === 0 ? '' : `KEYS\u0001${keys.join(' ')}\u0002`}`
  const rest = { queueId: 0, queueOffset: 0, sizeBytes: 100, tagsCode: 0, sysFlag }
  return { topic, physicalOffset, storeTimestamp, properties, ...rest }
}

function hasKey(record: IndexedRecord | undefined, topic: string, key: string): boolean {
  return record?.topic === topic && (record.uniqueKey === key || record.keys.includes(key))
}

const TOPIC = fc.constantFrom('orders', 'Zahlungen')
const KEY = fc.constantFrom('a', 'b', 'käse', '鍵', 'order-77', 'AaAa', 'BBBB', 'AaBB')

type Step =
  | { do: 'put'; records: { topic: string; uniqueKey: string | undefined; keys: string[]; pauseMs: number }[] }
  | { do: 'write out' | 'flush' | 'kill' | 'reopen' }
  | { do: 'power cut'; seed: number; lose: number }
  | { do: 'retain'; share: number }
  | { do: 'query'; topic: string; key: string; fromShare: number; toShare: number }

const RECORD = fc.record({
  topic: TOPIC,
  uniqueKey: fc.option(KEY, { nil: undefined, freq: 3 }),
  keys: fc.array(KEY, { maxLength: 4 }),
  pauseMs: fc.oneof(fc.nat(3), fc.nat(90_000)),
})
const SHARE = fc.double({ min: -0.1, max: 1.1, noNaN: true })
const STEP: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('put' as const), records: fc.array(RECORD, { maxLength: 12 }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('write out' as const, 'flush' as const, 'kill' as const, 'reopen' as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('power cut' as const), seed: fc.nat(), lose: fc.nat(15) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('retain' as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('query' as const),
      topic: TOPIC,
      key: KEY,
      fromShare: SHARE,
      toShare: SHARE,
    }),
  },
)

class World {
  disk = new SimulatedDisk()
  index!: MessageIndex
  log: IndexedRecord[] = []
  durable = 0
  end = 0
  nowMs = START_MS
  logMin = 0

  async run(step: Step): Promise<void> {
    switch (step.do) {
      case 'put':
        for (const record of step.records) this.#append(record)
        return
      case 'write out':
        return await this.index.writeOut()
      case 'flush':
        return await this.#flush()
      case 'reopen':
        await this.#flush()
        await this.index.close()
        this.index = await open(this.disk)
        return
      case 'kill':
        return await this.#recover(this.disk.kill(), this.log.length)
      case 'power cut':
        return await this.#recover(this.disk.powerCut(step.seed), this.log.length - step.lose)
      case 'retain':
        this.logMin = Math.max(
          this.logMin,
          Math.floor((this.log[this.durable]?.physicalOffset ?? this.end) * step.share),
        )
        return await this.index.removeFilesBelow(this.logMin)
      case 'query': {
        const at = (share: number): number => Math.round(START_MS + share * (this.nowMs - START_MS))
        return await this.check(step.topic, step.key, at(step.fromShare), at(step.toShare))
      }
    }
  }

  /** What is found, once keys and times are compared, is what is there. */
  async check(topic: string, key: string, fromMs: number, toMs: number): Promise<void> {
    const candidates = await this.index.query(topic, key, { fromMs, toMs, max: 10_000 })
    expect(candidates).toEqual([...new Set(candidates)].sort((a, b) => b - a))
    const byPlace = new Map(this.log.map(record => [record.physicalOffset, record]))
    const isWanted = (record: IndexedRecord | undefined): boolean =>
      hasKey(record, topic, key) &&
      (record?.physicalOffset ?? -1) >= this.logMin &&
      (record?.storeTimestamp ?? 0) >= fromMs &&
      (record?.storeTimestamp ?? 0) <= toMs
    const found = candidates.filter(physicalOffset => isWanted(byPlace.get(physicalOffset)))
    const wanted = this.log.filter(isWanted).map(record => record.physicalOffset)
    expect(found).toEqual(wanted.reverse())
  }

  #append({
    pauseMs,
    ...record
  }: {
    topic: string
    uniqueKey: string | undefined
    keys: string[]
    pauseMs: number
  }): void {
    this.nowMs += pauseMs
    const appended = { ...record, physicalOffset: this.end, storeTimestamp: this.nowMs }
    this.end += 100
    this.log.push(appended)
    this.index.put(requestOf(appended))
  }

  async #flush(): Promise<void> {
    await this.index.flush()
    this.durable = this.log.length
    for (const path of this.disk.paths()) expect(this.disk.contentOf(path)).toHaveLength(indexFileBytes(SIZES))
    expect(this.index.hasUnusableFiles).toBe(false)
  }

  /** As recovery does: forget what is younger than the last flush, and put it again. */
  async #recover(disk: SimulatedDisk, kept: number): Promise<void> {
    this.log = this.log.slice(0, Math.max(this.durable, kept))
    this.end = this.log.length * 100
    this.disk = disk
    this.index = await open(disk)
    await this.index.dropFrom(this.durable * 100)
    // Recovery may start further back than what is lost: what is there already is not put twice.
    for (const record of this.log.slice(Math.max(0, this.durable - 3))) this.index.put(requestOf(record))
    await this.#flush()
  }
}

describe('the key index', () => {
  test('finds every key, whatever is flushed, rolled, removed, killed or loses power', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(STEP, { minLength: 1, maxLength: 25 }), async steps => {
        const world = new World()
        world.index = await open(world.disk)
        for (const step of steps) await world.run(step)
        for (const key of ['a', '鍵', 'AaAa']) await world.check('orders', key, 0, Number.MAX_SAFE_INTEGER)
      }),
      { numRuns: Number(process.env.RUNS ?? 150) },
    )
  })

  test.each(['g1', 'g2', 'g4'] as const)(
    'made again from the log of %s has the entries of RocketMQ, but for those of tags',
    async name => {
      const theirs = unpack(name, temporaryFolder())
      const ours = unpack(name, temporaryFolder(), { consumeQueues: true, index: false })
      const segmentBytes = name === 'g2' ? 16_384 : 1 << 20
      const sizes = name === 'g4' ? { slots: 1000, entries: 4000 } : { slots: 100, entries: 400 }
      const rig = await derivedRig({ fileSystem: nodeFileSystem('file'), dir: ours, segmentBytes, ...sizes, from: 0 })
      await rig.dispatcher.drain()
      await rig.index.flush()
      await rig.close()
      // RocketMQ 5.5 indexes `topic#T#tag` too, 5.3 did not; nothing but a query by tag asks for it.
      const tagHashes = new Map(
        expected(name).messages.map(({ msgTopic, commitLogOffset, properties }) => {
          return [commitLogOffset, properties.TAGS === undefined ? -1 : indexKeyHash(msgTopic, `T#${properties.TAGS}`)]
        }),
      )
      const wanted = entriesOf(theirs, sizes).filter(([hash, place]) => tagHashes.get(place) !== hash)
      expect(entriesOf(ours, sizes)).toEqual(wanted)
      expect(wanted.length).toBeGreaterThan(200)
    },
  )

  test('entries know whole seconds: a query that begins within the second still finds its record', async () => {
    const index = await open(new SimulatedDisk())
    for (const [i, ms] of [0, 900, 1100].entries()) {
      const record = {
        topic: 'orders',
        uniqueKey: 'k',
        keys: [],
        physicalOffset: i * 100,
        storeTimestamp: START_MS + ms,
      }
      index.put(requestOf(record))
    }
    const from = (ms: number): Promise<number[]> => {
      return index.query('orders', 'k', { fromMs: START_MS + ms, toMs: Infinity, max: 10 })
    }
    expect(await from(900)).toContain(100)
    expect(await from(1100)).toEqual([200])
    expect(await from(1101)).toEqual([])
  })

  test('a query goes on where retention takes a file from under it', async () => {
    const disk = new SimulatedDisk()
    const index = await open(disk)
    for (let i = 0; i < 60; i++) {
      const record = { topic: 'orders', uniqueKey: 'k', keys: [], physicalOffset: i * 100, storeTimestamp: START_MS }
      index.put(requestOf(record))
    }
    await index.flush()
    await index.flush()
    const found: number[] = []
    for await (const physicalOffset of index.candidates('orders', 'k', 0, Infinity)) {
      if (found.length === 0) await index.removeFilesBelow(5000)
      found.push(physicalOffset)
    }
    expect(found).toEqual(found.toSorted((a, b) => b - a))
    expect(found).toContain(5000)
    expect(found).not.toContain(100)
  })

  test('PREPARED records are indexed, ROLLBACK ones are not', async () => {
    const index = await open(new SimulatedDisk())
    const record = { topic: 'orders', uniqueKey: 'k', keys: [], storeTimestamp: START_MS }
    index.put(requestOf({ ...record, physicalOffset: 100 }, 0x4))
    index.put(requestOf({ ...record, physicalOffset: 200 }, 0x8))
    index.put(requestOf({ ...record, physicalOffset: 300 }, 0xc))
    expect(await index.query('orders', 'k', { fromMs: 0, toMs: Infinity, max: 10 })).toEqual([200, 100])
  })

  test('files are named by time, and by number where two are made in one millisecond', async () => {
    const disk = new SimulatedDisk()
    const index = await open(disk)
    for (let i = 0; i < 60; i++) {
      index.put(
        requestOf({ topic: 'orders', uniqueKey: `k${i}`, keys: [], physicalOffset: i * 100, storeTimestamp: START_MS }),
      )
    }
    await index.flush()
    const names = disk.paths().map(path => path.slice(`${DIR}/index/`.length))
    expect(names).toHaveLength(4)
    for (const name of names) expect(name).toMatch(/^\d{17}$/)
    expect(nextIndexFileName('20260101000000000', '99991231235959999')).toBe('99991231235960000')
  })

  test('keeps what was put where the disk is full, and writes it when there is room again', async () => {
    const disk = new SimulatedDisk()
    const index = await open(disk)
    const put = (i: number): void => {
      index.put(
        requestOf({ topic: 'orders', uniqueKey: 'k', keys: [], physicalOffset: i * 100, storeTimestamp: START_MS }),
      )
    }
    for (let i = 0; i < 30; i++) put(i)
    disk.freeBytes = 0
    await expect(index.flush()).rejects.toMatchObject({ code: 'POCKETMQ_DISK_FULL' })
    for (let i = 30; i < 50; i++) put(i)
    expect(await index.query('orders', 'k', { fromMs: 0, toMs: Infinity, max: 100 })).toHaveLength(50)
    disk.freeBytes = 1 << 20
    await index.flush()
    const again = await open(disk.powerCut(1))
    expect(await again.query('orders', 'k', { fromMs: 0, toMs: Infinity, max: 100 })).toHaveLength(50)
  })

  test('a read-only view finds what it is told and changes no byte', async () => {
    const disk = new SimulatedDisk()
    const put = (index: MessageIndex, i: number): void => {
      index.put(
        requestOf({ topic: 'orders', uniqueKey: 'k', keys: [], physicalOffset: i * 100, storeTimestamp: START_MS }),
      )
    }
    const index = await open(disk)
    for (let i = 0; i < 30; i++) put(index, i)
    await index.flush()
    const digest = disk.digest()
    const view = await open(disk, { readOnly: true })
    await view.dropFrom(2500)
    for (let i = 25; i < 80; i++) put(view, i)
    await view.writeOut()
    await view.flush()
    await view.removeFilesBelow(1900)
    expect(await view.query('orders', 'k', { fromMs: 0, toMs: Infinity, max: 100 })).toHaveLength(61)
    await view.close()
    expect(disk.digest()).toBe(digest)
  })

  test('a file of other sizes is left out, and that is said', async () => {
    const disk = new SimulatedDisk()
    disk.place(`${DIR}/index/20260101000000000`, Buffer.alloc(40 + 4 * 9 + 20 * 30))
    disk.place(`${DIR}/index/notes`, Buffer.alloc(10))
    const events: string[] = []
    const index = await open(disk, { events })
    expect(index.hasUnusableFiles).toBe(true)
    expect(events).toEqual(['index-file-unusable'])
    index.put(requestOf({ topic: 'orders', uniqueKey: 'k', keys: [], physicalOffset: 0, storeTimestamp: START_MS }))
    await index.flush()
    expect(disk.paths()).toHaveLength(3)
  })
})

describe('a hostile index file', () => {
  /** A file with one chain of all its entries, as changed by the test. */
  async function hostile(change: (bytes: Buffer) => void): Promise<MessageIndex> {
    const disk = new SimulatedDisk()
    const index = await open(disk)
    for (let i = 0; i < 19; i++) {
      index.put(
        requestOf({ topic: 'orders', uniqueKey: 'k', keys: [], physicalOffset: i * 100, storeTimestamp: START_MS }),
      )
    }
    await index.flush()
    const [path] = disk.paths() as [string]
    const bytes = disk.contentOf(path)
    change(bytes)
    disk.place(path, bytes)
    return await open(disk)
  }
  const previousAt = (number: number): number => indexEntryPosition(SIZES.slots, number) + 16
  const slotAt = indexSlotPosition(indexKeyHash('orders', 'k') % SIZES.slots)
  const all = { fromMs: 0, toMs: Infinity, max: 1000 }

  test.each([
    ['links to itself', (bytes: Buffer) => bytes.writeInt32BE(10, previousAt(10)), 9],
    ['links forward in a circle', (bytes: Buffer) => bytes.writeInt32BE(15, previousAt(5)), 14],
    ['links below 0', (bytes: Buffer) => bytes.writeInt32BE(-3, previousAt(10)), 9],
    ['starts beyond its entries', (bytes: Buffer) => bytes.writeInt32BE(1_000_000, slotAt), 0],
    ['starts below 0', (bytes: Buffer) => bytes.writeInt32BE(-1, slotAt), 0],
  ])('whose chain %s answers with what is before that', async (_, change, found) => {
    const index = await hostile(change)
    expect(await index.query('orders', 'k', all)).toHaveLength(found)
  })

  test('of any bytes neither hangs nor throws', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 60 }), fc.nat(), async (junk, seed) => {
        const index = await hostile(bytes => {
          for (const [i, byte] of junk.entries()) bytes[(seed + i * 7919) % bytes.length] = byte
        })
        const found = await index.query('orders', 'k', all)
        expect(found.length).toBeLessThanOrEqual(19)
        index.put(
          requestOf({
            topic: 'orders',
            uniqueKey: 'new',
            keys: [],
            physicalOffset: Number.MAX_SAFE_INTEGER - 1,
            storeTimestamp: START_MS,
          }),
        )
        await index.dropFrom(900)
        await index.flush()
      }),
      { numRuns: 200 },
    )
  })
})

describe('sizes of index files', () => {
  test.each([
    { slots: 7, entries: 20 },
    { slots: 1, entries: 1000 },
    { slots: 1000, entries: 33 },
    { slots: 250, entries: 1000 },
    { slots: 12_345, entries: 6789 },
  ])('are found from their content: $slots slots, $entries entries', async sizes => {
    const disk = new SimulatedDisk()
    const index = await open(disk, sizes)
    for (let i = 0; i < Math.min(30, sizes.entries - 2); i++) {
      const storeTimestamp = START_MS + i
      index.put(requestOf({ topic: 'orders', uniqueKey: `k${i}`, keys: [], physicalOffset: i * 100, storeTimestamp }))
    }
    await index.flush()
    expect(await findIndexSizes(disk, `${DIR}/index`, undefined)).toMatchObject({ sizes })
  })
})

/** Hash and place of every entry, oldest first. */
function entriesOf(folder: string, { slots }: { slots: number }): [number, number][] {
  const entries: [number, number][] = []
  for (const name of readdirSync(`${folder}/index`).sort()) {
    const bytes = readFileSync(`${folder}/index/${name}`)
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    const header = readIndexHeader(view, 0) as IndexHeader
    for (let number = 1; number < header.nextEntry; number++) {
      const entry = readIndexEntry(view, indexEntryPosition(slots, number), number) as IndexEntry
      entries.push([entry.keyHash, entry.physicalOffset])
    }
  }
  return entries
}
