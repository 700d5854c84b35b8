/**
 * A store that is killed, loses power or is closed, again and again, also in the middle of its own recovery.
 * `SEED=123` replays one run.
 */
import { expect, test } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import { MessageStore } from '../../src/store/message-store.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import type { SeededRandom } from '../../src/testing/seeded-random.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'

/** Seeds that found something once. */
const FOUND = [385]
const SEEDS =
  process.env.SEED === undefined
    ? [...Array.from({ length: Number(process.env.SEEDS ?? 25) }, (_, i) => i + 1), ...FOUND]
    : [Number(process.env.SEED)]
const LIVES = 8
const TOPICS = ['A', 'B', 'C']

type Sent = { readonly body: string; readonly end: number; readonly unit: number }

/** What the world outside the store knows. */
class Outside {
  /** Everything appended to a queue that recovery has not taken back, in order. */
  readonly queues = new Map<string, Sent[]>()
  flushedUpTo = 0
  minOffset = 0
  count = 0
  units = 0
}

class Run {
  readonly random: SeededRandom
  readonly clock = new ManualClock()
  readonly outside = new Outside()
  disk: SimulatedDisk
  /** Disks as they would be after a power cut, taken at flushes while the store was open. */
  cuts: { disk: SimulatedDisk; flushedUpTo: number }[] = []

  constructor(seed: number) {
    this.random = seededRandom(seed)
    this.disk = new SimulatedDisk({ seed, clock: this.clock })
  }

  open(disk: SimulatedDisk): Promise<MessageStore> {
    return MessageStore.open('/store', {
      fileSystem: disk,
      clock: this.clock,
      logger: silentLogger,
      commitLogSegmentBytes: 16_384,
      consumeQueueSegmentEntries: 16,
      indexSlots: 16,
      indexEntries: 32,
      flushIntervalMs: 50,
      retention: { freeBytesMin: 0, hours: 0 },
    })
  }

  async work(store: MessageStore): Promise<void> {
    const { random, outside } = this
    const steps = 3 + random.below(30)
    for (let i = 0; i < steps; i++) {
      const count = random.chance(0.3) ? 1 + random.below(5) : 1
      const records = Array.from({ length: count }, () => ({
        topic: TOPICS[random.below(TOPICS.length)] as string,
        queueId: random.below(2),
        body: Buffer.from(`${outside.count++} ${'x'.repeat(random.chance(0.1) ? 2500 : random.below(200))}`),
        properties: { KEYS: `k${outside.count}` },
      }))
      const results = count > 1 ? store.putAll(records) : records.map(record => store.put(record))
      outside.units++
      for (const [n, { topic, queueId, body }] of records.entries()) {
        const { physicalOffset, sizeBytes } = results[n] as { physicalOffset: number; sizeBytes: number }
        const sent = { body: body.toString(), end: physicalOffset + sizeBytes, unit: outside.units }
        const queue = `${topic}/${queueId}`
        outside.queues.set(queue, [...(outside.queues.get(queue) ?? []), sent])
      }
      if (random.chance(0.25)) {
        const end = store.watermarks.appended
        await store.flushed(end)
        outside.flushedUpTo = Math.max(outside.flushedUpTo, end)
      }
      if (random.chance(0.25)) await this.clock.advance(random.below(150))
      if (random.chance(0.03)) await store.applyRetention()
    }
  }

  /** Opens, holds what is there against what was sent, and takes note of what a crash took back. */
  async check(store: MessageStore, flushedUpTo: number): Promise<void> {
    const { outside } = this
    const units = new Map<number, { kept: number; lost: number }>()
    const { min } = store.watermarks
    for (const [queue, sent] of outside.queues) {
      const [topic = '', queueId = ''] = queue.split('/')
      const range = store.queueRange(topic, Number(queueId)) ?? { minQueueOffset: 0, maxQueueOffset: 0 }
      const found = await readAll(store, topic, Number(queueId))
      const expected = sent.slice(range.minQueueOffset, range.maxQueueOffset).map(one => one.body)
      expect(found, `${queue} reads as a prefix of what was sent`).toEqual(expected)
      for (const lost of sent.slice(range.maxQueueOffset))
        expect(lost.end, `${queue} keeps what was flushed`).toBeGreaterThan(flushedUpTo)
      for (const dead of sent.slice(0, range.minQueueOffset))
        expect(dead.end, 'retention took only what is old').toBeLessThanOrEqual(min)
      for (const [i, { unit }] of sent.entries()) {
        const seen = units.get(unit) ?? { kept: 0, lost: 0 }
        if (i < range.maxQueueOffset) seen.kept++
        else seen.lost++
        units.set(unit, seen)
      }
      outside.queues.set(queue, sent.slice(0, range.maxQueueOffset))
    }
    for (const { kept, lost } of units.values())
      expect(Math.min(kept, lost), 'an append unit is there whole or not at all').toBe(0)
    expect(store.recovery.damaged).toEqual([])
    for (const sent of outside.queues.values()) {
      const last = sent.at(-1)
      if (last === undefined || last.end <= min) continue
      const key = `k${Number.parseInt(last.body, 10) + 1}`
      const byKey = (await Promise.all(TOPICS.map(topic => store.queryByKey(topic, key)))).flat()
      expect(
        byKey.map(message => message.body.toString()),
        'what is there is found by its key',
      ).toContain(last.body)
    }
  }

  async audit(disk: SimulatedDisk): Promise<void> {
    const store = await MessageStore.openReadOnly('/store', {
      fileSystem: disk,
      clock: this.clock,
      logger: silentLogger,
    })
    expect((await store.verify()).findings).toEqual([])
    await store.close()
  }
}

async function readAll(store: MessageStore, topic: string, queueId: number): Promise<string[]> {
  const bodies: string[] = []
  const range = store.queueRange(topic, queueId)
  for (let at = range?.minQueueOffset ?? 0; at < (range?.maxQueueOffset ?? 0); ) {
    const result = await store.read({ topic, queueId, queueOffset: at, maxMessages: 32 })
    for (const message of result.messages) bodies.push(message.body.toString())
    at = result.nextQueueOffset
  }
  return bodies
}

/** Runs `work`; answers one of the disks that a power cut during it would have left, chosen evenly. */
async function cutDuring(
  run: Run,
  disk: SimulatedDisk,
  work: () => Promise<void>,
): Promise<{ disk: SimulatedDisk; flushedUpTo: number } | undefined> {
  let chosen: { disk: SimulatedDisk; flushedUpTo: number } | undefined
  let seen = 0
  const stop = disk.watch(() => {
    if (run.random.below(++seen) === 0) {
      chosen = { disk: disk.powerCut(run.random.below(2 ** 31)), flushedUpTo: run.outside.flushedUpTo }
    }
  })
  await work()
  stop()
  return chosen
}

test.each(SEEDS)(
  'seed %i: nothing acknowledged is lost, nothing is out of order, whatever ended each life',
  async seed => {
    const run = new Run(seed)
    let flushedUpTo = 0
    let keptUpTo = 0
    for (let life = 0; life < LIVES; life++) {
      let { disk } = run
      // A life may end in the middle of its recovery, and the next one with it.
      for (let again = 0; again < 2 && run.random.chance(0.4); again++) {
        const opening = disk
        const cut = await cutDuring(run, opening, async () => {
          const store = await run.open(opening)
          await store.close()
        })
        if (cut === undefined) continue
        disk = cut.disk
        // What a killed process had only written is at risk until recovery has flushed it.
        keptUpTo = flushedUpTo
      }
      const store = await run.open(disk)
      await run.check(store, keptUpTo)
      run.outside.flushedUpTo = Math.max(flushedUpTo, store.watermarks.flushed)
      flushedUpTo = run.outside.flushedUpTo
      const ending = run.random.below(4)
      const end = await cutDuring(run, disk, async () => {
        await run.work(store)
        if (ending === 0) await store.close()
      })
      if (ending === 0) {
        run.disk = disk
        await run.audit(disk)
        const reopened = await run.open(disk)
        expect(reopened.recovery).toMatchObject({ clean: true, scannedBytes: 0, redispatched: 0 })
        await run.check(reopened, reopened.watermarks.flushed)
        flushedUpTo = reopened.watermarks.flushed
        keptUpTo = flushedUpTo
        await reopened.close()
      } else if (ending === 1) {
        run.disk = disk.kill()
        flushedUpTo = store.watermarks.flushed
        keptUpTo = store.watermarks.written
        await store.close()
      } else {
        run.disk = end?.disk ?? disk.kill()
        flushedUpTo = end?.flushedUpTo ?? flushedUpTo
        keptUpTo = flushedUpTo
        await store.close()
      }
      if (ending !== 0) await run.audit(run.disk)
    }
  },
  60_000,
)
