/** Opening a folder: closed cleanly, killed while appending flat out, or with nothing left but its log. */
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { nextTurn } from '../../support/loops.ts'
import type { Answer, Request } from '../../support/protocol.ts'
import { configurationOf, OVERHEAD_BYTES, openStore, Putting } from './opened.ts'

/** Writes `bytes` of log; then closes, or answers and goes on until it is killed. */
export async function fill(request: Request): Promise<Answer> {
  const started = performance.now()
  const store = await openStore(request)
  const putting = new Putting(store, request)
  const messages = Math.floor(Number(request.settings.bytes) / (request.size + OVERHEAD_BYTES))
  await putting.fill(messages)
  if (request.settings.ends === 'closed') await store.close()
  else setImmediate(() => void putForEver(putting))
  return { operations: messages, seconds: (performance.now() - started) / 1000, bytes: messages * request.size }
}

async function putForEver(putting: Putting): Promise<never> {
  for (let i = 0; ; i++) {
    await putting.put(i)
    if (i % 1000 === 0) await nextTurn()
  }
}

export async function open(request: Request): Promise<Answer> {
  if (request.settings.missing !== undefined) {
    // What is ours alone, and what says up to where the log was sound: all of it is walked, and every checksum checked.
    await rm(join(request.folder, 'pocketmq'), { recursive: true, force: true })
    await rm(join(request.folder, 'checkpoint'), { force: true })
    await rm(join(request.folder, 'consumequeue'), { recursive: true, force: true })
    await rm(join(request.folder, 'index'), { recursive: true, force: true })
    await writeFile(join(request.folder, 'abort'), '')
  }
  const started = performance.now()
  const store = await openStore(request)
  const openMs = performance.now() - started
  const { scannedBytes, truncatedBytes, redispatched } = store.recovery
  await store.close()
  return {
    operations: 1,
    seconds: openMs / 1000,
    bytes: 0,
    figures: { openMs, scannedBytes, truncatedBytes, redispatched, scannedMBPerSecond: scannedBytes / openMs / 1000 },
    configuration: configurationOf(request),
  }
}
