/**
 * Which records a read takes: goes over queue entries, filters by tag hash, and stops where the answer is full.
 * RocketMQ: the loop of DefaultMessageStore.getMessage. FORMAT section 14.
 */
import { i32At, i64At } from '../codec/bytes.ts'
import { CONSUME_QUEUE_ENTRY_BYTES, PRE_BLANK_SIZE_BYTES } from '../codec/consume-queue-entry.ts'
import type { GetStatus } from './store-types.ts'

/** What bounds one read. */
export type PlanLimits = {
  readonly maxMessages: number
  readonly maxBytes: number
  readonly tagsCodes: ReadonlySet<number> | undefined
  /** The log holds [minOffset, endOffset). */
  readonly minOffset: number
  readonly endOffset: number
  /** Slots whose records were looked for in vain. */
  readonly lost: ReadonlySet<number> | undefined
}

/** Entries that one read looks at, at least: RocketMQ's 16,000 bytes. */
export const EXAMINED_ENTRIES_MIN = 800

/** The records of one read, in parallel arrays; reused from read to read. */
export class BatchPlan {
  count = 0
  readonly slots: number[] = []
  readonly physicalOffsets: number[] = []
  readonly sizes: number[] = []
  readonly tagsCodes: number[] = []
  /** Sum of the sizes. */
  bytes = 0
  /** Where the next read goes on. */
  next = 0
  /** What to answer where no record was taken. */
  status: GetStatus = 'no-matched-message'
  /** The slot at which the plan stopped because its entry cannot be believed; -1 where it did not. */
  badSlot = -1

  /** Goes over the entries of slots `from` and after. */
  make(entries: Uint8Array, from: number, limits: PlanLimits): void {
    const { maxMessages, maxBytes, tagsCodes, minOffset, endOffset, lost } = limits
    const count = entries.length / CONSUME_QUEUE_ENTRY_BYTES
    this.count = 0
    this.bytes = 0
    this.badSlot = -1
    this.status = 'no-matched-message'
    let slot = from
    for (let i = 0, at = 0; i < count; i++, slot++, at += CONSUME_QUEUE_ENTRY_BYTES) {
      if (this.count >= maxMessages) break
      const physicalOffset = i64At(entries, at)
      const sizeBytes = i32At(entries, at + 8)
      const isBlank = sizeBytes === PRE_BLANK_SIZE_BYTES || lost?.has(slot) === true
      if (isBlank || (sizeBytes > 0 && physicalOffset >= 0 && physicalOffset < minOffset)) {
        if (this.count === 0) this.status = 'message-was-removing'
        continue
      }
      if (sizeBytes <= 0 || !(physicalOffset >= 0) || physicalOffset + sizeBytes > endOffset) {
        this.badSlot = slot
        break
      }
      const tagsCode = i64At(entries, at + 12)
      if (tagsCodes !== undefined && !isMatch(tagsCodes, tagsCode)) {
        if (this.count === 0) this.status = 'no-matched-message'
        continue
      }
      if (this.count > 0 && this.bytes + sizeBytes > maxBytes) break
      this.#take(slot, physicalOffset, sizeBytes, tagsCode)
    }
    this.next = slot
  }

  #take(slot: number, physicalOffset: number, sizeBytes: number, tagsCode: number): void {
    const i = this.count++
    this.slots[i] = slot
    this.physicalOffsets[i] = physicalOffset
    this.sizes[i] = sizeBytes
    this.tagsCodes[i] = tagsCode
    this.bytes += sizeBytes
  }
}

/** What is no tag hash matches: the schedule topic's delivery times, and addresses of RocketMQ's extension files. */
function isMatch(tagsCodes: ReadonlySet<number>, tagsCode: number): boolean {
  return tagsCode !== (tagsCode | 0) || tagsCodes.has(tagsCode)
}
