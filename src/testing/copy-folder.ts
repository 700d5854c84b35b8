/** Brings folders of the real disk onto a simulated one and back: a golden store to be damaged, an image to be looked at. */
import { join } from 'node:path'
import type { FileSystem } from '../files/file-system.ts'
import { nodeFileSystem } from '../files/node-file-system.ts'
import { PAGE_BYTES } from './paged-bytes.ts'
import type { SimulatedDisk } from './simulated-disk.ts'

const CHUNK_BYTES = 256 * PAGE_BYTES
const ZEROS = Buffer.alloc(PAGE_BYTES)

/** Copies a real folder to `to` on the disk, with everything in it, durably. */
export async function loadFolder(disk: SimulatedDisk, from: string, to: string): Promise<void> {
  await copyFolder(nodeFileSystem('file'), from, disk, to)
}

/** Copies what a simulated disk shows at `from`, flushed or not, into a real folder, for command-line tools to look at. */
export async function saveFolder(disk: SimulatedDisk, from: string, to: string): Promise<void> {
  await copyFolder(disk, from, nodeFileSystem('file'), to)
}

async function copyFolder(source: FileSystem, from: string, target: FileSystem, to: string): Promise<void> {
  await target.ensureFolder(to, 0o700)
  for (const { name, isFolder } of await source.list(from)) {
    if (isFolder) await copyFolder(source, join(from, name), target, join(to, name))
    else await copyFile(source, join(from, name), target, join(to, name))
  }
  await target.flushFolder(to)
}

async function copyFile(source: FileSystem, from: string, target: FileSystem, to: string): Promise<void> {
  const input = await source.open(from, 'read', 0)
  const output = await target.open(to, 'create', 0o600)
  try {
    const sizeBytes = await input.sizeBytes()
    await output.setLength(0)
    await output.setLength(sizeBytes)
    const chunk = Buffer.alloc(CHUNK_BYTES)
    for (let at = 0; at < sizeBytes; at += CHUNK_BYTES) {
      await writeSparse(output, chunk.subarray(0, await input.read(chunk, at)), at)
    }
    await output.flush()
  } finally {
    await input.close()
    await output.close()
  }
  const stat = await source.stat(from)
  if (stat !== undefined) await target.setModified(to, stat.modifiedMs)
}

/** Pages of zeros are left out: most of a segment is a hole. */
async function writeSparse(
  file: { write(bytes: Uint8Array, position: number): Promise<void> },
  bytes: Buffer,
  position: number,
): Promise<void> {
  for (let at = 0; at < bytes.length; at += PAGE_BYTES) {
    const page = bytes.subarray(at, at + PAGE_BYTES)
    if (!page.equals(ZEROS.subarray(0, page.length))) await file.write(page, position + at)
  }
}
