/**
 * Recall handles, readable by RocketMQ and from it: base64url of `v1 topic brokerName deliverAtMs uniqueKey`.
 * RocketMQ: RecallMessageHandle.HandleV1.
 */
import { invalid } from './limits.ts'

/** What a handle says. `deliverAtMs` lies in the message's slot of the timer wheel; it is not its exact time. */
export type RecallHandle = {
  readonly topic: string
  readonly brokerName: string
  readonly deliverAtMs: number
  readonly uniqueKey: string
}

/** Longest handle worth looking at: a topic, a broker, a time and an id. */
const HANDLE_CHARS_MAX = 1024

/** The handle as text. */
export function formatRecallHandle({ topic, brokerName, deliverAtMs, uniqueKey }: RecallHandle): string {
  return Buffer.from(`v1 ${topic} ${brokerName} ${deliverAtMs} ${uniqueKey}`).toString('base64url')
}

/** What a handle says. @throws INVALID_ARGUMENT where it is none */
export function parseRecallHandle(handle: unknown): RecallHandle {
  if (typeof handle !== 'string' || handle.length > HANDLE_CHARS_MAX) throw noHandle(handle)
  const parts = Buffer.from(handle, 'base64url').toString('utf8').split(' ')
  const [version, topic, brokerName, deliverAt, uniqueKey] = parts
  if (parts.length !== 5 || version !== 'v1' || !/^\d{1,15}$/.test(deliverAt ?? '')) throw noHandle(handle)
  if (topic === '' || brokerName === '' || uniqueKey === '') throw noHandle(handle)
  return {
    topic: topic as string,
    brokerName: brokerName as string,
    deliverAtMs: Number(deliverAt),
    uniqueKey: uniqueKey as string,
  }
}

function noHandle(handle: unknown): Error {
  const shown = typeof handle === 'string' ? handle.slice(0, 64) : typeof handle
  return invalid(
    'recallHandle',
    'this is no recall handle',
    'Pass receipt.recallHandle as it is.',
    'a v1 handle',
    shown,
  )
}
