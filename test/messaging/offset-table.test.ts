import { describe, expect, test } from 'vitest'
import { decodeConsumerOffsets } from '../../src/codec/consumer-offset-json.ts'
import type { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import { openKit, settled } from './consuming-bench.ts'

const quiet = { consumerGroup: 'billing', subscriptions: { orders: '*' }, messageListener: () => undefined }

async function jsonOf(disk: SimulatedDisk): Promise<Record<string, number>> {
  const file = await disk.open('/queue/config/consumerOffset.json', 'read', 0o600)
  const bytes = Buffer.alloc(await file.sizeBytes())
  await file.read(bytes, 0)
  await file.close()
  const { offsets } = decodeConsumerOffsets(bytes.toString())
  return Object.fromEntries(offsets.map(one => [`${one.topic}@${one.group}#${one.queueId}`, one.queueOffset]))
}

describe('offsets on disk', () => {
  test('consumerOffset.json is written after five seconds, and at close', async () => {
    const { kit, disk, clock } = await openKit()
    await kit.consumers.push(quiet)
    await kit.fill(3)
    await kit.store.flush()
    await clock.advance(4999)
    expect(disk.paths()).not.toContain('/queue/config/consumerOffset.json')
    await clock.advance(1)
    await settled()
    expect(await jsonOf(disk)).toMatchObject({ 'orders@billing#0': 3 })
    await kit.fill(2)
    await settled()
    await kit.close()
    expect(await jsonOf(disk)).toMatchObject({ 'orders@billing#0': 5 })
  })

  test('consumerOffset.json never says more than is on the device', async () => {
    const { kit, disk, clock } = await openKit({}, { flushIntervalMs: 60_000 })
    await kit.consumers.push(quiet)
    await kit.fill(2)
    await kit.store.flush()
    await kit.fill(3)
    await clock.advance(5000)
    await settled()
    expect(kit.offsets.offset('billing', 'orders', 0)).toBe(5)
    expect(await jsonOf(disk)).toMatchObject({ 'orders@billing#0': 2 })
  })

  test('after a kill every group is exactly where it was', async () => {
    const { kit, disk, clock } = await openKit()
    await kit.consumers.push(quiet)
    await kit.fill(7)
    await settled()
    const again = await openKit({ disk: disk.kill(), clock })
    expect(again.kit.offsets.offset('billing', 'orders', 0)).toBe(7)
  })

  test('after a power cut no message that is there is skipped, whichever of our files survived', async () => {
    for (let seed = 0; seed < 60; seed++) {
      const { kit, disk, clock } = await openKit({}, { flushIntervalMs: 60_000 })
      await kit.consumers.push(quiet)
      await kit.fill(4)
      await kit.store.flush()
      await kit.fill(4)
      await settled()
      const again = await openKit({ disk: disk.powerCut(seed), clock })
      const end = again.kit.store.queueRange('orders', 0)?.maxQueueOffset ?? 0
      expect(again.kit.offsets.offset('billing', 'orders', 0) ?? 0, `seed ${seed}`).toBeLessThanOrEqual(end)
      const got: string[] = []
      await again.kit.consumers.push({ ...quiet, messageListener: message => void got.push(message.body.toString()) })
      await again.kit.fill(1, () => ({ body: 'after' }))
      await settled()
      expect(got.at(-1), `seed ${seed}`).toBe('after')
      // And the cut is durable: another power cut does not bring the longer past back.
      const third = await openKit({ disk: again.disk.powerCut(seed + 1000), clock })
      const range = third.kit.store.queueRange('orders', 0)
      expect(third.kit.offsets.offset('billing', 'orders', 0) ?? 0).toBeLessThanOrEqual(range?.maxQueueOffset ?? 0)
      for (const one of [kit, again.kit, third.kit]) await one.close().catch(() => undefined)
    }
  })

  test('where the device refuses a write, consuming goes on, and the offsets are whole once it takes writes again', async () => {
    const { kit, disk, clock } = await openKit()
    await kit.consumers.push(quiet)
    await kit.fill(2)
    await settled()
    const fault = disk.inject({
      operation: 'write',
      path: /pocketmq\/offsets\//,
      times: Number.POSITIVE_INFINITY,
      fault: { errno: 'ENOSPC' },
    })
    await kit.fill(2)
    await settled()
    expect(kit.heard('error')).not.toHaveLength(0)
    fault.remove()
    await kit.fill(1)
    await settled()
    await kit.fill(1)
    await settled()
    const again = await openKit({ disk: disk.kill(), clock })
    expect(again.kit.offsets.offset('billing', 'orders', 0)).toBe(6)
  })

  test('a log of offsets that has grown is replaced, and a kill in the middle of it loses nothing', async () => {
    const { kit, disk, clock } = await openKit({}, { commitLogSegmentBytes: 4 * 1024 * 1024 })
    for (let i = 0; i < 90_000; i++) {
      kit.offsets.commit('billing', 'orders', 0, i + 1)
      kit.offsets.write()
    }
    await settled()
    const generations = disk.paths().filter(path => /offsets\/\d{20}$/.test(path))
    expect(generations.length).toBeLessThanOrEqual(2)
    expect(generations).not.toContain('/queue/pocketmq/offsets/00000000000000000001')
    const again = await openKit({ disk: disk.kill(), clock })
    // There is no message in that queue: the offset is cut to its end.
    expect(again.kit.offsets.clampedOffsets).toBe(1)
  })
})
