/**
 * Closing on the signals that ask a process to end: the first one drains and closes, a second one ends the process at once.
 * Opt-in (`handleSignals`), because a program that has its own way to shut down calls `close` there.
 */
import { asError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'

type Signal = 'SIGTERM' | 'SIGINT'

const SIGNALS: readonly Signal[] = ['SIGTERM', 'SIGINT']

/**
 * Calls `close` on the first signal, and then lets the signal do what it would have done: it ends the process, unless somebody else
 * listens for it too. Answers how to stop listening. Listening does not keep the process alive.
 */
export function closeOnSignals(close: () => Promise<void>, logger: Logger): () => void {
  let isClosing = false
  const onSignal = (signal: Signal): void => {
    if (isClosing) {
      // Whoever else listens would keep the process from ending at once.
      process.removeAllListeners(signal)
      process.kill(process.pid, signal)
      return
    }
    isClosing = true
    logger.info({ signal }, `${signal}: closing; another signal ends the process at once`)
    const end = (): void => {
      stop()
      if (process.listenerCount(signal) === 0) process.kill(process.pid, signal)
    }
    close().then(end, (error: unknown) => {
      logger.error({ err: asError(error), signal }, `closing on ${signal} failed`)
      end()
    })
  }
  const stop = (): void => {
    for (const signal of SIGNALS) process.off(signal, onSignal)
  }
  for (const signal of SIGNALS) process.on(signal, onSignal)
  return stop
}
