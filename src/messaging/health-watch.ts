/**
 * Says what nobody asked about: a topic that has messages and no group, a group that has messages and no live member.
 * Looks only after something was dispatched, a while later, and then at the topics concerned. SEMANTICS section 8, row 4.
 */
import type { DispatchRequest, MessageStore } from '../store/message-store.ts'
import type { Alarm, Alarms } from './alarms.ts'
import type { GroupView } from './core-types.ts'
import type { Events } from './events.ts'
import { isGroupTopic, isSystemGroup, isSystemTopic } from './limits.ts'
import type { OffsetTable } from './offset-table.ts'
import { messagesIn } from './purged.ts'

/** What the watch looks at. */
export type HealthParts = {
  readonly store: MessageStore
  /** By the monotonic clock. */
  readonly alarms: Alarms
  readonly events: Events
  readonly offsets: OffsetTable
  readonly delivery: { groups(): GroupView[] }
  readonly healthDelayMs: number
}

/** How long a group is gone, as far as it was said. */
type Absence = { readonly sinceMs: number; said: number }

const HOUR_MS = 3_600_000

/** The watch of one queue object. */
export class HealthWatch {
  readonly #parts: HealthParts
  /** Topics to look at: something was stored in them. */
  readonly #topics = new Set<string>()
  /** Topics nobody consumes, as was said. */
  readonly #unconsumed = new Set<string>()
  readonly #absences = new Map<string, Absence>()
  #alarm: Alarm | undefined

  constructor(parts: HealthParts) {
    this.#parts = parts
  }

  /** Looks at everything that was there before. */
  start(): void {
    for (const { topic, minQueueOffset, maxQueueOffset } of this.#parts.store.queues()) {
      if (maxQueueOffset > minQueueOffset) this.#watch(topic)
    }
  }

  /** A record has become readable. */
  onDispatch(request: DispatchRequest): void {
    if (!this.#topics.has(request.topic)) this.#watch(request.topic)
  }

  close(): void {
    this.#parts.alarms.cancel(this.#alarm)
  }

  #watch(topic: string): void {
    if (isSystemTopic(topic)) return
    this.#topics.add(topic)
    if (this.#alarm === undefined || this.#alarm.index < 0) this.#setAlarm(this.#parts.healthDelayMs)
  }

  #setAlarm(ms: number): void {
    this.#alarm = this.#parts.alarms.in(ms, () => this.#look())
  }

  #look(): void {
    const groups = this.#parts.delivery.groups().filter(({ group }) => !isSystemGroup(group))
    const nextMs = this.#lookForAbsent(groups)
    this.#lookForUnconsumed(groups)
    this.#topics.clear()
    if (nextMs < Number.POSITIVE_INFINITY) this.#setAlarm(nextMs)
  }

  #lookForUnconsumed(groups: readonly GroupView[]): void {
    const consumed = new Set<string>()
    for (const { group, subscriptions } of groups) {
      for (const { topic } of subscriptions) consumed.add(topic)
      for (const { topic } of this.#parts.offsets.entries.ofGroup(group)) consumed.add(topic)
    }
    for (const topic of this.#topics) {
      if (consumed.has(topic)) this.#unconsumed.delete(topic)
      else if (!isGroupTopic(topic) && !this.#unconsumed.has(topic)) {
        const messages = this.#messagesIn(topic)
        if (messages === 0) continue
        this.#unconsumed.add(topic)
        this.#parts.events.emit('topic-unconsumed', { topic, messages })
      }
    }
  }

  /** Answers when to look again: a group that is absent is spoken of again as its time passes. */
  #lookForAbsent(groups: readonly GroupView[]): number {
    const { store, events, healthDelayMs } = this.#parts
    const nowMs = store.clock.monotonicMs()
    // When it is noticed, when half the time is over after which it no longer holds messages back, and when all of it is.
    const half = (store.retention.absentGroupHours * HOUR_MS) / 2
    const steps = [healthDelayMs, half, 2 * half]
    let nextMs = Number.POSITIVE_INFINITY
    for (const { group, members } of groups) {
      const lag = members.length > 0 ? 0 : this.#lagOf(group)
      if (lag === 0) {
        this.#absences.delete(group)
        continue
      }
      const absence = this.#absences.get(group) ?? { sinceMs: nowMs - healthDelayMs, said: 0 }
      this.#absences.set(group, absence)
      const absentMs = nowMs - absence.sinceMs
      if (absentMs >= (steps[absence.said] ?? Number.POSITIVE_INFINITY)) {
        absence.said++
        events.emit('group-absent', { group, absentMs, lag })
      }
      nextMs = Math.min(nextMs, Math.max(1, (steps[absence.said] ?? Number.POSITIVE_INFINITY) - absentMs))
    }
    return nextMs
  }

  #messagesIn(topic: string): number {
    return messagesIn(this.#parts.store, this.#parts.offsets.entries, topic)
  }

  #lagOf(group: string): number {
    return lagOf(this.#parts.store, this.#parts.offsets, group)
  }
}

/** Messages a group has not done, by its offsets: cheaper than its whole progress. */
export function lagOf(store: MessageStore, offsets: OffsetTable, group: string): number {
  let lag = 0
  for (const { topic, queueId, ranges } of offsets.entries.ofGroup(group)) {
    const range = store.queueRange(topic, queueId)
    if (range === undefined) continue
    lag += Math.max(0, range.maxQueueOffset - Math.max(ranges.committed, range.minQueueOffset) - ranges.ackedAbove)
  }
  return lag
}
