/** A condition that only a bug can break. The store that meets one moves to `failed`; nobody catches it to go on. */

/** Thrown by {@link assert}: a bug in PocketMQ, never a caller's mistake. */
export class AssertionError extends Error {
  override readonly name: string = 'AssertionError'
}

/** Throws {@link AssertionError} when `condition` is false. One condition a call. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(`${message} (this is a bug in PocketMQ)`)
}
