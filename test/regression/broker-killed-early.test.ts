/** Was: what a broker appended in the second before it was killed was taken for a torn tail of ours, and cut. */
import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs'
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

async function afterBroker(puts: number, abort: string): Promise<string[]> {
  const dir = join(temporaryFolder(), 'store')
  const ours = await MessageStore.open(dir, { logger: silentLogger })
  for (let i = 0; i < puts; i++) ours.put({ topic: 'orders', queueId: 0, body: Buffer.from('ours') })
  const end = ours.watermarks.appended
  await ours.close()
  killedBroker(dir, end, puts, abort)
  const again = await MessageStore.open(dir, { logger: silentLogger })
  const { messages } = await again.read({ topic: 'orders', queueId: 0, queueOffset: 0, maxMessages: 32 })
  await again.close()
  return messages.map(message => message.body.toString())
}

it.each([0, 3])(
  "a broker's record behind %i of ours is kept where `abort` holds a bare process id, although the checkpoint is ours",
  async puts => {
    expect(await afterBroker(puts, '4711')).toEqual([...Array.from({ length: puts }, () => 'ours'), 'theirs'])
  },
)

it('a record without a checksum is cut where `abort` is ours: nobody else has been there', async () => {
  expect(await afterBroker(2, '4711 pocketmq')).toEqual(['ours', 'ours'])
})
