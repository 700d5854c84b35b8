/** Sizes and counts at their ends, on a real disk. */
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import { MessageStore } from '../../src/store/message-store.ts'
import { SimulatedDisk } from '../../src/testing/testing.ts'
import { IO_MODES } from '../support/mmap-available.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const MIB = 1 << 20

describe.each(IO_MODES)('io %s', io => {
  it('a body of 4 MiB is stored and read back; one of a byte more is refused and leaves nothing', async () => {
    const dir = join(temporaryFolder(), 'store')
    const store = await MessageStore.open(dir, { io, commitLogSegmentBytes: 16 * MIB, logger: silentLogger })
    const body = Buffer.alloc(4 * MIB)
    for (let i = 0; i < body.length; i += 4) body.writeInt32BE(Math.imul(i, 2_654_435_761), i)
    for (let i = 0; i < 5; i++) {
      // Five of them roll over a segment of sixteen.
      await store.admitted(body.length + 1000)
      store.put({ topic: 'large', queueId: 0, body })
    }
    const { appended } = store.watermarks
    expect(() => store.put({ topic: 'large', queueId: 0, body: Buffer.alloc(4 * MIB + 1) })).toThrow(
      expect.objectContaining({ code: 'POCKETMQ_MESSAGE_TOO_LARGE' }),
    )
    expect(store.watermarks.appended).toBe(appended)
    await store.close()
    const again = await MessageStore.open(dir, { io, logger: silentLogger })
    for (let i = 0; i < 5; i++) {
      const { messages } = await again.read({ topic: 'large', queueId: 0, queueOffset: i, maxMessages: 1 })
      expect(messages[0]?.body.equals(body)).toBe(true)
    }
    expect(again.put({ topic: 'large', queueId: 0, body: Buffer.from('next') }).queueOffset).toBe(5)
    await again.close()
  })

  it('a queue nobody has written to has no range and no messages, also after a queue beside it has', async () => {
    const store = await MessageStore.open(join(temporaryFolder(), 'store'), { io, logger: silentLogger })
    const request = { topic: 'orders', queueId: 1, queueOffset: 0, maxMessages: 8 }
    const nothing = {
      status: 'no-matched-logic-queue',
      messages: [],
      nextQueueOffset: 0,
      minQueueOffset: 0,
      maxQueueOffset: 0,
    }
    expect(await store.read(request)).toEqual(nothing)
    const { physicalOffset, sizeBytes } = store.put({ topic: 'orders', queueId: 0, body: Buffer.from('x') })
    await store.dispatched(physicalOffset + sizeBytes)
    expect(await store.read(request)).toEqual(nothing)
    expect(store.get(request)).toEqual(nothing)
    expect(store.queueRange('orders', 1)).toBe(undefined)
    expect(await store.offsetByTimestamp('orders', 1, Date.now())).toBe(0)
    await store.close()
  })
})

it.each([
  ['disk', 256],
  ['interval', 0],
] as const)('a store of durability %s has %d KiB of its log filled ahead', async (durability, ahead) => {
  const fileSystem = new SimulatedDisk()
  const store = await MessageStore.open('/store', { durability, fileSystem, logger: silentLogger })
  const before = fileSystem.freeBytes
  const { physicalOffset, sizeBytes } = store.put({ topic: 'orders', queueId: 0, body: Buffer.from('x') })
  await store.flushed(physicalOffset + sizeBytes)
  expect(Math.floor((before - fileSystem.freeBytes) / 262_144) * 256).toBe(ahead)
  await store.close()
})

it('10,000 topics are written, closed, opened and read', { timeout: 120_000 }, async () => {
  const dir = join(temporaryFolder(), 'store')
  const options = { consumeQueueSegmentEntries: 10, logger: silentLogger }
  const store = await MessageStore.open(dir, options)
  const name = (n: number): string => `topic-${n}`
  for (let n = 0; n < 10_000; n++) {
    store.put({ topic: name(n), queueId: 0, body: Buffer.from(name(n)) })
    if (n % 1000 === 999) await store.dispatched(store.watermarks.appended)
  }
  await store.close()
  const again = await MessageStore.open(dir, options)
  expect(again.recovery).toMatchObject({ clean: true, redispatched: 0 })
  expect(again.queues()).toHaveLength(10_000)
  for (let n = 0; n < 10_000; n += 7) {
    const { messages } = await again.read({ topic: name(n), queueId: 0, queueOffset: 0, maxMessages: 8 })
    expect(messages.map(message => message.body.toString())).toEqual([name(n)])
  }
  await again.close()
})

it('a reader of a closed folder says that all of it is on the device', async () => {
  const dir = join(temporaryFolder(), 'store')
  const store = await MessageStore.open(dir, { logger: silentLogger })
  store.put({ topic: 'orders', queueId: 0, body: Buffer.from('one') })
  await store.close()
  const reader = await MessageStore.openReadOnly(dir, { logger: silentLogger })
  const { appended, flushed, checkpointed } = reader.watermarks
  expect(appended).toBeGreaterThan(0)
  expect([flushed, checkpointed]).toEqual([appended, appended])
  await reader.close()
})
