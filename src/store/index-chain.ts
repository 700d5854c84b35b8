/**
 * Walks the chain of a key's hash through one index file, newest first.
 * A chain leads only to lower numbers, or it ends: no walk is endless, whatever the file holds.
 */
import type { IndexEntry } from '../codec/index-layout.ts'
import { INDEX_ENTRY_BYTES, INDEX_FIRST_ENTRY, readIndexEntry } from '../codec/index-layout.ts'
import type { IndexFile } from './index-file.ts'

/** Entries read at a time: a busy key has its entries close together. 4 KiB. */
const BLOCK_ENTRIES = 204
/** Blocks read for one question to one file; beyond it older entries are not found. A hostile or hopeless chain, seconds of reading. */
const BLOCKS_MAX = 50_000

/** Places of records whose key has this hash, stored in [fromMs, toMs] as far as whole seconds tell. */
export async function* chainCandidates(
  file: IndexFile,
  keyHash: number,
  fromMs: number,
  toMs: number,
): AsyncGenerator<number> {
  const { header } = file
  const block = Buffer.alloc(BLOCK_ENTRIES * INDEX_ENTRY_BYTES)
  const view = new DataView(block.buffer, block.byteOffset, block.length)
  let blockFirst = -1
  let blocks = 0
  let number = await file.newestOf(keyHash)
  if (number >= header.nextEntry) return
  while (number >= INDEX_FIRST_ENTRY) {
    let entry: IndexEntry | undefined = file.hotEntry(number)
    if (entry === undefined) {
      const first = number - (number % BLOCK_ENTRIES)
      if (first !== blockFirst) {
        if (++blocks > BLOCKS_MAX) return
        await file.readEntries(block, first)
        blockFirst = first
      }
      entry = readIndexEntry(view, (number - first) * INDEX_ENTRY_BYTES, number)
    }
    if (entry === undefined) return
    // The first entry's own seconds may be relative to the file before; its record is where the file begins.
    const earliest = header.beginTimestamp + (number === INDEX_FIRST_ENTRY ? 0 : entry.secondsSince * 1000)
    if (earliest + 999 < fromMs) return
    if (entry.keyHash === keyHash && earliest <= toMs) yield entry.physicalOffset
    number = entry.previousEntry
  }
}
