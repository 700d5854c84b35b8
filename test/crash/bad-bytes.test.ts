/** Flipped bits and files that end early: opening such a folder never crashes, hangs or shows a wrong message. */

import { beforeAll, expect, it } from 'vitest'
import { PocketMQError } from '../../src/base/errors.ts'
import { silentLogger } from '../../src/base/logger.ts'
import type { StoreOptions } from '../../src/store/message-store.ts'
import { MessageStore } from '../../src/store/message-store.ts'
import { ManualClock, SimulatedDisk } from '../../src/testing/testing.ts'
import { factsOf } from './bad-bytes/facts.ts'
import { brokerStore, ownStore } from './bad-bytes/full-store.ts'
import { sweep } from './bad-bytes/sweep.ts'

const DIR = '/store'
const LOG = `${DIR}/commitlog/00000000000000000000`
const MESSAGES = 4
const bodyOf = (i: number): string => `message ${i} ${'b'.repeat(10 * i)}`

let golden: SimulatedDisk
let logEnd = 0

function options(fileSystem: SimulatedDisk): StoreOptions {
  const sizes = { commitLogSegmentBytes: 4096, consumeQueueSegmentEntries: 10, indexSlots: 10, indexEntries: 20 }
  return { ...sizes, fileSystem, clock: new ManualClock(), logger: silentLogger, retention: { freeBytesMin: 0 } }
}

beforeAll(async () => {
  golden = new SimulatedDisk()
  const store = await MessageStore.open(DIR, options(golden))
  for (let i = 0; i < MESSAGES; i++) {
    store.put({ topic: 'orders', queueId: 0, body: Buffer.from(bodyOf(i)), properties: { KEYS: `key-${i}` } })
  }
  logEnd = store.watermarks.appended
  await store.close()
})

/** Offsets of the messages that a damaged copy still shows; fails where one is wrong. */
async function shownBy(disk: SimulatedDisk): Promise<number[]> {
  const shown: number[] = []
  try {
    const store = await MessageStore.open(DIR, options(disk))
    for (let queueOffset = 0; ; ) {
      const read = await store.read({ topic: 'orders', queueId: 0, queueOffset, maxMessages: 8 })
      for (const message of read.messages) {
        expect([message.queueOffset, message.body.toString()]).toEqual([
          message.queueOffset,
          bodyOf(message.queueOffset),
        ])
        shown.push(message.queueOffset)
      }
      if (read.nextQueueOffset <= queueOffset) break
      queueOffset = read.nextQueueOffset
    }
    await store.close()
  } catch (error) {
    if (!(error instanceof PocketMQError)) throw error
  }
  return shown
}

it('a flipped bit of a record, whichever it is, is named by verify and costs no other message', async () => {
  const complaints: string[] = []
  for (let bit = 0; bit < logEnd * 8; bit++) {
    const disk = golden.kill()
    disk.flipBit(LOG, bit >> 3, bit & 7)
    const reader = await MessageStore.openReadOnly(DIR, options(disk))
    const { findingCount } = await reader.verify()
    await reader.close()
    if (findingCount === 0) complaints.push(`bit ${bit} is not found`)
    if (bit % 8 !== 0) continue
    const shown = await shownBy(disk)
    if (shown.length < MESSAGES - 1) complaints.push(`bit ${bit} leaves ${shown.join()}`)
  }
  console.log(`${logEnd * 8} flipped bits of the log`)
  expect(complaints).toEqual([])
}, 300_000)

/** One case in so many; `npm run test:bad-bytes` tries them all. */
const STRIDE = 1499

it.each(['ours', 'g4'])(
  'a sample of all damage to a folder with everything in it: %s',
  async name => {
    const golden = await factsOf(name, name === 'ours' ? await ownStore() : brokerStore(name), name === 'ours')
    const { counts, complaints } = await sweep(golden, { stride: STRIDE, offset: 11 })
    console.log(`${name}: ${[...counts].map(([kind, count]) => `${kind} ${count}`).join(', ')}`)
    expect(complaints).toEqual([])
  },
  300_000,
)
