/**
 * An index file: header, `slots` slots of 4 bytes, `entries` entries of 20 bytes. Big-endian.   RocketMQ: IndexFile, IndexHeader.
 *
 * Header:
 * | offset | bytes | field               | meaning                                                        |
 * | -----: | ----: | ------------------- | -------------------------------------------------------------- |
 * |      0 |     8 | beginTimestamp      | storeTimestamp of the first indexed record                     |
 * |      8 |     8 | endTimestamp        | storeTimestamp of the last indexed record                      |
 * |     16 |     8 | beginPhysicalOffset | of the first indexed record                                    |
 * |     24 |     8 | endPhysicalOffset   | of the last indexed record (its first byte)                    |
 * |     32 |     4 | usedSlots           | slots that hold an entry number                                |
 * |     36 |     4 | nextEntry           | number of the next entry; starts at 1, entry 0 is never used   |
 *
 * Slot: i32 number of the newest entry in it, 0 = empty.
 *
 * Entry:
 * | offset | bytes | field           | meaning                                                            |
 * | -----: | ----: | --------------- | ------------------------------------------------------------------ |
 * |      0 |     4 | keyHash         | of `topic#key`, not negative                                       |
 * |      4 |     8 | physicalOffset  | first byte of the record in the commit log                         |
 * |     12 |     4 | secondsSince    | whole seconds from the header's beginTimestamp to storeTimestamp   |
 * |     16 |     4 | previousEntry   | the entry that was newest in the slot before, 0 = none             |
 *
 * Keys are not stored: a candidate counts only when the record it points to carries the key.
 */
import { readI64, writeI64 } from './bytes.ts'
import { javaHashCode } from './java-hash.ts'
import { layoutBytes, offsetsOf } from './layout.ts'

export const INDEX_HEADER_LAYOUT = [
  { offset: 0, bytes: 8, field: 'beginTimestamp' },
  { offset: 8, bytes: 8, field: 'endTimestamp' },
  { offset: 16, bytes: 8, field: 'beginPhysicalOffset' },
  { offset: 24, bytes: 8, field: 'endPhysicalOffset' },
  { offset: 32, bytes: 4, field: 'usedSlots' },
  { offset: 36, bytes: 4, field: 'nextEntry' },
] as const

export const INDEX_ENTRY_LAYOUT = [
  { offset: 0, bytes: 4, field: 'keyHash' },
  { offset: 4, bytes: 8, field: 'physicalOffset' },
  { offset: 12, bytes: 4, field: 'secondsSince' },
  { offset: 16, bytes: 4, field: 'previousEntry' },
] as const

export const INDEX_HEADER_BYTES: number = layoutBytes(INDEX_HEADER_LAYOUT)
export const INDEX_SLOT_BYTES = 4
export const INDEX_ENTRY_BYTES: number = layoutBytes(INDEX_ENTRY_LAYOUT)

/** Number of the first entry of a file: 0 means "none" in slots and chains. */
export const INDEX_FIRST_ENTRY = 1

const HEADER = offsetsOf(INDEX_HEADER_LAYOUT)
const ENTRY = offsetsOf(INDEX_ENTRY_LAYOUT)
const SECONDS_MAX = 0x7fffffff

/** How many slots and entries an index file has. */
export type IndexSizes = { readonly slots: number; readonly entries: number }

/** What the header of an index file says. */
export type IndexHeader = {
  beginTimestamp: number
  endTimestamp: number
  beginPhysicalOffset: number
  endPhysicalOffset: number
  usedSlots: number
  nextEntry: number
}

/** What one index entry says. */
export type IndexEntry = {
  readonly keyHash: number
  readonly physicalOffset: number
  readonly secondsSince: number
  readonly previousEntry: number
}

/** Length of an index file. */
export function indexFileBytes({ slots, entries }: IndexSizes): number {
  return INDEX_HEADER_BYTES + slots * INDEX_SLOT_BYTES + entries * INDEX_ENTRY_BYTES
}

/** Position of a slot in the file. */
export function indexSlotPosition(slot: number): number {
  return INDEX_HEADER_BYTES + slot * INDEX_SLOT_BYTES
}

/** Position of entry `number` in a file of so many slots. */
export function indexEntryPosition(slots: number, number: number): number {
  return INDEX_HEADER_BYTES + slots * INDEX_SLOT_BYTES + number * INDEX_ENTRY_BYTES
}

/** Hash of a key as index files hold it: |Java hash of `topic#key`|, 0 where that does not fit. */
export function indexKeyHash(topic: string, key: string): number {
  const hash = Math.abs(javaHashCode(`${topic}#${key}`))
  return hash > 0x7fffffff ? 0 : hash
}

/** Seconds of an entry: whole seconds since the file's begin, from 0 to 2^31 - 1; 0 while the begin is not set. */
export function indexSeconds(beginTimestamp: number, storeTimestamp: number): number {
  if (beginTimestamp <= 0) return 0
  return Math.min(SECONDS_MAX, Math.max(0, Math.trunc((storeTimestamp - beginTimestamp) / 1000)))
}

export function writeIndexHeader(view: DataView, at: number, header: IndexHeader): void {
  writeI64(view, at + HEADER.beginTimestamp, header.beginTimestamp)
  writeI64(view, at + HEADER.endTimestamp, header.endTimestamp)
  writeI64(view, at + HEADER.beginPhysicalOffset, header.beginPhysicalOffset)
  writeI64(view, at + HEADER.endPhysicalOffset, header.endPhysicalOffset)
  view.setInt32(at + HEADER.usedSlots, header.usedSlots)
  view.setInt32(at + HEADER.nextEntry, header.nextEntry)
}

/**
 * The header at index `at`, or undefined where it cannot be one. With `sizes`, its counts have to fit them.
 * A file that RocketMQ has just created has begin and end of the file before it, nextEntry 1.
 */
export function readIndexHeader(view: DataView, at: number, sizes?: IndexSizes): IndexHeader | undefined {
  const header = {
    beginTimestamp: readI64(view, at + HEADER.beginTimestamp),
    endTimestamp: readI64(view, at + HEADER.endTimestamp),
    beginPhysicalOffset: readI64(view, at + HEADER.beginPhysicalOffset),
    endPhysicalOffset: readI64(view, at + HEADER.endPhysicalOffset),
    usedSlots: view.getInt32(at + HEADER.usedSlots),
    nextEntry: view.getInt32(at + HEADER.nextEntry),
  }
  // RocketMQ reads a next entry of 0 (a file of zeros) as 1.
  if (header.nextEntry === 0) header.nextEntry = INDEX_FIRST_ENTRY
  const { beginTimestamp, endTimestamp, beginPhysicalOffset, endPhysicalOffset } = header
  for (const value of [beginTimestamp, endTimestamp, beginPhysicalOffset, endPhysicalOffset]) {
    if (value < 0 || !Number.isSafeInteger(value)) return undefined
  }
  if (beginPhysicalOffset > endPhysicalOffset || header.nextEntry < INDEX_FIRST_ENTRY) return undefined
  if (header.usedSlots < 0 || header.usedSlots >= header.nextEntry) return undefined
  if (sizes !== undefined && (header.nextEntry > sizes.entries || header.usedSlots > sizes.slots)) return undefined
  return header
}

export function writeIndexEntry(
  view: DataView,
  at: number,
  keyHash: number,
  physicalOffset: number,
  secondsSince: number,
  previousEntry: number,
): void {
  view.setInt32(at + ENTRY.keyHash, keyHash)
  writeI64(view, at + ENTRY.physicalOffset, physicalOffset)
  view.setInt32(at + ENTRY.secondsSince, secondsSince)
  view.setInt32(at + ENTRY.previousEntry, previousEntry)
}

/**
 * The entry at index `at`, or undefined where it cannot be one. `number` is its own number: a chain only ever leads to
 * lower ones, which also bounds the walk along it.
 */
export function readIndexEntry(view: DataView, at: number, number: number): IndexEntry | undefined {
  const keyHash = view.getInt32(at + ENTRY.keyHash)
  const physicalOffset = readI64(view, at + ENTRY.physicalOffset)
  const secondsSince = view.getInt32(at + ENTRY.secondsSince)
  const previousEntry = view.getInt32(at + ENTRY.previousEntry)
  if (keyHash < 0 || physicalOffset < 0 || !Number.isSafeInteger(physicalOffset)) return undefined
  if (secondsSince < 0 || previousEntry < 0 || previousEntry >= number) return undefined
  return { keyHash, physicalOffset, secondsSince, previousEntry }
}
