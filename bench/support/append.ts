/** Appends as fast as a store takes it, yielding to the event loop every millisecond. */
import { isErrorNamed } from '../../src/base/errors.ts'
import type { MessageStore } from '../../src/store/message-store.ts'
import type { Histogram } from './histogram.ts'
import { messageOf } from './messages.ts'

export type AppendLoad = {
  readonly bodyBytes: number
  readonly seconds: number
  /** Messages in one step: 1 is `put`, more is `putAll`. */
  readonly unit: number
  /** From the call until the store's durability is reached, for one step in 64. */
  readonly latency?: Histogram
}

const YIELD_MS = 1

/** Runs one load; the store's own durability decides when a step of level `disk` goes on. */
export async function appendFor(
  store: MessageStore,
  { bodyBytes, seconds, unit, latency }: AppendLoad,
): Promise<{ messages: number; elapsedSeconds: number }> {
  const started = performance.now()
  const until = started + seconds * 1000
  const isDisk = store.durability === 'disk'
  let messages = 0
  let steps = 0
  let turned = started
  for (let now = started; now < until; ) {
    const called = performance.now()
    const stepped = step(store, messages, bodyBytes, unit)
    const end = typeof stepped === 'number' ? stepped : await stepped
    messages += unit
    if (isDisk) await store.flushed(end)
    if (latency !== undefined && (isDisk || steps % 64 === 0)) {
      const wait = isDisk ? Promise.resolve() : store.written(end)
      wait.then(
        () => latency.add((performance.now() - called) * 1e6),
        () => undefined,
      )
    }
    if (++steps % 16 !== 0) continue
    now = performance.now()
    if (now - turned <= YIELD_MS) continue
    await new Promise(resolve => setImmediate(resolve))
    now = turned = performance.now()
  }
  await store.written(store.watermarks.appended)
  return { messages, elapsedSeconds: (performance.now() - started) / 1000 }
}

/** One step; answers where it ends in the log. */
function step(store: MessageStore, first: number, bodyBytes: number, unit: number): number | Promise<number> {
  try {
    if (unit === 1) return endOf(store.put(messageOf(first, bodyBytes)))
    const records = Array.from({ length: unit }, (_, i) => ({ ...messageOf(first + i, bodyBytes), queueId: 0 }))
    return endOf(store.putAll(records).at(-1) as { physicalOffset: number; sizeBytes: number })
  } catch (error) {
    if (!isErrorNamed(error, 'BACKPRESSURE')) throw error
    return store.admitted(unit * (bodyBytes + 300)).then(() => step(store, first, bodyBytes, unit))
  }
}

function endOf({ physicalOffset, sizeBytes }: { physicalOffset: number; sizeBytes: number }): number {
  return physicalOffset + sizeBytes
}
