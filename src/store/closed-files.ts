/**
 * `pocketmq/closed`: which small files lay in the folder when it was closed, each with its SHA-256. A JSON file with one wrong
 * digit reads as well as the right one; by this list `verify` names it. Nothing else reads it, and losing it costs nothing.
 */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { asError } from '../base/errors.ts'
import { decodeOwnFile, encodeOwnFile } from '../codec/own-file.ts'
import { readWhole, replaceFile } from '../files/atomic-file.ts'
import type { FileSystem } from '../files/file-system.ts'
import type { Findings } from './findings.ts'

/** Where the list lies. */
export type ClosedFilesOptions = { readonly fileSystem: FileSystem; readonly dir: string; readonly mode: number }

const CLOSED = 'pocketmq/closed'
/** Nobody opens a folder and writes to it so soon after us; a copy of it takes its time. */
const SLACK_MS = 1000
const FOLDERS: readonly string[] = ['config', 'pocketmq', 'pocketmq/offsets']
/** Written after the list, or checked by a sum of its own at each save. */
const NOT_LISTED: ReadonlySet<string> = new Set([CLOSED, 'pocketmq/state', 'pocketmq/tombstones'])

/** Writes the list. On the device when it resolves. */
export async function saveClosedFiles({ fileSystem, dir, mode }: ClosedFilesOptions): Promise<void> {
  const bytes = encodeOwnFile(Buffer.from(JSON.stringify(Object.fromEntries(await hashesOf(fileSystem, dir)))))
  const temporaryFolder = join(dir, 'pocketmq')
  await fileSystem.ensureFolder(temporaryFolder, mode)
  await replaceFile(fileSystem, { path: join(dir, CLOSED), bytes, temporaryFolder, mode: mode & 0o666 })
}

/** Names what is not as it was. What was written since is no damage: a broker that came and went has its own say. */
export async function auditClosedFiles(fileSystem: FileSystem, dir: string, findings: Findings): Promise<void> {
  const bytes = await readWhole(fileSystem, join(dir, CLOSED))
  if (bytes === undefined) return
  let listed: Map<string, string>
  try {
    listed = new Map(
      Object.entries(JSON.parse(decodeOwnFile(bytes, CLOSED).toString('utf8')) as Record<string, string>),
    )
  } catch (error) {
    findings.add(CLOSED, undefined, 'a list of files', asError(error).message)
    return
  }
  const found = await hashesOf(fileSystem, dir)
  for (const [name, sha256] of listed) {
    const now = found.get(name)
    if (now === sha256 || (await isWrittenSinceClose(fileSystem, dir, name))) continue
    // A broker renames a file to its `.bak`, which keeps the time, and writes it anew, be it with the same content.
    if (name.endsWith('.bak') && now === listed.get(name.slice(0, -'.bak'.length))) continue
    findings.add(name, undefined, `content with SHA-256 ${sha256}`, now ?? 'no file')
  }
}

/** Damage leaves the time of the last write as it was. */
export async function isWrittenSinceClose(fileSystem: FileSystem, dir: string, name: string): Promise<boolean> {
  const closed = await fileSystem.stat(join(dir, CLOSED))
  const file = await fileSystem.stat(join(dir, name))
  return closed !== undefined && file !== undefined && file.modifiedMs > closed.modifiedMs + SLACK_MS
}

async function hashesOf(fileSystem: FileSystem, dir: string): Promise<Map<string, string>> {
  const hashes = new Map<string, string>()
  for (const folder of FOLDERS) {
    for (const { name, isFolder } of await fileSystem.list(join(dir, folder))) {
      const path = `${folder}/${name}`
      if (isFolder || NOT_LISTED.has(path) || name.endsWith('.tmp')) continue
      const bytes = await readWhole(fileSystem, join(dir, path))
      if (bytes !== undefined) hashes.set(path, createHash('sha256').update(bytes).digest('hex'))
    }
  }
  return hashes
}
