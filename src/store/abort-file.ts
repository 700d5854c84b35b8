/**
 * The file `abort`: there while a store is open for writing, and after a crash. Its presence at open means an unclean exit.
 * RocketMQ: DefaultMessageStore.createTempFile. Created before the first change of anything, removed last of all.
 */
import { join } from 'node:path'
import { writeWhole } from '../files/atomic-file.ts'
import type { FileSystem } from '../files/file-system.ts'

/** Whether the last owner of the folder did not close it. */
export async function hasAbortFile(fileSystem: FileSystem, dir: string): Promise<boolean> {
  return (await fileSystem.stat(join(dir, 'abort'))) !== undefined
}

/** On the device when it resolves. RocketMQ writes its process id into it, and reads nothing from it. */
export async function createAbortFile(fileSystem: FileSystem, dir: string, mode: number): Promise<void> {
  await writeWhole(fileSystem, join(dir, 'abort'), Buffer.from(String(process.pid)), mode & 0o666)
  await fileSystem.flushFolder(dir)
}

/** Gone from the device when it resolves: everything else has to be there before. */
export async function removeAbortFile(fileSystem: FileSystem, dir: string): Promise<void> {
  await fileSystem.remove(join(dir, 'abort'))
  await fileSystem.flushFolder(dir)
}
