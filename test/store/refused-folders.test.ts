/** Folders and options that a store refuses: with a typed error, and with nothing in the folder changed. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import { MessageStore } from '../../src/store/message-store.ts'
import { fingerprint } from '../golden/golden-stores.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const refused = async (dir: string, options: object, code: string): Promise<Record<string, unknown>> => {
  const before = fingerprint(dir)
  const error = await MessageStore.open(dir, { logger: silentLogger, ...options }).then(
    () => new Error('it was opened'),
    (reason: Error) => reason,
  )
  expect(error).toMatchObject({ code: `POCKETMQ_${code}` })
  expect((error as { hint?: string }).hint).not.toBe('')
  expect(fingerprint(dir).filter(line => !/^\.(\/lock)? /.test(line))).toEqual(
    before.filter(line => !/^\.(\/lock)? /.test(line)),
  )
  return (error as { details?: Record<string, unknown> }).details ?? {}
}

async function folderWith(options: object): Promise<string> {
  const dir = join(temporaryFolder(), 'store')
  const store = await MessageStore.open(dir, { logger: silentLogger, ...options })
  for (let n = 0; n < 30; n++)
    store.put({ topic: 'orders', queueId: 0, body: Buffer.alloc(400), properties: { KEYS: `k${n}` } })
  await store.close()
  return dir
}

const SIZES = { commitLogSegmentBytes: 8192, consumeQueueSegmentEntries: 20, indexSlots: 50, indexEntries: 100 }

describe('an option', () => {
  it.each([
    ['of an unknown name', { durabilty: 'disk' }],
    ['that is none of its words', { durability: 'always' }],
    ['below its least', { flushIntervalMs: 0 }],
    ['above its most', { commitLogSegmentBytes: 2 ** 40 }],
    ['that is no whole number', { indexSlots: 1.5 }],
    ['of another type', { recordCrc: 'yes' }],
    ['inside retention', { retention: { days: 3 } }],
    ['that lacks a part', { advertise: { host: '127.0.0.1' } }],
    ['that is no logger', { logger: {} }],
  ])('%s is INVALID_ARGUMENT, and no folder is made', async (_, options) => {
    const dir = join(temporaryFolder(), 'store')
    await refused(dir, options, 'INVALID_ARGUMENT')
    expect(fingerprint(dir)).toEqual([])
  })
})

describe('a folder', () => {
  it.each(Object.entries(SIZES))(
    'made with another %s than is given is INVALID_ARGUMENT with both values; without it, it opens',
    async (name, value) => {
      const dir = await folderWith(SIZES)
      const details = await refused(dir, { ...SIZES, [name]: value * 2 }, 'INVALID_ARGUMENT')
      expect(Object.values(details)).toEqual(expect.arrayContaining([value * 2, value]))
      const store = await MessageStore.open(dir, { logger: silentLogger })
      expect(store.queueRange('orders', 0)?.maxQueueOffset).toBe(30)
      expect(await store.queryByKey('orders', 'k29')).toHaveLength(1)
      await store.close()
    },
  )

  it('with other files in it is UNSUPPORTED_FORMAT', async () => {
    const dir = temporaryFolder()
    writeFileSync(join(dir, 'index.html'), '<p>')
    await refused(dir, {}, 'UNSUPPORTED_FORMAT')
  })

  it('that is a file is UNSUPPORTED_FORMAT', async () => {
    const path = join(temporaryFolder(), 'store')
    writeFileSync(path, 'x')
    await refused(path, {}, 'UNSUPPORTED_FORMAT')
  })

  it('whose log is not of records is UNSUPPORTED_FORMAT', async () => {
    const dir = temporaryFolder()
    mkdirSync(join(dir, 'commitlog'))
    writeFileSync(join(dir, 'commitlog/00000000000000000000'), Buffer.alloc(65_536, 'something else '))
    await refused(dir, {}, 'UNSUPPORTED_FORMAT')
  })

  it('of a DLedger log is UNSUPPORTED_FORMAT that says so', async () => {
    const dir = temporaryFolder()
    mkdirSync(join(dir, 'commitlog'))
    // An entry of DLedger: magic 1, size, index, term, position, channel, chain crc, body crc, body size, then RocketMQ's record.
    const segment = Buffer.alloc(65_536)
    segment.writeInt32BE(1, 0)
    segment.writeInt32BE(48 + 100, 4)
    segment.writeInt32BE(100, 44)
    segment.writeInt32BE(100, 48)
    segment.writeUInt32BE(0xdaa320a7, 52)
    writeFileSync(join(dir, 'commitlog/00000000000000000000'), segment)
    await refused(dir, {}, 'UNSUPPORTED_FORMAT')
    mkdirSync(join(dir, 'dledger-n0'))
    await refused(dir, {}, 'UNSUPPORTED_FORMAT')
  })

  it('that is missing is made by open, and is STORE_NOT_FOUND for a reader', async () => {
    const dir = join(temporaryFolder(), 'a/b/store')
    await expect(MessageStore.openReadOnly(dir)).rejects.toMatchObject({ code: 'POCKETMQ_STORE_NOT_FOUND' })
    expect(fingerprint(dir)).toEqual([])
    await (await MessageStore.open(dir, { logger: silentLogger })).close()
    const reader = await MessageStore.openReadOnly(dir)
    expect(() => reader.put({ topic: 'orders', queueId: 0, body: Buffer.from('x') })).toThrow(
      expect.objectContaining({ code: 'POCKETMQ_READ_ONLY' }),
    )
    await reader.close()
  })

  it('that is open already, in this process or another, is STORE_LOCKED with its holder', async () => {
    const dir = join(temporaryFolder(), 'store')
    const store = await MessageStore.open(dir, { logger: silentLogger })
    await expect(MessageStore.open(dir, { logger: silentLogger })).rejects.toMatchObject({
      code: 'POCKETMQ_STORE_LOCKED',
      retryable: true,
      details: { holder: expect.stringContaining(String(process.pid)) },
    })
    await store.close()
  })
})
