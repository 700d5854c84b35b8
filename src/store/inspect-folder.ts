/**
 * What a folder is, before anything in it is believed: nothing yet, a store and of which sizes, or something else.
 * Nothing here changes a byte, but `mendSegments`.
 */
import { join } from 'node:path'
import { eachAtATime, LOOKS_AT_A_TIME } from '../base/each-at-a-time.ts'
import { PocketMQError } from '../base/errors.ts'
import { CONSUME_QUEUE_ENTRY_BYTES } from '../codec/consume-queue-entry.ts'
import type { IndexSizes } from '../codec/index-layout.ts'
import { MAGIC_FILLER, MAGIC_OFFSET, MAGIC_V1, MAGIC_V2 } from '../codec/record-layout.ts'
import type { StoreState } from '../codec/state-page.ts'
import type { FileSystem } from '../files/file-system.ts'
import { parseSegmentName } from '../files/segment-names.ts'
import { readAbortFile } from './abort-file.ts'
import type { IndexFileFacts } from './index-sizes.ts'
import { findIndexSizes } from './index-sizes.ts'

/** One commit-log file as it lies there. */
export type SegmentFacts = { readonly start: number; readonly sizeBytes: number; readonly path: string }

/** What is in a folder. */
export type FolderFacts = {
  /** Oldest first. */
  readonly segments: readonly SegmentFacts[]
  /** Undefined where no file tells: the setting holds. */
  readonly commitLogSegmentBytes: number | undefined
  readonly consumeQueueEntries: number | undefined
  readonly indexSizes: IndexSizes | undefined
  readonly hasConsumeQueues: boolean
  readonly indexFiles: readonly IndexFileFacts[]
  /** There are index files whose sizes cannot be told: keys are answered by a scan of the log. */
  readonly isIndexUnknown: boolean
  /** The last owner did not close the folder. */
  readonly isAborted: boolean
  /** That was a broker: it has been here since we were. */
  readonly isAbortForeign: boolean
  /** Sentences about what is odd. */
  readonly notes: readonly string[]
}

/** Names that RocketMQ and we give to what lies directly in a store's folder. */
const STORE_NAMES: ReadonlySet<string> = new Set([
  ...['commitlog', 'consumequeue', 'consumequeue_ext', 'batchconsumequeue', 'index', 'config', 'checkpoint', 'abort'],
  ...['abort.bak', 'checkpoint.bak', 'lock', 'timerwheel', 'timerlog', 'compaction', 'pocketmq', 'rocksdbstore'],
  ...['epochFileCheckpoint', 'epochFileCheckpoint.bak', 'brokerIdentity', 'kvStore', 'transrocksdb'],
])
/** What a device or a desktop leaves in any folder. */
const STRAY_NAMES: ReadonlySet<string> = new Set(['lost+found', '.DS_Store', 'Thumbs.db', '.gitkeep'])

/** Queue files looked at for their length. */
const QUEUE_FILES_MAX = 32
/** Smaller files tell nothing about the size of a segment: they were cut off while they were made. */
const SEGMENT_BYTES_MIN = 4096
const DLEDGER_HEADER_BYTES = 48

/**
 * Refuses a folder with other things in it that is not a store. Cheap; to be called before even the lock file is made.
 * @throws UNSUPPORTED_FORMAT, with nothing changed
 */
export async function refuseOtherFolder(fileSystem: FileSystem, dir: string): Promise<void> {
  const stat = await fileSystem.stat(dir)
  if (stat === undefined) return
  if (!stat.isFolder) throw noStore(dir, 'a folder', 'a file')
  const entries = await fileSystem.list(dir)
  const dledger = entries.find(entry => entry.isFolder && entry.name.startsWith('dledger-'))
  if (dledger !== undefined) throw isDLedger(join(dir, dledger.name))
  const log = await fileSystem.list(join(dir, 'commitlog'))
  if (log.some(entry => parseSegmentName(entry.name) !== undefined)) return
  if (log.length > 0) throw noStore(join(dir, 'commitlog'), 'segments with names of 20 digits', log[0]?.name ?? '')
  const other = entries.find(({ name }) => !STORE_NAMES.has(name) && !STRAY_NAMES.has(name))
  if (other !== undefined && !entries.some(({ name }) => name === 'commitlog')) {
    throw noStore(dir, 'an empty folder or a store', other.name)
  }
}

/** Looks at everything recovery has to know beforehand. @throws UNSUPPORTED_FORMAT, CORRUPT */
export async function inspectFolder(
  fileSystem: FileSystem,
  dir: string,
  state: StoreState | undefined,
): Promise<FolderFacts> {
  const notes: string[] = []
  const segments = await listSegments(fileSystem, join(dir, 'commitlog'), notes)
  const first = segments[0]
  if (first !== undefined) await refuseDLedger(fileSystem, first)
  const queues = await queueFileBytes(fileSystem, join(dir, 'consumequeue'))
  const index = await findIndexSizes(fileSystem, join(dir, 'index'), state)
  const abort = await readAbortFile(fileSystem, dir)
  return {
    segments,
    commitLogSegmentBytes: segmentBytesOf(segments, state?.commitLogSegmentBytes),
    consumeQueueEntries: queueEntriesOf(queues, state?.consumeQueueEntries),
    indexSizes: index.sizes,
    hasConsumeQueues: queues.hasFiles,
    indexFiles: index.files,
    isIndexUnknown: index.files.length > 0 && index.sizes === undefined,
    isAborted: abort !== 'none',
    isAbortForeign: abort === 'foreign',
    notes,
  }
}

/**
 * Makes the log's files what a log consists of: full length each, none behind a gap that nothing flushed lies behind.
 * Durable when it resolves. Answers sentences about what was done.
 */
export async function mendSegments(
  fileSystem: FileSystem,
  facts: FolderFacts,
  options: { readonly segmentBytes: number; readonly flushed: number | undefined; readonly folder: string },
): Promise<string[]> {
  const { segmentBytes, flushed, folder } = options
  const notes: string[] = []
  for (const { path } of segmentsBehindGap(facts, segmentBytes, flushed).reverse()) {
    await fileSystem.remove(path)
    notes.push(`${path} was removed: the segment before it never reached the device`)
  }
  if (notes.length > 0) await fileSystem.flushFolder(folder)
  for (const { path, sizeBytes } of facts.segments) {
    if (sizeBytes >= segmentBytes || (await fileSystem.stat(path)) === undefined) continue
    const file = await fileSystem.open(path, 'write', 0)
    try {
      await file.setLength(segmentBytes)
      await file.flush()
    } finally {
      await file.close()
    }
    notes.push(`${path} was extended from ${sizeBytes} to ${segmentBytes} bytes`)
  }
  return notes
}

/**
 * Segments that follow a missing one, where all that was flushed lies before the gap: their names reached the device
 * before a power cut and the missing one's did not. Any other gap is a loss that `CommitLog.open` reports.
 */
export function segmentsBehindGap(
  { segments }: Pick<FolderFacts, 'segments'>,
  segmentBytes: number,
  flushed: number | undefined,
): SegmentFacts[] {
  const gap = segments.findIndex(
    (segment, i) => i > 0 && segment.start !== (segments[i - 1]?.start ?? 0) + segmentBytes,
  )
  const before = segments[gap - 1]
  if (gap < 0 || before === undefined || flushed === undefined) return []
  return flushed <= before.start + segmentBytes ? segments.slice(gap) : []
}

async function listSegments(fileSystem: FileSystem, folder: string, notes: string[]): Promise<SegmentFacts[]> {
  const segments: SegmentFacts[] = []
  await eachAtATime(LOOKS_AT_A_TIME, await fileSystem.list(folder), async ({ name, isFolder }) => {
    const path = join(folder, name)
    const start = isFolder ? undefined : parseSegmentName(name)
    const stat = start === undefined ? undefined : await fileSystem.stat(path)
    if (start === undefined || stat === undefined)
      notes.push(`${path} does not belong there: a broker would refuse to start`)
    else segments.push({ start, sizeBytes: stat.sizeBytes, path })
  })
  return segments.sort((a, b) => a.start - b.start)
}

/** The size of a segment: the longest file's, unless we know it to be longer and every name agrees. */
function segmentBytesOf(segments: readonly SegmentFacts[], remembered: number | undefined): number | undefined {
  const longest = Math.max(0, ...segments.map(segment => segment.sizeBytes))
  const fits = (bytes: number): boolean => bytes >= longest && segments.every(({ start }) => start % bytes === 0)
  if (remembered !== undefined && remembered > 0 && fits(remembered)) return remembered
  const distance = smallestDistance(segments)
  const found = distance !== undefined && fits(distance) ? distance : longest
  if (segments.length === 0 || found < SEGMENT_BYTES_MIN) return undefined
  if (fits(found)) return found
  throw new PocketMQError('UNSUPPORTED_FORMAT', `the commit log's files are not all of one size`, {
    hint: 'All segments must be as long as the distance between their names says; bring them back from a backup.',
    details: {
      file: segments.find(({ start, sizeBytes }) => start % found !== 0 || sizeBytes > found)?.path,
      expected: found,
      found: segments.map(segment => segment.sizeBytes),
    },
  })
}

function smallestDistance(segments: readonly SegmentFacts[]): number | undefined {
  let smallest: number | undefined
  for (let i = 1; i < segments.length; i++) {
    const distance = (segments[i] as SegmentFacts).start - (segments[i - 1] as SegmentFacts).start
    if (smallest === undefined || distance < smallest) smallest = distance
  }
  return smallest
}

type QueueFiles = { readonly hasFiles: boolean; readonly longest: number; readonly starts: readonly number[] }

async function queueFileBytes(fileSystem: FileSystem, folder: string): Promise<QueueFiles> {
  const files: QueueFile[] = []
  for await (const file of queueFiles(fileSystem, folder)) {
    files.push(file)
    if (files.length === QUEUE_FILES_MAX) break
  }
  let longest = 0
  await eachAtATime(LOOKS_AT_A_TIME, files, async ({ path }) => {
    const stat = await fileSystem.stat(path)
    longest = Math.max(longest, stat?.sizeBytes ?? 0)
  })
  return { hasFiles: files.length > 0, longest, starts: files.map(({ start }) => start) }
}

type QueueFile = { readonly path: string; readonly start: number }

/** Every queue's files, listed as somebody asks for more. */
async function* queueFiles(fileSystem: FileSystem, folder: string): AsyncGenerator<QueueFile> {
  for (const topic of await foldersIn(fileSystem, folder)) {
    for (const queue of await foldersIn(fileSystem, topic)) {
      for (const { name, isFolder } of await fileSystem.list(queue)) {
        const start = isFolder ? undefined : parseSegmentName(name)
        if (start !== undefined) yield { path: join(queue, name), start }
      }
    }
  }
}

async function foldersIn(fileSystem: FileSystem, folder: string): Promise<string[]> {
  const entries = await fileSystem.list(folder)
  return entries.filter(({ isFolder }) => isFolder).map(({ name }) => join(folder, name))
}

/** Entries of a queue file: the longest file's, unless we know it to be longer and every name agrees. */
function queueEntriesOf({ longest, starts }: QueueFiles, remembered: number | undefined): number | undefined {
  if (remembered !== undefined && remembered > 0) {
    const bytes = remembered * CONSUME_QUEUE_ENTRY_BYTES
    if (bytes >= longest && starts.every(start => start % bytes === 0)) return remembered
  }
  const entries = Math.floor(longest / CONSUME_QUEUE_ENTRY_BYTES)
  return entries === 0 ? undefined : entries
}

/** A DLedger log lies in segments too, each entry in 48 bytes of its own. FORMAT section 22. */
async function refuseDLedger(fileSystem: FileSystem, { path, start }: SegmentFacts): Promise<void> {
  const file = await fileSystem.open(path, 'read', 0)
  const head = Buffer.alloc(DLEDGER_HEADER_BYTES + MAGIC_OFFSET + 4)
  try {
    await file.read(head, 0)
  } finally {
    await file.close()
  }
  if (isRecordMagic(head.readInt32BE(MAGIC_OFFSET))) return
  const [magic, size, position, bodySize] = [
    head.readInt32BE(0),
    head.readInt32BE(4),
    head.readBigInt64BE(24),
    head.readInt32BE(44),
  ]
  const isEntry = magic > 0 && size === DLEDGER_HEADER_BYTES + bodySize && position === BigInt(start)
  if (isEntry || isRecordMagic(head.readInt32BE(DLEDGER_HEADER_BYTES + MAGIC_OFFSET))) throw isDLedger(path)
}

/** Whether a record or a filler has this magic. */
export function isRecordMagic(magic: number): boolean {
  return magic === MAGIC_V1 || magic === MAGIC_V2 || magic === MAGIC_FILLER
}

function isDLedger(file: string): PocketMQError {
  return new PocketMQError('UNSUPPORTED_FORMAT', `${file} is a DLedger log, which frames records in another way`, {
    hint: 'Drain it with its own brokers into a plain RocketMQ store.',
    details: { file, expected: 'RocketMQ commit log', found: 'DLedger' },
  })
}

function noStore(file: string, expected: string, found: string): PocketMQError {
  return new PocketMQError('UNSUPPORTED_FORMAT', `${file} is no store: ${found} where ${expected} belongs`, {
    hint: 'Give PocketMQ a folder of its own.',
    details: { file, expected, found },
  })
}
