/** A log with damage that `repair` has closed, read by RocketMQ: every other message is still there. */
import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import { MessageStore } from '../../src/store/message-store.ts'
import { repairStore } from '../../src/store/repair.ts'
import { resolveStoreSettings } from '../../src/store/settings.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { Broker, NO_BROKER } from './broker.ts'
import { BROKER_SIZES, openShop } from './shop.ts'

const COUNT = 300

describe.skipIf(NO_BROKER !== undefined)('a repaired log', { timeout: 120_000 }, () => {
  it.each(['with its consume queues', 'without consume queues, after a crash'])('%s', async state => {
    const dir = join(temporaryFolder(), 'store')
    const store = await openShop(dir)
    const puts = Array.from({ length: COUNT }, (_, i) =>
      store.put({
        topic: 'orders',
        queueId: i % 2,
        body: Buffer.from(`${i} `.repeat(10)),
        properties: { KEYS: `key${i}` },
      }),
    )
    await store.close()
    // The 6th message and two of the middle; RocketMQ would cut everything behind the first.
    const victims = [5, 150, 151].map(i => puts[i] as (typeof puts)[number])
    for (const { physicalOffset } of victims) flip(dir, physicalOffset + 95)
    const { holes, findings } = await repairStore(dir, resolveStoreSettings({ logger: silentLogger }))
    expect(holes.map(hole => hole.lost.length)).toEqual([1, 1, 1])
    expect(findings).toEqual([])
    if (state.startsWith('without')) {
      rmSync(join(dir, 'consumequeue'), { recursive: true })
      closeSync(openSync(join(dir, 'abort'), 'w'))
      rmSync(join(dir, 'checkpoint'))
    }
    const broker = await Broker.open(dir, { ...BROKER_SIZES, commitLogRecoverMaxNum: 1000 })
    const { messages } = await broker.dump()
    await broker.close()
    expect(messages).toHaveLength(COUNT)
    expect(messages.every(message => message.decodes)).toBe(true)
    const offsets = messages.map(message => message.commitLogOffset).sort((a, b) => a - b)
    expect(offsets).toEqual(puts.map(put => put.physicalOffset))
    const again = await MessageStore.open(dir, { logger: silentLogger })
    expect(again.put({ topic: 'orders', queueId: 0, body: Buffer.from('next') }).queueOffset).toBe(COUNT / 2)
    await again.close()
  })
})

function flip(dir: string, physicalOffset: number): void {
  const { mappedFileSizeCommitLog } = BROKER_SIZES as { mappedFileSizeCommitLog: number }
  const start = physicalOffset - (physicalOffset % mappedFileSizeCommitLog)
  const path = join(dir, 'commitlog', String(start).padStart(20, '0'))
  const byte = readFileSync(path)[physicalOffset - start] as number
  const file = openSync(path, 'r+')
  writeSync(file, Buffer.from([byte ^ 1]), 0, 1, physicalOffset - start)
  closeSync(file)
}
