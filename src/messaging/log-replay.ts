/** What messaging derives from the log and has not on disk: read from the log once at open, for all parts in one pass. */
import type { MessageStore, StoredMessage } from '../store/message-store.ts'

/** Something that is rebuilt from the log. */
export type ReplayPart = {
  /** physicalOffset from which it wants to see records; undefined: nothing. */
  readonly replayFrom: number | undefined
  /** Called for each record from there on, in log order. */
  replay(message: StoredMessage): void
}

/** Shows every part what it asked for. */
export async function replayLog(store: MessageStore, parts: readonly ReplayPart[]): Promise<void> {
  const waiting = parts
    .map(part => ({ part, from: part.replayFrom ?? Number.POSITIVE_INFINITY }))
    .filter(({ from }) => from !== Number.POSITIVE_INFINITY)
  if (waiting.length === 0) return
  const start = Math.max(store.watermarks.min, Math.min(...waiting.map(({ from }) => from)))
  if (start >= store.watermarks.dispatched) return
  for await (const message of store.scan(start)) {
    const { physicalOffset } = message
    for (const { part, from } of waiting) if (physicalOffset >= from) part.replay(message)
  }
}
