import { expect, test } from 'vitest'
import { decodeSubscriptionGroups } from '../../src/codec/subscription-group-json.ts'
import { GroupRecords } from '../../src/messaging/group-records.ts'
import type { Bench } from './consuming-bench.ts'
import { openKit } from './consuming-bench.ts'

const quiet = { consumerGroup: 'billing', subscriptions: { orders: '*' }, messageListener: () => undefined }

/** What a broker that takes the folder over would read of the group. */
async function brokerGroup({ kit }: Bench, group: string): Promise<unknown> {
  const file = 'config/subscriptionGroup.json'
  const bytes = await kit.store.smallFiles.load(file, text => decodeSubscriptionGroups(text.toString('utf8')))
  return bytes?.groups.get(group)
}

test('a broker is told how often a message of the group is tried again: as often as here, and RocketMQ by default', async () => {
  const bench = await openKit()
  const first = await bench.kit.consumers.push(quiet)
  expect(await brokerGroup(bench, 'billing')).toMatchObject({ retryMaxTimes: 16, consumeMessageOrderly: false })
  await bench.kit.consumers.push({ ...quiet, maxAttempts: 3 })
  expect(await brokerGroup(bench, 'billing')).toMatchObject({ retryMaxTimes: 3 })
  await first.close()
})

test("a group of pull consumers keeps RocketMQ's number of retries for a broker", async () => {
  const bench = await openKit()
  await bench.kit.consumers.pull({ consumerGroup: 'reports' })
  expect(await brokerGroup(bench, 'reports')).toMatchObject({ retryMaxTimes: 16 })
})

test('what a broker has set of a group beside that stays', async () => {
  const bench = await openKit()
  const file = 'config/subscriptionGroup.json'
  const table = { billing: { groupName: 'billing', retryQueueNums: 4, consumeBroadcastEnable: false, new: 1 } }
  const text = JSON.stringify({ dataVersion: {}, subscriptionGroupTable: table })
  await bench.kit.store.smallFiles.save(file, Buffer.from(text))
  const records = await GroupRecords.load(bench.kit.store)
  await records.tellBroker({ group: 'billing', isOrdered: true, maxReconsumeTimes: 2, consumeTimeoutMs: 90_000 })
  expect(await brokerGroup(bench, 'billing')).toMatchObject({
    retryQueueNums: 4,
    consumeBroadcastEnable: false,
    consumeMessageOrderly: true,
    retryMaxTimes: 2,
    consumeTimeoutMinute: 2,
    rest: { new: 1 },
  })
})

test('a record, when it was seen and by whom, is there after a kill', async () => {
  const { kit, disk, clock } = await openKit()
  await kit.consumers.push({ ...quiet, mode: 'broadcasting', instanceName: 'web-1' })
  const again = await openKit({ disk: disk.kill(), clock })
  const { records } = again.kit.core
  expect(records.get('billing')).toMatchObject({ version: 1, subscriptions: [{ topic: 'orders', expression: '*' }] })
  expect(records.hasInstance('billing', 'web-1', clock.nowMs())).toBe(true)
  expect(records.hasInstance('billing', 'web-2')).toBe(false)
  records.removeInstance('billing', 'web-1')
  expect(records.hasInstance('billing', 'web-1')).toBe(false)
})

test('saves that are asked for together are one, and the last state is what is written', async () => {
  const { kit } = await openKit()
  const { records } = kit.core
  const record = { group: 'a', version: 1, subscriptions: [], setBy: 'me', setAtMs: 1, rest: {} }
  const forBroker = { group: 'a', isOrdered: false, maxReconsumeTimes: 16, consumeTimeoutMs: 1 }
  await Promise.all([1, 2, 3].map(version => records.put({ ...record, version }, forBroker)))
  expect((await GroupRecords.load(kit.store)).get('a')?.version).toBe(3)
  await records.remove('a')
  expect((await GroupRecords.load(kit.store)).names()).toEqual([])
})
