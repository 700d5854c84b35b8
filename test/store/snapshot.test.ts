import { statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import { MessageStore } from '../../src/store/message-store.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const OPTIONS = {
  logger: silentLogger,
  commitLogSegmentBytes: 16_384,
  consumeQueueSegmentEntries: 50,
  indexSlots: 50,
  indexEntries: 100,
}

async function bodiesOf(store: MessageStore): Promise<string[]> {
  const bodies: string[] = []
  for await (const message of store.scan(0)) bodies.push(message.body.toString())
  return bodies
}

function fill(store: MessageStore, from: number, to: number): void {
  for (let i = from; i < to; i++) {
    store.put({ topic: 'A', queueId: i % 3, body: Buffer.from(`${i} `.repeat(60)), properties: { KEYS: `key${i}` } })
  }
}

test('a snapshot of a store in use opens clean and holds everything that was flushed', async () => {
  const folder = temporaryFolder()
  const store = await MessageStore.open(join(folder, 'store'), OPTIONS)
  fill(store, 0, 200)
  await store.smallFiles.save('config/topics.json', Buffer.from('{}'))
  const taken = store.snapshot(join(folder, 'copy'))
  // Appending goes on while the copy is made.
  for (let i = 200; i < 260; i++) {
    fill(store, i, i + 1)
    await store.written(store.watermarks.appended)
  }
  await taken
  const copy = await MessageStore.open(join(folder, 'copy'), { logger: silentLogger })
  expect(copy.recovery).toMatchObject({ clean: true, scannedBytes: 0, truncatedBytes: 0, damaged: [] })
  const bodies = await bodiesOf(copy)
  expect(bodies.length).toBeGreaterThanOrEqual(200)
  expect(bodies).toEqual((await bodiesOf(store)).slice(0, bodies.length))
  expect(await copy.queryByKey('A', 'key7')).toHaveLength(1)
  const ends = copy.queues().map(queue => queue.maxQueueOffset)
  expect(ends.reduce((sum, end) => sum + end, 0)).toBe(bodies.length)
  copy.put({ topic: 'A', queueId: 0, body: Buffer.from('goes on') })
  await copy.close()
  fill(store, 300, 310)
  await store.close()
  const reader = await MessageStore.openReadOnly(join(folder, 'copy'), { logger: silentLogger })
  expect((await reader.verify()).findings).toEqual([])
  expect((await bodiesOf(reader)).at(-1)).toBe('goes on')
  await reader.close()
})

test('sealed segments are the same files, the tail is a file of its own', async () => {
  const folder = temporaryFolder()
  const store = await MessageStore.open(join(folder, 'store'), OPTIONS)
  fill(store, 0, 100)
  await store.snapshot(join(folder, 'copy'))
  const inode = (name: string, segment: string): number => statSync(join(folder, name, 'commitlog', segment)).ino
  expect(inode('copy', '00000000000000000000')).toBe(inode('store', '00000000000000000000'))
  const tail = String(Math.floor(store.watermarks.flushed / 16_384) * 16_384).padStart(20, '0')
  expect(inode('copy', tail)).not.toBe(inode('store', tail))
  await store.close()
})

test('a snapshot is refused into a folder with something in it, or inside the store', async () => {
  const folder = temporaryFolder()
  const store = await MessageStore.open(join(folder, 'store'), OPTIONS)
  await expect(store.snapshot(folder)).rejects.toMatchObject({ code: 'POCKETMQ_INVALID_ARGUMENT' })
  await expect(store.snapshot(join(folder, 'store', 'copy'))).rejects.toMatchObject({
    code: 'POCKETMQ_INVALID_ARGUMENT',
  })
  await store.close()
})

test('a snapshot that is given up leaves nothing behind', async () => {
  const folder = temporaryFolder()
  const store = await MessageStore.open(join(folder, 'store'), OPTIONS)
  fill(store, 0, 50)
  const signal = AbortSignal.abort()
  await expect(store.snapshot(join(folder, 'copy'), { signal })).rejects.toMatchObject({ name: 'AbortError' })
  await store.snapshot(join(folder, 'copy'))
  await store.close()
})
