import { describe, expect, test } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import type { StoreOptions } from '../../src/store/message-store.ts'
import { MessageStore } from '../../src/store/message-store.ts'
import type { RepairReport } from '../../src/store/repair.ts'
import { repairStore } from '../../src/store/repair.ts'
import { resolveStoreSettings } from '../../src/store/settings.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'

type Place = {
  readonly body: string
  readonly queue: string
  readonly start: number
  readonly end: number
  readonly slot: number
}

class Shop {
  readonly clock = new ManualClock()
  readonly disk = new SimulatedDisk({ clock: this.clock })
  readonly places: Place[] = []
  readonly options: StoreOptions

  constructor(segmentBytes = 8192) {
    const sizes = {
      commitLogSegmentBytes: segmentBytes,
      consumeQueueSegmentEntries: 16,
      indexSlots: 16,
      indexEntries: 64,
    }
    this.options = { fileSystem: this.disk, clock: this.clock, logger: silentLogger, ...sizes }
  }

  async fill(count: number, bodyBytes: (i: number) => number = i => 20 + (i % 40)): Promise<void> {
    const store = await MessageStore.open('/store', this.options)
    for (let i = 0; i < count; i++) {
      const [topic, queueId] = [`topic-${i % 3}`, i % 2]
      const body = `${i} `.padEnd(bodyBytes(i), 'x')
      const { physicalOffset, sizeBytes, queueOffset } = store.put({
        topic,
        queueId,
        body: Buffer.from(body),
        properties: { KEYS: `key${i}` },
      })
      const [start, end] = [physicalOffset, physicalOffset + sizeBytes]
      this.places.push({ body, queue: `${topic}/${queueId}`, start, end, slot: queueOffset })
    }
    await store.smallFiles.save(
      'config/topics.json',
      Buffer.from('{"dataVersion":{"counter":1,"stateVersion":0,"timestamp":1},"topicConfigTable":{}}'),
    )
    await store.smallFiles.save(
      'config/topics.json',
      Buffer.from('{"dataVersion":{"counter":2,"stateVersion":0,"timestamp":1},"topicConfigTable":{}}'),
    )
    await store.close()
  }

  /** Overwrites bytes of the log as they lie on the disk. */
  async scratch(from: number, to: number, byte = 0): Promise<void> {
    const segmentBytes = this.options.commitLogSegmentBytes as number
    const start = from - (from % segmentBytes)
    const file = await this.disk.open(`/store/commitlog/${String(start).padStart(20, '0')}`, 'write', 0)
    await file.write(Buffer.alloc(to - from, byte), from - start)
    await file.flush()
    await file.close()
  }

  async remove(folder: string): Promise<void> {
    for (const path of this.disk.paths()) if (path.startsWith(`/store/${folder}`)) await this.disk.remove(path)
  }

  repair(): Promise<RepairReport> {
    return repairStore('/store', resolveStoreSettings(this.options))
  }

  /** Every message but `lost` is there, in its slot; the log has no hole, with and without consume queues. */
  async expectAllBut(lost: readonly Place[]): Promise<void> {
    for (const isRebuilt of [false, true]) {
      if (isRebuilt) await this.remove('consumequeue')
      const store = await MessageStore.open('/store', this.options)
      expect(store.recovery.damaged).toEqual([])
      for (const place of this.places) {
        const [topic = '', queueId = ''] = place.queue.split('/')
        const request = { topic, queueId: Number(queueId), queueOffset: place.slot, maxMessages: 1 }
        const [message] = (await store.read(request)).messages
        const isLost = lost.includes(place)
        expect(message?.queueOffset, place.body).toBe(place.slot)
        expect(message?.body.toString()).toBe(isLost ? '' : place.body)
        expect(message?.property('PMQ_LOST') !== undefined).toBe(isLost)
      }
      await store.close()
      const view = await MessageStore.openReadOnly('/store', this.options)
      expect((await view.verify()).findings).toEqual([])
      await view.close()
    }
  }
}

const lostOf = (places: readonly Place[]): object[] =>
  places.map(({ queue, slot }) => {
    const [topic, queueId] = queue.split('/')
    return { topic, queueId: Number(queueId), queueOffset: slot }
  })

describe.each([true, false])('with consume queues: %s', hasQueues => {
  test.each([
    ['one record with a flipped byte', 20, 21, 90, 91],
    ['one record without its head', 20, 21, 0, 60],
    ['three records in a row', 30, 33, 0, undefined],
    ['the first record of the log', 0, 1, 0, undefined],
    ['the last record of the log', 59, 60, 0, undefined],
  ])('%s: the others are there, and the hole is closed', async (_name, first, end, from, to) => {
    const shop = new Shop()
    await shop.fill(60)
    const victims = shop.places.slice(first, end)
    const start = victims[0]?.start ?? 0
    await shop.scratch(start + from, to === undefined ? (victims.at(-1)?.end ?? 0) : start + to, 0xee)
    if (!hasQueues) await shop.remove('consumequeue')
    const { holes, findings } = await shop.repair()
    expect(findings).toEqual([])
    expect(holes.every(hole => hole.isClosed)).toBe(true)
    // Without its queue entry, the last message of a queue leaves no trace that there was one.
    const isKnown = hasQueues || first < 50
    if (isKnown) expect(holes.flatMap(hole => hole.lost)).toEqual(lostOf(victims))
    if (isKnown) await shop.expectAllBut(victims)
  })
})

test('the end of a segment, filler included', async () => {
  const shop = new Shop()
  await shop.fill(120)
  const victims = shop.places.filter(place => place.end <= 8192).slice(-2)
  await shop.scratch(victims[0]?.start ?? 0, 8192, 0xee)
  const { holes, findings } = await shop.repair()
  expect(findings).toEqual([])
  expect(holes).toMatchObject([{ lost: lostOf(victims), isClosed: true, endPhysicalOffset: 8192 }])
  await shop.expectAllBut(victims)
})

test('a whole segment', async () => {
  const shop = new Shop()
  await shop.fill(120)
  const victims = shop.places.filter(place => place.start >= 8192 && place.end <= 16_384)
  await shop.scratch(8192, 16_384)
  const { holes, findings } = await shop.repair()
  expect(findings).toEqual([])
  expect(holes.flatMap(hole => hole.lost)).toEqual(lostOf(victims))
  await shop.expectAllBut(victims)
})

test('a large message: placeholders are small, so several take its place', async () => {
  const shop = new Shop(1 << 20)
  await shop.fill(9, i => (i === 4 ? 200_000 : 30))
  const victim = shop.places[4] as Place
  await shop.scratch(victim.start + 5000, victim.start + 5001, 0xee)
  const { holes, findings } = await shop.repair()
  expect(findings).toEqual([])
  expect(holes).toMatchObject([{ lost: lostOf([victim]), isClosed: true }])
  await shop.expectAllBut([victim])
  const store = await MessageStore.openReadOnly('/store', shop.options)
  expect(store.queueRange('PMQ_LOST', 0)?.maxQueueOffset).toBe(6)
  await store.close()
})

test('a record too small for a placeholder with a checksum gets one without', async () => {
  const shop = new Shop()
  const store = await MessageStore.open('/store', shop.options)
  const puts = [1, 2, 3].map(() => store.put({ topic: 'A', queueId: 0, body: Buffer.from('x') }))
  await store.close()
  const { physicalOffset, sizeBytes } = puts[1] as { physicalOffset: number; sizeBytes: number }
  expect(sizeBytes).toBeLessThan(120)
  await shop.scratch(physicalOffset, physicalOffset + sizeBytes, 0xee)
  const { holes, findings } = await shop.repair()
  expect(holes).toMatchObject([{ isClosed: true, lost: [{ topic: 'A', queueId: 0, queueOffset: 1 }] }])
  expect(findings).toEqual([])
})

test('the original bytes are set aside', async () => {
  const shop = new Shop()
  await shop.fill(30)
  const victim = shop.places[10] as Place
  await shop.scratch(victim.start + 90, victim.start + 91, 0xee)
  const before = shop.disk.contentOf('/store/commitlog/00000000000000000000', victim.start, victim.end)
  await shop.repair()
  expect(shop.disk.contentOf(`/store/pocketmq/set-aside/${victim.start}.bin`)).toEqual(before)
})

test('damaged queues, index, checkpoint and config are set aside and made anew; nothing is lost', async () => {
  const shop = new Shop()
  await shop.fill(60)
  const path = (name: string): string => shop.disk.paths().find(one => one.startsWith(`/store/${name}`)) as string
  shop.disk.flipBit(path('consumequeue/topic-1'), 30, 2)
  shop.disk.flipBit(path('index/'), 40 + 16 * 4 + 20 + 3, 1)
  shop.disk.flipBit('/store/config/topics.json', 0, 0)
  const { holes, findings, replaced } = await shop.repair()
  expect({ holes, findings }).toEqual({ holes: [], findings: [] })
  expect([...replaced].sort()).toEqual(['config/topics.json', 'consumequeue', 'index'])
  expect(shop.disk.contentOf('/store/config/topics.json').toString()).toContain('"counter":1')
  expect(shop.disk.paths().filter(one => one.startsWith('/store/pocketmq/set-aside/')).length).toBeGreaterThan(3)
  await shop.expectAllBut([])
  const store = await MessageStore.openReadOnly('/store', shop.options)
  expect(await store.queryByKey('topic-1', 'key1')).toHaveLength(1)
  await store.close()
})

test('a folder without damage stays as it is', async () => {
  const shop = new Shop()
  await shop.fill(30)
  const { holes, findings, replaced } = await shop.repair()
  expect({ holes, findings, replaced }).toEqual({ holes: [], findings: [], replaced: [] })
})

test('a segment that is missing between others', async () => {
  const shop = new Shop()
  await shop.fill(120)
  await shop.disk.remove('/store/commitlog/00000000000000008192')
  const victims = shop.places.filter(place => place.start >= 8192 && place.end <= 16_384)
  await expect(MessageStore.open('/store', shop.options)).rejects.toMatchObject({ code: 'POCKETMQ_CORRUPT' })
  const { holes, findings, notes } = await shop.repair()
  expect(findings).toEqual([])
  expect(notes.join()).toContain('00000000000000008192 is missing')
  expect(holes.flatMap(hole => hole.lost)).toEqual(lostOf(victims))
  await shop.expectAllBut(victims)
})

test('a folder that is in use is not repaired', async () => {
  const shop = new Shop()
  await shop.fill(10)
  const store = await MessageStore.open('/store', shop.options)
  await expect(shop.repair()).rejects.toMatchObject({ code: 'POCKETMQ_STORE_LOCKED' })
  await store.close()
})

test('a folder that holds no store is not repaired, and stays as it is', async () => {
  const shop = new Shop()
  shop.disk.place('/store/notes.txt', Buffer.from('notes'))
  await expect(shop.repair()).rejects.toMatchObject({ code: 'POCKETMQ_UNSUPPORTED_FORMAT' })
  await expect(MessageStore.repair('/nothing', shop.options)).rejects.toMatchObject({
    code: 'POCKETMQ_STORE_NOT_FOUND',
  })
  expect(shop.disk.paths()).toEqual(['/store/notes.txt'])
})
