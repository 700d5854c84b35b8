/** Waits where a successor of a stored record was not taken for a reason that passes by itself: bounds, a segment, a full device. */
import { isErrorNamed } from '../base/errors.ts'
import type { MessageStore } from '../store/message-store.ts'

/** Wait before another try where the device is full. */
const AGAIN_MS = 1_000

/**
 * Resolves when another try makes sense. Waiting for room may itself find the device full.
 * @param refused what `put` threw
 * @param bytes about what is put
 * @throws `refused`, or what waiting met, where neither passes by itself; AbortError
 */
export async function waitForRoom(
  store: Pick<MessageStore, 'admitted' | 'clock'>,
  refused: unknown,
  bytes: number,
  signal?: AbortSignal,
): Promise<void> {
  let met = refused
  if (isErrorNamed(refused, 'BACKPRESSURE')) {
    try {
      return await store.admitted(bytes, signal, 'successor')
    } catch (error) {
      met = error
    }
  }
  if (!isErrorNamed(met, 'DISK_FULL')) throw met
  await store.clock.sleep(AGAIN_MS, { background: true, ...(signal === undefined ? {} : { signal }) })
}
