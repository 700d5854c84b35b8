/** What a buffered segment does when the disk does not do what it is told. */
import { describe, expect, it } from 'vitest'
import type { MappedFile } from '../../src/files/file-system.ts'
import { SimulatedDisk } from '../../src/testing/testing.ts'

const PATH = '/log/00000000000000000000'
const MIB = 1024 * 1024
/** What zeros go ahead up to. */
const RUN = 256 * 1024
/** A write that zeros go ahead of. */
const SHORT = 60_000

type Opened = { disk: SimulatedDisk; segment: MappedFile }

const open = async ({ lengthBytes = 8 * MIB, zeroesAhead = false } = {}): Promise<Opened> => {
  const disk = new SimulatedDisk({ writeBackChance: 0 })
  await disk.ensureFolder('/log', 0o700)
  const segment = await disk.openSegment(PATH, { lengthBytes, position: 0, mode: 0o600, zeroesAhead })
  await disk.flushFolder('/log')
  return { disk, segment }
}

const append = (segment: MappedFile, text: string): void => {
  const at = segment.reserve(text.length)
  segment.tailBytes.write(text, at, 'latin1')
  segment.append(text.length)
}

const code = (name: string) => expect.objectContaining({ code: `POCKETMQ_${name}` })

describe('a write of a segment that fails', () => {
  it('moves nothing, and the same bytes are written when the disk takes them', async () => {
    const { disk, segment } = await open()
    append(segment, 'first')
    segment.writeOut()
    append(segment, 'second')
    disk.inject({ operation: 'write', fault: { errno: 'ENOSPC' } })
    expect(() => segment.writeOut()).toThrow(code('DISK_FULL'))
    expect([segment.written, segment.appended]).toEqual([5, 11])
    segment.writeOut()
    expect(disk.contentOf(PATH, 0, 12).toString()).toBe('firstsecond\0')
  })

  it('half way leaves zeros from where it began, so that a later record of equal size hides no old one behind it', async () => {
    const { disk, segment } = await open()
    append(segment, 'kept')
    segment.writeOut()
    append(segment, 'AAAAAAAABBBBBBBBCCCCCCCC')
    disk.inject({ operation: 'write', fault: { errno: 'ENOSPC', writtenBytes: 20 } })
    expect(() => segment.writeOut()).toThrow(code('DISK_FULL'))
    expect(disk.contentOf(PATH, 0, 30).toString()).toBe(`kept${'\0'.repeat(26)}`)
    segment.rewind(4)
    append(segment, 'DDDDDDDD')
    segment.writeOut()
    expect(disk.contentOf(PATH, 0, 30).toString()).toBe(`keptDDDDDDDD${'\0'.repeat(18)}`)
  })

  it('half way on a disk that does not take the zeros either writes nothing else there before they are written', async () => {
    const { disk, segment } = await open()
    append(segment, 'AAAAAAAABBBBBBBB')
    const first = disk.inject({ operation: 'write', fault: { errno: 'ENOSPC', writtenBytes: 16 } })
    const second = disk.inject({ operation: 'write', nth: 1, fault: { errno: 'EIO' } })
    expect(() => segment.writeOut()).toThrow(code('DISK_FULL'))
    expect([first.hits, second.hits]).toEqual([1, 1])
    expect(disk.contentOf(PATH, 0, 16).toString()).toBe('AAAAAAAABBBBBBBB')
    segment.rewind(0)
    append(segment, 'DDDDDDDD')
    disk.inject({ operation: 'write', fault: { errno: 'EIO' } })
    expect(() => segment.writeOut()).toThrow(code('IO'))
    expect(segment.written).toBe(0)
    segment.writeOut()
    expect(disk.contentOf(PATH, 0, 17).toString()).toBe(`DDDDDDDD${'\0'.repeat(9)}`)
  })

  it('when a full buffer has to be written gives no room and moves nothing', async () => {
    const { disk, segment } = await open()
    append(segment, 'x'.repeat(MIB - 10))
    disk.inject({ operation: 'write', fault: { errno: 'ENOSPC' } })
    expect(() => segment.reserve(100)).toThrow(code('DISK_FULL'))
    expect([segment.written, segment.appended]).toEqual([0, MIB - 10])
    append(segment, 'fits')
    append(segment, 'y'.repeat(100))
    segment.writeOut()
    expect(segment.written).toBe(MIB + 94)
    expect(disk.contentOf(PATH, MIB - 12, MIB - 4).toString()).toBe('xxfitsyy')
  })
})

describe('a flush of a segment that fails', () => {
  it('is final: no later flush of it succeeds', async () => {
    const { disk, segment } = await open()
    append(segment, 'lost')
    segment.writeOut()
    disk.inject({ operation: 'flush', fault: { errno: 'EIO' } })
    await expect(segment.flush()).rejects.toMatchObject({ code: 'POCKETMQ_IO', cause: { code: 'EIO' } })
    await expect(segment.flush()).rejects.toMatchObject({ code: 'POCKETMQ_IO' })
    append(segment, 'more')
    segment.writeOut()
    await expect(segment.flush()).rejects.toMatchObject({ code: 'POCKETMQ_IO' })
  })
})

describe('the tail buffers of a segment', () => {
  it('keep what was appended last readable while they take turns', async () => {
    const { segment } = await open()
    for (let i = 0; i < 60; i++) append(segment, String.fromCharCode(65 + (i % 26)).repeat(100_000))
    segment.writeOut()
    const end = segment.appended
    expect(segment.hot(end - 100_000, 100_000)?.toString('latin1', 0, 1)).toBe(String.fromCharCode(65 + (59 % 26)))
    let hotFrom = end
    while (segment.hot(hotFrom - 100_000, 100_000) !== undefined) hotFrom -= 100_000
    expect(end - hotFrom).toBeGreaterThanOrEqual(1_000_000)
  })

  it('are written once a turn, however many records were appended', async () => {
    const { disk, segment } = await open()
    let writes = 0
    disk.watch(({ operation }) => {
      if (operation === 'write') writes++
    })
    for (let i = 0; i < 1000; i++) append(segment, 'record')
    segment.writeOut()
    segment.writeOut()
    expect(writes).toBe(1)
  })
})

describe('a segment whose writes are flushed one by one', () => {
  const openDurable = (lengthBytes?: number): Promise<Opened> => open({ lengthBytes, zeroesAhead: true })

  const taken = (disk: SimulatedDisk, work: () => void): number => {
    const before = disk.freeBytes
    work()
    return before - disk.freeBytes
  }

  const write = (segment: MappedFile, text: string): void => {
    append(segment, text)
    segment.writeOut()
  }

  it('has blocks for 256 KiB from a short write on, and the next ones take none', async () => {
    const { disk, segment } = await openDurable()
    expect(taken(disk, () => write(segment, 'first'))).toBe(RUN)
    for (let i = 0; i < 6; i++) expect(taken(disk, () => write(segment, 'x'.repeat(SHORT)))).toBe(i === 4 ? RUN : 0)
    expect(disk.contentOf(PATH, 6 * SHORT + 3, 6 * SHORT + 8).toString()).toBe('xx\0\0\0')
  })

  it('has blocks for no more than what it writes where that is much', async () => {
    const { disk, segment } = await openDurable()
    expect(taken(disk, () => write(segment, 'x'.repeat(65_536)))).toBe(65_536)
    expect(taken(disk, () => write(segment, 'x'.repeat(4096)))).toBe(RUN - 65_536)
  })

  it('is not filled twice', async () => {
    const { disk, segment } = await openDurable()
    write(segment, 'first')
    disk.openSync(PATH, 'write', 0o600).writeSync(Buffer.from('mark'), 1000)
    write(segment, 'second')
    expect(disk.contentOf(PATH, 1000, 1004).toString()).toBe('mark')
  })

  it('takes no more than the segment has', async () => {
    const { disk, segment } = await openDurable(MIB + 8192)
    write(segment, 'x'.repeat(MIB))
    expect(taken(disk, () => write(segment, 'y'))).toBe(8192)
    expect((await disk.stat(PATH))?.sizeBytes).toBe(MIB + 8192)
  })

  it('takes no more than the buffer has', async () => {
    const { disk, segment } = await openDurable()
    write(segment, 'x'.repeat(MIB - 10))
    write(segment, 'x'.repeat(MIB - 200))
    write(segment, 'last')
    expect(disk.contentOf(PATH, 2 * MIB - 212, 2 * MIB - 204).toString()).toBe('xxlast\0\0')
  })

  it('has zeros behind its end, whatever the buffer held before', async () => {
    const { disk, segment } = await openDurable()
    for (let i = 0; i < 2; i++) write(segment, 'x'.repeat(MIB))
    write(segment, 'third')
    expect(
      disk.contentOf(PATH, 2 * MIB, 3 * MIB).equals(Buffer.concat([Buffer.from('third'), Buffer.alloc(MIB - 5)])),
    ).toBe(true)
  })

  it('has written what the device has room for, where there is none for the zeros', async () => {
    const { disk, segment } = await openDurable()
    disk.freeBytes = 8192
    write(segment, 'x'.repeat(5000))
    expect(segment.written).toBe(5000)
    expect(disk.freeBytes).toBe(0)
    append(segment, 'y'.repeat(5000))
    expect(() => segment.writeOut()).toThrow(code('DISK_FULL'))
    expect(disk.contentOf(PATH, 4998, 8192).toString()).toBe(`xx${'\0'.repeat(3192)}`)
    disk.freeBytes = MIB
    segment.writeOut()
    expect(disk.contentOf(PATH, 9998, 10_002).toString()).toBe('yy\0\0')
  })

  it('moves nothing where the write fails before the last record', async () => {
    const { disk, segment } = await openDurable()
    append(segment, 'AAAAAAAABBBBBBBB')
    disk.inject({ operation: 'write', fault: { errno: 'ENOSPC', writtenBytes: 15 } })
    expect(() => segment.writeOut()).toThrow(code('DISK_FULL'))
    expect([segment.written, disk.contentOf(PATH, 0, 16).equals(Buffer.alloc(16))]).toEqual([0, true])
  })
})
