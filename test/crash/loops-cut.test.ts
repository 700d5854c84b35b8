/** The loops around the store (delays by level and by time, recalls, transactions) with the power cut at every flush. */
import { expect, onTestFinished, test } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import { PocketMQ } from '../../src/messaging/pocket-mq.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import { bodiesOf, FOLDER } from '../messaging/queue-on-disk.ts'

const SEED = Number(process.env.SEED ?? 1)
const ROUNDS = 8

/** What was promised when the power failed. */
type Promises = {
  /** Must come exactly once. */
  readonly kept: ReadonlySet<string>
  /** Must never come. */
  readonly gone: ReadonlySet<string>
}
type Cut = { readonly disk: SimulatedDisk; readonly nowMs: number; readonly promises: Promises }

async function open(disk: SimulatedDisk, clock: ManualClock, isNew = false): Promise<PocketMQ> {
  const sizes = { commitLogSegmentBytes: 64 * 1024, consumeQueueSegmentEntries: 100, indexSlots: 10, indexEntries: 100 }
  const random = seededRandom(SEED)
  return await PocketMQ.open(FOLDER, {
    ...(isNew ? sizes : {}),
    ...{ fileSystem: disk, clock, logger: silentLogger, random: () => random.next() },
  })
}

/** Works for a while and cuts the power at every flush, before it takes effect and after. */
async function cuts(): Promise<Cut[]> {
  const random = seededRandom(SEED)
  const disk = new SimulatedDisk({ seed: SEED })
  const clock = new ManualClock()
  const mq = await open(disk, clock, true)
  const kept = new Set<string>()
  const gone = new Set<string>()
  const images: Cut[] = []
  disk.onFlush(() => {
    const promises = { kept: new Set(kept), gone: new Set(gone) }
    images.push({ disk: disk.powerCut(random.below(1_000_000)), nowMs: clock.nowMs(), promises })
  })
  const producer = mq.producer({ group: 'pg' })
  const level = { durability: 'disk' } as const
  for (let round = 0; round < ROUNDS; round++) {
    await producer.send({ topic: 'a', body: `level ${round}`, delayLevel: 1 }, level)
    kept.add(`level ${round}`)
    await producer.send({ topic: 'a', body: `time ${round}`, delay: 1 + random.below(3_000) }, level)
    kept.add(`time ${round}`)
    const recalled = await producer.send({ topic: 'a', body: `recalled ${round}`, delay: 60_000 }, level)
    await producer.recall(recalled.recallHandle as string)
    const committed = producer.beginTransaction()
    await producer.send({ topic: 'a', body: `committed ${round}` }, committed, level)
    await committed.commit()
    kept.add(`committed ${round}`)
    const rolledBack = producer.beginTransaction()
    await producer.send({ topic: 'a', body: `rolled back ${round}` }, rolledBack, level)
    await rolledBack.rollback()
    gone.add(`rolled back ${round}`)
    await clock.advance(random.below(800))
  }
  await mq.close()
  return images
}

test('whatever flush the power fails at: what was promised comes once, what was decided against never comes', async () => {
  console.log(`seed ${SEED}`)
  const images = await cuts()
  expect(images.length).toBeGreaterThan(100)
  for (const [i, { disk, nowMs, promises }] of images.entries()) {
    const clock = new ManualClock(nowMs)
    const mq = await open(disk, clock)
    onTestFinished(() => mq.close().catch(() => undefined))
    // Whatever is undecided now was never acknowledged as decided.
    mq.producer({ group: 'pg', checker: () => 'rollback' })
    await clock.advance(70_000)
    const bodies = await bodiesOf(mq, 'a')
    const seen = new Set(bodies)
    expect({ cut: i, twice: bodies.filter((body, at) => bodies.indexOf(body) !== at) }).toEqual({ cut: i, twice: [] })
    expect({ cut: i, lost: [...promises.kept].filter(body => !seen.has(body)) }).toEqual({ cut: i, lost: [] })
    expect({ cut: i, back: [...promises.gone].filter(body => seen.has(body)) }).toEqual({ cut: i, back: [] })
    await mq.close()
  }
}, 120_000)
