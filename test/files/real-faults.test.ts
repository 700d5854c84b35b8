/** What the real disk does to us, and what callers get to see of it. */
import { readFileSync, writeFileSync } from 'node:fs'
import { chmod } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readWhole, replaceFile } from '../../src/files/atomic-file.ts'
import { nodeFileSystem } from '../../src/files/node-file-system.ts'
import { IO_MODES } from '../support/mmap-available.ts'
import { mountedDevice, NO_MOUNT, remount } from '../support/mounted-device.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { answersOf, diskChild } from './child.ts'

const MIB = 1024 * 1024
const MODE = 0o600
const disk = nodeFileSystem('file')
const isRoot = process.getuid?.() === 0

describe.skipIf(NO_MOUNT !== undefined)('a full device', () => {
  for (const kind of IO_MODES) {
    it(`is DISK_FULL to a segment of kind ${kind}, which keeps what it took and goes on when there is room`, async () => {
      const folder = mountedDevice(6 * MIB)
      const ballast = join(folder, 'ballast')
      writeFileSync(ballast, Buffer.alloc(2 * MIB))
      const child = diskChild(['append', kind, folder, `${5 * MIB}`, '3000'])
      const full = await child.next()
      expect(full).toMatchObject({ code: 'POCKETMQ_DISK_FULL', errno: 'ENOSPC', details: { operation: 'write' } })
      const written = Number(full.written)
      expect(written).toBeGreaterThan(3 * MIB)
      await disk.remove(ballast)
      child.stdin.write('go on\n')
      const done = await child.next()
      expect(done).toMatchObject({ code: 'none', written: Math.floor((5 * MIB) / 3000) * 3000 })
      const bytes = readFileSync(join(folder, '00000000000000000000'))
      for (let at = 0; at + 3000 <= bytes.length; at += 3000) {
        const record = bytes.subarray(at, at + 3000)
        expect(record.equals(Buffer.alloc(3000, 0x61 + (at % 26))), `the record at ${at}`).toBe(true)
      }
    })

    it(`refuses a record of kind ${kind} without ending the process, again and again`, async () => {
      const folder = mountedDevice(MIB)
      writeFileSync(join(folder, 'ballast'), Buffer.alloc(MIB - 8192))
      const child = diskChild(['append', kind, folder, `${4 * MIB}`, '100000'])
      expect(await child.next()).toMatchObject({ code: 'POCKETMQ_DISK_FULL', written: 0 })
      child.stdin.write('go on\n')
      expect(await child.next()).toMatchObject({ code: 'POCKETMQ_DISK_FULL', written: 0 })
    })
  }

  it('leaves zeros where a write went through half way, so that nothing of it reads as a record', async () => {
    const folder = mountedDevice(MIB)
    const path = join(folder, '00000000000000000000')
    const segment = await disk.openSegment(path, { lengthBytes: 4 * MIB, position: 0, mode: MODE })
    segment.tailBytes.fill('a', segment.reserve(10_000), 10_000)
    segment.append(10_000)
    segment.writeOut()
    const at = segment.reserve(MIB - 20_000)
    segment.tailBytes.fill('b', at, at + MIB - 20_000)
    segment.append(MIB - 20_000)
    writeFileSync(join(folder, 'ballast'), Buffer.alloc(500_000))
    expect(() => segment.writeOut()).toThrow(expect.objectContaining({ code: 'POCKETMQ_DISK_FULL' }))
    expect(segment.written).toBe(10_000)
    const bytes = readFileSync(path)
    expect(bytes.subarray(0, 10_000).equals(Buffer.alloc(10_000, 'a'))).toBe(true)
    expect(bytes.subarray(10_000).equals(Buffer.alloc(bytes.length - 10_000))).toBe(true)
    segment.rewind(10_000)
    await segment.close()
  })

  it('leaves a small file as it was when its replacement does not fit', async () => {
    const folder = mountedDevice(MIB)
    const path = join(folder, 'config.json')
    const replace = (bytes: Buffer) => replaceFile(disk, { path, bytes, temporaryFolder: folder, mode: MODE })
    await replace(Buffer.from('small'))
    await expect(replace(Buffer.alloc(2 * MIB))).rejects.toMatchObject({ code: 'POCKETMQ_DISK_FULL' })
    expect((await readWhole(disk, path))?.toString()).toBe('small')
    expect((await disk.list(folder)).map(({ name }) => name)).toEqual(['config.json'])
    await replace(Buffer.from('changed'))
    expect((await readWhole(disk, path))?.toString()).toBe('changed')
  })
})

describe.skipIf(NO_MOUNT !== undefined)('a read-only device', () => {
  it('is READ_ONLY to every change, and can be read', async () => {
    const folder = mountedDevice(MIB)
    const path = join(folder, 'file')
    writeFileSync(path, 'hello')
    remount(folder, 'ro')
    const readOnly = { code: 'POCKETMQ_READ_ONLY', hint: expect.stringContaining('openReadOnly') }
    await expect(disk.open(path, 'write', MODE)).rejects.toMatchObject(readOnly)
    await expect(disk.open(join(folder, 'new'), 'create', MODE)).rejects.toMatchObject(readOnly)
    await expect(disk.ensureFolder(join(folder, 'a/b'), 0o700)).rejects.toMatchObject(readOnly)
    await expect(disk.rename(path, join(folder, 'other'))).rejects.toMatchObject(readOnly)
    await expect(disk.remove(path)).rejects.toMatchObject(readOnly)
    await expect(disk.lock(folder, 0, MODE)).rejects.toMatchObject(readOnly)
    await expect(
      disk.openSegment(join(folder, 'segment'), { lengthBytes: 4096, position: 0, mode: MODE }),
    ).rejects.toMatchObject(readOnly)
    expect((await readWhole(disk, path))?.toString()).toBe('hello')
    remount(folder, 'rw')
  })
})

describe('a process that may not', () => {
  it.skipIf(!isRoot)('change a folder gets IO with EACCES and a hint, for every operation', async () => {
    const folder = temporaryFolder()
    writeFileSync(join(folder, 'file'), 'hello')
    await chmod(folder, 0o755)
    const answers = await answersOf(diskChild(['denied', folder]))
    expect(Object.keys(answers)).toEqual(['open', 'create', 'ensureFolder', 'rename', 'remove', 'lock'])
    for (const answer of Object.values(answers)) {
      expect(answer).toMatchObject({ code: 'POCKETMQ_IO', errno: 'EACCES', hint: expect.stringContaining('chown') })
    }
  })

  it('open more files gets IO with EMFILE and a hint, and can go on when some are closed', async () => {
    const answers = await answersOf(diskChild(['open-many', temporaryFolder()], 'ulimit -n 64'))
    for (const name of ['open', 'openSync', 'list', 'lock', 'openSegment']) {
      expect(answers[name], name).toMatchObject({
        code: 'POCKETMQ_IO',
        errno: 'EMFILE',
        hint: expect.stringContaining('ulimit -n'),
      })
    }
    expect(answers['after closing some']).toMatchObject({ code: 'none' })
  })
})
