/**
 * One consume-queue entry. Big-endian, 20 bytes; entry n of a queue starts at byte n * 20.   RocketMQ: ConsumeQueue.
 *
 * | offset | bytes | field          | meaning                                                                      |
 * | -----: | ----: | -------------- | ---------------------------------------------------------------------------- |
 * |      0 |     8 | physicalOffset | first byte of the record in the commit log                                   |
 * |      8 |     4 | sizeBytes      | size of the record; 0 = never written                                        |
 * |     12 |     8 | tagsCode       | Java hash of the TAGS value, 0 without; delivery time in the schedule topic  |
 *
 * Entries carry no checksum: one is believed only when the record it points to agrees in topic, queueId and queueOffset.
 */
import { readI64, writeI64 } from './bytes.ts'
import { layoutBytes, offsetsOf } from './layout.ts'

export const CONSUME_QUEUE_ENTRY_LAYOUT = [
  { offset: 0, bytes: 8, field: 'physicalOffset' },
  { offset: 8, bytes: 4, field: 'sizeBytes' },
  { offset: 12, bytes: 8, field: 'tagsCode' },
] as const

/** Bytes of one entry. */
export const CONSUME_QUEUE_ENTRY_BYTES: number = layoutBytes(CONSUME_QUEUE_ENTRY_LAYOUT)

/** The size in a pre-blank entry: RocketMQ fills slots in front of a queue's first entry with (0, this, 0). */
export const PRE_BLANK_SIZE_BYTES = 0x7fffffff

/** Tags codes at or below this are addresses into `consumequeue_ext`, not hashes: such an entry may match any tag. */
export const EXTENSION_ADDRESS_MAX = -2147483649

const AT = offsetsOf(CONSUME_QUEUE_ENTRY_LAYOUT)
const PHYSICAL_OFFSET = AT.physicalOffset
const SIZE_BYTES = AT.sizeBytes
const TAGS_CODE = AT.tagsCode

/** What an entry says. */
export type ConsumeQueueEntry = {
  readonly physicalOffset: number
  readonly sizeBytes: number
  readonly tagsCode: number
}

/** Writes the entry at index `at` of the view. */
export function writeConsumeQueueEntry(
  view: DataView,
  at: number,
  physicalOffset: number,
  sizeBytes: number,
  tagsCode: number,
): void {
  writeI64(view, at + PHYSICAL_OFFSET, physicalOffset)
  view.setInt32(at + SIZE_BYTES, sizeBytes)
  writeI64(view, at + TAGS_CODE, tagsCode)
}

/** The entry at index `at`, or undefined where there is none: never written, pre-blank or nonsense. */
export function readConsumeQueueEntry(view: DataView, at: number): ConsumeQueueEntry | undefined {
  if (!isConsumeQueueEntry(view, at)) return undefined
  return {
    physicalOffset: entryPhysicalOffset(view, at),
    sizeBytes: entrySizeBytes(view, at),
    tagsCode: entryTagsCode(view, at),
  }
}

/** Whether a message's entry stands at index `at`. A pre-blank entry is none. */
export function isConsumeQueueEntry(view: DataView, at: number): boolean {
  const sizeBytes = view.getInt32(at + SIZE_BYTES)
  if (sizeBytes <= 0 || sizeBytes === PRE_BLANK_SIZE_BYTES) return false
  const physicalOffset = readI64(view, at + PHYSICAL_OFFSET)
  return physicalOffset >= 0 && Number.isSafeInteger(physicalOffset)
}

/** Whether the slot at index `at` was filled in front of a queue's first entry. */
export function isPreBlankEntry(view: DataView, at: number): boolean {
  return view.getInt32(at + SIZE_BYTES) === PRE_BLANK_SIZE_BYTES && readI64(view, at + PHYSICAL_OFFSET) === 0
}

/** physicalOffset of the entry at index `at`; means something only where {@link isConsumeQueueEntry}. */
export function entryPhysicalOffset(view: DataView, at: number): number {
  return readI64(view, at + PHYSICAL_OFFSET)
}

/** sizeBytes of the entry at index `at`. */
export function entrySizeBytes(view: DataView, at: number): number {
  return view.getInt32(at + SIZE_BYTES)
}

/** tagsCode of the entry at index `at`. Addresses at or below {@link EXTENSION_ADDRESS_MAX} are rounded to a double. */
export function entryTagsCode(view: DataView, at: number): number {
  return readI64(view, at + TAGS_CODE)
}
