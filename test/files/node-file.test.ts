import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { NodeFile } from '../../src/files/node-file.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

describe('a real file that is closed', () => {
  it('lets all reads and writes end before its descriptor can name another file', async () => {
    const folder = temporaryFolder()
    writeFileSync(join(folder, 'mine'), Buffer.alloc(1 << 20, 'm'))
    writeFileSync(join(folder, 'other'), Buffer.alloc(1 << 20, 'o'))
    for (let round = 0; round < 20; round++) {
      const file = await NodeFile.open(join(folder, 'mine'), 'write', 0)
      const target = Buffer.alloc(1 << 20)
      // More than the thread pool has threads, so that some have not begun when close is called.
      const reads = Array.from({ length: 16 }, () => file.read(target, 0))
      const writes = Array.from({ length: 16 }, () => file.write(Buffer.from('m'), 0))
      const closed = file.close()
      const others = await Promise.all(
        Array.from({ length: 4 }, () => NodeFile.open(join(folder, 'other'), 'write', 0)),
      )
      await Promise.all([closed, ...reads, ...writes])
      expect(target.equals(Buffer.alloc(1 << 20, 'm'))).toBe(true)
      const first = Buffer.alloc(1)
      await others[0]?.read(first, 0)
      expect(first.toString()).toBe('o')
      await Promise.all(others.map(other => other.close()))
    }
  })
})
