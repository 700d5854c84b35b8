import { mkdirSync, readFileSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadFolder, SimulatedDisk, saveFolder } from '../../src/testing/testing.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const SEEDS = Array.from({ length: 200 }, (_, seed) => seed)
const quiet = { writeBackChance: 0 }

const diskWith = async (content: string, options = quiet): Promise<SimulatedDisk> => {
  const disk = new SimulatedDisk(options)
  await disk.ensureFolder('/d', 0o700)
  const file = await disk.open('/d/f', 'create', 0o600)
  await file.write(Buffer.from(content), 0)
  return disk
}

const outcomes = (disk: SimulatedDisk, look: (image: SimulatedDisk) => string): Set<string> => {
  return new Set(SEEDS.map(seed => look(disk.powerCut(seed))))
}

const contentOrNone = (path: string) => {
  return (image: SimulatedDisk): string => (image.paths().includes(path) ? image.contentOf(path).toString() : 'none')
}

describe('what a power cut keeps', () => {
  it('of a new file that nobody flushed: nothing, an empty file, or all of it', async () => {
    const disk = await diskWith('hello')
    expect(outcomes(disk, contentOrNone('/d/f'))).toEqual(new Set(['none', '', '\0\0\0\0\0', 'hello']))
  })

  it('of a new file that was flushed while its folder was not: all of it or no file', async () => {
    const disk = await diskWith('hello')
    await (await disk.open('/d/f', 'write', 0)).flush()
    expect(outcomes(disk, contentOrNone('/d/f'))).toEqual(new Set(['none', 'hello']))
  })

  it('of a new file that was flushed, and its folder too: all of it', async () => {
    const disk = await diskWith('hello')
    await (await disk.open('/d/f', 'write', 0)).flush()
    await disk.flushFolder('/d')
    expect(outcomes(disk, contentOrNone('/d/f'))).toEqual(new Set(['hello']))
  })

  it('of an overwrite over several sectors: any mixture of old and new sectors', async () => {
    const disk = await diskWith('')
    const file = await disk.open('/d/f', 'write', 0)
    await file.write(Buffer.alloc(1536, 'a'), 0)
    await file.flush()
    await disk.flushFolder('/d')
    await file.write(Buffer.alloc(1536, 'b'), 0)
    const letters = (image: SimulatedDisk): string => {
      const bytes = image.contentOf('/d/f')
      return [0, 512, 1024]
        .map(at => new Set(bytes.subarray(at, at + 512)).size === 1 && bytes.toString('ascii', at, at + 1))
        .join('')
    }
    const all = ['aaa', 'aab', 'aba', 'abb', 'baa', 'bab', 'bba', 'bbb']
    expect([...outcomes(disk, letters)].sort()).toEqual(all)
  })

  it('of bytes written after the call of a flush: not what the flush promised', async () => {
    const disk = await diskWith('old')
    const file = await disk.open('/d/f', 'write', 0)
    const flushed = file.flush()
    await file.write(Buffer.from('new'), 0)
    await flushed
    await disk.flushFolder('/d')
    expect(outcomes(disk, contentOrNone('/d/f'))).toEqual(new Set(['old', 'new']))
  })

  it('of a rename: one name or the other, never both and never none', async () => {
    const disk = await diskWith('hello')
    await (await disk.open('/d/f', 'write', 0)).flush()
    await disk.flushFolder('/d')
    await disk.rename('/d/f', '/d/g')
    expect(outcomes(disk, image => image.paths().join())).toEqual(new Set(['/d/f', '/d/g']))
    await disk.flushFolder('/d')
    expect(outcomes(disk, image => image.paths().join())).toEqual(new Set(['/d/g']))
  })

  it('of a rename into another folder: at least one of the names, whichever folder was flushed', async () => {
    for (const flushed of ['/d', '/e', undefined]) {
      const disk = await diskWith('hello')
      await (await disk.open('/d/f', 'write', 0)).flush()
      await disk.flushFolder('/d')
      await disk.ensureFolder('/e', 0o700)
      await disk.rename('/d/f', '/e/f')
      if (flushed !== undefined) await disk.flushFolder(flushed)
      const found = outcomes(disk, image => image.paths().join())
      expect(found.has('')).toBe(false)
      if (flushed === '/d') expect(found).toEqual(new Set(['/e/f']))
      if (flushed === '/e') expect(found).toEqual(new Set(['/d/f,/e/f', '/e/f']))
    }
  })

  it('of a removal: the file or nothing, and after a flush of the folder nothing', async () => {
    const disk = await diskWith('hello')
    await (await disk.open('/d/f', 'write', 0)).flush()
    await disk.flushFolder('/d')
    await disk.remove('/d/f')
    expect(outcomes(disk, contentOrNone('/d/f'))).toEqual(new Set(['hello', 'none']))
    await disk.flushFolder('/d')
    expect(outcomes(disk, contentOrNone('/d/f'))).toEqual(new Set(['none']))
  })

  it('is chosen by the seed alone', async () => {
    const disk = await diskWith('hello')
    for (const seed of SEEDS) expect(disk.powerCut(seed).digest()).toBe(disk.powerCut(seed).digest())
  })

  it('is a disk that can be used, and cut again, without the first one noticing', async () => {
    const disk = await diskWith('hello')
    await (await disk.open('/d/f', 'write', 0)).flush()
    await disk.flushFolder('/d')
    const before = disk.digest()
    const image = disk.powerCut(1)
    const file = await image.open('/d/f', 'write', 0)
    await file.write(Buffer.from('J'), 0)
    await file.flush()
    expect(image.contentOf('/d/f').toString()).toBe('Jello')
    expect(disk.contentOf('/d/f').toString()).toBe('hello')
    expect(disk.digest()).toBe(before)
    expect(image.powerCut(2).contentOf('/d/f').toString()).toBe('Jello')
  })
})

describe('the digest of a disk', () => {
  it('is equal for equal durable images, however they came about, and differs by one byte, name or length', async () => {
    const make = async (parts: string[], name = '/d/f', length = 5): Promise<string> => {
      const disk = new SimulatedDisk(quiet)
      await disk.ensureFolder('/d', 0o700)
      const file = await disk.open(name, 'create', 0o600)
      for (const part of parts) await file.write(Buffer.from(part), 0)
      await file.setLength(length)
      await file.flush()
      await disk.flushFolder('/d')
      return disk.digest()
    }
    const digest = await make(['hello'])
    expect(await make(['xxxxx', 'hello'])).toBe(digest)
    expect(await make(['hellp'])).not.toBe(digest)
    expect(await make(['hello'], '/d/g')).not.toBe(digest)
    expect(await make(['hello'], '/d/f', 6)).not.toBe(digest)
  })
})

describe('a killed process', () => {
  it('leaves everything it wrote to the next one, and its lock', async () => {
    const disk = await diskWith('hello')
    await disk.lock('/d', 0, 0o600)
    await expect(disk.lock('/d', 0, 0o600)).rejects.toMatchObject({ code: 'POCKETMQ_STORE_LOCKED' })
    const next = disk.kill()
    expect(next.contentOf('/d/f').toString()).toBe('hello')
    await next.lock('/d', 0, 0o600)
  })

  it('leaves what it did not flush as unflushed as it was', async () => {
    const disk = await diskWith('hello')
    const next = disk.kill()
    expect(outcomes(next, contentOrNone('/d/f')).has('none')).toBe(true)
    await (await next.open('/d/f', 'write', 0)).flush()
    await next.flushFolder('/d')
    expect(outcomes(next, contentOrNone('/d/f'))).toEqual(new Set(['hello']))
    expect(outcomes(disk, contentOrNone('/d/f')).has('none')).toBe(true)
  })
})

describe('a device by itself', () => {
  it('writes some sectors back early, so that a cut may find neither the first nor the last content', async () => {
    const disk = await diskWith('1', { writeBackChance: 0.5 })
    const file = await disk.open('/d/f', 'write', 0)
    await file.flush()
    await disk.flushFolder('/d')
    for (const digit of '2345') await file.write(Buffer.from(digit), 0)
    expect(outcomes(disk, contentOrNone('/d/f')).size).toBeGreaterThan(1)
    const byDefaultSeeds = new Set<string>()
    for (const seed of SEEDS) {
      const other = new SimulatedDisk({ seed, writeBackChance: 0.5 })
      other.place('/f', Buffer.from('1'))
      const again = await other.open('/f', 'write', 0)
      for (const digit of '2345') await again.write(Buffer.from(digit), 0)
      byDefaultSeeds.add(contentOrNone('/f')(other.powerCut(seed)))
    }
    expect([...byDefaultSeeds].sort()).toEqual(['1', '2', '3', '4', '5'])
  })

  it('never goes back in time: what a flush has covered and what came after it is kept or not, but nothing older', async () => {
    for (const seed of SEEDS) {
      const disk = new SimulatedDisk({ seed, writeBackChance: 0.5 })
      disk.place('/f', Buffer.from('0'))
      const file = await disk.open('/f', 'write', 0)
      await file.write(Buffer.from('1'), 0)
      const flushed = file.flush()
      await file.write(Buffer.from('2'), 0)
      const during = contentOrNone('/f')(disk.powerCut(seed))
      await flushed
      const after = contentOrNone('/f')(disk.powerCut(seed))
      expect(['1', '2']).toContain(after)
      // The same seed chooses alike, so an older content than before means that the device has lost what it had.
      if (during === '2') expect(after).toBe('2')
    }
  })
})

describe('an injected fault', () => {
  it('strikes the n-th matching call, as often as told, and then no more', async () => {
    const disk = await diskWith('hello')
    const fault = disk.inject({ operation: 'write', path: 'd/*', nth: 2, times: 2, fault: { errno: 'EIO' } })
    const file = await disk.open('/d/f', 'write', 0)
    const tried: string[] = []
    for (let i = 0; i < 5; i++) {
      await file.write(Buffer.from('x'), 0).then(
        () => tried.push('written'),
        (error: { code: string }) => tried.push(error.code),
      )
    }
    expect(tried).toEqual(['written', 'POCKETMQ_IO', 'POCKETMQ_IO', 'written', 'written'])
    expect(fault.hits).toBe(2)
  })

  it('strikes the named paths alone', async () => {
    const disk = await diskWith('hello')
    disk.inject({ operation: 'any', path: 'other/**', fault: { errno: 'EIO' } })
    disk.inject({ operation: 'read', path: /\/d\/g$/, fault: { errno: 'EIO' } })
    expect(await (await disk.open('/d/f', 'read', 0)).read(Buffer.alloc(5), 0)).toBe(5)
    await disk.rename('/d/f', '/d/g')
    const file = await disk.open('/d/g', 'read', 0)
    await expect(file.read(Buffer.alloc(5), 0)).rejects.toMatchObject({ code: 'POCKETMQ_IO', cause: { code: 'EIO' } })
  })

  it('of a short write lets the first bytes through', async () => {
    const disk = await diskWith('hello')
    disk.inject({ operation: 'write', fault: { errno: 'ENOSPC', writtenBytes: 2 } })
    const file = await disk.open('/d/f', 'write', 0)
    await expect(file.write(Buffer.from('JELLO'), 0)).rejects.toMatchObject({
      code: 'POCKETMQ_DISK_FULL',
      details: { operation: 'write', path: '/d/f', writtenBytes: 2 },
    })
    expect(disk.contentOf('/d/f').toString()).toBe('JEllo')
  })

  it('of a flush loses the bytes for good: a second flush does not bring them to the device', async () => {
    const disk = await diskWith('old')
    const file = await disk.open('/d/f', 'write', 0)
    await file.flush()
    await disk.flushFolder('/d')
    await file.write(Buffer.from('new'), 0)
    disk.inject({ operation: 'flush', fault: { errno: 'EIO' } })
    await expect(file.flush()).rejects.toMatchObject({ code: 'POCKETMQ_IO' })
    await file.flush()
    expect(outcomes(disk, contentOrNone('/d/f'))).toEqual(new Set(['old', 'new']))
    await file.write(Buffer.from('new'), 0)
    await file.flush()
    expect(outcomes(disk, contentOrNone('/d/f'))).toEqual(new Set(['new']))
  })

  it('of a lying device reports a flush that never happened', async () => {
    const disk = await diskWith('old')
    const file = await disk.open('/d/f', 'write', 0)
    await file.flush()
    await disk.flushFolder('/d')
    await file.write(Buffer.from('new'), 0)
    disk.inject({ operation: 'flush', fault: { isLost: true } })
    await file.flush()
    expect(outcomes(disk, contentOrNone('/d/f'))).toEqual(new Set(['old', 'new']))
  })

  it('of a flipped bit in a read leaves what is stored alone, and one at rest does not', async () => {
    const disk = await diskWith('hello')
    const file = await disk.open('/d/f', 'write', 0)
    await file.flush()
    await disk.flushFolder('/d')
    disk.inject({ operation: 'read', fault: { flippedBit: { position: 1, bit: 0 } } })
    const bytes = Buffer.alloc(5)
    await file.read(bytes, 0)
    expect(bytes.toString()).toBe('hdllo')
    await file.read(bytes, 0)
    expect(bytes.toString()).toBe('hello')
    disk.flipBit('/d/f', 1, 0)
    expect(disk.contentOf('/d/f').toString()).toBe('hdllo')
    expect(disk.powerCut(1).contentOf('/d/f').toString()).toBe('hdllo')
  })
})

describe('a full simulated device', () => {
  it('takes what fits, says DISK_FULL, and takes the rest when there is room', async () => {
    const disk = await diskWith('')
    disk.freeBytes = 8192
    const file = await disk.open('/d/f', 'write', 0)
    await expect(file.write(Buffer.alloc(10_000, 'x'), 0)).rejects.toMatchObject({
      code: 'POCKETMQ_DISK_FULL',
      details: { writtenBytes: 8192 },
    })
    expect((await disk.device('/d')).freeBytes).toBe(0)
    await file.write(Buffer.alloc(8192, 'y'), 0)
    disk.freeBytes = 4096
    await file.write(Buffer.alloc(10_000, 'x'), 0)
    await disk.remove('/d/f')
    expect((await disk.device('/d')).freeBytes).toBe(12_288)
  })

  it('that is read-only says READ_ONLY to every change and still reads', async () => {
    const disk = await diskWith('hello')
    const file = await disk.open('/d/f', 'write', 0)
    disk.isReadOnly = true
    const readOnly = { code: 'POCKETMQ_READ_ONLY' }
    await expect(file.write(Buffer.from('x'), 0)).rejects.toMatchObject(readOnly)
    await expect(file.setLength(1)).rejects.toMatchObject(readOnly)
    await expect(disk.open('/d/f', 'write', 0)).rejects.toMatchObject(readOnly)
    await expect(disk.rename('/d/f', '/d/g')).rejects.toMatchObject(readOnly)
    await expect(disk.remove('/d/f')).rejects.toMatchObject(readOnly)
    await expect(disk.ensureFolder('/e', 0o700)).rejects.toMatchObject(readOnly)
    expect(await file.read(Buffer.alloc(5), 0)).toBe(5)
  })
})

describe('the flushes of a simulated disk', () => {
  it('are counted and told before and after they take effect, so that a cut can fall at each', async () => {
    const disk = await diskWith('hello')
    const start = disk.flushes
    const seen: string[] = []
    const stop = disk.onFlush(({ operation, phase, flushes }) => {
      const kept = contentOrNone('/d/f')(disk.powerCut(0))
      seen.push(`${flushes - start} ${operation} ${phase}: ${kept === 'hello' ? 'kept' : 'not certain'}`)
    })
    await (await disk.open('/d/f', 'write', 0)).flush()
    await disk.flushFolder('/d')
    stop()
    await disk.flushFolder('/d')
    expect(seen.map(line => line.split(':')[0])).toEqual([
      '1 flush before',
      '1 flush after',
      '2 flush-folder before',
      '2 flush-folder after',
    ])
    expect(seen.at(-1)).toBe('2 flush-folder after: kept')
    expect(disk.flushes - start).toBe(3)
  })
})

describe('a folder of the real disk', () => {
  it('is brought onto a simulated one as it is, durably, and back', async () => {
    const real = temporaryFolder()
    mkdirSync(join(real, 'sub/deep'), { recursive: true })
    writeFileSync(join(real, 'sub/deep/file'), Buffer.concat([Buffer.alloc(100_000), Buffer.from('end')]))
    writeFileSync(join(real, 'empty'), '')
    truncateSync(join(real, 'empty'), 2 ** 26)
    utimesSync(join(real, 'empty'), 1_600_000_000, 1_600_000_000)
    const disk = new SimulatedDisk(quiet)
    await loadFolder(disk, real, '/store')
    expect(disk.paths()).toEqual(['/store/empty', '/store/sub/deep/file'])
    expect(2 ** 40 - disk.freeBytes).toBe(4096)
    const image = disk.powerCut(1)
    expect(image.contentOf('/store/sub/deep/file').toString('latin1').slice(-5)).toBe('\0\0end')
    const back = temporaryFolder()
    await saveFolder(image, '/store', join(back, 'copy'))
    expect(readFileSync(join(back, 'copy/sub/deep/file')).equals(readFileSync(join(real, 'sub/deep/file')))).toBe(true)
    expect(statSync(join(back, 'copy/empty'))).toMatchObject({ size: 2 ** 26, mtimeMs: 1_600_000_000_000 })
  })
})

describe('a large sparse file', () => {
  it('takes memory and room only for what is written', async () => {
    const disk = await diskWith('')
    const file = await disk.open('/d/f', 'write', 0)
    await file.setLength(2 ** 30)
    const free = disk.freeBytes
    await file.write(Buffer.from('x'), 2 ** 29)
    expect(free - disk.freeBytes).toBe(4096)
    await file.flush()
    await disk.flushFolder('/d')
    const image = disk.powerCut(3)
    expect((await image.stat('/d/f'))?.sizeBytes).toBe(2 ** 30)
    expect(image.contentOf('/d/f', 2 ** 29, 2 ** 29 + 2).toString()).toBe('x\0')
  })
})
