/** Processes killed with SIGKILL, or stopped for a while, at random moments; and one device after the other taken from them. */
import { setTimeout as sleep } from 'node:timers/promises'
import { isErrorNamed } from '../../src/base/errors.ts'
import { silentLogger } from '../../src/base/logger.ts'
import { PocketMQ } from '../../src/messaging/pocket-mq.ts'
import type { TortureFolder } from './folder.ts'
import type { Life } from './life.ts'
import type { Tally } from './tally.ts'

const AFTER_OPEN_MS_MAX = 400
const SOON_MS_MAX = 100
const AFTER_START_MS_MIN = 60
const AFTER_START_MS_MAX = 200
const STOPPED_MS_MAX = 100

/** Kills the processes of a folder so often, then checks it whole. @param isOver ends it early */
export async function killFolder(
  folder: TortureFolder,
  dir: string,
  kills: number,
  tally: Tally,
  isOver: () => boolean,
): Promise<void> {
  const { random } = folder
  for (let i = 0; i < kills && !isOver() && folder.ledger.findings.length === 0; i++) {
    const life = folder.begin()
    if (random.chance(0.2)) {
      // About when it opens: recovery itself is interrupted.
      await life.lives(AFTER_START_MS_MIN + random.below(AFTER_START_MS_MAX))
    } else if (await life.says(/^O /m)) {
      await life.lives(random.below(random.chance(0.7) ? SOON_MS_MAX : AFTER_OPEN_MS_MAX))
      if (random.chance(0.08)) await stopOwner(folder, life, dir, tally)
    }
    await life.kill()
    tally.killed(life)
    await folder.ended(life)
  }
  await folder.drain()
  tally.take(folder.ledger, folder.name, 'SIGKILL while it worked')
}

/** A stopped owner keeps its folder, and goes on afterwards as if nothing had been. */
async function stopOwner(folder: TortureFolder, life: Life, dir: string, tally: Tally): Promise<void> {
  if (!(await life.stop())) return
  const opened = await PocketMQ.open(dir, { logger: silentLogger }).catch((error: unknown) => {
    if (!isErrorNamed(error, 'STORE_LOCKED')) folder.complain(`another process got ${String(error)}, not STORE_LOCKED`)
  })
  if (opened !== undefined) {
    folder.complain('another process opened the folder of a stopped owner')
    await opened.close()
  }
  await sleep(folder.random.below(STOPPED_MS_MAX))
  const saidBytes = life.said().length
  life.resume()
  if (!(await life.says(/^[+a<] /m, saidBytes, 2000)))
    tally.ended('SIGSTOP of the owner', 'nothing was said within 2 s')
  tally.count('SIGSTOP of the owner')
}
