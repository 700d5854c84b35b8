/** Was: what a broker appended in the second before it was killed was taken for a torn tail of ours, and cut. */
import { closeSync, cpSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import { RecordEncoder } from '../../src/codec/record-encoder.ts'
import { MessageStore } from '../../src/store/message-store.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

/** What a broker leaves that is killed before its first checkpoint: a record without `__CRC32#`, and its process id in `abort`. */
function killedBroker(dir: string, end: number, queueOffset: number, abort: string): void {
  const encoder = new RecordEncoder({ storeHost: '127.0.0.1:10911', recordCrc: false, messageBytesMax: 1 << 20 })
  const bytes = Buffer.alloc(encoder.prepare({ topic: 'orders', queueId: 0, body: Buffer.from('theirs') }))
  encoder.encode(bytes, new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, queueOffset, end, Date.now())
  const file = openSync(join(dir, 'commitlog/00000000000000000000'), 'r+')
  writeSync(file, bytes, 0, bytes.length, end)
  closeSync(file)
  writeFileSync(join(dir, 'abort'), abort)
}

async function bodiesIn(dir: string): Promise<string[]> {
  const store = await MessageStore.open(dir, { logger: silentLogger })
  const { messages } = await store.read({ topic: 'orders', queueId: 0, queueOffset: 0, maxMessages: 32 })
  await store.close()
  return messages.map(message => message.body.toString())
}

async function putSome(dir: string, puts: number): Promise<MessageStore> {
  const store = await MessageStore.open(dir, { logger: silentLogger })
  for (let i = 0; i < puts; i++) store.put({ topic: 'orders', queueId: 0, body: Buffer.from('ours') })
  await store.flushed(store.watermarks.appended)
  return store
}

it.each([0, 3])("a broker's record behind %i of ours in a folder that we closed is kept", async puts => {
  const dir = join(temporaryFolder(), 'store')
  const store = await putSome(dir, puts)
  const end = store.watermarks.appended
  await store.close()
  killedBroker(dir, end, puts, '4711')
  expect(await bodiesIn(dir)).toEqual([...Array.from({ length: puts }, () => 'ours'), 'theirs'])
})

it.each([
  [
    "is kept where `abort` holds a broker's bare process id, although the checkpoint is ours",
    '4711',
    ['ours', 'ours', 'theirs'],
  ],
  ['is cut where `abort` is ours: nobody else has been there', '4711 pocketmq', ['ours', 'ours']],
])('a record without a checksum behind those of a killed process of ours %s', async (_, abort, bodies) => {
  const folder = temporaryFolder()
  const [dir, copy] = [join(folder, 'store'), join(folder, 'copy')]
  const store = await putSome(dir, 2)
  cpSync(dir, copy, { recursive: true })
  killedBroker(copy, store.watermarks.appended, 2, abort)
  await store.close()
  expect(await bodiesIn(copy)).toEqual(bodies)
})
