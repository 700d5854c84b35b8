/** A seeded workload on the engine in a simulated disk: everything that it writes, with what was promised at every moment. */
import { silentLogger } from '../../src/base/logger.ts'
import type { StoreOptions } from '../../src/store/message-store.ts'
import { MessageStore } from '../../src/store/message-store.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import type { SeededRandom } from '../../src/testing/seeded-random.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import type { DiskEvent } from '../../src/testing/simulated-disk.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import type { Activity, CutClass } from './cut-tally.ts'
import { classOf } from './cut-tally.ts'

export const DIR = '/store'
/** A small file of the layers above, replaced as a whole. */
export const CONFIG_FILE = 'config/topics.json'

/** One message as it was appended. */
export type Sent = {
  readonly queue: string
  readonly topic: string
  readonly queueOffset: number
  readonly body: string
  readonly start: number
  readonly end: number
  /** Where its append unit ends; undefined for a message of its own. */
  readonly unitEnd: number | undefined
}

/** A topic that was deleted when the log ended at `at`. */
type Deletion = { readonly topic: string; readonly at: number; isDone: boolean }

/** What a cut is held against. */
export type Promised = {
  /** Append-only; of it, the first `sentCount` had been appended. */
  readonly sent: readonly Sent[]
  readonly sentCount: number
  /** Everything below had been acknowledged as flushed. */
  readonly flushedUpTo: number
  /** Retention had removed, or had begun to remove, everything below. */
  readonly removedUpTo: number
  readonly deletions: readonly Deletion[]
  /** The config file is of this version or a later one, up to `configBegun`. */
  readonly configSaved: number
  readonly configBegun: number
  /** The store had been closed. */
  readonly isClosed: boolean
  readonly options: StoreOptions
}

/** What a cut left, and what it is held against. */
export type Image = Promised & { readonly disk: SimulatedDisk; readonly cutClass: CutClass; readonly depth: number }

/** How a workload runs. */
export type Workload = {
  readonly seed: number
  readonly messages: number
  /** Called at every flush, before and after it takes effect, and at some other changes. */
  readonly onMoment: (moment: { readonly cutClass: CutClass; readonly cut: () => Image }) => void
}

/** Sizes that follow from a seed: several small geometries, all levels. */
export function optionsOf(seed: number): StoreOptions {
  const random = seededRandom(seed ^ 0x5eed)
  const commitLogSegmentBytes = [4096, 4096, 8192, 16_384][random.below(4)] as number
  return {
    commitLogSegmentBytes,
    consumeQueueSegmentEntries: 10 + random.below(10),
    indexSlots: 16,
    indexEntries: 24,
    flushIntervalMs: [20, 400, 5000][random.below(3)] as number,
    durability: random.chance(0.3) ? 'disk' : 'interval',
    recordCrc: true,
    retention: { freeBytesMin: 0, keepUnconsumed: false, bytes: commitLogSegmentBytes * (2 + random.below(3)) },
    logger: silentLogger,
  }
}

/** Appends, batches, deletes, saves, waits and lets time pass, as the seed says; then closes. */
export class StoreWorkload {
  readonly #workload: Workload
  readonly #random: SeededRandom
  readonly #clock = new ManualClock()
  readonly #disk: SimulatedDisk
  readonly #options: StoreOptions
  readonly #sent: Sent[] = []
  readonly #deletions: Deletion[] = []
  #store: MessageStore | undefined
  #flushedUpTo = 0
  #removedUpTo = 0
  #configBegun = 0
  #configSaved = 0
  #isClosed = false
  #activity: Activity
  /** Log flushes that began before this many messages were sent. */
  #lastFlushed = 0

  constructor(workload: Workload) {
    this.#workload = workload
    this.#random = seededRandom(workload.seed)
    this.#disk = new SimulatedDisk({ seed: workload.seed, clock: this.#clock })
    this.#options = optionsOf(workload.seed)
  }

  get disk(): SimulatedDisk {
    return this.#disk
  }

  /** What is promised now. */
  promised(): Promised {
    return {
      sent: this.#sent,
      sentCount: this.#sent.length,
      flushedUpTo: this.#flushedUpTo,
      removedUpTo: this.#removedUpTo,
      deletions: this.#deletions.map(deletion => ({ ...deletion })),
      configSaved: this.#configSaved,
      configBegun: this.#configBegun,
      isClosed: this.#isClosed,
      options: this.#options,
    }
  }

  async run(): Promise<void> {
    const stop = this.#disk.watch(event => this.#onEvent(event))
    this.#activity = 'recovery'
    this.#store = await MessageStore.open(DIR, { ...this.#options, fileSystem: this.#disk, clock: this.#clock })
    this.#activity = undefined
    while (this.#sent.length < this.#workload.messages) await this.#step(this.#store)
    if (this.#random.chance(0.7)) await this.#acknowledge(this.#store)
    this.#activity = 'close'
    await this.#store.close()
    this.#flushedUpTo = this.#sent.at(-1)?.end ?? 0
    this.#isClosed = true
    for (let i = 0; i < 2; i++) this.#tell('close')
    stop()
  }

  async #step(store: MessageStore): Promise<void> {
    const random = this.#random
    this.#append(store)
    if (random.chance(0.3)) await this.#acknowledge(store)
    if (random.chance(0.3)) await this.#clock.advance(random.below(150))
    if (random.chance(0.06)) await this.#saveConfig(store)
    if (random.chance(0.12)) await this.#saveOffsets(store)
    if (random.chance(0.04)) await this.#deleteTopic(store)
    if (random.chance(0.15)) await this.#retain(store)
    if (random.chance(0.03)) await store.flush()
  }

  #append(store: MessageStore): void {
    const random = this.#random
    const count = random.chance(0.25) ? 2 + random.below(4) : 1
    const room = (this.#options.commitLogSegmentBytes as number) - 8
    const bodyBytesMax = Math.floor(room / count) - 400
    const records = Array.from({ length: count }, (_, i) => ({
      topic: `topic-${random.below(3)}`,
      queueId: random.below(2),
      body: Buffer.from(this.#body(`${this.#workload.seed}:${this.#sent.length + i}:`, bodyBytesMax)),
      properties: { UNIQ_KEY: `id-${this.#sent.length + i}`, KEYS: `key-${random.below(20)} other-${random.below(9)}` },
    }))
    const results = count > 1 ? store.putAll(records) : records.map(record => store.put(record))
    const last = results.at(-1) as (typeof results)[number]
    const unitEnd = count > 1 ? last.physicalOffset + last.sizeBytes : undefined
    for (const [i, { physicalOffset, sizeBytes, queueOffset }] of results.entries()) {
      const { topic, queueId, body } = records[i] as (typeof records)[number]
      const place = { start: physicalOffset, end: physicalOffset + sizeBytes, queueOffset, unitEnd }
      this.#sent.push({ queue: `${topic}/${queueId}`, topic, body: body.toString(), ...place })
    }
  }

  #body(name: string, bytesMax: number): string {
    const random = this.#random
    const bytes = random.chance(0.1) ? random.below(bytesMax) : random.below(Math.min(bytesMax, 250))
    // Of one byte value each, so that a sector of another message shows.
    return name + String.fromCharCode(97 + random.below(26)).repeat(Math.max(0, bytes - name.length))
  }

  async #acknowledge(store: MessageStore): Promise<void> {
    const end = this.#sent.at(-1)?.end ?? 0
    await store.flushed(end)
    this.#flushedUpTo = Math.max(this.#flushedUpTo, end)
  }

  async #saveConfig({ smallFiles }: MessageStore): Promise<void> {
    const version = ++this.#configBegun
    const text = JSON.stringify({ version, filler: 'x'.repeat(this.#random.below(1500)), ends: version })
    await smallFiles.save(CONFIG_FILE, Buffer.from(text))
    this.#configSaved = version
  }

  async #saveOffsets(store: MessageStore): Promise<void> {
    const offsetTable = { 'topic-0@group': { 0: store.queueRange('topic-0', 0)?.minQueueOffset ?? 0 } }
    await store.saveConsumerOffsets(Buffer.from(JSON.stringify({ offsetTable, filler: this.#random.below(1e9) })))
  }

  async #deleteTopic(store: MessageStore): Promise<void> {
    const topic = `topic-${1 + this.#random.below(2)}`
    const deletion: Deletion = { topic, at: store.watermarks.appended, isDone: false }
    this.#deletions.push(deletion)
    await store.deleteTopic(topic)
    deletion.isDone = true
  }

  async #retain(store: MessageStore): Promise<void> {
    this.#activity = 'retention'
    await store.applyRetention()
    this.#activity = undefined
  }

  #onEvent(event: DiskEvent): void {
    const { operation, path, phase } = event
    const segment = /\/commitlog\/(\d{20})$/.exec(path)?.[1]
    // Retention runs at intervals of its own too.
    if (operation === 'remove' && segment !== undefined) {
      this.#removedUpTo = Math.max(this.#removedUpTo, Number(segment) + (this.#options.commitLogSegmentBytes as number))
    }
    const isFlush = operation === 'flush' || operation === 'flush-folder'
    if (!isFlush && !this.#random.chance(operation === 'write' ? 0.1 : 0.5)) return
    this.#tell(classOf(event, this.#activity, this.#unflushed()))
    if (segment !== undefined && operation === 'flush' && phase === 'before') this.#lastFlushed = this.#sent.length
  }

  #unflushed(): { isBatch: boolean; isRoll: boolean } {
    const unflushed = this.#sent.slice(this.#lastFlushed)
    const segmentOf = (at: number): number => Math.floor(at / (this.#options.commitLogSegmentBytes as number))
    const first = this.#sent[this.#lastFlushed - 1] ?? unflushed[0]
    const last = unflushed.at(-1)
    return {
      isBatch: unflushed.some(message => message.unitEnd !== undefined),
      isRoll: first !== undefined && last !== undefined && segmentOf(first.start) !== segmentOf(last.start),
    }
  }

  #tell(cutClass: CutClass): void {
    const cut = (): Image => {
      const disk = this.#disk.powerCut(this.#random.below(2 ** 31))
      return { ...this.promised(), disk, cutClass, depth: 0 }
    }
    this.#workload.onMoment({ cutClass, cut })
  }
}
