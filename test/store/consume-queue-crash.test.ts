/** What crashes leave of queue files, one at a time, and what becomes of it. */
import { describe, expect, test } from 'vitest'
import { CONSUME_QUEUE_ENTRY_BYTES as ENTRY, writeConsumeQueueEntry } from '../../src/codec/consume-queue-entry.ts'
import { ConsumeQueues } from '../../src/store/consume-queues.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'

const DIR = '/store'
const PER_FILE = 20
const FILE = `${DIR}/consumequeue/orders/0/00000000000000000000`

async function open(disk: SimulatedDisk): Promise<ConsumeQueues> {
  const clock = new ManualClock()
  return await ConsumeQueues.open({ fileSystem: disk, dir: DIR, entriesPerFile: PER_FILE, mode: 0o700, clock })
}

/** A file whose slots hold entries of these places; -1 is a slot that was never written. */
function fileOf(places: readonly number[]): Buffer {
  const bytes = Buffer.alloc(PER_FILE * ENTRY)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  for (const [slot, place] of places.entries())
    if (place >= 0) writeConsumeQueueEntry(view, slot * ENTRY, place, 100, 0)
  return bytes
}

function placesIn(bytes: Buffer): number[] {
  return Array.from({ length: bytes.length / ENTRY }, (_, slot) => Number(bytes.readBigInt64BE(slot * ENTRY)))
}

describe('after a crash', () => {
  // Sectors reach the device in any order: entries behind a hole may be there, of records that are not.
  test.each([
    [[0, 100, -1, 300, 400], 300],
    [[0, 100, -1, -1, 400], 200],
    [[0, 100, -1, 900, -1, 900, 900, 900], 200],
    [[0, 100, 200, 900, -1, -1, 900], 300],
  ])('of %j nothing is left behind the last entry that the log at %i vouches for', async (places, end) => {
    const disk = new SimulatedDisk()
    disk.place(FILE, fileOf(places))
    const queues = await open(disk)
    await queues.cutAt(end)
    const queue = queues.obtain('orders', 0)
    for (let slot = queue.maxQueueOffset; slot * 100 < end; slot++) queue.put(slot, slot * 100, 100, 0)
    await queues.flush()
    const left = Array.from({ length: PER_FILE }, (_, slot) => (slot * 100 < end ? slot * 100 : 0))
    expect(placesIn(disk.powerCut(1).contentOf(FILE))).toEqual(left)
    expect((await open(disk)).queue('orders', 0)?.maxQueueOffset).toBe(end / 100)
  })

  test('files behind the cut go, and so does a file that would keep no entry', async () => {
    const disk = new SimulatedDisk()
    const queues = await open(disk)
    for (let slot = 0; slot < 70; slot++) queues.obtain('orders', 0).put(slot, slot * 100, 100, 0)
    await queues.flush()
    const again = await open(disk)
    expect(await again.cutAt(4000)).toBe(30)
    await again.flush()
    expect(disk.powerCut(7).paths()).toEqual([FILE, `${FILE.slice(0, -3)}400`])
    expect(await again.cutAt(0)).toBe(40)
    await again.flush()
    expect(disk.powerCut(7).paths()).toEqual([])
    expect(again.queue('orders', 0)).toMatchObject({ minQueueOffset: 0, maxQueueOffset: 0, lastPhysicalEnd: -1 })
  })

  test('an entry put over a written one reaches the disk too', async () => {
    const disk = new SimulatedDisk()
    const queues = await open(disk)
    const queue = queues.obtain('orders', 0)
    for (let slot = 0; slot < 10; slot++) queue.put(slot, slot * 100, 100, 1)
    await queues.writeOut()
    queue.put(3, 300, 100, 9)
    await queues.writeOut()
    const again = (await open(disk.kill())).queue('orders', 0)
    const tags = Array.from({ length: 10 }, (_, slot) => again?.entriesSync(slot, 1).at(-1))
    expect(tags).toEqual([1, 1, 1, 9, 1, 1, 1, 1, 1, 1])
  })

  test('folders of a process that was killed before it could flush them are made durable by the next one', async () => {
    const killed: SimulatedDisk[] = []
    const disk = new SimulatedDisk()
    disk.watch(event => {
      if (event.operation === 'create-folder') killed.push(disk.kill())
    })
    const queues = await open(disk)
    queues.obtain('orders', 0).put(0, 0, 100, 0)
    await queues.flush()
    expect(killed.length).toBeGreaterThan(2)
    for (const [seed, left] of killed.entries()) {
      const next = await open(left)
      await next.cutAt(0)
      next.obtain('orders', 0).put(0, 0, 100, 0)
      await next.flush()
      for (let cut = 0; cut < 8; cut++) expect(left.powerCut(seed * 10 + cut).paths()).toEqual([FILE])
    }
  })
})
