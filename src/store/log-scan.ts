/** Reads the log itself, record by record, for those who derive something of their own from it. */
import { abortError } from '../base/errors.ts'
import { StoredMessage } from '../codec/record-view.ts'
import { LogWalk } from './log-walk.ts'
import type { StoreParts } from './store-parts.ts'

/** Every record from `physicalOffset` on, in log order, up to what is dispatched now. Damage is passed over. */
export async function* scanLog(
  { log, dispatched, checks }: Pick<StoreParts, 'log' | 'dispatched' | 'checks'>,
  physicalOffset: number,
  signal?: AbortSignal,
): AsyncGenerator<StoredMessage> {
  const end = dispatched.value
  const walk = new LogWalk(log, { from: Math.max(physicalOffset, log.minOffset), limit: () => end, checks })
  for (;;) {
    if (signal?.aborted) throw abortError(signal)
    const step = walk.step()
    if (step === 'end') return
    if (step === 'starved') await walk.fill()
    if (step === 'record') yield new StoredMessage(walk.copyRecord())
  }
}
