/** A seeded workload on the engine in a simulated disk: everything that it writes, with what was promised at every moment. */
import { silentLogger } from '../../src/base/logger.ts'
import type { StoreOptions } from '../../src/store/message-store.ts'
import { MessageStore } from '../../src/store/message-store.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import type { SeededRandom } from '../../src/testing/seeded-random.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import type { DiskEvent } from '../../src/testing/simulated-disk.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import type { Activity, CutClass, CutImage, Former } from './cut-tally.ts'
import { classOf, ENDINGS } from './cut-tally.ts'

export const DIR = '/store'
/** A small file of the layers above, replaced as a whole. */
export const CONFIG_FILE = 'config/topics.json'
/** Processes that a workload lives through, the first included. */
const SESSIONS = 2
const HOUR_MS = 3_600_000

/** One message as it was appended. */
export type Sent = {
  readonly key: string
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
type Deletion = { readonly topic: string; at: number; isDone: boolean }

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
  /** What the wall clock showed. */
  readonly nowMs: number
}

/** What a cut left, and what it is held against. */
export type Image = Promised & CutImage

/** How a workload runs. */
export type Workload = {
  readonly seed: number
  readonly messages: number
  /** Called at every flush, before and after it takes effect, and at some other changes. */
  readonly onMoment: (cutClass: CutClass, cut: () => Image) => void
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
    // By age where not by bytes: the clock is then set forward by hours now and then.
    retention: {
      ...{ freeBytesMin: 0, keepUnconsumed: false, hours: 1 },
      ...(random.chance(0.6) ? { bytes: commitLogSegmentBytes * (2 + random.below(3)) } : {}),
    },
    logger: silentLogger,
  }
}

/** Appends, batches, deletes, saves, waits, lets time pass and begins anew, as the seed says; then closes. */
export class StoreWorkload {
  readonly #workload: Workload
  readonly #random: SeededRandom
  readonly #clock = new ManualClock()
  #disk: SimulatedDisk
  readonly #options: StoreOptions
  /** Images hold on to it: within a session it only grows, and a session that loses some begins another list. */
  #sent: Sent[] = []
  readonly #deletions: Deletion[] = []
  #flushedUpTo = 0
  #removedUpTo = 0
  #configBegun = 0
  #configSaved = 0
  #isClosed = false
  #appends = 0
  #stopWatching: () => void = () => undefined
  #activity: Activity
  #former: Former = 'nobody'
  /** Log flushes that began before this many messages were sent. */
  #lastFlushed = 0

  constructor(workload: Workload) {
    this.#workload = workload
    this.#random = seededRandom(workload.seed)
    this.#disk = new SimulatedDisk({ seed: workload.seed, clock: this.#clock })
    this.#options = optionsOf(workload.seed)
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
      nowMs: this.#clock.nowMs(),
    }
  }

  async run(): Promise<void> {
    let store = await this.#open()
    for (let session = 1; session < SESSIONS; session++) {
      await this.#work(store, (this.#workload.messages * session) / SESSIONS)
      store = await this.#reopen(store)
    }
    await this.#work(store, this.#workload.messages)
    await this.#close(store)
    for (let i = 0; i < 2; i++) this.#tell('close')
    this.#stopWatching()
  }

  async #open(): Promise<MessageStore> {
    this.#stopWatching = this.#disk.watch(event => this.#onEvent(event))
    this.#activity = 'recovery'
    this.#isClosed = false
    const store = await MessageStore.open(DIR, { ...this.#options, fileSystem: this.#disk, clock: this.#clock })
    this.#activity = undefined
    return store
  }

  async #work(store: MessageStore, messages: number): Promise<void> {
    const before = this.#appends
    while (this.#appends < Math.max(before + 1, messages)) await this.#step(store)
    if (this.#random.chance(0.7)) await this.#acknowledge(store)
  }

  async #close(store: MessageStore): Promise<void> {
    this.#activity = 'close'
    await store.close()
    this.#flushedUpTo = this.#sent.at(-1)?.end ?? 0
    this.#isClosed = true
  }

  /** The process ends, one way or another, and the next one opens what is there. */
  async #reopen(store: MessageStore): Promise<MessageStore> {
    const way = ENDINGS[this.#random.below(ENDINGS.length)] as Former
    if (way === 'close') await this.#close(store)
    this.#stopWatching()
    this.#former = way
    const former = this.#disk
    if (way === 'kill') this.#disk = former.kill()
    if (way === 'power cut') this.#disk = former.powerCut(this.#random.below(2 ** 31))
    // The former process is gone for the disk that counts; here its loops have to end.
    if (way !== 'close') await store.close()
    const next = await this.#open()
    this.#sent = this.#sent.filter(message => message.end <= next.watermarks.appended)
    for (const one of this.#deletions) one.at = Math.min(one.at, next.watermarks.appended)
    this.#lastFlushed = this.#sent.length
    return next
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
    if (random.chance(0.1)) await this.#checkpoint(store)
  }

  async #checkpoint(store: MessageStore): Promise<void> {
    const end = store.watermarks.appended
    await store.flush()
    this.#flushedUpTo = Math.max(this.#flushedUpTo, end)
  }

  #append(store: MessageStore): void {
    const random = this.#random
    const count = random.chance(0.25) ? 2 + random.below(4) : 1
    const room = (this.#options.commitLogSegmentBytes as number) - 8
    const bodyBytesMax = Math.floor(room / count) - 400
    const records = Array.from({ length: count }, (_, i) => ({
      // One is written to rarely: all that it has may be in segments that retention takes.
      topic: `topic-${random.chance(0.1) ? 2 : random.below(2)}`,
      queueId: random.below(2),
      body: Buffer.from(this.#body(`${this.#workload.seed}:${this.#appends + i}:`, bodyBytesMax)),
      properties: { UNIQ_KEY: `id-${this.#appends + i}`, KEYS: `key-${random.below(20)} other-${random.below(9)}` },
    }))
    const results = count > 1 ? store.putAll(records) : records.map(record => store.put(record))
    const last = results.at(-1) as (typeof results)[number]
    const unitEnd = count > 1 ? last.physicalOffset + last.sizeBytes : undefined
    for (const [i, { physicalOffset, sizeBytes, queueOffset }] of results.entries()) {
      const { topic, queueId, body } = records[i] as (typeof records)[number]
      const place = { start: physicalOffset, end: physicalOffset + sizeBytes, queueOffset, unitEnd }
      const key = `id-${this.#appends++}`
      this.#sent.push({ key, queue: `${topic}/${queueId}`, topic, body: body.toString(), ...place })
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
    if (this.#options.retention?.bytes === undefined) this.#clock.stepWallClock(HOUR_MS)
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
      return { ...this.promised(), disk, cutClass, former: this.#former, depth: 0 }
    }
    this.#workload.onMoment(cutClass, cut)
  }
}
