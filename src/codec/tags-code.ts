/** The consume queue's tagsCode: what a reader filters by without touching the log.   RocketMQ: MessageExtBrokerInner.tagsString2tagsCode. */
import { javaHashCode } from './java-hash.ts'

/** The topic that parks messages with a delay level. */
export const SCHEDULE_TOPIC = 'SCHEDULE_TOPIC_XXXX'

/** RocketMQ's default delay levels, level 1 first. `messageDelayLevel` = 1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h. */
export const DELAY_LEVELS_MS: readonly number[] = [
  1_000, 5_000, 10_000, 30_000, 60_000, 120_000, 180_000, 240_000, 300_000, 360_000, 420_000, 480_000, 540_000, 600_000,
  1_200_000, 1_800_000, 3_600_000, 7_200_000,
]

/** The hash of the whole TAGS value, a signed 32-bit number; 0 without tags. */
export function tagsCodeOf(tags: string | undefined): number {
  return tags === undefined ? 0 : javaHashCode(tags)
}

/**
 * What a record of the schedule topic has in place of a tag hash: when to deliver it, in epoch milliseconds.
 * @param delay the DELAY property; undefined and nonsense answer undefined: the tag hash holds then
 */
export function deliveryTagsCode(delay: string | undefined, storeTimestamp: number): number | undefined {
  if (delay === undefined || !/^[+-]?\d{1,10}$/.test(delay)) return undefined
  const level = Math.min(Number(delay), DELAY_LEVELS_MS.length)
  if (level <= 0) return undefined
  return storeTimestamp + (DELAY_LEVELS_MS[level - 1] ?? 1_000)
}

/** The tagsCode of a record as RocketMQ's dispatcher computes it. */
export function recordTagsCode(
  topic: string,
  tags: string | undefined,
  delay: string | undefined,
  storeTimestamp: number,
): number {
  const deliveryMs = topic === SCHEDULE_TOPIC ? deliveryTagsCode(delay, storeTimestamp) : undefined
  return deliveryMs ?? tagsCodeOf(tags)
}
