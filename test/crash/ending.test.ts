/** Processes that end without closing their store, by themselves: what survives is what the level says. */
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import { MessageStore } from '../../src/store/message-store.ts'
import { IO_MODES } from '../support/mmap-available.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { readBack } from './reading.ts'
import { runWriter } from './writer.ts'

const CASES = IO_MODES.flatMap(io => (['memory', 'interval', 'disk'] as const).map(durability => ({ io, durability })))

describe.each(CASES)('io $io, durability $durability', ({ io, durability }) => {
  const live = async (by: 'exit' | 'throw' | 'return') => {
    const dir = join(temporaryFolder(), 'store')
    const run = await runWriter({ dir, io, durability, seed: 7, run: 7, readFrom: [], end: { after: 60, by } }, 'never')
    const store = await MessageStore.open(dir, { logger: silentLogger })
    const { maxima, complaints } = await readBack(store, 7, [])
    expect(complaints).toEqual([])
    for (const [i, count] of run.acknowledged.entries()) expect(maxima[i]).toBeGreaterThanOrEqual(count)
    const { recovery } = store
    await store.close()
    return { run, recovery }
  }

  it('process.exit() without close keeps every acknowledged message', { timeout: 30_000 }, async () => {
    const { run, recovery } = await live('exit')
    expect(run.exitCode).toBe(0)
    expect(run.count).toBeGreaterThanOrEqual(60)
    expect(recovery.clean).toBe(false)
  })

  it('an unhandled throw keeps every acknowledged message', { timeout: 30_000 }, async () => {
    const { run, recovery } = await live('throw')
    expect(run.exitCode).toBe(1)
    expect(run.errors).toContain('nobody handles this')
    expect(recovery.clean).toBe(false)
  })

  it('a store that was closed opens clean', { timeout: 30_000 }, async () => {
    const { run, recovery } = await live('return')
    expect(run.exitCode).toBe(0)
    expect(recovery).toMatchObject({ clean: true, truncatedBytes: 0, redispatched: 0 })
  })
})
