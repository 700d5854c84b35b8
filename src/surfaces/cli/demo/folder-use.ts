/** How much of the disk a store takes: its files are sparse, so their length says little. */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** One part of a store. */
export type PartUse = {
  readonly name: string
  readonly files: number
  readonly bytes: number
  readonly onDiskBytes: number
}

/** All parts of it. */
export type FolderUse = { readonly parts: readonly PartUse[] }

const PARTS = ['commitlog', 'consumequeue', 'index', 'config', 'pocketmq'] as const
/** What `stat` counts blocks in. */
const BLOCK_BYTES = 512

export async function folderUse(dir: string): Promise<FolderUse> {
  return { parts: await Promise.all(PARTS.map(name => partUse(dir, name))) }
}

async function partUse(dir: string, name: string): Promise<PartUse> {
  const folder = join(dir, name)
  let files = 0
  let bytes = 0
  let onDiskBytes = 0
  for (const entry of await readdir(folder, { recursive: true }).catch(noFolder)) {
    const found = await stat(join(folder, entry))
    if (!found.isFile()) continue
    files++
    bytes += found.size
    onDiskBytes += found.blocks * BLOCK_BYTES
  }
  return { name, files, bytes, onDiskBytes }
}

function noFolder(error: unknown): string[] {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
  throw error
}
