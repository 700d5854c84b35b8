import { describe, expect, it } from 'vitest'
import { nextTurn } from '../../src/base/turns.ts'
import { propertyValue } from '../../src/codec/properties.ts'
import type { CommitLog } from '../../src/store/commit-log.ts'
import { LogWalk } from '../../src/store/log-walk.ts'
import { appendRig, record } from './append-rig.ts'

const CHECKS = { body: true, record: 'required', position: true } as const

type Seen = { at: number; queueId: number; queueOffset: number; bodyBytes: number }

/** Every record of the log's files, with every check. */
async function walkAll(log: CommitLog): Promise<Seen[]> {
  const seen: Seen[] = []
  const walk = new LogWalk(log, { from: log.minOffset, limit: () => log.written.value, checks: () => CHECKS })
  for (;;) {
    const step = walk.step()
    if (step === 'end') return seen
    if (step === 'starved') await walk.fill()
    if (step === 'damage') throw new Error(`damage: ${walk.damage.reason}`)
    const { physicalOffset: at, queueId, queueOffset, bodyBytes } = walk.cursor
    if (step === 'record') seen.push({ at, queueId, queueOffset, bodyBytes })
  }
}

describe('the append path', () => {
  it('numbers each queue densely, in the order of the calls', async () => {
    const { append, log } = await appendRig()
    for (const queueId of [0, 1, 0, 0, 1]) append.put(record(10, queueId))
    append.writeOut()
    const seen = await walkAll(log)
    expect(seen.map(({ queueId, queueOffset }) => [queueId, queueOffset])).toEqual([
      [0, 0],
      [1, 0],
      [0, 1],
      [0, 2],
      [1, 1],
    ])
  })

  it('writes what was appended before the turn ends', async () => {
    const { append, log } = await appendRig()
    const { physicalOffset, sizeBytes } = append.put(record(10))
    expect(log.written.value).toBe(0)
    await log.written.reached(physicalOffset + sizeBytes)
    expect(log.written.value).toBe(sizeBytes)
  })

  it('writes at once for the first callback of a turn, and once for all the others', async () => {
    const { append, log } = await appendRig({ segmentBytes: 65_536 })
    const writes = new Set<number>()
    const sender = async (): Promise<void> => {
      await nextTurn()
      const { physicalOffset, sizeBytes } = append.put(record(10))
      await log.written.reached(physicalOffset + sizeBytes)
      writes.add(log.written.value)
    }
    await Promise.all(Array.from({ length: 8 }, sender))
    expect(writes.size).toBe(2)
  })

  it('rolls to the next segment with a filler where a record does not fit', async () => {
    const { append, log, disk } = await appendRig({ segmentBytes: 4096 })
    const results = Array.from({ length: 40 }, () => append.put(record(200)))
    append.writeOut()
    expect(log.segments().length).toBeGreaterThan(2)
    expect((await walkAll(log)).map(({ at }) => at)).toEqual(results.map(result => result.physicalOffset))
    for (const { path } of log.segments()) expect((await disk.stat(path))?.sizeBytes).toBe(4096)
  })

  it('fits a record that ends exactly 8 bytes before its segment ends, and rolls for one a byte longer', async () => {
    const overhead = (await appendRig()).append.put(record(0)).sizeBytes
    const exact = await appendRig({ segmentBytes: 4096 })
    expect(exact.append.put(record(4096 - 8 - overhead)).physicalOffset).toBe(0)
    expect(exact.append.put(record(1)).physicalOffset).toBe(4096)
    const longer = await appendRig({ segmentBytes: 4096 })
    longer.append.put(record(1))
    const second = longer.append.put(record(4096 - 8 - overhead - overhead))
    expect(second.physicalOffset).toBe(4096)
    exact.append.writeOut()
    longer.append.writeOut()
    expect((await walkAll(exact.log)).length).toBe(2)
    expect((await walkAll(longer.log)).length).toBe(2)
  })

  it('refuses a record that no segment can hold, and goes on', async () => {
    const { append, log } = await appendRig({ segmentBytes: 4096 })
    expect(() => append.put(record(4096))).toThrow(expect.objectContaining({ code: 'POCKETMQ_MESSAGE_TOO_LARGE' }))
    append.put(record(10))
    append.writeOut()
    expect((await walkAll(log)).length).toBe(1)
  })

  it('keeps storeTimestamp from falling when the clock steps backwards', async () => {
    const { append, clock } = await appendRig()
    const first = append.put(record(1))
    clock.stepWallClock(-60_000)
    const second = append.put(record(1))
    expect(second.storeTimestamp).toBe(first.storeTimestamp)
  })

  it('gives records of type PREPARED and ROLLBACK no place in their queue', async () => {
    const { append } = await appendRig()
    append.put(record(1))
    expect(append.put({ ...record(1), sysFlag: 0x4 }).queueOffset).toBe(0)
    expect(append.put({ ...record(1), sysFlag: 0xc }).queueOffset).toBe(0)
    expect(append.put({ ...record(1), sysFlag: 0x8 }).queueOffset).toBe(1)
  })
})

describe('an append unit', () => {
  it('is contiguous in one segment, each record naming its place', async () => {
    const { append, log } = await appendRig({ segmentBytes: 4096 })
    append.put(record(2500))
    const results = append.putAll([record(400), record(400), record(400)])
    append.writeOut()
    expect(results[0]?.physicalOffset).toBe(4096)
    const places: string[] = []
    const walk = new LogWalk(log, { from: 4096, limit: () => log.written.value, checks: () => CHECKS })
    for (let step = walk.step(); step !== 'end'; step = walk.step()) {
      if (step === 'starved') await walk.fill()
      if (step === 'record') places.push(propertyValue(walk.cursor.properties, 'PMQ_UNIT') ?? '')
    }
    expect(places).toEqual(['1/3', '2/3', '3/3'])
  })

  it('is refused as a whole where it fits no segment', async () => {
    const { append, log } = await appendRig({ segmentBytes: 4096 })
    const unit = Array.from({ length: 10 }, () => record(500))
    expect(() => append.putAll(unit)).toThrow(expect.objectContaining({ code: 'POCKETMQ_MESSAGE_TOO_LARGE' }))
    expect(log.appended).toBe(0)
  })

  it('leaves nothing behind when one of its records is illegal', async () => {
    const { append, log, offsets } = await appendRig()
    const illegal = { ...record(1), queueId: -1 }
    expect(() => append.putAll([record(1), illegal])).toThrow(
      expect.objectContaining({ code: 'POCKETMQ_INVALID_ARGUMENT' }),
    )
    expect(log.appended).toBe(0)
    expect(offsets.counter('orders', 0).next).toBe(0)
  })
})

describe('when a write fails', () => {
  it('takes back what was not written, numbers included, and goes on when there is room again', async () => {
    const rig = await appendRig()
    const kept = rig.append.put(record(10))
    rig.append.writeOut()
    rig.append.put(record(20))
    rig.append.put(record(30, 1))
    const fault = rig.disk.inject({ operation: 'write', path: '**/commitlog/*', fault: { errno: 'ENOSPC' } })
    expect(() => rig.append.writeOut()).toThrow(expect.objectContaining({ code: 'POCKETMQ_DISK_FULL' }))
    expect(rig.failures.length).toBe(1)
    expect(rig.log.appended).toBe(kept.sizeBytes)
    fault.remove()
    const next = rig.append.put(record(40))
    expect([next.physicalOffset, next.queueOffset]).toEqual([kept.sizeBytes, 1])
    expect(rig.append.put(record(50, 1)).queueOffset).toBe(0)
    rig.append.writeOut()
    expect((await walkAll(rig.log)).map(({ bodyBytes }) => bodyBytes)).toEqual([10, 40, 50])
  })

  it('keeps the log whole when the roll finds no room', async () => {
    const rig = await appendRig({ segmentBytes: 4096 })
    rig.append.put(record(3000))
    rig.append.writeOut()
    rig.disk.inject({ operation: 'write', path: '**/commitlog/*', fault: { errno: 'ENOSPC' }, times: 1 })
    expect(() => rig.append.put(record(2000))).toThrow(expect.objectContaining({ code: 'POCKETMQ_DISK_FULL' }))
    const next = rig.append.put(record(2000))
    expect([next.physicalOffset, next.queueOffset]).toEqual([4096, 1])
    rig.append.writeOut()
    expect((await walkAll(rig.log)).map(({ bodyBytes }) => bodyBytes)).toEqual([3000, 2000])
  })
})

describe('the bounds of admission', () => {
  it('refuse with BACKPRESSURE what would leave too much unflushed, and admit it after a flush', async () => {
    const { append, log } = await appendRig({ unflushedBytesMax: 1000 })
    append.put(record(500))
    expect(() => append.put(record(500))).toThrow(
      expect.objectContaining({ code: 'POCKETMQ_BACKPRESSURE', retryable: true }),
    )
    append.writeOut()
    await log.flush()
    expect(append.put(record(500)).queueOffset).toBe(1)
  })

  it('admit one record however large when nothing waits', async () => {
    const { append } = await appendRig({ unflushedBytesMax: 100 })
    expect(append.put(record(500)).queueOffset).toBe(0)
  })
})

describe('a flush', () => {
  it('makes every byte up to written durable, over a roll and with the new name', async () => {
    const { append, log, disk } = await appendRig({ segmentBytes: 4096 })
    for (let i = 0; i < 30; i++) append.put(record(300))
    append.writeOut()
    await log.flush()
    expect(log.flushed.value).toBe(log.written.value)
    for (let seed = 0; seed < 20; seed++) {
      const after = disk.powerCut(seed)
      for (const { path } of log.segments()) expect(after.contentOf(path).equals(disk.contentOf(path))).toBe(true)
    }
  })
})
