/**
 * How many slots and entries index files have, which nothing in them says. Our state remembers it; in a broker's folder it is
 * found from a full file's header, or by looking for the place of entry 1 and trying its chains.
 */
import { join } from 'node:path'
import { readI64 } from '../codec/bytes.ts'
import type { IndexSizes } from '../codec/index-layout.ts'
import {
  INDEX_ENTRY_BYTES,
  INDEX_FIRST_ENTRY,
  INDEX_HEADER_BYTES,
  INDEX_SLOT_BYTES,
  indexEntryPosition,
  indexFileBytes,
  indexSlotPosition,
  readIndexEntry,
  readIndexHeader,
} from '../codec/index-layout.ts'
import type { StoreState } from '../codec/state-page.ts'
import type { FileSystem, StoreFile } from '../files/file-system.ts'

/** What the files tell. */
export type FoundIndexSizes = { readonly files: readonly IndexFileFacts[]; readonly sizes: IndexSizes | undefined }

/** One index file as it lies there. */
export type IndexFileFacts = { readonly path: string; readonly sizeBytes: number }

/** RocketMQ's defaults, and ours. */
const USUAL_SIZES: readonly IndexSizes[] = [
  { slots: 5_000_000, entries: 20_000_000 },
  { slots: 500_000, entries: 2_000_000 },
]
/** Entries tried against their chains before sizes are believed. */
const ENTRIES_TRIED = 64
const CHUNK_BYTES = 1024 * 1024

/** The sizes of the index files in `folder`. */
export async function findIndexSizes(
  fileSystem: FileSystem,
  folder: string,
  state: Pick<StoreState, 'indexSlots' | 'indexEntries'> | undefined,
): Promise<FoundIndexSizes> {
  const files: IndexFileFacts[] = []
  for (const { name, isFolder } of await fileSystem.list(folder)) {
    const stat = isFolder || !/^\d{17}$/.test(name) ? undefined : await fileSystem.stat(join(folder, name))
    if (stat !== undefined) files.push({ path: join(folder, name), sizeBytes: stat.sizeBytes })
  }
  const longest = Math.max(0, ...files.map(file => file.sizeBytes))
  const remembered = { slots: state?.indexSlots ?? 0, entries: state?.indexEntries ?? 0 }
  const isRemembered = remembered.slots > 0 && remembered.entries > 0
  if (files.length === 0) return { files, sizes: isRemembered ? remembered : undefined }
  if (isRemembered && indexFileBytes(remembered) >= longest) return { files, sizes: remembered }
  const whole = files.filter(file => file.sizeBytes === longest).sort((a, b) => (a.path < b.path ? -1 : 1))
  for (const { path } of whole) {
    const sizes = await withFile(fileSystem, path, file => solve(file, longest))
    if (sizes !== undefined) return { files, sizes }
  }
  return { files, sizes: undefined }
}

async function withFile<T>(fileSystem: FileSystem, path: string, work: (file: StoreFile) => Promise<T>): Promise<T> {
  const file = await fileSystem.open(path, 'read', 0)
  try {
    return await work(file)
  } finally {
    await file.close()
  }
}

/** The sizes that make sense of one file. */
async function solve(file: StoreFile, sizeBytes: number): Promise<IndexSizes | undefined> {
  const head = await readAt(file, 0, INDEX_HEADER_BYTES)
  const header = readIndexHeader(viewOf(head), 0)
  if (header === undefined || header.nextEntry <= INDEX_FIRST_ENTRY) return undefined
  const asFull = sizesWithEntries(sizeBytes, header.nextEntry)
  for (const sizes of [...USUAL_SIZES, ...(asFull === undefined ? [] : [asFull])]) {
    if (indexFileBytes(sizes) === sizeBytes && (await fits(file, sizes, header.nextEntry))) return sizes
  }
  const { beginPhysicalOffset, nextEntry } = header
  for await (const slots of placesOfFirstEntry(file, sizeBytes, beginPhysicalOffset)) {
    const sizes = sizesWithSlots(sizeBytes, slots)
    if (sizes !== undefined && nextEntry <= sizes.entries && (await fits(file, sizes, nextEntry))) return sizes
  }
  return undefined
}

function sizesWithEntries(sizeBytes: number, entries: number): IndexSizes | undefined {
  const slots = (sizeBytes - INDEX_HEADER_BYTES - entries * INDEX_ENTRY_BYTES) / INDEX_SLOT_BYTES
  return slots > 0 && Number.isInteger(slots) ? { slots, entries } : undefined
}

function sizesWithSlots(sizeBytes: number, slots: number): IndexSizes | undefined {
  const entries = (sizeBytes - INDEX_HEADER_BYTES - slots * INDEX_SLOT_BYTES) / INDEX_ENTRY_BYTES
  return entries > 0 && Number.isInteger(entries) ? { slots, entries } : undefined
}

/** Numbers of slots for which entry 1 could stand where it then would: it points to the file's first record and to no entry. */
async function* placesOfFirstEntry(file: StoreFile, sizeBytes: number, begin: number): AsyncGenerator<number> {
  const chunk = Buffer.alloc(CHUNK_BYTES)
  const view = viewOf(chunk)
  // Position of entry 1 is header + slots + the unused entry 0; slots are 4 bytes, so it moves in steps of 4.
  let position = INDEX_HEADER_BYTES + INDEX_SLOT_BYTES + INDEX_ENTRY_BYTES
  while (position + INDEX_ENTRY_BYTES <= sizeBytes) {
    const read = await file.read(chunk, position)
    if (read < INDEX_ENTRY_BYTES) return
    for (let at = 0; at + INDEX_ENTRY_BYTES <= read; at += INDEX_SLOT_BYTES) {
      // One comparison passes over the zeros and slots that most of the file consists of.
      if (view.getInt32(at) <= 0 || view.getInt32(at + 16) !== 0 || readI64(view, at + 4) !== begin) continue
      const slots = (position + at - INDEX_HEADER_BYTES - INDEX_ENTRY_BYTES) / INDEX_SLOT_BYTES
      if (sizesWithSlots(sizeBytes, slots) !== undefined) yield slots
    }
    position += read - INDEX_ENTRY_BYTES + INDEX_SLOT_BYTES - ((read - INDEX_ENTRY_BYTES) % INDEX_SLOT_BYTES)
  }
}

/** Whether the first entries are entries, and each is found on the chain of its slot. */
async function fits(file: StoreFile, sizes: IndexSizes, nextEntry: number): Promise<boolean> {
  const last = Math.min(nextEntry - 1, ENTRIES_TRIED)
  const bytes = await readAt(file, indexEntryPosition(sizes.slots, INDEX_FIRST_ENTRY), last * INDEX_ENTRY_BYTES)
  let before = 0
  for (let number = INDEX_FIRST_ENTRY; number <= last; number++) {
    const entry = readIndexEntry(viewOf(bytes), (number - INDEX_FIRST_ENTRY) * INDEX_ENTRY_BYTES, number)
    if (entry === undefined || entry.physicalOffset < before) return false
    before = entry.physicalOffset
    if (!(await isOnItsChain(file, sizes, { number, keyHash: entry.keyHash, nextEntry }))) return false
  }
  return true
}

async function isOnItsChain(
  file: StoreFile,
  sizes: IndexSizes,
  { number, keyHash, nextEntry }: { readonly number: number; readonly keyHash: number; readonly nextEntry: number },
): Promise<boolean> {
  const slot = keyHash % sizes.slots
  let at = (await readAt(file, indexSlotPosition(slot), INDEX_SLOT_BYTES)).readInt32BE(0)
  // A chain leads to ever smaller numbers; one of a busy key may be long, and then reaching it is proof enough.
  for (let steps = 0; steps < ENTRIES_TRIED; steps++) {
    if (at === number) return true
    if (at < number || at >= nextEntry) return false
    const bytes = await readAt(file, indexEntryPosition(sizes.slots, at), INDEX_ENTRY_BYTES)
    const entry = readIndexEntry(viewOf(bytes), 0, at)
    if (entry === undefined || entry.keyHash % sizes.slots !== slot) return false
    at = entry.previousEntry
  }
  return true
}

async function readAt(file: StoreFile, position: number, bytes: number): Promise<Buffer> {
  const target = Buffer.alloc(bytes)
  await file.read(target, position)
  return target
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}
