/** Was: a file opened while all others were in use was the only one to evict, and closed before its first use. */
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { nodeFileSystem } from '../../src/files/node-file-system.ts'
import { OpenFiles } from '../../src/store/open-files.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

it('more files may be in use at a time than are kept open', async () => {
  const folder = temporaryFolder()
  const files = new OpenFiles(nodeFileSystem('file'), 0o600, 2)
  const names = Array.from({ length: 8 }, (_, i) => join(folder, `file-${i}`))
  const sizes = await Promise.all(names.map(name => files.use(name, 'create', async file => await file.sizeBytes())))
  expect(sizes).toEqual(names.map(() => 0))
  await files.close()
})
