/**
 * A process of its own for tests of the real disk: what it does is its first argument, and it answers with JSON lines.
 * `lock DIR` · `try-lock DIR` · `append KIND DIR SEGMENT_BYTES RECORD_BYTES` · `open-many DIR` · `denied DIR`
 */
import { join } from 'node:path'
import { PocketMQError } from '../../src/base/errors.ts'
import type { FileSystem, StoreFile } from '../../src/files/file-system.ts'
import { nodeFileSystem } from '../../src/files/node-file-system.ts'

const [, , task = '', ...given] = process.argv

const tell = (answer: object): void => console.log(JSON.stringify(answer))

const told = (error: unknown): object => {
  if (!(error instanceof PocketMQError)) return { thrown: String(error) }
  const { code, hint, details, cause } = error
  return { code, hint, details, errno: (cause as NodeJS.ErrnoException | undefined)?.code }
}

const attempt = async (name: string, run: () => Promise<unknown>): Promise<void> => {
  await run().then(
    () => tell({ name, code: 'none' }),
    error => tell({ name, ...told(error) }),
  )
}

/** Takes the lock and keeps it until killed. */
async function lock(fileSystem: FileSystem, [folder = '']: string[]): Promise<void> {
  await fileSystem.lock(folder, 0, 0o600)
  tell({ locked: process.pid })
  process.stdin.resume()
}

/** Appends until a failure, tells it, and tries again whenever a line comes in. */
async function append(
  kind: 'file' | 'mmap',
  [folder = '', lengthBytes = '', recordBytes = '']: string[],
): Promise<void> {
  const options = { lengthBytes: Number(lengthBytes), position: 0, mode: 0o600 }
  const path = join(folder, '00000000000000000000')
  const segment = await nodeFileSystem(kind)
    .openSegment(path, options)
    .catch(error => tell(told(error)))
  if (segment === undefined) return
  const bytes = Number(recordBytes)
  const appendAll = async (): Promise<void> => {
    while (segment.appended + bytes <= segment.lengthBytes) {
      let at = segment.reserve(bytes)
      if (at < 0) {
        await segment.prepared(bytes)
        at = segment.reserve(bytes)
      }
      segment.tailBytes.fill(0x61 + (segment.appended % 26), at, at + bytes)
      segment.append(bytes)
      segment.writeOut()
    }
    await segment.flush()
  }
  const round = async (): Promise<void> => {
    const failure = await appendAll().then(
      () => ({ code: 'none' }),
      error => {
        segment.rewind(segment.written)
        return told(error)
      },
    )
    tell({ ...failure, written: segment.written, appended: segment.appended })
  }
  await round()
  process.stdin.on('data', () => {
    round().catch(error => tell(told(error)))
  })
}

/** Opens files until there are no descriptors left, then closes one and goes on. */
async function openMany(fileSystem: FileSystem, [folder = '']: string[]): Promise<void> {
  // Loads the addon, which takes descriptors too.
  await (await fileSystem.lock(folder, 0, 0o600)).release()
  const files: StoreFile[] = []
  const open = async (): Promise<void> => {
    for (let i = 0; i < 10_000; i++) files.push(await fileSystem.open(join(folder, `${i}`), 'create', 0o600))
  }
  await attempt('open', open)
  await attempt('openSync', async () => fileSystem.openSync(join(folder, 'sync'), 'create', 0o600))
  await attempt('list', () => fileSystem.list(folder))
  await attempt('lock', () => fileSystem.lock(folder, 0, 0o600))
  await attempt('openSegment', () => {
    return fileSystem.openSegment(join(folder, 'segment'), { lengthBytes: 4096, position: 0, mode: 0o600 })
  })
  for (const file of files.slice(0, 3)) await file.close()
  await attempt('after closing some', () => fileSystem.open(join(folder, 'more'), 'create', 0o600))
}

/** Tries everything as a user who may do nothing there. */
async function denied(fileSystem: FileSystem, [folder = '']: string[]): Promise<void> {
  process.setgid?.(65534)
  process.setuid?.(65534)
  const path = join(folder, 'file')
  await attempt('open', () => fileSystem.open(path, 'write', 0o600))
  await attempt('create', () => fileSystem.open(join(folder, 'new'), 'create', 0o600))
  await attempt('ensureFolder', () => fileSystem.ensureFolder(join(folder, 'sub/sub'), 0o700))
  await attempt('rename', () => fileSystem.rename(path, join(folder, 'renamed')))
  await attempt('remove', () => fileSystem.remove(path))
  await attempt('lock', () => fileSystem.lock(folder, 0, 0o600))
}

const file = nodeFileSystem('file')
if (task === 'lock') await lock(file, given)
else if (task === 'try-lock') await attempt('lock', () => file.lock(given[0] ?? '', 0, 0o600))
else if (task === 'append') await append(given[0] === 'mmap' ? 'mmap' : 'file', given.slice(1))
else if (task === 'open-many') await openMany(file, given)
else if (task === 'denied') await denied(file, given)
else throw new Error(`no such task: ${task}`)
