/** What every segment (MappedFile) has to do, buffered or mapped. */
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { FileSystem, MappedFile } from '../../src/files/file-system.ts'
import { IMPLEMENTATIONS } from './implementations.ts'

const MIB = 1024 * 1024
const MODE = 0o600

/** Waits for room where the segment has to be prepared first, as every caller must. */
const room = async (segment: MappedFile, bytes: number): Promise<number> => {
  const at = segment.reserve(bytes)
  if (at >= 0) return at
  await segment.prepared(bytes)
  return segment.reserve(bytes)
}

const append = async (segment: MappedFile, bytes: Uint8Array): Promise<void> => {
  const at = await room(segment, bytes.length)
  segment.tailBytes.set(bytes, at)
  segment.append(bytes.length)
}

const fileContent = async (fileSystem: FileSystem, path: string, from: number, to: number): Promise<Buffer> => {
  const file = await fileSystem.open(path, 'read', MODE)
  const bytes = Buffer.alloc(to - from)
  await file.read(bytes, from)
  await file.close()
  return bytes
}

for (const { kind, make, isMissing } of IMPLEMENTATIONS)
  describe.skipIf(isMissing)(`a segment of the ${kind} disk`, () => {
    const open = async (lengthBytes = 4 * MIB, position = 0, name = '00000000000000000000') => {
      const { fileSystem, folder } = await make()
      const path = join(folder, name)
      const segment = await fileSystem.openSegment(path, { lengthBytes, position, mode: MODE })
      return { fileSystem, path, segment }
    }

    it('has its full length from the start, as zeros, and takes no room beyond what is prepared', async () => {
      const { fileSystem, path, segment } = await open(8 * MIB)
      expect((await fileSystem.stat(path))?.sizeBytes).toBe(8 * MIB)
      expect((await fileContent(fileSystem, path, 0, MIB)).equals(Buffer.alloc(MIB))).toBe(true)
      expect([segment.lengthBytes, segment.appended, segment.written]).toEqual([8 * MIB, 0, 0])
      await segment.close()
    })

    it('extends a file that is shorter, keeps what is in it, and refuses one that is longer', async () => {
      const { fileSystem, folder } = await make()
      const path = join(folder, '00000000000000000000')
      const file = await fileSystem.open(path, 'create', MODE)
      await file.write(Buffer.from('kept'), 0)
      await file.close()
      const segment = await fileSystem.openSegment(path, { lengthBytes: MIB, position: 4, mode: MODE })
      await append(segment, Buffer.from('more'))
      segment.writeOut()
      expect((await fileSystem.stat(path))?.sizeBytes).toBe(MIB)
      expect((await fileContent(fileSystem, path, 0, 9)).toString()).toBe('keptmore\0')
      await segment.close()
      await expect(
        fileSystem.openSegment(path, { lengthBytes: MIB / 2, position: 0, mode: MODE }),
      ).rejects.toMatchObject({
        code: 'POCKETMQ_CORRUPT',
        details: { expected: MIB / 2, found: MIB },
      })
      expect((await fileSystem.stat(path))?.sizeBytes).toBe(MIB)
    })

    it('has every appended byte in the file after writeOut, in order', async () => {
      const { fileSystem, path, segment } = await open()
      const expected: Buffer[] = []
      for (let i = 0; i < 1000; i++) {
        const bytes = Buffer.alloc(1 + ((i * 37) % 5000), i)
        if (segment.appended + bytes.length > segment.lengthBytes) break
        await append(segment, bytes)
        expected.push(bytes)
        if (i % 7 === 0) segment.writeOut()
      }
      segment.writeOut()
      const all = Buffer.concat(expected)
      expect([segment.appended, segment.written]).toEqual([all.length, all.length])
      expect((await fileContent(fileSystem, path, 0, all.length)).equals(all)).toBe(true)
      await segment.close()
    })

    it('takes numbers through its view at the same indexes as bytes', async () => {
      const { segment } = await open()
      await append(segment, Buffer.alloc(MIB - 4, 1))
      const at = await room(segment, 16)
      segment.tailBytes.fill(0, at, at + 16)
      segment.tailView.setInt32(at, 0x01020304)
      segment.tailView.setInt32(at + 12, 0x0a0b0c0d)
      segment.append(16)
      expect(segment.hot(MIB - 4, 16)?.toString('hex')).toBe('0102030400000000000000000a0b0c0d')
      await segment.close()
    })

    it('gives one contiguous room to a record that is larger than its buffers', async () => {
      const { fileSystem, path, segment } = await open(12 * MIB)
      const large = Buffer.alloc(4 * MIB + 123, 'L')
      await append(segment, Buffer.from('before'))
      await append(segment, large)
      await append(segment, Buffer.from('after'))
      await append(segment, Buffer.alloc(MIB, 'm'))
      await append(segment, large)
      segment.writeOut()
      const all = Buffer.concat([Buffer.from('before'), large, Buffer.from('after'), Buffer.alloc(MIB, 'm'), large])
      expect((await fileContent(fileSystem, path, 0, all.length)).equals(all)).toBe(true)
      await segment.close()
    })

    it('can be filled to its last byte', async () => {
      const { fileSystem, path, segment } = await open(MIB + 5)
      await append(segment, Buffer.alloc(MIB, 'a'))
      await append(segment, Buffer.from('12345'))
      segment.writeOut()
      expect(segment.written).toBe(segment.lengthBytes)
      expect((await fileContent(fileSystem, path, MIB - 1, MIB + 5)).toString()).toBe('a12345')
      await segment.close()
    })

    it('shows what was appended lately from memory, and never what was not appended', async () => {
      const { segment } = await open()
      await append(segment, Buffer.alloc(900_000, 'a'))
      await append(segment, Buffer.alloc(900_000, 'b'))
      expect(segment.hot(899_999, 1)?.toString()).toBe('a')
      expect(segment.hot(900_000, 2)?.toString()).toBe('bb')
      expect(segment.hot(1_799_999, 1)?.toString()).toBe('b')
      expect(segment.hot(1_799_999, 2)).toBeUndefined()
      expect(segment.hot(1_800_000, 1)).toBeUndefined()
      await segment.close()
    })

    it('goes on at the position it is opened at, and does not show what lies before from memory', async () => {
      const { fileSystem, path, segment } = await open()
      await append(segment, Buffer.from('first'))
      segment.writeOut()
      await segment.close()
      const again = await fileSystem.openSegment(path, { lengthBytes: 4 * MIB, position: 5, mode: MODE })
      expect([again.appended, again.written, again.hot(0, 5)]).toEqual([5, 5, undefined])
      await append(again, Buffer.from('second'))
      again.writeOut()
      expect((await fileContent(fileSystem, path, 0, 12)).toString()).toBe('firstsecond\0')
      await again.close()
    })

    it('forgets what it is rewound over', async () => {
      const { fileSystem, path, segment } = await open()
      await append(segment, Buffer.from('kept'))
      segment.writeOut()
      const start = segment.appended
      await append(segment, Buffer.from('dropped'))
      segment.rewind(Math.max(start, segment.written))
      const kept = segment.appended
      await append(segment, Buffer.from('next'))
      segment.writeOut()
      expect((await fileContent(fileSystem, path, kept, kept + 4)).toString()).toBe('next')
      expect((await fileContent(fileSystem, path, 0, 4)).toString()).toBe('kept')
      await segment.close()
    })

    it('refuses room and bytes beyond its end', async () => {
      const { segment } = await open(MIB)
      await append(segment, Buffer.alloc(MIB - 10))
      expect(() => segment.reserve(MIB)).toThrow(expect.objectContaining({ name: 'AssertionError' }))
      expect(() => segment.append(11)).toThrow(expect.objectContaining({ name: 'AssertionError' }))
      expect(segment.appended).toBe(MIB - 10)
      await segment.close()
    })

    it('is on the device after flush, and can be flushed again and again', async () => {
      const { segment } = await open()
      await segment.flush()
      await append(segment, Buffer.from('x'))
      segment.writeOut()
      await Promise.all([segment.flush(), segment.flush()])
      await segment.close()
    })

    it('opened on the event loop takes records like any other', async () => {
      const { fileSystem, folder } = await make()
      // A segment has been opened before whenever one has to be rolled to in a hurry.
      const first = await fileSystem.openSegment(join(folder, 'a'), { lengthBytes: MIB, position: 0, mode: MODE })
      const path = join(folder, 'b')
      const segment = fileSystem.openSegmentSync(path, { lengthBytes: MIB, position: 0, mode: MODE })
      await append(segment, Buffer.from('hello'))
      segment.writeOut()
      expect((await fileSystem.stat(path))?.sizeBytes).toBe(MIB)
      expect((await fileContent(fileSystem, path, 0, 5)).toString()).toBe('hello')
      await first.close()
      await segment.close()
    })

    it('is closed once however often it is told to, while zeros and flushes are under way too', async () => {
      const { segment } = await open(32 * MIB)
      await append(segment, Buffer.from('x'))
      segment.writeOut()
      const flushed = segment.flush()
      await Promise.all([segment.close(), segment.close()])
      await flushed
      await segment.close()
      await expect(segment.flush()).rejects.toMatchObject({ code: 'POCKETMQ_STORE_CLOSED' })
    })
  })
