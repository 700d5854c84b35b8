/** A broker's whole folder with damage in it, repaired. */
import { expect, it } from 'vitest'
import { MessageStore } from '../../src/store/message-store.ts'
import { repairStore } from '../../src/store/repair.ts'
import { resolveStoreSettings } from '../../src/store/settings.ts'
import { brokerStore, DIR, ownerOptionsOn } from '../crash/bad-bytes/full-store.ts'

it("repair closes the hole, sets originals aside and leaves a broker's config files as they are", async () => {
  const disk = brokerStore('g4').kill()
  const configOf = (): [string, string][] =>
    disk
      .paths()
      .filter(path => path.startsWith(`${DIR}/config/`))
      .map(path => [path, disk.contentOf(path).toString('base64')])
  const before = configOf()
  disk.flipBit(`${DIR}/commitlog/00000000000000000000`, 95, 3)
  disk.flipBit(`${DIR}/config/topics.json`, 2, 5)
  const report = await repairStore(DIR, resolveStoreSettings(ownerOptionsOn(disk)))
  expect(report.holes).toMatchObject([
    { physicalOffset: 0, isClosed: true, lost: [{ topic: 'normal', queueId: 0, queueOffset: 0 }] },
  ])
  expect(report.findings).toEqual([])
  expect(report.replaced).toContain('config/topics.json')
  expect(JSON.parse(JSON.stringify(report)).holes).toEqual(report.holes)
  expect(configOf()).toEqual(before)
  const kept = disk.paths().filter(path => path.includes('/pocketmq/set-aside/'))
  for (const original of ['config-topics.json', '/0.bin']) expect(kept.join()).toContain(original)
  const reader = await MessageStore.openReadOnly(DIR, ownerOptionsOn(disk))
  expect((await reader.verify()).findings).toEqual([])
  await reader.close()
})
