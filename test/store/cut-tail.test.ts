import { expect, test } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import { MessageStore } from '../../src/store/message-store.ts'
import { SET_ASIDE_BYTES_MAX } from '../../src/store/set-aside.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'

const SEGMENT_BYTES = 4096

type Killed = { readonly disk: SimulatedDisk; readonly starts: readonly number[]; readonly sizeBytes: number }

const open = (disk: SimulatedDisk): Promise<MessageStore> =>
  MessageStore.open('/store', {
    fileSystem: disk,
    clock: new ManualClock(),
    logger: silentLogger,
    commitLogSegmentBytes: SEGMENT_BYTES,
    consumeQueueSegmentEntries: 20,
    indexSlots: 10,
    indexEntries: 50,
  })

/** A store that was killed before it flushed: records of one size, none of them known to be on the device. */
async function killed(count: number): Promise<Killed> {
  const disk = new SimulatedDisk({ clock: new ManualClock() })
  const store = await open(disk)
  const puts = Array.from({ length: count }, (_, i) => store.put(recordOf('old', i)))
  await store.written(store.watermarks.appended)
  const image = disk.kill()
  await store.close()
  return { disk: image, starts: puts.map(put => put.physicalOffset), sizeBytes: puts[0]?.sizeBytes ?? 0 }
}

function recordOf(word: string, i: number): { topic: string; queueId: number; body: Buffer } {
  return { topic: 'A', queueId: 0, body: Buffer.from(`${word} ${String(i).padStart(4)}`) }
}

async function tear(disk: SimulatedDisk, physicalOffset: number): Promise<void> {
  const start = physicalOffset - (physicalOffset % SEGMENT_BYTES)
  disk.flipBit(`/store/commitlog/${String(start).padStart(20, '0')}`, physicalOffset - start + 88, 3)
}

async function bodies(store: MessageStore): Promise<string[]> {
  const found: string[] = []
  for await (const message of store.scan(0)) found.push(message.body.toString())
  return found
}

test.each([3, 40, 100])(
  'nothing behind a torn record %i comes back, when what replaces it ends where the next one began',
  async at => {
    const { disk, starts, sizeBytes } = await killed(120)
    await tear(disk, starts[at] as number)
    const store = await open(disk)
    const kept = Array.from({ length: at }, (_, i) => `old ${String(i).padStart(4)}`)
    expect(await bodies(store)).toEqual(kept)
    expect(store.recovery.truncatedBytes).toBeGreaterThan(sizeBytes)
    const put = store.put(recordOf('new', at))
    expect(put).toMatchObject({ physicalOffset: starts[at], queueOffset: at, sizeBytes })
    await store.written(store.watermarks.appended)
    const again = disk.kill()
    await store.close()
    const reopened = await open(again)
    expect(await bodies(reopened)).toEqual([...kept, recordOf('new', at).body.toString()])
    expect(reopened.recovery.truncatedBytes).toBe(0)
    await reopened.close()
  },
)

test('nothing of a segment behind the torn one comes back when the log grows into it', async () => {
  const { disk, starts } = await killed(120)
  const at = starts.findIndex(start => start > SEGMENT_BYTES) - 3
  await tear(disk, starts[at] as number)
  const store = await open(disk)
  expect(disk.paths().filter(path => path.includes('commitlog'))).toHaveLength(2)
  for (let i = at; i < at + 4; i++) store.put(recordOf('new', i))
  await store.written(store.watermarks.appended)
  const again = disk.kill()
  await store.close()
  const reopened = await open(again)
  const found = await bodies(reopened)
  expect(found).toHaveLength(at + 4)
  expect(found.slice(at).every(body => body.startsWith('new'))).toBe(true)
  await reopened.close()
})

test('cut bytes are set aside as they were, and are gone from the device before the store opens', async () => {
  const { disk, starts } = await killed(10)
  const at = starts[6] as number
  await tear(disk, at)
  const path = '/store/commitlog/00000000000000000000'
  const before = disk.contentOf(path, at, (starts[9] as number) + 50)
  const store = await open(disk)
  const aside = disk.contentOf(`/store/pocketmq/set-aside/${at}.bin`)
  expect(aside.subarray(0, before.length)).toEqual(before)
  const cut = disk.powerCut(7)
  expect(cut.contentOf(path, at, SEGMENT_BYTES).every(byte => byte === 0)).toBe(true)
  expect(cut.contentOf(`/store/pocketmq/set-aside/${at}.bin`)).toEqual(aside)
  await store.close()
})

test('a second cut at the same place keeps the copy of the first', async () => {
  const { disk, starts } = await killed(10)
  const at = starts[6] as number
  await tear(disk, at)
  const first = await open(disk)
  first.put(recordOf('new', 6))
  await first.written(first.watermarks.appended)
  const again = disk.kill()
  await first.close()
  await tear(again, at)
  const second = await open(again)
  const names = again.paths().filter(path => path.includes('set-aside'))
  expect(names).toEqual([`/store/pocketmq/set-aside/${at}.1.bin`, `/store/pocketmq/set-aside/${at}.bin`])
  await second.close()
})

test('what is set aside is bounded: the oldest goes, with a note', async () => {
  const { disk, starts } = await killed(10)
  disk.place('/store/pocketmq/set-aside/1.bin', Buffer.alloc(10))
  const old = await disk.open('/store/pocketmq/set-aside/1.bin', 'write', 0)
  await old.setLength(SET_ASIDE_BYTES_MAX)
  await old.close()
  await tear(disk, starts[6] as number)
  const store = await open(disk)
  expect(disk.paths().filter(path => path.includes('set-aside'))).toHaveLength(1)
  expect(store.recovery.notes.join()).toContain('1.bin was removed to make room')
  await store.close()
})

test('a full disk costs the copy of what is cut, not the store', async () => {
  const { disk, starts } = await killed(10)
  await tear(disk, starts[6] as number)
  const rule = disk.inject({
    operation: 'write',
    path: /set-aside/,
    times: Number.POSITIVE_INFINITY,
    fault: { errno: 'ENOSPC' },
  })
  const store = await open(disk)
  expect(await bodies(store)).toHaveLength(6)
  expect(store.recovery.notes.join()).toContain('no room to keep')
  rule.remove()
  await store.close()
})
