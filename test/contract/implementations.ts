/** Everything that stands behind the FileSystem seam, for the suites that hold them to one contract. */
import type { FileSystem } from '../../src/files/file-system.ts'
import { nodeFileSystem } from '../../src/files/node-file-system.ts'
import { SimulatedDisk } from '../../src/testing/testing.ts'
import { NO_MMAP } from '../support/mmap-available.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

/** Makes a disk and an existing folder on it, for one test. */
export type DiskMaker = () => Promise<{ fileSystem: FileSystem; folder: string }>

const real = (kind: 'file' | 'mmap'): DiskMaker => {
  return async () => ({ fileSystem: nodeFileSystem(kind), folder: temporaryFolder() })
}

const simulated: DiskMaker = async () => {
  const fileSystem: FileSystem = new SimulatedDisk()
  await fileSystem.ensureFolder('/store', 0o700)
  return { fileSystem, folder: '/store' }
}

/** One a line; `isMissing` where this machine does not have it, which the skipped tests show. */
export const IMPLEMENTATIONS: readonly { kind: string; make: DiskMaker; isMissing: boolean }[] = [
  { kind: 'file', make: real('file'), isMissing: false },
  { kind: 'mmap', make: real('mmap'), isMissing: NO_MMAP !== undefined },
  { kind: 'simulated', make: simulated, isMissing: false },
]
