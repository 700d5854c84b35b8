/**
 * How far each group is in each queue, in memory: the committed offset, what is done above it, and the epoch.
 * Offsets only grow, unless a reset begins a new epoch. Who persists them is told what became dirty.
 */

import type { OffsetRange } from './ack-ranges.ts'
import { AckRanges } from './ack-ranges.ts'

/** One group in one queue. */
export class GroupOffset {
  readonly group: string
  readonly topic: string
  readonly queueId: number
  /** Grows with every reset; what was handed out in an earlier one settles nothing. */
  epoch: number
  ranges: AckRanges
  /** Ranges done above the commit since they were last written. */
  unwritten: OffsetRange[] = []
  isDirty = false
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

  /** [start, end) is done. */
  done(start: number, end: number): void {
    const { ranges } = this
    const before = ranges.committed
    if (end <= before) return
    ranges.add(start, end)
    if (ranges.committed === before) {
      const last = this.unwritten.at(-1)
      if (last !== undefined && last.end === start)
        this.unwritten[this.unwritten.length - 1] = { start: last.start, end }
      else this.unwritten.push({ start, end })
    }
    this.touch()
  }

  /** Moves to `queueOffset`, forwards or backwards, in a new epoch. */
  reset(queueOffset: number): void {
    this.epoch++
    this.ranges = new AckRanges(queueOffset)
    this.unwritten = []
    this.touch()
  }

  /** It has to be written. */
  touch(): void {
    if (this.isDirty) return
    this.isDirty = true
    this.#onDirty(this)
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
