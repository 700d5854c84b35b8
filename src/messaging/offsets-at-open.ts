/**
 * Which offsets hold when a folder is opened: our own table, or `consumerOffset.json`, which a broker may have moved on.
 * FORMAT section 27. Pure.
 */
import type { ConsumerOffset } from '../codec/consumer-offset-json.ts'
import type { OffsetEntry as StoredPosition } from '../codec/offset-entry.ts'
import { AckRanges } from './ack-ranges.ts'

/** One group's place in one queue. */
export type OpenedOffset = {
  readonly group: string
  readonly topic: string
  readonly queueId: number
  epoch: number
  ranges: AckRanges
}

/** What is known at open. */
export type OffsetSources = {
  readonly positions: readonly StoredPosition[]
  /** As the folder has it; undefined where there is no readable file. */
  readonly json: readonly ConsumerOffset[] | undefined
  /** That file could not be read, and `json` is the version before. */
  readonly isJsonBackup: boolean
  /** As we last wrote it. */
  readonly jsonAsWritten: readonly ConsumerOffset[] | undefined
  readonly isJsonOurs: boolean
  readonly isCheckpointOurs: boolean
  /** The recovered end of a queue. */
  readonly endOf: (topic: string, queueId: number) => number
}

/** The offsets that hold, and what was done to get there. */
export type OpenedOffsets = {
  readonly offsets: readonly OpenedOffset[]
  /** Pointed past their queue's recovered end. */
  readonly clamped: number
  /** Moved by a broker. */
  readonly foreign: number
  /** Moved back to a smaller value of a file that somebody changed. */
  readonly lowered: number
  /** Only in a file that somebody changed, and in nothing of ours: a damaged name would skip what nobody has consumed. */
  readonly ignored: number
}

/** Merges the sources and cuts what points past the end of its queue. */
export function openOffsets(sources: OffsetSources): OpenedOffsets {
  const offsets = merged(sources.positions)
  const counts = { foreign: 0, lowered: 0, ignored: 0 }
  if (!sources.isCheckpointOurs) takeBrokers(offsets, sources, counts)
  else if (sources.isJsonOurs) takeMissing(offsets, sources.json)
  else if (!sources.isJsonBackup) takeSmaller(offsets, sources, counts)
  // The version before: what we wrote last is at hand, unless it is lost with everything else of ours.
  else takeMissing(offsets, sources.positions.length > 0 ? [] : (sources.jsonAsWritten ?? sources.json))
  let clamped = 0
  for (const one of offsets.values()) {
    const end = sources.endOf(one.topic, one.queueId)
    if (one.ranges.end <= end) continue
    one.ranges.cutTo(end)
    // Entries of the longer past may still be in an older generation: a new epoch makes them dead.
    one.epoch++
    clamped++
  }
  return { offsets: [...offsets.values()], clamped, ...counts }
}

type Offsets = Map<string, OpenedOffset>
type Counts = { foreign: number; lowered: number; ignored: number }

function takeMissing(offsets: Offsets, json: readonly ConsumerOffset[] = []): void {
  for (const one of json) if (!offsets.has(keyOf(one))) offsets.set(keyOf(one), atStart(one))
}

/** A broker was here: what it changed holds. */
function takeBrokers(offsets: Offsets, { json = [], jsonAsWritten = [] }: OffsetSources, counts: Counts): void {
  const written = new Map(jsonAsWritten.map(one => [keyOf(one), one.queueOffset]))
  for (const one of json) {
    const known = offsets.get(keyOf(one))
    if (known === undefined) offsets.set(keyOf(one), atStart(one))
    else if (written.get(keyOf(one)) !== one.queueOffset) {
      if (known.ranges.committed !== one.queueOffset) counts.foreign++
      restart(known, one.queueOffset)
    }
  }
}

/** No broker was here, and the file is not as we wrote it: damage or a hand edit, which may only repeat. */
function takeSmaller(offsets: Offsets, sources: OffsetSources, counts: Counts): void {
  const { positions, json = [], jsonAsWritten } = sources
  const isNothingOurs = positions.length === 0 && jsonAsWritten === undefined
  takeMissing(offsets, positions.length === 0 ? jsonAsWritten : [])
  for (const one of json) {
    const known = offsets.get(keyOf(one))
    if (known === undefined) {
      if (isNothingOurs) offsets.set(keyOf(one), atStart(one))
      else counts.ignored++
    } else if (one.queueOffset < known.ranges.committed) {
      counts.lowered++
      restart(known, one.queueOffset)
    }
  }
}

/** Of one queue the highest epoch counts; within it the highest offset and all acked ranges. */
function merged(positions: readonly StoredPosition[]): Map<string, OpenedOffset> {
  const offsets = new Map<string, OpenedOffset>()
  for (const position of positions) {
    const key = keyOf(position)
    let known = offsets.get(key)
    if (known === undefined || position.epoch > known.epoch) {
      known = atStart(position)
      offsets.set(key, known)
    } else if (position.epoch < known.epoch) {
      continue
    }
    known.ranges.add(0, position.queueOffset)
    known.ranges.add(position.ackedFrom, position.ackedTo)
  }
  return offsets
}

function atStart(one: ConsumerOffset & { readonly epoch?: number }): OpenedOffset {
  const { group, topic, queueId, queueOffset, epoch = 0 } = one
  return { group, topic, queueId, epoch, ranges: new AckRanges(queueOffset) }
}

function restart(one: OpenedOffset, queueOffset: number): void {
  one.epoch++
  one.ranges = new AckRanges(queueOffset)
}

function keyOf({
  group,
  topic,
  queueId,
}: {
  readonly group: string
  readonly topic: string
  readonly queueId: number
}): string {
  return `${group}@${topic}@${queueId}`
}
