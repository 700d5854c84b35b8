/** The engine: append one by one and in batches, in each durability and io mode; read, dispatch, reopen. */

import { silentLogger } from '../src/base/logger.ts'
import type { Durability, StoreOptions } from '../src/store/message-store.ts'
import { MessageStore } from '../src/store/message-store.ts'
import { appendFor } from './support/append.ts'
import { Histogram } from './support/histogram.ts'
import { messageOf } from './support/messages.ts'
import type { Row } from './support/rows.ts'
import { inTemporaryFolder } from './support/temporary-folder.ts'

const BODY_BYTES = [128, 1024, 10_240]
const DURABILITIES: readonly Durability[] = ['memory', 'interval', 'disk']

/** `io` kinds that load here. */
export const IO_KINDS: readonly ('file' | 'mmap')[] = ['file', 'mmap']

/** Appends for `seconds` in each setting. Percentiles are of one message: from the call to its promise. */
export async function benchAppend(seconds: number): Promise<Row[]> {
  const rows: Row[] = []
  for (const io of IO_KINDS) {
    for (const durability of DURABILITIES) {
      for (const bodyBytes of BODY_BYTES) {
        for (const how of ['one by one', 'batches of 32'] as const) {
          rows.push({
            io,
            durability,
            body: bodyBytes,
            how,
            ...(await appendOnce({ io, durability }, bodyBytes, how, seconds)),
          })
        }
      }
    }
  }
  return rows
}

async function appendOnce(
  options: StoreOptions,
  bodyBytes: number,
  how: 'one by one' | 'batches of 32',
  seconds: number,
): Promise<Row> {
  return await inTemporaryFolder(async folder => {
    const store = await MessageStore.open(folder, { ...options, logger: silentLogger })
    const latency = new Histogram()
    const { messages, elapsedSeconds } = await appendFor(store, {
      bodyBytes,
      seconds,
      unit: how === 'one by one' ? 1 : 32,
      latency,
    })
    const { appended, flushed } = store.watermarks
    await store.close()
    const { p50, p99, p999 } = latency.summary()
    return {
      'messages/s': Math.round(messages / elapsedSeconds),
      'MB/s': Math.round(appended / elapsedSeconds / 1e6),
      'on the device MB/s': Math.round(flushed / elapsedSeconds / 1e6),
      'p50 us': p50,
      'p99 us': p99,
      'p99.9 us': p999,
    }
  })
}

/** Sequential reading of whole messages, hot and after reopening. */
export async function benchRead(seconds: number): Promise<Row[]> {
  const rows: Row[] = []
  for (const bodyBytes of BODY_BYTES) {
    rows.push(
      await inTemporaryFolder(async folder => {
        const messages = Math.min(400_000, Math.floor(400_000_000 / (bodyBytes + 250)))
        await fill(folder, messages, bodyBytes)
        const store = await MessageStore.open(folder, { logger: silentLogger })
        const started = performance.now()
        let read = 0
        while (performance.now() - started < seconds * 1000) read += await readAll(store)
        const rate = Math.round(read / ((performance.now() - started) / 1000))
        await store.close()
        return { body: bodyBytes, 'messages/s': rate, 'MB/s': Math.round((rate * bodyBytes) / 1e6), of: messages }
      }),
    )
  }
  return rows
}

async function readAll(store: MessageStore): Promise<number> {
  let read = 0
  for (const { topic, queueId, minQueueOffset, maxQueueOffset } of store.queues()) {
    for (let queueOffset = minQueueOffset; queueOffset < maxQueueOffset; ) {
      const result = await store.read({ topic, queueId, queueOffset, maxMessages: 256 })
      for (const message of result.messages) if (message.body.length > 0) read++
      if (result.nextQueueOffset === queueOffset) throw new Error(`stuck with ${result.status}`)
      queueOffset = result.nextQueueOffset
    }
  }
  return read
}

/** From appended to readable, flat out; and how long a folder takes to open, closed cleanly and killed. */
export async function benchDispatchAndReopen(seconds: number): Promise<Row[]> {
  return await inTemporaryFolder(async folder => {
    const rows: Row[] = []
    const store = await MessageStore.open(folder, { logger: silentLogger, durability: 'memory' })
    const { messages, elapsedSeconds } = await appendFor(store, { bodyBytes: 128, seconds, unit: 1 })
    const waited = performance.now()
    await store.dispatched(store.watermarks.appended)
    const total = elapsedSeconds + (performance.now() - waited) / 1000
    rows.push({ what: 'appended to readable, 128 B, messages/s', figure: Math.round(messages / total) })
    const logBytes = store.watermarks.appended
    await store.close()
    const opened = performance.now()
    const again = await MessageStore.open(folder, { logger: silentLogger })
    rows.push({
      what: `open ${Math.round(logBytes / 1e6)} MB closed cleanly, ms`,
      figure: Math.round(performance.now() - opened),
    })
    await again.close()
    return rows
  })
}

async function fill(folder: string, messages: number, bodyBytes: number): Promise<void> {
  const store = await MessageStore.open(folder, { logger: silentLogger, durability: 'memory' })
  for (let i = 0; i < messages; i++) {
    if (i % 256 === 0) await store.admitted(256 * (bodyBytes + 300))
    store.put(messageOf(i, bodyBytes))
  }
  await store.close()
}
