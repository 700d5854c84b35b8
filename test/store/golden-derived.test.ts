/** Consume queues and index files that a real RocketMQ wrote, read and made again. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { nodeFileSystem } from '../../src/files/node-file-system.ts'
import type { StoreName } from '../golden/golden-stores.ts'
import { expected, unpack } from '../golden/golden-stores.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import type { DerivedRig } from './derived-rig.ts'
import { derivedRig } from './derived-rig.ts'

type Sizes = {
  readonly segmentBytes: number
  readonly entriesPerFile: number
  readonly slots: number
  readonly entries: number
}

const SMALL = { entriesPerFile: 100, slots: 100, entries: 400 }
const SIZES = {
  g1: { ...SMALL, segmentBytes: 1 << 20 },
  g2: { ...SMALL, segmentBytes: 16_384, entriesPerFile: 20 },
  g3: { ...SMALL, segmentBytes: 65_536 },
  g4: { segmentBytes: 1 << 20, entriesPerFile: 1000, slots: 1000, entries: 4000 },
  g6: { ...SMALL, segmentBytes: 1 << 20 },
  g7: { ...SMALL, segmentBytes: 65_536 },
} satisfies Partial<Record<StoreName, Sizes>>
const NAMES = Object.keys(SIZES) as (keyof typeof SIZES)[]

const open: DerivedRig[] = []
afterEach(async () => {
  for (const rig of open.splice(0)) await rig.close()
})

async function openStore(
  name: keyof typeof SIZES,
  folder: string,
  more: { readOnly?: boolean; from?: number } = {},
): Promise<DerivedRig> {
  const rig = await derivedRig({ fileSystem: nodeFileSystem('file'), dir: folder, ...SIZES[name], ...more })
  open.push(rig)
  return rig
}

/** Every message of every queue, as `read` gives them, a few at a time. */
async function readAll({ queues, reader }: DerivedRig): Promise<object[]> {
  const messages: object[] = []
  for (const { topic, queueId, minQueueOffset, maxQueueOffset } of queues.all()) {
    for (let queueOffset = minQueueOffset; queueOffset < maxQueueOffset; ) {
      const result = await reader.read({ topic, queueId, queueOffset, maxMessages: 7 })
      expect(result.status).toBe('found')
      for (const [i, message] of result.messages.entries()) {
        messages.push({
          topic,
          queueId,
          queueOffset: queueOffset + i,
          commitLogOffset: message.physicalOffset,
          storeSize: message.sizeBytes,
          msgTopic: message.topic,
          tagsCode: message.tagsCode,
        })
      }
      queueOffset = result.nextQueueOffset
    }
  }
  return messages.map(line => JSON.stringify(line)).sort() as unknown as object[]
}

function wanted(name: StoreName): string[] {
  return expected(name)
    .messages.map(line => {
      const { topic, queueId, queueOffset, commitLogOffset, storeSize, msgTopic } = line
      const { tagsCode } = line as unknown as { tagsCode: number }
      return JSON.stringify({ topic, queueId, queueOffset, commitLogOffset, storeSize, msgTopic, tagsCode })
    })
    .sort()
}

function ranges({ queues }: DerivedRig): object[] {
  const all = [...queues.all()].map(({ topic, queueId, minQueueOffset, maxQueueOffset }) => {
    return { topic, queueId, min: minQueueOffset, max: maxQueueOffset }
  })
  return all.sort((a, b) => `${a.topic}/${a.queueId}`.localeCompare(`${b.topic}/${b.queueId}`))
}

function wantedRanges(name: StoreName): object[] {
  return expected(name)
    .queues.filter(({ cqType, max }) => cqType === 'SimpleCQ' && max > 0)
    .map(({ topic, queueId, min, max }) => ({ topic, queueId, min, max }))
    .sort((a, b) => `${a.topic}/${a.queueId}`.localeCompare(`${b.topic}/${b.queueId}`))
}

/** Path and content of every consume-queue file. */
function queueFiles(folder: string): [string, string][] {
  const root = join(folder, 'consumequeue')
  const names = readdirSync(root, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile())
  const files = names.map(entry => join(entry.parentPath, entry.name)).sort()
  return files.map(path => [path.slice(folder.length), readFileSync(path).toString('hex')])
}

describe.each(NAMES)('in the store %s', name => {
  test('queue ranges and messages are those that RocketMQ reads', async () => {
    const rig = await openStore(name, unpack(name, temporaryFolder()))
    expect(ranges(rig)).toEqual(wantedRanges(name))
    expect(await readAll(rig)).toEqual(wanted(name))
  })

  test('queues made again from the log in memory read the same', async () => {
    const folder = unpack(name, temporaryFolder(), { consumeQueues: false, index: false })
    const rig = await openStore(name, folder, { readOnly: true, from: 0 })
    await rig.dispatcher.drain()
    expect(ranges(rig)).toEqual(wantedRanges(name))
    expect(await readAll(rig)).toEqual(wanted(name))
    await rig.queues.flush()
    await rig.index.flush()
    expect(readdirSync(folder)).not.toContain('consumequeue')
    expect(readdirSync(folder)).not.toContain('index')
  })

  test('queue files made again from the log are byte for byte those of RocketMQ', async () => {
    const folder = unpack(name, temporaryFolder())
    const before = queueFiles(folder)
    const again = unpack(name, temporaryFolder(), { consumeQueues: false, index: true })
    const rig = await openStore(name, again, { from: 0 })
    await rig.dispatcher.drain()
    await rig.queues.flush()
    expect(queueFiles(again)).toEqual(before)
  })

  test('every key is found that RocketMQ finds, in its index and in one made again', async () => {
    const keys = expected(name).keys
    for (const index of [true, false]) {
      const folder = unpack(name, temporaryFolder(), { consumeQueues: true, index })
      const rig = await openStore(name, folder, { readOnly: true, ...(index ? {} : { from: 0 }) })
      if (!index) await rig.dispatcher.drain()
      for (const { topic, key, offsets } of keys) {
        const found = await rig.reader.queryByKey(topic, key)
        const places = found.map(message => message.physicalOffset)
        expect(places, `${topic} ${key}`).toEqual(offsets.toSorted((a, b) => b - a))
      }
    }
  })

  test('offsets by time are those of RocketMQ', async () => {
    const rig = await openStore(name, unpack(name, temporaryFolder()))
    for (const { topic, queueId, timestamp, lower, upper } of expected(name).times) {
      const place = `${topic}/${queueId} at ${timestamp}`
      expect(await rig.reader.offsetByTimestamp(topic, queueId, timestamp, 'lower'), place).toBe(lower)
      expect(await rig.reader.offsetByTimestamp(topic, queueId, timestamp, 'upper'), place).toBe(upper)
    }
  })
})
