/** A broker that opens our folder and closes it again, with nothing to do in between, has damaged nothing. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import { PocketMQ } from '../../src/messaging/pocket-mq.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { NO_BROKER } from './broker.ts'
import { BROKER_SIZES, SIZES } from './pending.ts'
import { WholeBroker } from './whole-broker.ts'

async function useOnce(dir: string): Promise<void> {
  const mq = await PocketMQ.open(dir, { ...SIZES, logger: silentLogger })
  await mq.producer().send({ topic: 'a', body: 'one' })
  const consumer = await mq.simpleConsumer({ consumerGroup: 'g', subscriptions: { a: '*' }, awaitDuration: 0 })
  for (const message of await consumer.receive(8)) await message.ack()
  await mq.close()
}

async function findingsIn(dir: string): Promise<readonly unknown[]> {
  const reader = await PocketMQ.openReadOnly(dir, { logger: silentLogger })
  const { findings } = await reader.admin.verify()
  await reader.close()
  return findings
}

describe.skipIf(NO_BROKER !== undefined)("an idle broker's visit", { timeout: 120_000 }, () => {
  it('leaves nothing for verify to find, the first time and the second', async () => {
    const root = temporaryFolder()
    const [dir, home] = [join(root, 'store'), join(root, 'home')]
    mkdirSync(home)
    for (let visit = 0; visit < 2; visit++) {
      await useOnce(dir)
      expect(await findingsIn(dir)).toEqual([])
      await (await WholeBroker.open(dir, home, BROKER_SIZES)).close()
      expect(await findingsIn(dir)).toEqual([])
    }
  })
})
