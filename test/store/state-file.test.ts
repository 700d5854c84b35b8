import { describe, expect, test } from 'vitest'
import { encodeOwnFile } from '../../src/codec/own-file.ts'
import type { StoreState } from '../../src/codec/state-page.ts'
import { createAbortFile, readAbortFile, removeAbortFile } from '../../src/store/abort-file.ts'
import { StateFile } from '../../src/store/state-file.ts'
import { StoreCheckpoint } from '../../src/store/store-checkpoint.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'

const MODE = 0o700
const SEEDS = Array.from({ length: 40 }, (_, i) => i)

const STATE: StoreState = {
  min: 0,
  flushed: 100,
  written: 200,
  dispatched: 150,
  indexed: 90,
  checkpointed: 80,
  lastStoreTimestamp: 1_700_000_000_000,
  commitLogSegmentBytes: 4096,
  consumeQueueEntries: 20,
  indexSlots: 10,
  indexEntries: 50,
  queueFiles: 1,
  indexFiles: 1,
  queueEntries: 3,
  indexEnd: 80,
  isCleanClose: false,
  consumerOffsetSha256: undefined,
  checkpointSha256: 'ab'.repeat(32),
  formerConsumerOffsetSha256: undefined,
  formerCheckpointSha256: undefined,
  foreignRanges: [],
  tombstones: [],
}

async function load(disk: SimulatedDisk): Promise<Awaited<ReturnType<typeof StateFile.load>>> {
  return await StateFile.load({ fileSystem: disk, dir: '/store', mode: MODE })
}

async function newDisk(seed = 0): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk({ seed })
  await disk.ensureFolder('/store', MODE)
  return disk
}

describe('the state', () => {
  test('is there after a power cut as soon as its save has resolved, the first one too', async () => {
    for (const seed of SEEDS) {
      const disk = await newDisk(seed)
      const { file } = await load(disk)
      for (let i = 1; i <= 3; i++) {
        const tombstones = [{ topic: `T${i}`, physicalOffset: i, nextQueueOffsets: new Map([[0, i]]) }]
        const state = { ...STATE, flushed: 100 + i, tombstones }
        await file.save(state)
        expect((await load(disk.powerCut(seed))).state, `seed ${seed}, save ${i}`).toEqual(state)
      }
    }
  })

  test('is the former or the new one when the power fails during a save, never neither', async () => {
    for (const seed of SEEDS) {
      const disk = await newDisk(seed)
      const { file } = await load(disk)
      await file.save(STATE)
      const images: SimulatedDisk[] = []
      const stop = disk.watch(() => images.push(disk.powerCut(seed + images.length)))
      await file.save({ ...STATE, flushed: 110, foreignRanges: [{ start: 1, end: 2 }] })
      stop()
      expect(images.length).toBeGreaterThan(3)
      for (const image of images) {
        const { state, lists } = await load(image)
        expect([100, 110]).toContain(state?.flushed)
        // Lists may be ahead of their page, never behind it.
        if (state?.flushed === 110) expect(lists.foreignRanges).toEqual([{ start: 1, end: 2 }])
      }
    }
  })

  test('that is damaged is said to be, and the lists are read all the same', async () => {
    const disk = await newDisk()
    const { file } = await load(disk)
    await file.save({ ...STATE, foreignRanges: [{ start: 5, end: 9 }] })
    disk.flipBit('/store/pocketmq/state', 2048 + 30, 1)
    const damaged = await load(disk)
    expect(damaged).toMatchObject({ state: undefined, lists: { foreignRanges: [{ start: 5, end: 9 }] } })
    expect(damaged.notes.join()).toContain('pocketmq/state was damaged')
    disk.flipBit('/store/pocketmq/tombstones', 20, 1)
    const both = await load(disk)
    expect(both.lists).toEqual({ foreignRanges: [], tombstones: [] })
    await both.file.save(STATE)
    expect((await load(disk)).state).toEqual(STATE)
  })

  test('that is torn while it is written is the one before, also by the first save of the next process', async () => {
    const disk = await newDisk()
    let { file } = await load(disk)
    await file.save({ ...STATE, flushed: 0 })
    for (let i = 1; i <= 8; i++) {
      if (i % 3 === 0) file = (await load(disk)).file
      await file.save({ ...STATE, flushed: i })
      const found: (number | undefined)[] = []
      for (const slot of [0, 2048]) {
        const torn = disk.kill()
        torn.flipBit('/store/pocketmq/state', slot + 30, 1)
        found.push((await load(torn)).state?.flushed)
      }
      expect(found.sort()).toEqual([i - 1, i])
    }
  })

  test('that goes on after damage is newer than what was damaged', async () => {
    const disk = await newDisk()
    const { file } = await load(disk)
    for (let i = 0; i < 5; i++) await file.save({ ...STATE, flushed: i })
    const again = await load(disk)
    await again.file.save({ ...STATE, flushed: 99 })
    expect((await load(disk)).state?.flushed).toBe(99)
  })

  test('whose lists went away says so', async () => {
    const disk = await newDisk()
    const { file } = await load(disk)
    await file.save({ ...STATE, foreignRanges: [{ start: 5, end: 9 }] })
    await disk.remove('/store/pocketmq/tombstones')
    expect((await load(disk)).notes.join()).toContain('topics deleted since may come back')
  })

  test('of a newer PocketMQ is refused', async () => {
    const disk = await newDisk()
    const page = Buffer.alloc(4096)
    encodeOwnFile(Buffer.alloc(2048 - 12), 2).copy(page)
    disk.place('/store/pocketmq/state', page)
    await expect(load(disk)).rejects.toMatchObject({ code: 'POCKETMQ_UNSUPPORTED_FORMAT' })
  })
})

describe('the abort file', () => {
  test('is there after a power cut once it was made, and gone once it was removed', async () => {
    for (const seed of SEEDS) {
      const disk = await newDisk(seed)
      await createAbortFile(disk, '/store', MODE)
      expect(await readAbortFile(disk.powerCut(seed), '/store')).toBe('ours')
      await removeAbortFile(disk, '/store')
      expect(await readAbortFile(disk.powerCut(seed), '/store')).toBe('none')
    }
  })
})

describe('the checkpoint', () => {
  test('is on the device when its write has resolved, and its hash is the one told before', async () => {
    for (const seed of SEEDS) {
      const disk = await newDisk(seed)
      const { file } = await StoreCheckpoint.load({ fileSystem: disk, dir: '/store', mode: MODE })
      for (let i = 1; i <= 2; i++) {
        const encoded = file.encode({ storeTimestamp: 1000 * i, dispatched: 70 * i, indexTimestamp: 0 })
        await file.write(encoded)
        const found = await StoreCheckpoint.load({ fileSystem: disk.powerCut(seed), dir: '/store', mode: MODE })
        expect(found.sha256).toBe(encoded.sha256)
        expect(found.checkpoint).toMatchObject({
          physicMessageTimestamp: 1000 * i,
          logicsMessageTimestamp: 1000 * i,
          logicsPhysicalOffset: 70 * i,
        })
      }
    }
  })

  test('keeps what a broker with replicas wrote, and is none where it is too short', async () => {
    const disk = await newDisk()
    const bytes = Buffer.alloc(4096)
    bytes.writeBigInt64BE(77n, 24)
    disk.place('/store/checkpoint', bytes)
    const { file } = await StoreCheckpoint.load({ fileSystem: disk, dir: '/store', mode: MODE })
    await file.write(file.encode({ storeTimestamp: 5, dispatched: 6, indexTimestamp: 4 }))
    const { checkpoint } = await StoreCheckpoint.load({ fileSystem: disk, dir: '/store', mode: MODE })
    expect(checkpoint).toMatchObject({ masterFlushedOffset: 77, physicMessageTimestamp: 5 })
    disk.place('/store/checkpoint', Buffer.alloc(10))
    expect((await StoreCheckpoint.load({ fileSystem: disk, dir: '/store', mode: MODE })).checkpoint).toBeUndefined()
  })
})
