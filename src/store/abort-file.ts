/**
 * The file `abort`: there while a store is open for writing, and after a crash. Its presence at open means an unclean exit.
 * RocketMQ: DefaultMessageStore.createTempFile. Created before the first change of anything, removed last of all.
 */
import { join } from 'node:path'
import { readWhole, writeWhole } from '../files/atomic-file.ts'
import type { FileSystem } from '../files/file-system.ts'

/** Who did not close the folder: nobody, one of us, or a broker. */
export type AbortMark = 'none' | 'ours' | 'foreign'

/**
 * Reads the mark. A broker overwrites ours with its bare process id as it starts, which tells of it even where it was
 * killed before it first wrote its checkpoint. Anything else is ours: what a power cut has left of it counts as well.
 */
export async function readAbortFile(fileSystem: FileSystem, dir: string): Promise<AbortMark> {
  const bytes = await readWhole(fileSystem, join(dir, 'abort'))
  if (bytes === undefined) return 'none'
  return /^\d+$/.test(bytes.toString('latin1')) ? 'foreign' : 'ours'
}

/** On the device when it resolves. RocketMQ writes its process id into it, and reads nothing from it. */
export async function createAbortFile(fileSystem: FileSystem, dir: string, mode: number): Promise<void> {
  await writeWhole(fileSystem, join(dir, 'abort'), Buffer.from(`${process.pid} pocketmq`), mode & 0o666)
  await fileSystem.flushFolder(dir)
}

/** Gone from the device when it resolves: everything else has to be there before. */
export async function removeAbortFile(fileSystem: FileSystem, dir: string): Promise<void> {
  await fileSystem.remove(join(dir, 'abort'))
  await fileSystem.flushFolder(dir)
}
