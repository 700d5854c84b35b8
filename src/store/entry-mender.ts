/**
 * Finds the record of a queue slot whose entry cannot be believed: looks through the log between its neighbours.
 * Entries are derived data, so a bad one costs time, never a message.
 */

import { CONSUME_QUEUE_ENTRY_BYTES, isConsumeQueueEntry } from '../codec/consume-queue-entry.ts'
import type { RecordChecks } from '../codec/record-cursor.ts'
import type { ConsumeQueue } from './consume-queue.ts'
import type { ConsumeQueues } from './consume-queues.ts'
import type { ReadableLog } from './log-reads.ts'
import { LogWalk } from './log-walk.ts'
import { isNumbered } from './queue-expectations.ts'
import { isAnothersSlot } from './slot-owner.ts'

/** What mending needs. */
export type EntryMenderParts = {
  readonly log: ReadableLog
  readonly queues: ConsumeQueues
  readonly dispatched: () => number
  readonly checks: (physicalOffset: number) => RecordChecks
  /** Whether the record that an entry points to agrees with it. */
  readonly readRecord: (place: { readonly queue: ConsumeQueue; readonly slot: number }) => Promise<boolean>
  readonly onEvent: (name: string, details: Readonly<Record<string, unknown>>) => void
}

/** Neighbours tried on each side for one that can be believed. */
const NEIGHBOURS_MAX = 64
/** Log looked through for one slot. */
const SEARCH_BYTES_MAX = 64 * 1024 * 1024
/** Slots remembered for which nothing was found. */
const LOST_MAX = 100_000

/** Mends entries when a reader meets them. */
export class EntryMender {
  readonly #parts: EntryMenderParts
  readonly #lost = new Map<ConsumeQueue, Set<number>>()
  #lostCount = 0

  constructor(parts: EntryMenderParts) {
    this.#parts = parts
  }

  /** Slots of the queue whose records were looked for in vain. */
  lostOf(queue: ConsumeQueue): ReadonlySet<number> | undefined {
    return this.#lostCount === 0 ? undefined : this.#lost.get(queue)
  }

  /** Puts the right entry at the slot, or remembers that there is none. Slots around it that the search comes across are mended too. */
  async mend(queue: ConsumeQueue, slot: number): Promise<void> {
    const { log, dispatched, checks, onEvent } = this.#parts
    const { topic, queueId } = queue
    const from = await this.#borderBefore(queue, slot)
    const to = Math.min(await this.#borderAfter(queue, slot), from + SEARCH_BYTES_MAX, dispatched())
    const walk = new LogWalk(log, { from, limit: () => to, checks })
    let mended = 0
    let isFound = false
    for (let step = walk.step(); step !== 'end' && !isFound; step = walk.step()) {
      if (step === 'starved') await walk.fill()
      const { cursor } = walk
      if (step !== 'record' || cursor.topic !== topic || cursor.queueId !== queueId) continue
      // It says queueOffset 0 and is in no queue.
      if (!isNumbered(cursor.sysFlag)) continue
      if (cursor.queueOffset < queue.minQueueOffset || cursor.queueOffset >= queue.maxQueueOffset) continue
      if (await isAnothersSlot(log, queue, cursor)) continue
      if (!queue.put(cursor.queueOffset, cursor.physicalOffset, cursor.sizeBytes, cursor.tagsCode)) continue
      mended++
      isFound = cursor.queueOffset === slot
    }
    if (isFound) return onEvent('queue-entry-mended', { topic, queueId, queueOffset: slot, count: mended })
    this.#remember(queue, slot)
    onEvent('queue-entry-lost', { topic, queueId, queueOffset: slot })
  }

  #remember(queue: ConsumeQueue, slot: number): void {
    if (this.#lostCount >= LOST_MAX) {
      this.#lost.clear()
      this.#lostCount = 0
    }
    let slots = this.#lost.get(queue)
    if (slots === undefined) {
      slots = new Set()
      this.#lost.set(queue, slots)
    }
    slots.add(slot)
    this.#lostCount++
  }

  /** The end of the nearest record before the slot that can be believed, else the log's begin: both are borders of records. */
  async #borderBefore(queue: ConsumeQueue, slot: number): Promise<number> {
    const first = Math.max(queue.minQueueOffset, slot - NEIGHBOURS_MAX)
    for (let before = slot - 1; before >= first; before--) {
      if (await this.#isBelievable(queue, before)) return queue.physicalEndOf(before)
    }
    return this.#parts.log.minOffset
  }

  async #borderAfter(queue: ConsumeQueue, slot: number): Promise<number> {
    const last = Math.min(queue.maxQueueOffset - 1, slot + NEIGHBOURS_MAX)
    for (let after = slot + 1; after <= last; after++) {
      if (await this.#isBelievable(queue, after)) return queue.physicalEndOf(after)
    }
    return Number.POSITIVE_INFINITY
  }

  async #isBelievable(queue: ConsumeQueue, slot: number): Promise<boolean> {
    const entry = await queue.readEntries(slot, 1)
    if (entry.length < CONSUME_QUEUE_ENTRY_BYTES) return false
    if (!isConsumeQueueEntry(new DataView(entry.buffer, entry.byteOffset, entry.length), 0)) return false
    return await this.#parts.readRecord({ queue, slot })
  }
}
