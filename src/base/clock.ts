/**
 * SEAM: time. The one place with Date.now and timers; tests and simulations pass a clock of their own.
 */
import { abortError } from './errors.ts'

/** How a wait ends early, and whether it keeps the process alive. */
export type SleepOptions = {
  /** Rejects with the web's AbortError. */
  readonly signal?: AbortSignal | undefined
  /** A wait of a background loop: it does not keep the process alive. */
  readonly background?: boolean
}

/** Time as the engine sees it. */
export interface Clock {
  /** Wall-clock time in epoch milliseconds; may step backwards. */
  nowMs(): number
  /** Milliseconds since some fixed point, with fractions; never steps backwards. */
  monotonicMs(): number
  /** Resolves after at least `ms` milliseconds. */
  sleep(ms: number, options?: SleepOptions): Promise<void>
}

/** Longest delay a Node timer takes; longer waits are cut into pieces. */
const TIMER_MS_MAX = 2 ** 31 - 1

/** The real clock. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: async (ms, options = {}) => {
    let left = ms
    while (left > TIMER_MS_MAX) {
      await sleepOnce(TIMER_MS_MAX, options)
      left -= TIMER_MS_MAX
    }
    await sleepOnce(Math.max(0, left), options)
  },
}

/** Nanoseconds of a clock that never steps back: no two starts of a process on one machine see the same. For ids, not for measuring. */
export function monotonicNs(): bigint {
  return process.hrtime.bigint()
}

/** A background loop's wait: whether the time has passed, false where `signal` ended it. Does not keep the process alive. */
export function waitInBackground(clock: Clock, ms: number, signal: AbortSignal): Promise<boolean> {
  return clock.sleep(ms, { signal, background: true }).then(
    () => true,
    () => false,
  )
}

function sleepOnce(ms: number, { signal, background = false }: SleepOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(abortError(signal))
    const onAbort = (): void => {
      clearTimeout(timer)
      reject(abortError(signal as AbortSignal))
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }, ms)
    if (background) timer.unref()
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}
