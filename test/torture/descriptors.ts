/** A process that may open no more files: a typed error, nothing lost, and it goes on when it may. */
import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { FolderTorture } from './folder.ts'
import { TortureFolder } from './folder.ts'
import type { Life } from './life.ts'

const LIVES = 3
const BETWEEN_MS_MAX = 150
const LIMITED_MS_MAX = 300
const MANY = 4096
const ERRORS = /^((IO|STORE_FAILED)( EMFILE)?|INVALID_RECEIPT_HANDLE|TRANSACTION_SETTLED)$/

/** Takes the right to open files from a folder's processes, and gives it back. */
export async function descriptorsFolder({ home, seed, io, planted, tally, isOver }: FolderTorture): Promise<void> {
  const dir = join(home, 'store')
  const folder = new TortureFolder({ dir, outside: join(home, 'outside'), seed, io, planted })
  const { random } = folder
  for (let i = 0; i < LIVES && !isOver(); i++) {
    const life = folder.begin({ isProducing: true, isConsuming: true })
    // Sometimes already while it opens.
    if (random.chance(0.75)) await life.says(/^O /m)
    await life.lives(random.below(BETWEEN_MS_MAX))
    limit(life, lowestFreeDescriptor(life))
    await life.says(/^! /m, 0, LIMITED_MS_MAX + random.below(LIMITED_MS_MAX))
    const limitedBytes = life.said().length
    const wasOpen = /^O /m.test(life.said())
    limit(life, MANY)
    tally.count('out of descriptors')
    const goesOn = await life.says(/^(\+|! \S+ STORE_FAILED)/m, limitedBytes)
    if (wasOpen && !goesOn && life.end === undefined) folder.complain('nothing goes on after files may be opened again')
    await life.kill()
    tally.killed(life)
    // Where it had not opened it gave a typed error; or Node could not start, which opens files of its own.
    await folder.ended(life, !wasOpen)
  }
  await folder.drain()
  for (const error of folder.ledger.errors.keys()) {
    if (!ERRORS.test(error)) folder.complain(`no descriptors gave ${error}`)
  }
  tally.take(folder.ledger, folder.name, 'out of descriptors')
}

/** With a limit of this, nothing more can be opened. */
function lowestFreeDescriptor({ pid }: Life): number {
  try {
    const used = new Set(readdirSync(`/proc/${pid}/fd`).map(Number))
    let free = 0
    while (used.has(free)) free++
    return free
  } catch {
    return MANY
  }
}

function limit({ pid, end }: Life, descriptors: number): void {
  if (end !== undefined) return
  execFileSync('prlimit', ['--pid', String(pid), `--nofile=${descriptors}:${MANY}`], { stdio: 'pipe' })
}

/** Why limits cannot be set here; undefined where they can. */
export async function noPrlimit(): Promise<string | undefined> {
  try {
    execFileSync('prlimit', ['--pid', String(process.pid), '--nofile'], { stdio: 'pipe' })
    return undefined
  } catch (error) {
    return String((error as Error).message).split('\n')[0]
  }
}
