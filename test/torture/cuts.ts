/** True power cuts: an ext4 whose image is copied while its writer is stopped wherever it is; the copy is mounted and checked. */
import { closeSync, fdatasync, openSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Ext4 } from './devices.ts'
import type { FolderTorture } from './folder.ts'
import { TortureFolder } from './folder.ts'

const flush = promisify(fdatasync)
const CUTS_PER_FOLDER = 8
const BEFORE_MS_MAX = 300

/** Cuts the power of a folder so often; the process that was cut off is killed, and the next one goes on where it was. */
export async function cutFolder({ home, seed, io, planted, tally, isOver }: FolderTorture): Promise<void> {
  const device = await Ext4.create(home)
  const dir = join(device.folder, 'store')
  const folder = new TortureFolder({ dir, outside: join(home, 'outside'), seed, io, planted })
  const { random } = folder
  for (let cuts = 0; cuts < CUTS_PER_FOLDER && !isOver() && folder.ledger.findings.length === 0; cuts++) {
    const life = folder.begin()
    if (random.chance(0.8)) await life.says(/^O /m)
    await life.lives(random.below(BEFORE_MS_MAX))
    if (random.chance(0.5)) await flushSome(dir, random)
    const said = (await life.stop()) ? life.said() : undefined
    const cut = said === undefined ? undefined : await device.cut(cuts)
    await life.kill()
    tally.killed(life)
    if (said !== undefined && cut === undefined) tally.ended('power cut on ext4', 'the device did not come to rest')
    if (said !== undefined && cut !== undefined) {
      const ledger = await folder.drainImage(join(cut.folder, 'store'), said)
      tally.count('power cut on ext4')
      tally.find(`${folder.name}, cut ${cuts}`, ledger.findings)
      await cut.discard(ledger.findings.length > 0)
    }
    await folder.ended(life)
  }
  await folder.drain()
  tally.take(folder.ledger, folder.name, 'power cut on ext4')
  await device.unmount()
}

/** The kernel may write back any file at any time: here are some that it has chosen. */
async function flushSome(dir: string, random: TortureFolder['random']): Promise<void> {
  for (const path of filesOf(dir)) {
    if (random.chance(0.6)) continue
    let file: number
    try {
      file = openSync(path, 'r+')
    } catch {
      continue
    }
    await flush(file).finally(() => closeSync(file))
  }
}

function filesOf(dir: string): string[] {
  try {
    const entries = readdirSync(dir, { withFileTypes: true, recursive: true })
    return entries.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name))
  } catch {
    return []
  }
}
