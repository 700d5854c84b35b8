/** States that RocketMQ, a copy gone wrong or a hand leaves behind: healed at open, not inherited. FORMAT sections 10, 11, 24, 26. */
import {
  closeSync,
  copyFileSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import { RecordEncoder } from '../../src/codec/record-encoder.ts'
import { nodeFileSystem } from '../../src/files/node-file-system.ts'
import { MessageStore } from '../../src/store/message-store.ts'
import { StateFile } from '../../src/store/state-file.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const SEGMENT_BYTES = 8192
const ENTRIES = 20
const FILE_BYTES = ENTRIES * 20
const COUNT = 180

const OPTIONS = {
  logger: silentLogger,
  commitLogSegmentBytes: SEGMENT_BYTES,
  consumeQueueSegmentEntries: ENTRIES,
  indexSlots: 50,
  indexEntries: 100,
  advertise: { host: '127.0.0.1', port: 10911 },
}

type Folder = { readonly dir: string; readonly bodies: Map<string, string[]>; readonly end: number }

/** A folder that we closed: two topics, two queues each, several segments and queue files. */
async function closedFolder(recordCrc = true): Promise<Folder> {
  const dir = join(temporaryFolder(), 'store')
  const store = await MessageStore.open(dir, { ...OPTIONS, recordCrc })
  const bodies = new Map<string, string[]>()
  for (let i = 0; i < COUNT; i++) {
    const [topic, queueId] = [i % 2 === 0 ? 'A' : 'B', Math.floor(i / 2) % 2]
    const body = `${i} ${'x'.repeat(i % 50)}`
    store.put({ topic, queueId, body: Buffer.from(body), properties: { KEYS: `key${i}`, UNIQ_KEY: `id${i}` } })
    const queue = `${topic}/${queueId}`
    bodies.set(queue, [...(bodies.get(queue) ?? []), body])
  }
  const end = store.watermarks.appended
  await store.close()
  return { dir, bodies, end }
}

/** Who had the folder last: a broker leaves no state of ours and no checksums; a crash leaves `abort`. */
type Owner = 'closed by us' | 'killed under us' | 'closed by a broker' | 'killed under a broker'
const OWNERS: readonly Owner[] = ['closed by us', 'killed under us', 'closed by a broker', 'killed under a broker']

async function folderOf(owner: Owner): Promise<Folder> {
  const folder = await closedFolder(!owner.endsWith('broker'))
  if (owner.endsWith('broker')) rmSync(join(folder.dir, 'pocketmq'), { recursive: true })
  if (owner.startsWith('killed')) await kill(folder.dir)
  return folder
}

/** Makes the folder what it is when its owner is killed: `abort` is there, and our state, if there is one, says nothing of a close. */
async function kill(dir: string): Promise<void> {
  writeFileSync(join(dir, 'abort'), '1 pocketmq')
  if (!existsSync(join(dir, 'pocketmq/state'))) return
  const { file, state } = await StateFile.load({ fileSystem: nodeFileSystem('file'), dir, mode: 0o700 })
  if (state !== undefined) await file.save({ ...state, isCleanClose: false })
  await file.close()
}

async function readAll(store: MessageStore): Promise<Map<string, string[]>> {
  const bodies = new Map<string, string[]>()
  for (const { topic, queueId, minQueueOffset, maxQueueOffset } of store.queues()) {
    const queue: string[] = []
    for (let at = minQueueOffset; at < maxQueueOffset; ) {
      const result = await store.read({ topic, queueId, queueOffset: at, maxMessages: 32 })
      for (const message of result.messages) queue.push(message.body.toString())
      at = result.nextQueueOffset
    }
    bodies.set(`${topic}/${queueId}`, queue)
  }
  return bodies
}

/** Opens for reading, then as owner: everything is there both times, the owner goes on, and leaves nothing to find. */
async function expectHealed({ dir, bodies }: Folder): Promise<MessageStore['recovery']> {
  const view = await MessageStore.openReadOnly(dir, { logger: silentLogger })
  expect(await readAll(view), 'read-only').toEqual(bodies)
  await view.close()
  const store = await MessageStore.open(dir, { logger: silentLogger })
  expect(await readAll(store), 'as owner').toEqual(bodies)
  for (const [queue, { length }] of bodies) {
    const [topic = '', queueId = ''] = queue.split('/')
    expect(store.put({ topic, queueId: Number(queueId), body: Buffer.from('next') }).queueOffset).toBe(length)
  }
  for (const i of [0, 1, 77, COUNT - 1]) {
    expect(await store.queryByKey(i % 2 === 0 ? 'A' : 'B', `key${i}`), `key${i}`).toHaveLength(1)
  }
  const { recovery } = store
  await store.close()
  const audit = await MessageStore.openReadOnly(dir, { logger: silentLogger })
  expect((await audit.verify()).findings).toEqual([])
  await audit.close()
  const again = await MessageStore.open(dir, { logger: silentLogger })
  expect(again.recovery).toMatchObject({ clean: true, scannedBytes: 0, redispatched: 0 })
  await again.close()
  return recovery
}

function queueFiles(dir: string, queue: string): string[] {
  const folder = join(dir, 'consumequeue', queue)
  return readdirSync(folder)
    .sort()
    .map(name => join(folder, name))
}

function overwrite(path: string, position: number, bytes: Buffer): void {
  const file = openSync(path, 'r+')
  writeSync(file, bytes, 0, bytes.length, position)
  closeSync(file)
}

/** Entries of a queue, over all its files, from the last one backwards. */
function wipeLastEntries(dir: string, queue: string, count: number): void {
  const files = queueFiles(dir, queue)
  let left = count
  for (const path of files.reverse()) {
    const bytes = readFileSync(path)
    for (let slot = ENTRIES - 1; slot >= 0 && left > 0; slot--) {
      if (bytes.readInt32BE(slot * 20 + 8) === 0) continue
      overwrite(path, slot * 20, Buffer.alloc(20))
      left--
    }
    if (left === 0) return
  }
}

describe.each(OWNERS)('a folder %s', owner => {
  test('as it is: nothing has to be mended', async () => {
    const folder = await folderOf(owner)
    const { clean, truncatedBytes, redispatched, damaged } = await expectHealed(folder)
    expect({ truncatedBytes, redispatched, damaged }).toEqual({ truncatedBytes: 0, redispatched: 0, damaged: [] })
    expect(clean).toBe(owner.startsWith('closed'))
  })

  test.each([1, 2, 5])('whose queues lag by %i entries', async count => {
    const folder = await folderOf(owner)
    for (const queue of folder.bodies.keys()) wipeLastEntries(folder.dir, queue, count)
    await expectHealed(folder)
  })

  test('where one queue alone lags', async () => {
    const folder = await folderOf(owner)
    wipeLastEntries(folder.dir, 'A/1', 3)
    await expectHealed(folder)
  })

  test('without one queue', async () => {
    const folder = await folderOf(owner)
    rmSync(join(folder.dir, 'consumequeue/B/1'), { recursive: true })
    await expectHealed(folder)
  })

  test('without the last file of a queue', async () => {
    const folder = await folderOf(owner)
    rmSync(queueFiles(folder.dir, 'B/0').at(-1) as string)
    await expectHealed(folder)
  })

  test('without consume queues', async () => {
    const folder = await folderOf(owner)
    rmSync(join(folder.dir, 'consumequeue'), { recursive: true })
    await expectHealed(folder)
  })

  test('without an index', async () => {
    const folder = await folderOf(owner)
    rmSync(join(folder.dir, 'index'), { recursive: true })
    await expectHealed(folder)
  })

  test('without anything but the log', async () => {
    const folder = await folderOf(owner)
    for (const name of readdirSync(folder.dir))
      if (name !== 'commitlog') rmSync(join(folder.dir, name), { recursive: true })
    await expectHealed(folder)
  })

  test('with a last queue file of zeros', async () => {
    const folder = await folderOf(owner)
    const last = queueFiles(folder.dir, 'A/0').at(-1) as string
    const next = String(Number(last.slice(-20)) + FILE_BYTES).padStart(20, '0')
    writeFileSync(join(last, '..', next), Buffer.alloc(FILE_BYTES))
    await expectHealed(folder)
  })

  test('whose queues run ahead of the log', async () => {
    const folder = await folderOf(owner)
    const last = queueFiles(folder.dir, 'A/0').at(-1) as string
    const entry = Buffer.alloc(20)
    entry.writeBigInt64BE(BigInt(folder.end + 500), 0)
    entry.writeInt32BE(200, 8)
    const used = readFileSync(last)
    let slot = 0
    while (used.readInt32BE(slot * 20 + 8) > 0) slot++
    if (slot < ENTRIES) overwrite(last, slot * 20, entry)
    expect(slot).toBeLessThan(ENTRIES)
    await expectHealed(folder)
  })

  test('whose queue lost a record and has the next one a slot early', async () => {
    const folder = await folderOf(owner)
    const last = queueFiles(folder.dir, 'A/0').at(-1) as string
    const bytes = readFileSync(last)
    let slots = 0
    while (slots < ENTRIES && bytes.readInt32BE(slots * 20 + 8) > 0) slots++
    expect(slots).toBeGreaterThan(3)
    // As RocketMQ does with a queue that lags by two: FORMAT section 10.
    bytes.copyWithin((slots - 2) * 20, (slots - 1) * 20, slots * 20)
    bytes.fill(0, (slots - 1) * 20, slots * 20)
    writeFileSync(last, bytes)
    await expectHealed(folder)
  })

  test('whose queues of one topic have changed places', async () => {
    const folder = await folderOf(owner)
    const queue = (name: string): string => join(folder.dir, 'consumequeue/A', name)
    renameSync(queue('0'), queue('aside'))
    renameSync(queue('1'), queue('0'))
    renameSync(queue('aside'), queue('1'))
    await expectHealed(folder)
  })

  test('with a queue file cut short', async () => {
    const folder = await folderOf(owner)
    truncateSync(queueFiles(folder.dir, 'B/0').at(-1) as string, 47)
    await expectHealed(folder)
  })

  test('with a last segment cut short behind its records, and one that lacks its zeros', async () => {
    const folder = await folderOf(owner)
    const last = readdirSync(join(folder.dir, 'commitlog')).sort().at(-1) as string
    const path = join(folder.dir, 'commitlog', last)
    truncateSync(path, (folder.end % SEGMENT_BYTES) + 3)
    await expectHealed(folder)
    expect(statSync(path).size).toBe(SEGMENT_BYTES)
  })

  test('with garbage behind the last record: it is cut, and a copy kept', async () => {
    const folder = await folderOf(owner)
    const last = readdirSync(join(folder.dir, 'commitlog')).sort().at(-1) as string
    overwrite(join(folder.dir, 'commitlog', last), folder.end % SEGMENT_BYTES, Buffer.alloc(100, 0xda))
    const { truncatedBytes } = await expectHealed(folder)
    expect(truncatedBytes).toBe(100)
    expect(readFileSync(join(folder.dir, 'pocketmq/set-aside', `${folder.end}.bin`))).toEqual(Buffer.alloc(100, 0xda))
  })

  test('with a segment of zeros made ahead', async () => {
    const folder = await folderOf(owner)
    const last = readdirSync(join(folder.dir, 'commitlog')).sort().at(-1) as string
    const next = String(Number(last) + SEGMENT_BYTES).padStart(20, '0')
    writeFileSync(join(folder.dir, 'commitlog', next), Buffer.alloc(SEGMENT_BYTES))
    await expectHealed(folder)
  })

  test('with a checkpoint of zeros, or none', async () => {
    const folder = await folderOf(owner)
    writeFileSync(join(folder.dir, 'checkpoint'), Buffer.alloc(4096))
    await expectHealed(folder)
    const other = await folderOf(owner)
    rmSync(join(other.dir, 'checkpoint'))
    await expectHealed(other)
  })

  test('with damaged files of ours: they are written anew', async () => {
    const folder = await folderOf(owner)
    for (const name of ['state', 'tombstones']) {
      const path = join(folder.dir, 'pocketmq', name)
      if (existsSync(path)) writeFileSync(path, Buffer.alloc(statSync(path).size, 0x5a))
    }
    await expectHealed(folder)
  })

  test('one flipped bit in the middle of the log costs one message, and is told of every time', async () => {
    const folder = await folderOf(owner)
    const first = join(folder.dir, 'commitlog/00000000000000000000')
    const view = await MessageStore.openReadOnly(folder.dir, { logger: silentLogger })
    const victim = (await view.queryByKey('A', 'key10'))[0]
    await view.close()
    const position = (victim?.physicalOffset ?? 0) + 90
    overwrite(first, position, Buffer.from([(readFileSync(first)[position] as number) ^ 1]))
    const expected = new Map(
      [...folder.bodies].map(([queue, bodies]) => [queue, bodies.filter(body => !body.startsWith('10 '))]),
    )
    const store = await MessageStore.open(folder.dir, { logger: silentLogger })
    expect(await readAll(store)).toEqual(expected)
    expect(store.put({ topic: 'A', queueId: 1, body: Buffer.from('next') }).queueOffset).toBe(COUNT / 4)
    await store.close()
    const audit = await MessageStore.openReadOnly(folder.dir, { logger: silentLogger })
    const { findings } = await audit.verify()
    expect(findings).toContainEqual(
      expect.objectContaining({ file: 'commitlog/00000000000000000000', offset: victim?.physicalOffset }),
    )
    await audit.close()
  })
})

/** Appends records to a log as a broker does: without a checksum over the whole record. */
function appendAsBroker({ dir, bodies, end }: Folder, count: number): void {
  const encoder = new RecordEncoder({ storeHost: '127.0.0.1:10911', recordCrc: false, messageBytesMax: 1 << 20 })
  let at = end
  for (let i = 0; i < count; i++) {
    const body = `theirs ${i}`
    const properties = { KEYS: `theirs${i}` }
    const sizeBytes = encoder.prepare({ topic: 'A', queueId: 0, body: Buffer.from(body), properties })
    const record = Buffer.alloc(sizeBytes)
    const queue = bodies.get('A/0') as string[]
    encoder.encode(
      record,
      new DataView(record.buffer, record.byteOffset, sizeBytes),
      0,
      queue.length,
      at,
      Date.now() + i,
    )
    queue.push(body)
    const start = at - (at % SEGMENT_BYTES)
    overwrite(join(dir, 'commitlog', String(start).padStart(20, '0')), at - start, record)
    at += sizeBytes
  }
}

test.each(['closed by us', 'killed under us'] as const)(
  'a broker that was killed right after it opened a folder %s loses nothing, though its checkpoint was never written',
  async owner => {
    const folder = await folderOf(owner)
    writeFileSync(join(folder.dir, 'abort'), '1')
    appendAsBroker(folder, 5)
    const { truncatedBytes } = await expectHealed(folder)
    expect(truncatedBytes).toBe(0)
  },
)

test('a folder whose segments were renamed apart is refused, and stays as it is', async () => {
  const { dir } = await closedFolder()
  const log = join(dir, 'commitlog')
  const last = readdirSync(log).sort().at(-1) as string
  renameSync(join(log, last), join(log, String(Number(last) + SEGMENT_BYTES).padStart(20, '0')))
  await expect(MessageStore.open(dir, { logger: silentLogger })).rejects.toMatchObject({ code: 'POCKETMQ_CORRUPT' })
})

test('a log of something else is refused, and stays as it is', async () => {
  const dir = join(temporaryFolder(), 'store')
  const { dir: source } = await closedFolder()
  const log = join(source, 'commitlog')
  rmSync(join(source, 'pocketmq'), { recursive: true })
  for (const name of readdirSync(log)) writeFileSync(join(log, name), Buffer.alloc(SEGMENT_BYTES, 'other '))
  copyFileSync(join(log, '00000000000000000000'), `${dir}.copy`)
  await expect(MessageStore.open(source, { logger: silentLogger })).rejects.toMatchObject({
    code: 'POCKETMQ_UNSUPPORTED_FORMAT',
  })
  expect(readFileSync(join(log, '00000000000000000000'))).toEqual(readFileSync(`${dir}.copy`))
})
