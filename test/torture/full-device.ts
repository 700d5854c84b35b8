/** A device that is full at random moments: DISK_FULL to senders, consumers go on, and sends succeed again when there is room. */
import { join } from 'node:path'
import type { FullDevice } from './devices.ts'
import { mountTmpfs, unmount } from './devices.ts'
import type { FolderTorture } from './folder.ts'
import { TortureFolder } from './folder.ts'
import type { Life } from './life.ts'

const MIB = 1024 * 1024
const DEVICE_BYTES = 64 * MIB
const LIVES = 3
const FULL_PER_LIFE = 3
const BETWEEN_MS_MAX = 150
const FULL_MS_MAX = 200
/** Long on any machine; and short enough that a process which goes on no more is found within a run. */
const NOTICED_MS_MAX = 60_000

/** Fills the device under a folder's processes. */
export async function fullFolder({ home, seed, io, planted, tally, isOver }: FolderTorture): Promise<void> {
  const device = await mountTmpfs(home, DEVICE_BYTES)
  const dir = join(device.folder, 'store')
  const folder = new TortureFolder({ dir, outside: join(home, 'outside'), seed, io, planted })
  const { random } = folder
  for (let i = 0; i < LIVES && !isOver() && folder.ledger.findings.length === 0; i++) {
    const life = folder.begin({ isProducing: true, isConsuming: true })
    await life.says(/^O /m)
    for (let j = 0; j < FULL_PER_LIFE && life.end === undefined && folder.ledger.findings.length === 0; j++) {
      await life.lives(random.below(BETWEEN_MS_MAX))
      if (await fillFor(folder, life, device)) tally.count('full device')
    }
    // Sometimes it is killed while there is no room, and opened again when there is.
    if (random.chance(0.3)) device.fill()
    await life.lives(random.below(BETWEEN_MS_MAX))
    await life.kill()
    tally.killed(life)
    await folder.ended(life)
    device.free()
  }
  await folder.drain()
  for (const error of folder.ledger.errors.keys()) {
    if (!/^(DISK_FULL ENOSPC|DISK_FULL|INVALID_RECEIPT_HANDLE|TRANSACTION_SETTLED)$/.test(error))
      folder.complain(`a full device gave ${error}`)
  }
  tally.take(folder.ledger, folder.name, 'full device')
  await unmount(device.folder)
}

/** Fills it until somebody has noticed, sees that consumers go on, frees it, and sees that senders do. */
async function fillFor(folder: TortureFolder, life: Life, device: FullDevice): Promise<boolean> {
  const beforeFull = life.said().length
  device.fill()
  const isNoticed = await life.says(/^! \S+ DISK_FULL/m, beforeFull, NOTICED_MS_MAX)
  await life.lives(folder.random.below(FULL_MS_MAX))
  const whileFull = life.said().length
  device.free()
  if (life.end !== undefined) return false
  if (!isNoticed) folder.complain('nobody noticed that the device is full')
  const goesOn = await life.says(/^\+ /m, whileFull, NOTICED_MS_MAX)
  if (!goesOn && life.end === undefined) folder.complain('no message was stored after there was room again')
  return true
}
