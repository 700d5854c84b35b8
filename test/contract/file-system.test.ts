/** What every FileSystem has to do, whatever it is made of: files, names, folders, the device, the lock. */
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readWhole, replaceFile } from '../../src/files/atomic-file.ts'
import { IMPLEMENTATIONS } from './implementations.ts'

const MODE = 0o600
const FOLDER_MODE = 0o700

for (const { kind, make, isMissing } of IMPLEMENTATIONS)
  describe.skipIf(isMissing)(`the ${kind} disk`, () => {
    describe('folders', () => {
      it('are created with their parents, and again without complaint', async () => {
        const { fileSystem, folder } = await make()
        await fileSystem.ensureFolder(join(folder, 'a/b/c'), FOLDER_MODE)
        await fileSystem.ensureFolder(join(folder, 'a/b/c'), FOLDER_MODE)
        expect(await fileSystem.list(join(folder, 'a'))).toEqual([{ name: 'b', isFolder: true }])
        expect(await fileSystem.stat(join(folder, 'a/b/c'))).toMatchObject({ isFolder: true })
      })

      it('are made one by one, and again without complaint, where the one above is there', async () => {
        const { fileSystem, folder } = await make()
        await fileSystem.makeFolder(join(folder, 'a'), FOLDER_MODE)
        await fileSystem.makeFolder(join(folder, 'a'), FOLDER_MODE)
        await fileSystem.makeFolder(join(folder, 'a/b'), FOLDER_MODE)
        expect(await fileSystem.list(join(folder, 'a'))).toEqual([{ name: 'b', isFolder: true }])
        const missing = fileSystem.makeFolder(join(folder, 'x/y'), FOLDER_MODE)
        await expect(missing).rejects.toMatchObject({ code: 'POCKETMQ_IO' })
      })

      it('are refused where a part of the path is a file', async () => {
        const { fileSystem, folder } = await make()
        await (await fileSystem.open(join(folder, 'file'), 'create', MODE)).close()
        await expect(fileSystem.ensureFolder(join(folder, 'file'), FOLDER_MODE)).rejects.toMatchObject({
          code: 'POCKETMQ_IO',
        })
        await expect(fileSystem.ensureFolder(join(folder, 'file/sub'), FOLDER_MODE)).rejects.toMatchObject({
          code: 'POCKETMQ_IO',
        })
      })

      it('list their files and folders, and are empty where they do not exist', async () => {
        const { fileSystem, folder } = await make()
        await fileSystem.ensureFolder(join(folder, 'sub'), FOLDER_MODE)
        await (await fileSystem.open(join(folder, 'file'), 'create', MODE)).close()
        const entries = [...(await fileSystem.list(folder))].sort((a, b) => a.name.localeCompare(b.name))
        expect(entries).toEqual([
          { name: 'file', isFolder: false },
          { name: 'sub', isFolder: true },
        ])
        expect(await fileSystem.list(join(folder, 'missing'))).toEqual([])
      })

      it('are removed when empty, refused when not, and fine when gone already', async () => {
        const { fileSystem, folder } = await make()
        const sub = join(folder, 'sub')
        await fileSystem.ensureFolder(sub, FOLDER_MODE)
        await (await fileSystem.open(join(sub, 'file'), 'create', MODE)).close()
        await expect(fileSystem.removeFolder(sub)).rejects.toMatchObject({ code: 'POCKETMQ_IO' })
        await fileSystem.remove(join(sub, 'file'))
        await fileSystem.removeFolder(sub)
        await fileSystem.removeFolder(sub)
        expect(await fileSystem.stat(sub)).toBeUndefined()
      })

      it('can be flushed', async () => {
        const { fileSystem, folder } = await make()
        await fileSystem.flushFolder(folder)
        await expect(fileSystem.flushFolder(join(folder, 'missing'))).rejects.toMatchObject({ code: 'POCKETMQ_IO' })
      })
    })

    describe('a file', () => {
      it('gives back what was written, from any position, to this and to every other handle', async () => {
        const { fileSystem, folder } = await make()
        const path = join(folder, 'file')
        const file = await fileSystem.open(path, 'create', MODE)
        await file.write(Buffer.from('0123456789'), 0)
        file.writeSync(Buffer.from('abc'), 4)
        const other = await fileSystem.open(path, 'read', MODE)
        const target = Buffer.alloc(5)
        expect(await other.read(target, 3)).toBe(5)
        expect(target.toString()).toBe('3abc7')
        expect(file.readSync(target, 5)).toBe(5)
        expect(target.toString()).toBe('bc789')
        expect([await file.sizeBytes(), other.sizeBytesSync()]).toEqual([10, 10])
        await file.close()
        await other.close()
      })

      it('reads as far as it goes: fewer bytes at its end, none beyond it', async () => {
        const { fileSystem, folder } = await make()
        const file = await fileSystem.open(join(folder, 'file'), 'create', MODE)
        await file.write(Buffer.from('abc'), 0)
        expect(await file.read(Buffer.alloc(10), 1)).toBe(2)
        expect(file.readSync(Buffer.alloc(10), 2)).toBe(1)
        expect(await file.read(Buffer.alloc(10), 3)).toBe(0)
        expect(file.readSync(Buffer.alloc(10), 1000)).toBe(0)
        await file.close()
      })

      it('is zeros where nothing was written', async () => {
        const { fileSystem, folder } = await make()
        const file = await fileSystem.open(join(folder, 'file'), 'create', MODE)
        await file.write(Buffer.from('x'), 10_000)
        const target = Buffer.alloc(10_001, 0xff)
        expect(await file.read(target, 0)).toBe(10_001)
        expect(target.subarray(0, 10_000).equals(Buffer.alloc(10_000))).toBe(true)
        expect(target.toString('ascii', 10_000)).toBe('x')
        await file.close()
      })

      it('can be cut and extended; what comes back after a cut is zeros', async () => {
        const { fileSystem, folder } = await make()
        const file = await fileSystem.open(join(folder, 'file'), 'create', MODE)
        await file.write(Buffer.from('0123456789'), 0)
        await file.setLength(4)
        file.setLengthSync(8)
        const target = Buffer.alloc(10)
        expect(await file.read(target, 0)).toBe(8)
        expect(target.toString('ascii', 0, 8)).toBe('0123\0\0\0\0')
        await file.close()
      })

      it('is created empty by create, and opened as it is when it exists', async () => {
        const { fileSystem, folder } = await make()
        const path = join(folder, 'file')
        const file = await fileSystem.open(path, 'create', MODE)
        expect(await file.sizeBytes()).toBe(0)
        await file.write(Buffer.from('kept'), 0)
        const again = fileSystem.openSync(path, 'create', MODE)
        expect(again.sizeBytesSync()).toBe(4)
        await file.close()
        await again.close()
      })

      it('that is missing is IO with ENOENT for read and write', async () => {
        const { fileSystem, folder } = await make()
        const path = join(folder, 'missing')
        const missing = { code: 'POCKETMQ_IO', cause: { code: 'ENOENT' }, details: { path, operation: 'open' } }
        await expect(fileSystem.open(path, 'read', MODE)).rejects.toMatchObject(missing)
        await expect(fileSystem.open(path, 'write', MODE)).rejects.toMatchObject(missing)
        expect(() => fileSystem.openSync(path, 'write', MODE)).toThrow(expect.objectContaining({ code: 'POCKETMQ_IO' }))
      })

      it('opened to be read refuses to be written', async () => {
        const { fileSystem, folder } = await make()
        const path = join(folder, 'file')
        await (await fileSystem.open(path, 'create', MODE)).close()
        const file = await fileSystem.open(path, 'read', MODE)
        await expect(file.write(Buffer.from('x'), 0)).rejects.toMatchObject({ code: 'POCKETMQ_IO' })
        await file.close()
      })

      it('is closed once however often it is told to, and refuses everything after that', async () => {
        const { fileSystem, folder } = await make()
        const file = await fileSystem.open(join(folder, 'file'), 'create', MODE)
        await file.write(Buffer.from('x'), 0)
        await Promise.all([file.close(), file.close()])
        await file.close()
        const closed = { code: 'POCKETMQ_STORE_CLOSED' }
        await expect(file.read(Buffer.alloc(1), 0)).rejects.toMatchObject(closed)
        await expect(file.write(Buffer.alloc(1), 0)).rejects.toMatchObject(closed)
        await expect(file.flush()).rejects.toMatchObject(closed)
        expect(() => file.readSync(Buffer.alloc(1), 0)).toThrow(expect.objectContaining(closed))
        expect(() => file.writeSync(Buffer.alloc(1), 0)).toThrow(expect.objectContaining(closed))
      })

      it('closed while reads and writes are under way lets them end well first', async () => {
        const { fileSystem, folder } = await make()
        const file = await fileSystem.open(join(folder, 'file'), 'create', MODE)
        await file.write(Buffer.alloc(1 << 20, 'a'), 0)
        const target = Buffer.alloc(1 << 20)
        const work = Promise.all([file.read(target, 0), file.write(Buffer.alloc(1 << 20, 'b'), 1 << 20), file.flush()])
        await file.close()
        await work
        expect(target.equals(Buffer.alloc(1 << 20, 'a'))).toBe(true)
        expect((await fileSystem.stat(file.path))?.sizeBytes).toBe(2 << 20)
      })

      it('keeps the modification time it is given', async () => {
        const { fileSystem, folder } = await make()
        const path = join(folder, 'file')
        await (await fileSystem.open(path, 'create', MODE)).close()
        await fileSystem.setModified(path, 1_600_000_000_000)
        expect((await fileSystem.stat(path))?.modifiedMs).toBe(1_600_000_000_000)
      })
    })

    describe('names', () => {
      const withFiles = async (contents: Record<string, string>) => {
        const made = await make()
        for (const [name, content] of Object.entries(contents)) {
          const file = await made.fileSystem.open(join(made.folder, name), 'create', MODE)
          await file.write(Buffer.from(content), 0)
          await file.close()
        }
        const text = async (name: string) => (await readWhole(made.fileSystem, join(made.folder, name)))?.toString()
        return { ...made, text }
      }

      it('are renamed, replacing what had the new name', async () => {
        const { fileSystem, folder, text } = await withFiles({ a: 'new', b: 'old' })
        await fileSystem.rename(join(folder, 'a'), join(folder, 'b'))
        expect([await text('a'), await text('b')]).toEqual([undefined, 'new'])
        await expect(fileSystem.rename(join(folder, 'a'), join(folder, 'b'))).rejects.toMatchObject({
          code: 'POCKETMQ_IO',
        })
      })

      it('are moved between folders, files and folders alike', async () => {
        const { fileSystem, folder, text } = await withFiles({ a: 'x' })
        await fileSystem.ensureFolder(join(folder, 'from/deep'), FOLDER_MODE)
        await fileSystem.ensureFolder(join(folder, 'to'), FOLDER_MODE)
        await fileSystem.rename(join(folder, 'a'), join(folder, 'from/deep/b'))
        await fileSystem.rename(join(folder, 'from/deep'), join(folder, 'to/deep'))
        expect(await text('to/deep/b')).toBe('x')
        expect(await fileSystem.list(join(folder, 'from'))).toEqual([])
      })

      it('can be two for one file, which lives until both are gone', async () => {
        const { fileSystem, folder, text } = await withFiles({ a: 'x', c: 'taken' })
        await fileSystem.link(join(folder, 'a'), join(folder, 'b'))
        await expect(fileSystem.link(join(folder, 'a'), join(folder, 'c'))).rejects.toMatchObject({
          code: 'POCKETMQ_IO',
        })
        await fileSystem.remove(join(folder, 'a'))
        expect(await text('b')).toBe('x')
        expect(await text('c')).toBe('taken')
      })

      it('are removed, and removing what is gone is fine', async () => {
        const { fileSystem, folder, text } = await withFiles({ a: 'x' })
        await fileSystem.remove(join(folder, 'a'))
        await fileSystem.remove(join(folder, 'a'))
        expect(await text('a')).toBeUndefined()
      })

      it('that are removed leave an open file usable', async () => {
        const { fileSystem, folder } = await withFiles({ a: 'still here' })
        const file = await fileSystem.open(join(folder, 'a'), 'read', MODE)
        await fileSystem.remove(join(folder, 'a'))
        const target = Buffer.alloc(10)
        await file.read(target, 0)
        expect(target.toString()).toBe('still here')
        await file.close()
      })
    })

    describe('a small file replaced as a whole', () => {
      it('has the new content, and keeps the former one as .bak where that is asked for', async () => {
        const { fileSystem, folder } = await make()
        const temporaryFolder = join(folder, 'temporary')
        await fileSystem.ensureFolder(temporaryFolder, FOLDER_MODE)
        const path = join(folder, 'config.json')
        const replace = (text: string, keepBackup: boolean) => {
          return replaceFile(fileSystem, { path, bytes: Buffer.from(text), temporaryFolder, mode: MODE, keepBackup })
        }
        await replace('one', true)
        expect(await readWhole(fileSystem, `${path}.bak`)).toBeUndefined()
        await replace('two, longer', true)
        await replace('three', true)
        expect((await readWhole(fileSystem, path))?.toString()).toBe('three')
        expect((await readWhole(fileSystem, `${path}.bak`))?.toString()).toBe('two, longer')
        await replace('four', false)
        expect((await readWhole(fileSystem, path))?.toString()).toBe('four')
        expect((await readWhole(fileSystem, `${path}.bak`))?.toString()).toBe('two, longer')
        expect(await fileSystem.list(temporaryFolder)).toEqual([])
      })
    })

    describe('the device', () => {
      it('tells how much room it has, also for a path that is not there yet', async () => {
        const { fileSystem, folder } = await make()
        const device = await fileSystem.device(join(folder, 'not/there/yet'))
        expect(device.freeBytes).toBeGreaterThan(0)
        expect(device.totalBytes).toBeGreaterThanOrEqual(device.freeBytes)
        expect(device.isNetwork).toBe(false)
      })
    })

    describe('the lock of a folder', () => {
      it('is given once, names its holder, and is free again when released', async () => {
        const { fileSystem, folder } = await make()
        expect(await fileSystem.lockHolder(folder)).toBeUndefined()
        const lock = await fileSystem.lock(folder, 0, MODE)
        expect((await readWhole(fileSystem, join(folder, 'lock')))?.toString()).toBe('lock')
        await expect(fileSystem.lock(folder, 0, MODE)).rejects.toMatchObject({
          code: 'POCKETMQ_STORE_LOCKED',
          retryable: true,
          details: { holder: expect.stringContaining('this process') },
        })
        expect(await fileSystem.lockHolder(folder)).toContain('this process')
        await Promise.all([lock.release(), lock.release()])
        await lock.release()
        expect(await fileSystem.lockHolder(folder)).toBeUndefined()
        await (await fileSystem.lock(folder, 0, MODE)).release()
      })

      it('does not come free when another handle of its file is closed', async () => {
        const { fileSystem, folder } = await make()
        const lock = await fileSystem.lock(folder, 0, MODE)
        await (await fileSystem.open(join(folder, 'lock'), 'write', MODE)).close()
        await expect(fileSystem.lock(folder, 0, MODE)).rejects.toMatchObject({ code: 'POCKETMQ_STORE_LOCKED' })
        await lock.release()
      })

      it('of a folder that is missing is IO', async () => {
        const { fileSystem, folder } = await make()
        await expect(fileSystem.lock(join(folder, 'missing'), 0, MODE)).rejects.toMatchObject({ code: 'POCKETMQ_IO' })
      })
    })
  })
