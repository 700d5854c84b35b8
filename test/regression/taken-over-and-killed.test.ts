/** Was: who took a broker's folder over, delivered a delayed message and was killed within seconds had it delivered twice. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import { PocketMQ } from '../../src/messaging/pocket-mq.ts'
import { loadFolder } from '../../src/testing/copy-folder.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import { unpack } from '../golden/golden-stores.ts'
import { messagesOf } from '../messaging/queue-on-disk.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

/** A moment after the golden broker was stopped. */
const STOPPED_MS = 1_795_242_630_000

async function open(disk: SimulatedDisk, clock: ManualClock): Promise<PocketMQ> {
  return await PocketMQ.open('/store', { fileSystem: disk, clock, logger: silentLogger })
}

it('a delayed message that was delivered before the kill is not delivered again', async () => {
  const folder = unpack('g4', temporaryFolder())
  // Its wheel would be read anew; without it the log says what waits.
  for (const name of ['timerwheel', 'timerlog', 'config/timercheck']) rmSync(join(folder, name), { recursive: true })
  const disk = new SimulatedDisk()
  await loadFolder(disk, folder, '/store')
  const clock = new ManualClock(STOPPED_MS)
  const first = await open(disk, clock)
  await first.producer().send({ topic: 'mine', body: 'by level', delayLevel: 1 })
  await first.producer().send({ topic: 'mine', body: 'by time', delay: 1000 })
  await clock.advance(1400)
  expect(await messagesOf(first, 'mine')).toHaveLength(2)
  const killed = disk.kill()
  await first.close({ drainMs: 0 })
  const second = await open(killed, clock)
  await clock.advance(5000)
  expect((await messagesOf(second, 'mine')).map(message => message.body.toString()).sort()).toEqual([
    'by level',
    'by time',
  ])
  await second.close()
})
