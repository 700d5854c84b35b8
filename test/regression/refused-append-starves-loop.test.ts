/**
 * Was: a copy for a retry is larger than its message, and who put it waited for the message's size. Where only that fitted, the
 * wait was over at once, again and again, in one turn of the event loop: the next segment was never ready, and nothing went on.
 * The same with the bounds of what is not flushed and not dispatched: no flush was ever heard of.
 */
import { expect, it } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import { MessageStore } from '../../src/store/message-store.ts'
import { IO_MODES } from '../support/mmap-available.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const PUTS = 400
const RECORD = { topic: 'orders', queueId: 0, body: Buffer.alloc(2000, 'b') }

/** Appends, and answers how often it was refused, waiting for one byte each time. */
async function refusals(store: MessageStore): Promise<number> {
  for (let count = 0; count < 100; count++) {
    try {
      store.put(RECORD)
      return count
    } catch {
      await store.admitted(1)
    }
  }
  return Number.POSITIVE_INFINITY
}

it.each(IO_MODES)('io %s: after a refused append, `admitted` waits for what was refused', async io => {
  const store = await MessageStore.open(temporaryFolder(), {
    logger: silentLogger,
    io,
    commitLogSegmentBytes: 64 * 1024,
  })
  let most = 0
  for (let i = 0; i < PUTS; i++) most = Math.max(most, await refusals(store))
  expect(most).toBeLessThan(5)
  await store.close()
})

it.each([
  ['unflushedBytesMax', { unflushedBytesMax: 64 * 1024, flushIntervalMs: 5 }],
  ['undispatchedBytesMax', { undispatchedBytesMax: 64 * 1024 }],
])('the same where %s refused it', async (_, bounds) => {
  const store = await MessageStore.open(temporaryFolder(), { logger: silentLogger, ...bounds })
  let most = 0
  for (let i = 0; i < PUTS; i++) most = Math.max(most, await refusals(store))
  expect(most).toBeGreaterThan(0)
  expect(most).toBeLessThan(5)
  await store.close()
})
