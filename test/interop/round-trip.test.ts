/** A closed folder goes from PocketMQ to RocketMQ's own store and back, and each reads what either wrote. */
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { pocketmq } from '../golden/reading.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import type { BrokerSettings } from './broker.ts'
import { Broker, NO_BROKER } from './broker.ts'
import {
  BROKER_SIZES,
  differences,
  fillShop,
  LONG_TOPIC,
  openShop,
  queryOffsets,
  readAll,
  recordOf,
  sampleKeys,
} from './shop.ts'

/** What RocketMQ says when it finds something wrong; the rest of its warnings come with every start. */
const ALARM = /^ERROR|BUG|order maybe wrong|mismatch|size not match|not matched/

describe.skipIf(NO_BROKER !== undefined)('a folder that PocketMQ wrote and closed', { timeout: 120_000 }, () => {
  it.each([true, false])(
    'is a clean store for RocketMQ, and RocketMQ leaves one for PocketMQ (record CRC: %s)',
    async recordCrc => {
      const dir = join(temporaryFolder(), 'store')
      const first = await openShop(dir, recordCrc)
      const places = await fillShop(first)
      const end = first.watermarks.appended
      const ours = await readAll(first)
      expect(ours).toHaveLength(places.length)
      await first.close()

      // RocketMQ finds every message by queue and by key, and appends.
      const settings = recordCrc ? await brokerConf(dir) : BROKER_SIZES
      const broker = await Broker.open(dir, settings)
      expect(broker.opened).toMatchObject({ lastExit: 'normal', abortFile: false, maxPhyOffset: end })
      expect(broker.opened.complaints.filter(line => ALARM.test(line))).toEqual([])
      expect(differences((await broker.dump()).messages, ours)).toEqual([])
      for (const { topic, key, offsets } of sampleKeys(places))
        expect(await broker.query(topic, key), key).toEqual(offsets)
      const [put] = await broker.append('orders', 3, 20, 'theirs')
      expect(put).toMatchObject({
        commitLogOffset: end,
        queueOffset: ours.filter(m => m.topic === 'orders' && m.queueId === 3).length,
      })
      await broker.append(LONG_TOPIC, 0, 3, 'long')
      await broker.append('fresh', 0, 5, 'fresh')
      await broker.batch('batches', 1, 4, 'batch')
      const both = (await broker.dump()).messages
      expect(await broker.close()).not.toContainEqual(expect.stringMatching(ALARM))

      // PocketMQ reads both sides' messages, finds them by key, and appends.
      const second = await openShop(dir, recordCrc)
      expect(second.recovery).toMatchObject({ clean: true, truncatedBytes: 0, redispatched: 0, damaged: [] })
      expect(differences(await readAll(second), both)).toEqual([])
      const theirs = both.find(message => message.topic === 'orders' && message.commitLogOffset === end)
      expect(await queryOffsets(second, 'orders', 'theirs-0')).toEqual([theirs?.commitLogOffset])
      for (const { topic, key, offsets } of sampleKeys(places))
        expect(await queryOffsets(second, topic, key), key).toEqual(offsets)
      const max = second.queueRange('fresh', 0)?.maxQueueOffset
      expect(second.put(recordOf('fresh', 0, 1, 100)).queueOffset).toBe(max)
      await second.close()

      // And RocketMQ again.
      const last = await Broker.open(dir, settings)
      expect(last.opened).toMatchObject({ lastExit: 'normal', abortFile: false })
      expect((await last.dump()).messages).toHaveLength(both.length + 1)
      await last.kill()
    },
  )
})

/** What `pocketmq broker-conf` tells the owner of a broker to set; checksums of whole records among it. */
async function brokerConf(dir: string): Promise<BrokerSettings> {
  const { exitCode, stdout, stderr } = await pocketmq('broker-conf', dir, '--json')
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
  const settings = JSON.parse(stdout) as BrokerSettings
  expect(settings).toMatchObject({ ...BROKER_SIZES, storePathRootDir: dir, enabledAppendPropCRC: true })
  return settings
}
