/** A flush that fails is never followed by an acknowledgement; a full disk loses nothing acknowledged, and writes resume. */
import { describe, expect, it } from 'vitest'
import { isErrorNamed, PocketMQError } from '../../src/base/errors.ts'
import { silentLogger } from '../../src/base/logger.ts'
import type { StoreOptions } from '../../src/store/message-store.ts'
import { MessageStore } from '../../src/store/message-store.ts'
import { ManualClock, SimulatedDisk, seededRandom } from '../../src/testing/testing.ts'

const SEED = Number(process.env.SEED ?? 1)
const MESSAGES = 24

type Rig = {
  readonly disk: SimulatedDisk
  readonly options: StoreOptions
  readonly clock: ManualClock
  /** Bodies whose promise at `disk` has resolved, by queueOffset. */
  readonly acknowledged: Map<number, string>
  readonly errors: unknown[]
}

function makeRig(): Rig {
  const clock = new ManualClock()
  const disk = new SimulatedDisk({ seed: SEED, clock })
  const sizes = { commitLogSegmentBytes: 4096, consumeQueueSegmentEntries: 10, indexSlots: 16, indexEntries: 24 }
  const retention = { freeBytesMin: 0, keepUnconsumed: false }
  const options = { ...sizes, retention, fileSystem: disk, clock, logger: silentLogger, flushIntervalMs: 50 }
  return { disk, options, clock, acknowledged: new Map(), errors: [] }
}

/** Puts and acknowledges; an error ends its message and nothing else. */
async function work(store: MessageStore, { clock, acknowledged, errors }: Rig): Promise<void> {
  const random = seededRandom(SEED)
  for (let i = 0; i < MESSAGES; i++) {
    const body = `${i}:${'b'.repeat(random.below(600))}`
    const properties = { KEYS: `key-${i}` }
    try {
      const put = store.put({ topic: 'orders', queueId: 0, body: Buffer.from(body), properties })
      await store.flushed(put.physicalOffset + put.sizeBytes)
      acknowledged.set(put.queueOffset, body)
    } catch (error) {
      errors.push(error)
    }
    if (random.chance(0.3)) await clock.advance(60)
  }
}

async function bodiesOf(store: MessageStore): Promise<Map<number, string>> {
  const bodies = new Map<number, string>()
  for (let queueOffset = 0; ; ) {
    const read = await store.read({ topic: 'orders', queueId: 0, queueOffset, maxMessages: 64 })
    for (const message of read.messages) bodies.set(message.queueOffset, message.body.toString())
    if (read.nextQueueOffset <= queueOffset) return bodies
    queueOffset = read.nextQueueOffset
  }
}

function lost(acknowledged: ReadonlyMap<number, string>, found: ReadonlyMap<number, string>): string[] {
  return [...acknowledged].flatMap(([at, body]) => (found.get(at) === body ? [] : [`${at} is lost`]))
}

async function countOf(operation: 'flush' | 'write'): Promise<number> {
  const rig = makeRig()
  let count = 0
  rig.disk.watch(event => {
    if (event.operation === operation && event.phase === 'after') count++
  })
  const store = await MessageStore.open('/store', rig.options)
  await work(store, rig)
  await store.close()
  return count
}

/** One run with one fault; answers what is wrong after a power cut. */
async function failedFlush(nth: number, errno: 'EIO' | 'ENOSPC'): Promise<string[]> {
  const rig = makeRig()
  rig.disk.inject({ operation: 'flush', nth, fault: { errno } })
  try {
    const store = await MessageStore.open('/store', rig.options)
    await work(store, rig)
    await store.close()
  } catch (error) {
    if (!(error instanceof PocketMQError)) return [`flush ${nth}: ${String((error as Error).stack)}`]
  }
  const complaints = rig.errors.filter(error => !(error instanceof PocketMQError)).map(String)
  const again = await MessageStore.open('/store', { ...rig.options, fileSystem: rig.disk.powerCut(nth) })
  complaints.push(...lost(rig.acknowledged, await bodiesOf(again)))
  again.put({ topic: 'orders', queueId: 0, body: Buffer.from('after') })
  await again.close()
  return complaints.map(complaint => `flush ${nth}: ${complaint}`)
}

/** One run on a disk that is full from the nth write on, for a while; consumers go on, writes resume. */
async function fullDisk(nth: number): Promise<string[]> {
  const rig = makeRig()
  const complaints: string[] = []
  const rule = rig.disk.inject({ operation: 'write', nth, times: Number.POSITIVE_INFINITY, fault: { errno: 'ENOSPC' } })
  let store: MessageStore
  try {
    store = await MessageStore.open('/store', rig.options)
  } catch (error) {
    if (!isErrorNamed(error, 'DISK_FULL')) return [`write ${nth}: opening throws ${String(error)}`]
    rig.disk.clearFaults()
    store = await MessageStore.open('/store', rig.options)
  }
  await work(store, rig)
  for (const error of rig.errors) if (!isErrorNamed(error, 'DISK_FULL')) complaints.push(String(error))
  await store.dispatched(store.watermarks.written)
  complaints.push(...lost(rig.acknowledged, await bodiesOf(store)).map(what => `while the disk is full, ${what}`))
  rule.remove()
  await rig.clock.advance(30_000)
  rig.errors.length = 0
  const before = rig.acknowledged.size
  await work(store, rig)
  if (rig.acknowledged.size < before || rig.errors.length > 0) complaints.push(`writes do not resume: ${rig.errors[0]}`)
  const cut = rig.disk.powerCut(nth)
  await store.close()
  for (const fileSystem of [cut, rig.disk]) {
    const again = await MessageStore.open('/store', { ...rig.options, fileSystem })
    complaints.push(...lost(rig.acknowledged, await bodiesOf(again)))
    await again.close()
  }
  return complaints.map(complaint => `write ${nth}: ${complaint}`)
}

describe('a device that fails', () => {
  it('no flush that fails, whichever it is, is followed by an acknowledgement of what it did not keep', async () => {
    const flushes = await countOf('flush')
    const complaints: string[] = []
    for (let nth = 1; nth <= flushes; nth++) {
      // For want of room it is as final: who asks again is told what was lost the first time is there.
      for (const errno of ['EIO', 'ENOSPC'] as const) complaints.push(...(await failedFlush(nth, errno)))
    }
    console.log(`a failure at each of ${flushes} flushes`)
    expect(complaints).toEqual([])
    expect(flushes).toBeGreaterThan(30)
  }, 120_000)

  it('full from any write on, it costs a typed error, nothing acknowledged, and writes resume by themselves', async () => {
    const writes = await countOf('write')
    const complaints: string[] = []
    for (let nth = 1; nth <= writes; nth++) complaints.push(...(await fullDisk(nth)))
    console.log(`a full disk at each of ${writes} writes`)
    expect(complaints).toEqual([])
    expect(writes).toBeGreaterThan(50)
  }, 240_000)
})
