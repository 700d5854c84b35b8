/** Work on many things at once, so many at a time. */

/** Folders listed, or files asked for their length, at a time: enough to keep the thread pool busy. */
export const LOOKS_AT_A_TIME = 16

/** Runs `work` on each item, so many at a time; the first failure is thrown when all under way are done. */
export async function eachAtATime<T>(
  limit: number,
  items: readonly T[],
  work: (item: T) => Promise<void>,
): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < items.length) await work(items[next++] as T)
  }
  const outcomes = await Promise.allSettled(Array.from({ length: Math.min(limit, items.length) }, worker))
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
}
