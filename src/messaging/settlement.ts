/**
 * PMQ_SETTLES: what a record settles by being there (ARCHITECTURE decision 20). A retry copy settles the message it repeats,
 * a delivered copy the delayed one it was. Neither groups nor topics can contain `@`.
 */
import { PROPERTY_PMQ_SETTLES, propertyValue } from '../codec/properties.ts'

/** One message as a group sees it: settled means done for that group. */
export type Settlement = {
  readonly group: string
  readonly topic: string
  readonly queueId: number
  readonly queueOffset: number
}

/** The groups under which delayed deliveries keep their progress; they exist in our own files only. */
export const SCHEDULE_GROUP = 'CID_PMQ_SCHEDULE'
export const TIMER_GROUP = 'CID_PMQ_TIMER'

/** The property's value. */
export function formatSettles({ group, topic, queueId, queueOffset }: Settlement): string {
  return `${group}@${topic}@${queueId}@${queueOffset}`
}

/** What a record with these properties settles; undefined for nothing, and for nonsense. */
export function parseSettles(propertiesText: string): Settlement | undefined {
  const value = propertyValue(propertiesText, PROPERTY_PMQ_SETTLES)
  if (value === undefined) return undefined
  const parts = /^([^@]+)@([^@]+)@(\d{1,10})@(\d{1,16})$/.exec(value)
  if (parts === null) return undefined
  const [, group, topic, queueId, queueOffset] = parts as unknown as readonly string[]
  return { group: group as string, topic: topic as string, queueId: Number(queueId), queueOffset: Number(queueOffset) }
}
