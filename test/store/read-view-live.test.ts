/** A folder that its owner goes on writing, seen by somebody who only reads. */
import { expect, test } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import type { StoreOptions } from '../../src/store/message-store.ts'
import { MessageStore } from '../../src/store/message-store.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'

type Pair = {
  readonly owner: MessageStore
  readonly reader: MessageStore
  readonly disk: SimulatedDisk
  readonly clock: ManualClock
}

async function openPair(options: StoreOptions = {}, before = 10): Promise<Pair> {
  const clock = new ManualClock()
  const disk = new SimulatedDisk({ clock })
  const sizes = { commitLogSegmentBytes: 4096, consumeQueueSegmentEntries: 10, indexSlots: 10, indexEntries: 20 }
  const owner = await MessageStore.open('/store', {
    fileSystem: disk,
    clock,
    logger: silentLogger,
    ...sizes,
    ...options,
  })
  await append(owner, 0, before)
  const reader = await MessageStore.openReadOnly('/store', { fileSystem: disk, clock, logger: silentLogger })
  return { owner, reader, disk, clock }
}

async function append(store: MessageStore, from: number, to: number): Promise<void> {
  for (let i = from; i < to; i++) {
    store.put({ topic: 'A', queueId: 0, body: Buffer.from(`${i}`), properties: { KEYS: `key${i}` } })
    if (i % 7 === 0) await store.written(store.watermarks.appended)
  }
  await store.written(store.watermarks.appended)
}

async function bodies(store: MessageStore, from = 0): Promise<string[]> {
  const found: string[] = []
  for (let at = from; ; ) {
    const result = await store.read({ topic: 'A', queueId: 0, queueOffset: at, maxMessages: 16 })
    if (result.status !== 'found') return found
    for (const message of result.messages) found.push(message.body.toString())
    at = result.nextQueueOffset
  }
}

const numbers = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, i) => `${from + i}`)

test('a reader sees what was there when it opened, then what its owner appends, over segment rolls', async () => {
  const { owner, reader } = await openPair()
  expect(await bodies(reader)).toEqual(numbers(0, 10))
  await append(owner, 10, 25)
  expect(await bodies(reader)).toEqual(numbers(0, 25))
  await append(owner, 25, 140)
  expect(await bodies(reader)).toEqual(numbers(0, 140))
  expect(await reader.queryByKey('A', 'key139')).toHaveLength(1)
  expect(reader.watermarks.dispatched).toBe(owner.watermarks.written)
  await reader.close()
  await owner.close()
})

test('a reader keeps reading while its owner closes and another one opens', async () => {
  const { owner, reader, disk, clock } = await openPair({}, 60)
  await owner.close()
  expect(await bodies(reader)).toEqual(numbers(0, 60))
  const next = await MessageStore.open('/store', { fileSystem: disk, clock, logger: silentLogger })
  await append(next, 60, 130)
  expect(await bodies(reader)).toEqual(numbers(0, 130))
  await next.close()
  await reader.close()
})

test('a reader changes no byte and holds no lock', async () => {
  const { owner, reader, disk } = await openPair()
  const before = disk.paths().map(path => [path, disk.contentOf(path)])
  await bodies(reader)
  await reader.queryByKey('A', 'key3')
  await reader.verify()
  await reader.close()
  expect(disk.paths().map(path => [path, disk.contentOf(path)])).toEqual(before)
  await owner.close()
})

test('a reader of records without checksums follows their owner', async () => {
  const { owner, reader } = await openPair({ recordCrc: false })
  await append(owner, 10, 60)
  expect(await bodies(reader)).toEqual(numbers(0, 60))
  await reader.close()
  await owner.close()
})

test('a reader begins later when its owner drops the oldest segments', async () => {
  const { owner, reader } = await openPair({ retention: { hours: 0, freeBytesMin: 0 } }, 120)
  await owner.flush()
  await owner.applyRetention()
  const min = owner.queueRange('A', 0)?.minQueueOffset ?? 0
  expect(min).toBeGreaterThan(0)
  await append(owner, 120, 125)
  await reader.read({ topic: 'A', queueId: 0, queueOffset: min, maxMessages: 1 })
  expect(reader.queueRange('A', 0)?.minQueueOffset).toBe(min)
  expect(await bodies(reader, min)).toEqual(numbers(min, 125))
  await reader.close()
  await owner.close()
})

test('a record that is half written is not there yet, and is there when it is whole', async () => {
  const { owner, disk, clock } = await openPair()
  const { physicalOffset, sizeBytes } = owner.put({ topic: 'A', queueId: 0, body: Buffer.from('late') })
  await owner.written(owner.watermarks.appended)
  const path = '/store/commitlog/00000000000000000000'
  const whole = disk.contentOf(path)
  const file = await disk.open(path, 'write', 0)
  await file.write(Buffer.alloc(20), physicalOffset + sizeBytes - 20)
  const reader = await MessageStore.openReadOnly('/store', { fileSystem: disk, clock, logger: silentLogger })
  expect(await bodies(reader)).toEqual(numbers(0, 10))
  expect(reader.recovery.damaged).toEqual([])
  await file.write(whole.subarray(physicalOffset, physicalOffset + sizeBytes), physicalOffset)
  expect(await bodies(reader)).toEqual([...numbers(0, 10), 'late'])
  await file.close()
  await reader.close()
  await owner.close()
})
