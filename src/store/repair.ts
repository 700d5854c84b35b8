/**
 * Repairs a folder that nobody uses: recovers it, closes the holes in its log, and makes anew whatever derived or small file an
 * audit finds damaged. Nothing is deleted: originals go under `pocketmq/set-aside/`.
 */
import { dirname, join } from 'node:path'
import { readWhole, replaceFile } from '../files/atomic-file.ts'
import type { FileSystem } from '../files/file-system.ts'
import { nodeFileSystem } from '../files/node-file-system.ts'
import { segmentName } from '../files/segment-names.ts'
import type { ClosedHole } from './close-holes.ts'
import { closeHoles } from './close-holes.ts'
import type { Finding } from './findings.ts'
import { inspectFolder, segmentsBehindGap } from './inspect-folder.ts'
import { openForReading, openForWriting, refuseMissingFolder } from './open-store.ts'
import type { StoreSettings } from './settings.ts'
import { StateFile } from './state-file.ts'
import type { RecoveryReport } from './store-types.ts'
import type { VerifyOptions, VerifyReport } from './verify.ts'
import { verifyStore } from './verify.ts'

/** What a repair did. Plain values. */
export type RepairReport = {
  /** What opening the folder mended. */
  readonly recovery: RecoveryReport
  /** Damaged ranges of the log, and which messages they cost. */
  readonly holes: readonly ClosedHole[]
  /** Files and folders whose originals were set aside and made anew, relative to the store's folder. */
  readonly replaced: readonly string[]
  readonly notes: readonly string[]
  /** What an audit still finds. */
  readonly findings: readonly Finding[]
}

/** Folders that are made anew from the log as a whole. */
const DERIVED: readonly string[] = ['consumequeue', 'index']

/** Repairs the folder. @throws what opening throws; AbortError */
export async function repairStore(
  dir: string,
  settings: StoreSettings,
  options: VerifyOptions = {},
): Promise<RepairReport> {
  const notes: string[] = []
  await replaceMissingSegments(dir, settings, notes)
  const store = await openForWriting(dir, settings)
  let holes: ClosedHole[]
  try {
    holes = await closeHoles(store, notes)
  } finally {
    await store.close()
  }
  const first = await audit(dir, settings, options)
  const replaced = await replaceDamaged(dir, settings, first.findings, notes)
  // Opening it again builds anew what is missing now.
  const again = await openForWriting(dir, settings)
  notes.push(...again.recovery.notes)
  await again.close()
  const { findings } = replaced.length === 0 ? first : await audit(dir, settings, options)
  return { recovery: store.recovery, holes, replaced, notes, findings }
}

/**
 * Puts a segment of zeros where one is missing between others: a hole like any other then. Without it the log does not open.
 * A gap that recovery knows how to deal with is left to it.
 */
async function replaceMissingSegments(dir: string, settings: StoreSettings, notes: string[]): Promise<void> {
  await refuseMissingFolder({ dir, fileSystem: settings.fileSystem ?? nodeFileSystem('file') })
  const { fileSystem, release } = await lockAlone(dir, settings)
  try {
    const { file, state } = await StateFile.load({ fileSystem, dir, mode: settings.mode })
    await file.close()
    const facts = await inspectFolder(fileSystem, dir, state)
    const segmentBytes = facts.commitLogSegmentBytes ?? settings.commitLogSegmentBytes
    if (segmentsBehindGap(facts, segmentBytes, state?.flushed).length > 0) return
    const folder = join(dir, 'commitlog')
    const there = new Set(facts.segments.map(segment => segment.start))
    const [first, last] = [facts.segments[0]?.start ?? 0, facts.segments.at(-1)?.start ?? 0]
    for (let start = first; start < last; start += segmentBytes) {
      if (there.has(start)) continue
      const segment = await fileSystem.open(join(folder, segmentName(start)), 'create', settings.mode & 0o666)
      await segment.setLength(segmentBytes)
      await segment.flush()
      await segment.close()
      await fileSystem.flushFolder(folder)
      notes.push(`commit-log segment ${segmentName(start)} is missing, with all its messages`)
    }
  } finally {
    await release()
  }
}

async function audit(dir: string, settings: StoreSettings, options: VerifyOptions): Promise<VerifyReport> {
  const view = await openForReading(dir, settings)
  try {
    return await verifyStore(view, options)
  } finally {
    await view.close()
  }
}

/** Sets aside what findings name, under the folder's lock. Answers which. */
async function replaceDamaged(
  dir: string,
  settings: StoreSettings,
  findings: readonly Finding[],
  notes: string[],
): Promise<string[]> {
  const names = new Set(findings.map(({ file }) => DERIVED.find(folder => file.startsWith(`${folder}/`)) ?? file))
  const replaced = [...names].filter(name => !name.startsWith('commitlog'))
  if (replaced.length === 0) return []
  const { fileSystem, release } = await lockAlone(dir, settings)
  try {
    const stamp = new Date(settings.clock.nowMs()).toISOString().replace(/\D/g, '').slice(0, 17)
    const folder = join(dir, 'pocketmq/set-aside')
    await fileSystem.ensureFolder(folder, settings.mode)
    for (const name of replaced) {
      if ((await fileSystem.stat(join(dir, name))) === undefined) continue
      await fileSystem.rename(join(dir, name), join(folder, `${stamp}-${name.replaceAll('/', '-')}`))
      await fileSystem.flushFolder(dirname(join(dir, name)))
      await fileSystem.flushFolder(folder)
      await restoreBackup(fileSystem, { dir, name, mode: settings.mode, notes })
    }
  } finally {
    await release()
  }
  return replaced
}

/** A config file goes back to the version before, where that is left. */
async function restoreBackup(
  fileSystem: FileSystem,
  {
    dir,
    name,
    mode,
    notes,
  }: { readonly dir: string; readonly name: string; readonly mode: number; readonly notes: string[] },
): Promise<void> {
  const bytes = name.startsWith('config/') ? await readWhole(fileSystem, join(dir, `${name}.bak`)) : undefined
  if (bytes === undefined) return
  const temporaryFolder = join(dir, 'pocketmq')
  await replaceFile(fileSystem, { path: join(dir, name), bytes, temporaryFolder, mode: mode & 0o666 })
  notes.push(`${name} was damaged and is what it was one version before`)
}

async function lockAlone(
  dir: string,
  settings: StoreSettings,
): Promise<{ fileSystem: FileSystem; release: () => Promise<void> }> {
  const fileSystem = settings.fileSystem ?? nodeFileSystem('file')
  if (settings.lock === 'none') return { fileSystem, release: async () => undefined }
  const lock = await fileSystem.lock(dir, settings.lockWaitMs, settings.mode & 0o666)
  return { fileSystem, release: () => lock.release() }
}
