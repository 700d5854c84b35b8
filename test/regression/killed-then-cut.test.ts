/**
 * What a killed process wrote last may be in the page cache alone. The next one read it there, remembered the hashes of `checkpoint` and
 * `consumerOffset.json` from it, and a power cut brought back what was on the device: files of a broker, it seemed, whose log has no
 * known end and whose offsets hold before ours. A save that failed left the same behind.
 */
import { expect, it } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import { MessageStore } from '../../src/store/message-store.ts'
import { ManualClock, SimulatedDisk } from '../../src/testing/testing.ts'
import { cutAtFlushes } from '../crash/cut-images.ts'

const FOLDER = '/store'
const HASHED = /\/(checkpoint|state|consumerOffset\.json|\d+-\d+\.tmp)$/
const CUTS = 2

async function openOn(disk: SimulatedDisk): Promise<MessageStore> {
  const options = { commitLogSegmentBytes: 4096, logger: silentLogger, flushIntervalMs: 60_000 }
  return await MessageStore.open(FOLDER, { ...options, fileSystem: disk, clock: new ManualClock() })
}

/** Appends, moves the checkpoint, and saves offsets that nobody else has. */
async function work(store: MessageStore, name: string): Promise<void> {
  store.put({ topic: 'orders', queueId: 0, body: Buffer.from(name) })
  await store.flush()
  await store.saveConsumerOffsets(Buffer.from(JSON.stringify({ offsetTable: { 'orders@billing': { 0: 0 } }, name })))
}

/** The disk at each change of such files, as a process that is killed then leaves it. */
async function killsDuring(disk: SimulatedDisk, run: () => Promise<void>): Promise<SimulatedDisk[]> {
  const kills: SimulatedDisk[] = []
  const stop = disk.watch(({ path }) => {
    if (HASHED.test(path)) kills.push(disk.kill())
  })
  await run()
  stop()
  return kills
}

it('is nobody else, whenever the process was killed and the power failed after it', async () => {
  const first = new SimulatedDisk()
  const owner = await openOn(first)
  await work(owner, 'first')
  const kills = await killsDuring(first, () => work(owner, 'second'))
  expect(kills.length).toBeGreaterThan(8)
  const others: string[] = []
  let cuts = 0
  for (const [kill, disk] of kills.entries()) {
    const imagesOf = cutAtFlushes(disk, CUTS)
    const next = await openOn(disk)
    for (const name of ['third', 'fourth']) await work(next, name)
    for (const [cut, image] of imagesOf().entries()) {
      cuts++
      const { opened, recovery } = await openOn(image)
      if (!opened.isOffsetsJsonOurs) others.push(`kill ${kill}, cut ${cut}: the offsets are somebody else's`)
      if (!opened.isCheckpointOurs) others.push(`kill ${kill}, cut ${cut}: the checkpoint is somebody else's`)
      if (recovery.notes.some(note => note.includes('/state was')))
        others.push(`kill ${kill}, cut ${cut}: the state is lost`)
    }
  }
  expect(cuts).toBeGreaterThan(500)
  expect(others).toEqual([])
})

it('is nobody else either where a full device refused a save, and the power failed during the next one', async () => {
  const disk = new SimulatedDisk()
  const store = await openOn(disk)
  await work(store, 'first')
  const rule = disk.inject({
    operation: 'write',
    path: /\.tmp$/,
    times: Number.POSITIVE_INFINITY,
    fault: { errno: 'ENOSPC' },
  })
  await expect(work(store, 'refused')).rejects.toMatchObject({ code: 'POCKETMQ_DISK_FULL' })
  rule.remove()
  const imagesOf = cutAtFlushes(disk, 1)
  await work(store, 'second')
  const images = imagesOf()
  expect(images.length).toBeGreaterThan(10)
  for (const image of images) expect((await openOn(image)).opened.isOffsetsJsonOurs).toBe(true)
})
