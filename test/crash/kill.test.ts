/** Writers killed with SIGKILL at random moments: what was acknowledged is there, in order, once, without anybody's help. */
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import type { Durability } from '../../src/store/message-store.ts'
import { MessageStore } from '../../src/store/message-store.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import { IO_MODES } from '../support/mmap-available.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { readBack } from './reading.ts'
import { QUEUES } from './workload.ts'
import type { Kill, Run } from './writer.ts'
import { runWriter } from './writer.ts'

const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9))
const FOLDERS = 3
const KILLS_PER_FOLDER = Number(process.env.KILLS ?? 12)
const LEVELS: readonly Durability[] = ['memory', 'interval', 'disk']

/** A folder over several lives: what its writers were told and what they have acknowledged so far. */
class Folder {
  readonly dir = join(temporaryFolder(), 'store')
  readonly io: 'file' | 'mmap'
  readonly durability: Durability
  readonly seed: number
  /** What the next writer must find at least. */
  atLeast: readonly number[] = QUEUES.map(() => 0)
  readFrom: readonly number[] = QUEUES.map(() => 0)
  acknowledgements = 0

  constructor(io: 'file' | 'mmap', durability: Durability, seed: number) {
    this.io = io
    this.durability = durability
    this.seed = seed
  }

  /** One writer's life; holds what it found against what those before it had acknowledged. */
  async live(run: number, kill: Kill, more: { lies?: boolean } = {}): Promise<Run> {
    const { dir, io, durability, seed, readFrom } = this
    const life = await runWriter({ dir, io, durability, seed, run, readFrom, ...more }, kill)
    if (life.opened !== undefined) {
      this.check(life.opened.maxima, life.opened.complaints)
      expect(life.opened.recovery.damaged).toEqual([])
      this.readFrom = life.opened.maxima
    }
    this.atLeast = this.atLeast.map((count, i) => Math.max(count, life.acknowledged[i] ?? 0))
    this.acknowledgements += life.count
    if (life.exitCode !== null) throw new Error(`seed ${SEED}: the writer ended by itself: ${life.errors}`)
    return life
  }

  check(maxima: readonly number[], complaints: readonly string[]): void {
    expect(complaints, `seed ${SEED}`).toEqual([])
    for (const [i, count] of this.atLeast.entries()) {
      expect(maxima[i], `seed ${SEED}: queue ${i} has lost acknowledged messages`).toBeGreaterThanOrEqual(count)
    }
  }

  /** Reads everything from the beginning, twice: as a reader that changes nothing, and as an owner. */
  async checkAll(): Promise<void> {
    const options = { logger: silentLogger, io: this.io }
    for (const open of [MessageStore.openReadOnly, MessageStore.open]) {
      const store = await open.call(MessageStore, this.dir, options)
      const { maxima, complaints } = await readBack(store, this.seed, [])
      this.check(maxima, complaints)
      await store.close()
    }
  }
}

describe.each(IO_MODES.flatMap(io => LEVELS.map(durability => ({ io, durability }))))(
  'io $io, durability $durability',
  ({ io, durability }) => {
    it.each(Array.from({ length: FOLDERS }, (_, i) => i))(
      `a folder whose writers are killed ${KILLS_PER_FOLDER} times keeps every acknowledged message, in order, once (%i)`,
      { timeout: 170_000 },
      async number => {
        const random = seededRandom(SEED + 1000 * number + 10 * LEVELS.indexOf(durability) + (io === 'mmap' ? 1 : 0))
        const folder = new Folder(io, durability, random.below(2 ** 31))
        for (let kill = 0; kill < KILLS_PER_FOLDER; kill++) {
          // Every fourth dies about when it opens: recovery itself is interrupted.
          const moment = kill % 4 === 3 ? { afterStartMs: 40 + random.below(150) } : { afterOpenMs: random.below(80) }
          await folder.live(random.below(2 ** 31), moment)
        }
        await folder.checkAll()
        expect(folder.acknowledgements).toBeGreaterThan(0)
      },
    )
  },
)

describe('the kill harness', () => {
  it('catches a writer that acknowledges what it did not put', { timeout: 30_000 }, async () => {
    const folder = new Folder('file', 'memory', 1)
    const { count } = await folder.live(1, { afterOpenMs: 100 }, { lies: true })
    expect(count).toBeGreaterThan(0)
    await expect(folder.live(2, { afterOpenMs: 0 })).rejects.toThrow('has lost acknowledged messages')
  })

  it('catches a folder with other messages than its writers appended', { timeout: 30_000 }, async () => {
    const folder = new Folder('file', 'memory', 1)
    await folder.live(1, { afterOpenMs: 50 })
    const other = new Folder('file', 'memory', 2)
    Object.assign(other, { dir: folder.dir })
    const store = await MessageStore.openReadOnly(folder.dir, { logger: silentLogger })
    const { complaints } = await readBack(store, other.seed, [])
    expect(complaints[0]).toContain('has another body')
    await expect(other.checkAll()).rejects.toThrow('to deeply equal []')
  })
})
