/**
 * How far each group is in each queue, in memory: the committed offset, what is done above it, and the epoch.
 * Offsets only grow, unless a reset begins a new epoch. Who persists them is told what became dirty.
 */

import type { OffsetRange } from './ack-ranges.ts'
import { AckRanges } from './ack-ranges.ts'

/** A message that a copy settles, and where the copy ends in the log. */
type Held = { readonly queueOffset: number; readonly copyEnd: number }

/** A range whose end moves while messages end in order. */
type GrowingRange = { readonly start: number; end: number }

/** One group in one queue. */
export class GroupOffset {
  readonly group: string
  readonly topic: string
  readonly queueId: number
  /** Grows with every reset; what was handed out in an earlier one settles nothing. */
  epoch: number
  ranges: AckRanges
  /** Ranges that are done since they were last written, without what is held back. */
  unwritten: GrowingRange[] = []
  isDirty = false
  /** Settled by copies, in the order of the copies. */
  #held: Held[] = []
  #lowestHeld = Number.POSITIVE_INFINITY
  readonly #onDirty: (entry: GroupOffset) => void

  constructor(
    where: { readonly group: string; readonly topic: string; readonly queueId: number },
    start: { readonly epoch: number; readonly ranges: AckRanges },
    onDirty: (entry: GroupOffset) => void,
  ) {
    this.group = where.group
    this.topic = where.topic
    this.queueId = where.queueId
    this.epoch = start.epoch
    this.ranges = start.ranges
    this.#onDirty = onDirty
  }

  /** Everything below may be written: what a copy settles only counts once the copy is on the device. */
  get durableCommitted(): number {
    return Math.min(this.ranges.committed, this.#lowestHeld)
  }

  /** Whether something is held back. */
  get hasHeld(): boolean {
    return this.#held.length > 0
  }

  /** [start, end) is done. */
  done(start: number, end: number): void {
    const { ranges } = this
    const from = Math.max(start, ranges.committed)
    if (end <= from) return
    ranges.add(from, end)
    this.#note(from, end)
  }

  /**
   * The message is done because a copy of it was appended, up to `copyEnd`. A power cut may take the copy and leave our own
   * files, so nothing that we write says so before the log has the copy for good.
   */
  settledBy(copyEnd: number, queueOffset: number): void {
    if (this.ranges.has(queueOffset)) return
    this.ranges.add(queueOffset, queueOffset + 1)
    this.#held.push({ queueOffset, copyEnd })
    this.#lowestHeld = Math.min(this.#lowestHeld, queueOffset)
    this.touch()
  }

  /** Copies below `flushed` are on the device: what they settle may be written. */
  releaseHeld(flushed: number): void {
    let count = 0
    while (count < this.#held.length && (this.#held[count] as Held).copyEnd <= flushed) count++
    if (count === 0) return
    const released = this.#held.splice(0, count)
    this.#lowestHeld = this.#held.reduce((lowest, held) => Math.min(lowest, held.queueOffset), Number.POSITIVE_INFINITY)
    for (const { queueOffset } of released) this.#note(queueOffset, queueOffset + 1)
  }

  /** All ranges above `durableCommitted` that may be written. */
  durableAbove(): OffsetRange[] {
    if (this.#held.length === 0) return this.ranges.above()
    const durable: OffsetRange[] = []
    const held = this.#held.map(one => one.queueOffset).sort((a, b) => a - b)
    for (const { start, end } of [
      { start: this.durableCommitted, end: this.ranges.committed },
      ...this.ranges.above(),
    ]) {
      let from = start
      for (const queueOffset of held) {
        if (queueOffset < from || queueOffset >= end) continue
        if (queueOffset > from) durable.push({ start: from, end: queueOffset })
        from = queueOffset + 1
      }
      if (end > from) durable.push({ start: from, end })
    }
    return durable
  }

  /** Moves to `queueOffset`, forwards or backwards, in a new epoch. */
  reset(queueOffset: number): void {
    this.epoch++
    this.ranges = new AckRanges(queueOffset)
    this.unwritten = []
    this.#held = []
    this.#lowestHeld = Number.POSITIVE_INFINITY
    this.touch()
  }

  /** It has to be written. */
  touch(): void {
    if (this.isDirty) return
    this.isDirty = true
    this.#onDirty(this)
  }

  #note(start: number, end: number): void {
    const last = this.unwritten.at(-1)
    // Acks come nearly in order: most make the last range longer.
    if (last !== undefined && last.end === start) last.end = end
    else this.unwritten.push({ start, end })
    this.touch()
  }
}

/** The entries by group, topic and queue. */
export class GroupOffsets {
  readonly #groups = new Map<string, Map<string, GroupOffset>>()
  readonly #onDirty: (entry: GroupOffset) => void

  constructor(onDirty: (entry: GroupOffset) => void) {
    this.#onDirty = onDirty
  }

  get(group: string, topic: string, queueId: number): GroupOffset | undefined {
    return this.#groups.get(group)?.get(queueKey(topic, queueId))
  }

  /** The entry, made where there is none. */
  obtain(group: string, topic: string, queueId: number, start: () => number): GroupOffset {
    const known = this.get(group, topic, queueId)
    if (known !== undefined) return known
    const entry = this.set({ group, topic, queueId }, { epoch: 0, ranges: new AckRanges(start()) })
    entry.touch()
    return entry
  }

  /** Puts an entry as it was loaded; it is not dirty. */
  set(
    where: { readonly group: string; readonly topic: string; readonly queueId: number },
    start: { readonly epoch: number; readonly ranges: AckRanges },
  ): GroupOffset {
    const entry = new GroupOffset(where, start, this.#onDirty)
    let queues = this.#groups.get(where.group)
    if (queues === undefined) {
      queues = new Map()
      this.#groups.set(where.group, queues)
    }
    queues.set(queueKey(where.topic, where.queueId), entry)
    return entry
  }

  /** Forgets a group, or one topic of it, or a topic in every group. */
  remove(filter: { readonly group?: string; readonly topic?: string }): void {
    for (const [group, queues] of this.#groups) {
      if (filter.group !== undefined && group !== filter.group) continue
      for (const [key, entry] of queues) {
        if (filter.topic === undefined || entry.topic === filter.topic) queues.delete(key)
      }
      if (queues.size === 0) this.#groups.delete(group)
    }
  }

  groups(): readonly string[] {
    return [...this.#groups.keys()]
  }

  *ofGroup(group: string): IterableIterator<GroupOffset> {
    yield* this.#groups.get(group)?.values() ?? []
  }

  *all(): IterableIterator<GroupOffset> {
    for (const queues of this.#groups.values()) yield* queues.values()
  }
}

/** One text for a queue. */
export function queueKey(topic: string, queueId: number): string {
  return `${topic}#${queueId}`
}
