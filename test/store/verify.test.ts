import { describe, expect, test } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import { MessageStore } from '../../src/store/message-store.ts'
import type { VerifyReport } from '../../src/store/verify.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import type { StoreName } from '../golden/golden-stores.ts'
import { STORE_NAMES, unpack } from '../golden/golden-stores.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const SIZES = { commitLogSegmentBytes: 4096, consumeQueueSegmentEntries: 10, indexSlots: 10, indexEntries: 20 }

async function closedStore(count = 30): Promise<SimulatedDisk> {
  const clock = new ManualClock()
  const fileSystem = new SimulatedDisk({ clock })
  const store = await MessageStore.open('/store', { fileSystem, clock, logger: silentLogger, ...SIZES })
  for (let i = 0; i < count; i++) {
    const properties = { KEYS: `key${i} all`, TAGS: i % 2 === 0 ? 'even' : 'odd', UNIQ_KEY: `id${i}` }
    store.put({ topic: i % 3 === 0 ? 'A' : 'B', queueId: i % 2, body: Buffer.alloc(40, 65 + i), properties })
  }
  await store.saveConsumerOffsets(
    Buffer.from('{"dataVersion":{"counter":1,"stateVersion":0,"timestamp":1},"offsetTable":{"A@g":{"0":2}}}'),
  )
  await store.close()
  return fileSystem
}

async function audit(fileSystem: SimulatedDisk): Promise<VerifyReport> {
  const store = await MessageStore.openReadOnly('/store', {
    fileSystem,
    clock: new ManualClock(),
    logger: silentLogger,
  })
  try {
    return await store.verify()
  } finally {
    await store.close()
  }
}

test('a folder that was closed has no finding', async () => {
  const report = await audit(await closedStore())
  expect(report).toMatchObject({ findings: [], findingCount: 0, records: 30 })
})

test('a folder with a deleted topic has no finding: its keys may stay in the index', async () => {
  const clock = new ManualClock()
  const disk = new SimulatedDisk({ clock })
  const store = await MessageStore.open('/store', { fileSystem: disk, clock, logger: silentLogger, ...SIZES })
  for (let i = 0; i < 20; i++)
    store.put({ topic: i % 2 ? 'gone' : 'A', queueId: 0, body: Buffer.alloc(60), properties: { KEYS: `k${i}` } })
  await store.flush()
  await store.deleteTopic('gone')
  store.put({ topic: 'gone', queueId: 0, body: Buffer.alloc(60), properties: { KEYS: 'again' } })
  await store.close()
  expect(await audit(disk)).toMatchObject({ findings: [], records: 21 })
})

test('an open store audits itself up to its checkpoint', async () => {
  const clock = new ManualClock()
  const store = await MessageStore.open('/store', {
    fileSystem: new SimulatedDisk({ clock }),
    clock,
    logger: silentLogger,
    ...SIZES,
  })
  for (let i = 0; i < 40; i++)
    store.put({ topic: 'A', queueId: 0, body: Buffer.alloc(100), properties: { KEYS: `${i}` } })
  await store.flush()
  store.put({ topic: 'A', queueId: 0, body: Buffer.alloc(100) })
  const progress: number[] = []
  expect(await store.verify({ onProgress: ({ done }) => progress.push(done) })).toMatchObject({
    findings: [],
    records: 40,
  })
  expect(progress.at(-1)).toBe(store.watermarks.checkpointed)
  await store.close()
})

test('a folder whose owner was killed has no finding', async () => {
  const clock = new ManualClock()
  const disk = new SimulatedDisk({ clock })
  const store = await MessageStore.open('/store', { fileSystem: disk, clock, logger: silentLogger, ...SIZES })
  for (let i = 0; i < 40; i++)
    store.put({ topic: 'A', queueId: 0, body: Buffer.alloc(100), properties: { KEYS: `${i}` } })
  await store.written(store.watermarks.appended)
  const killed = disk.kill()
  await store.close()
  expect(await audit(killed)).toMatchObject({ findings: [], records: 40 })
})

test('an audit ends when its signal says so', async () => {
  const fileSystem = await closedStore()
  const store = await MessageStore.openReadOnly('/store', { fileSystem, logger: silentLogger })
  await expect(store.verify({ signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' })
  await store.close()
})

/** Bytes of a closed folder that mean something: everything but what was never written. */
function liveRanges(disk: SimulatedDisk): [string, number, number][] {
  const ranges: [string, number, number][] = []
  for (const path of disk.paths()) {
    const name = path.slice('/store/'.length)
    const bytes = disk.contentOf(path)
    if (name === 'lock' || name.startsWith('pocketmq/') || name.endsWith('.bak')) continue
    let end = bytes.length
    while (end > 0 && bytes[end - 1] === 0) end--
    if (name.startsWith('consumequeue/')) end = Math.ceil(end / 20) * 20
    if (name === 'checkpoint') end = 48
    ranges.push([path, 0, end])
  }
  return ranges
}

test('every flipped bit in the log, a queue, the index, the checkpoint and the offsets is named', async () => {
  const disk = await closedStore(12)
  const missed: string[] = []
  let flips = 0
  for (const [path, from, to] of liveRanges(disk)) {
    for (let position = from; position < to; position++) {
      // One bit of each byte, another one for the next: all eight take eight times as long.
      const bit = (position * 5 + 3) % 8
      disk.flipBit(path, position, bit)
      const found = await audit(disk).then(
        report => report.findingCount,
        () => 0,
      )
      if (found === 0) missed.push(`${path} ${position}.${bit}`)
      disk.flipBit(path, position, bit)
      flips++
    }
  }
  expect(missed).toEqual([])
  expect(flips).toBeGreaterThan(3000)
}, 120_000)

/** Findings that are true of what RocketMQ left: a torn end, damage, entries that were lost. */
const DAMAGED: ReadonlySet<StoreName> = new Set(['g5', 'g5b', 'g5c', 'g5d', 'g5e'])

describe.each(STORE_NAMES.filter(name => !DAMAGED.has(name)))('%s', name => {
  test('has no finding, as RocketMQ left it', async () => {
    const store = await MessageStore.openReadOnly(unpack(name, temporaryFolder()), { logger: silentLogger })
    expect((await store.verify()).findings).toEqual([])
    await store.close()
  })
})

test('of g5b the damaged record is named', async () => {
  const store = await MessageStore.openReadOnly(unpack('g5b', temporaryFolder()), { logger: silentLogger })
  const { findings } = await store.verify()
  expect(findings).toContainEqual(
    expect.objectContaining({
      file: 'commitlog/00000000000000000000',
      offset: 44_722,
      found: 'the body does not match bodyCrc',
    }),
  )
  await store.close()
})
