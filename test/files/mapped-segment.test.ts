/** How a mapped segment keeps zeros ahead of its tail. The mapping is plain memory here; the zeros are written to a simulated file. */
import { describe, expect, it } from 'vitest'
import type { StoreFile } from '../../src/files/file-system.ts'
import { MappedSegment } from '../../src/files/mapped-segment.ts'
import { SimulatedDisk } from '../../src/testing/testing.ts'

const MIB = 1024 * 1024
const PATH = '/log/00000000000000000000'

const open = async (lengthBytes = 64 * MIB, position = 0) => {
  const disk = new SimulatedDisk({ writeBackChance: 0 })
  await disk.ensureFolder('/log', 0o700)
  const file: StoreFile = await disk.open(PATH, 'create', 0o600)
  await file.setLength(lengthBytes)
  /** Bytes of each write of zeros. */
  const zeroed: number[] = []
  const write = file.write.bind(file)
  file.write = async (bytes, at) => {
    zeroed.push(bytes.length)
    return await write(bytes, at)
  }
  const segment = new MappedSegment(file, Buffer.alloc(lengthBytes), { lengthBytes, position })
  return { disk, segment, zeroed }
}

describe('a mapped segment', () => {
  it('gives no room before zeros are there, and room for the whole record once they are', async () => {
    const { segment } = await open()
    expect(segment.reserve(6 * MIB)).toBe(-1)
    await segment.prepared(6 * MIB)
    expect(segment.reserve(6 * MIB)).toBe(0)
    segment.append(6 * MIB)
    expect([segment.written, segment.appended]).toEqual([6 * MIB, 6 * MIB])
  })

  it('writes zeros once it is used, some way ahead of its tail and no further', async () => {
    const { disk, segment } = await open()
    await segment.firstZeros()
    const unused = 2 ** 40 - disk.freeBytes
    expect(unused).toBeLessThanOrEqual(4 * MIB)
    while (segment.appended < 8 * MIB) {
      await segment.prepared(1000)
      segment.reserve(1000)
      segment.append(1000)
    }
    const used = 2 ** 40 - disk.freeBytes
    expect(used - segment.appended).toBeGreaterThan(8 * MIB)
    expect(used - segment.appended).toBeLessThanOrEqual(21 * MIB)
  })

  it('writes no zeros beyond its end, and stops asking there', async () => {
    const { disk, segment, zeroed } = await open(5 * MIB + 100)
    await segment.prepared(5 * MIB + 100)
    while (segment.appended < segment.lengthBytes) {
      const bytes = Math.min(1000, segment.lengthBytes - segment.appended)
      segment.reserve(bytes)
      segment.append(bytes)
    }
    const { length } = zeroed
    await segment.prepared(0)
    await segment.firstZeros()
    expect((await disk.stat(PATH))?.sizeBytes).toBe(5 * MIB + 100)
    expect(zeroed.length).toBe(length)
  })

  it('writes few zeros at a time where a flush covers little, and many where they are used up meanwhile', async () => {
    const { segment, zeroed } = await open(256 * MIB)
    const append = async (bytes: number) => {
      while (segment.reserve(bytes) < 0) await segment.prepared(bytes)
      segment.append(bytes)
    }
    const flushEach = async (records: number) => {
      for (let i = 0; i < records; i++) {
        await append(1000)
        await segment.flush()
      }
    }
    await flushEach(100)
    expect(new Set(zeroed)).toEqual(new Set([16 * 1024]))
    // A megabyte in each turn.
    for (let i = 0; i < 100; i++) {
      for (let j = 0; j < 1000 && segment.reserve(1000) >= 0; j++) segment.append(1000)
      await segment.prepared(1000)
    }
    expect(zeroed.at(-1)).toBe(4 * MIB)
    zeroed.length = 0
    await flushEach(20_000)
    expect(zeroed.at(-1)).toBe(16 * 1024)
  })

  it('on a full device says DISK_FULL to who needs room, takes what fits, and goes on when there is room', async () => {
    const { disk, segment } = await open()
    disk.freeBytes = 40_960
    await segment.prepared(30_000)
    segment.reserve(30_000)
    segment.append(30_000)
    expect(segment.reserve(20_000)).toBe(-1)
    await expect(segment.prepared(20_000)).rejects.toMatchObject({ code: 'POCKETMQ_DISK_FULL' })
    await expect(segment.prepared(20_000)).rejects.toMatchObject({ code: 'POCKETMQ_DISK_FULL' })
    await segment.prepared(10_000)
    disk.freeBytes = 64 * MIB
    await segment.prepared(20_000)
    expect(segment.reserve(20_000)).toBe(30_000)
  })

  it('goes on by itself for a caller that only asks for room again and again', async () => {
    const { disk, segment } = await open()
    disk.inject({ operation: 'write', times: 2, fault: { errno: 'EIO' } })
    let asked = 0
    while (segment.reserve(100) < 0) {
      asked++
      await Promise.resolve()
    }
    expect(asked).toBeGreaterThan(2)
    expect(segment.reserve(100)).toBe(0)
  })

  it('does not wait for ever for room once it is closed', async () => {
    const { segment } = await open()
    await segment.close()
    await expect(segment.prepared(100)).rejects.toMatchObject({ code: 'POCKETMQ_STORE_CLOSED' })
  })

  it('leaves what lies before its position alone', async () => {
    const { disk, segment } = await open(MIB, 5000)
    const file = await disk.open(PATH, 'write', 0)
    await file.write(Buffer.alloc(5000, 'x'), 0)
    await segment.prepared(100)
    expect(disk.contentOf(PATH, 0, 5001).equals(Buffer.concat([Buffer.alloc(5000, 'x'), Buffer.alloc(1)]))).toBe(true)
    expect(segment.reserve(100)).toBe(5000)
    expect(segment.hot(4999, 1)).toBeUndefined()
    segment.append(100)
    expect(segment.hot(5000, 100)?.length).toBe(100)
  })
})
