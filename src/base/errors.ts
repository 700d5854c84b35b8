/**
 * Every failure a caller can meet: one class, stable codes, a hint that says what to do next.
 * The README lists the codes; a test holds that list equal to this one.
 */

/** Stable codes of {@link PocketMQError}; each has a heading in the README. */
export const ERROR_CODES = [
  'POCKETMQ_INVALID_ARGUMENT',
  'POCKETMQ_MESSAGE_TOO_LARGE',
  'POCKETMQ_ABORTED_AFTER_APPEND',
  'POCKETMQ_TOPIC_NOT_FOUND',
  'POCKETMQ_TOPIC_EXISTS',
  'POCKETMQ_TOPIC_TYPE_MISMATCH',
  'POCKETMQ_GROUP_NOT_FOUND',
  'POCKETMQ_STORE_NOT_FOUND',
  'POCKETMQ_STORE_LOCKED',
  'POCKETMQ_LOCK_UNAVAILABLE',
  'POCKETMQ_UNSUPPORTED_FILE_SYSTEM',
  'POCKETMQ_STORE_CLOSED',
  'POCKETMQ_STORE_FAILED',
  'POCKETMQ_READ_ONLY',
  'POCKETMQ_DISK_FULL',
  'POCKETMQ_IO',
  'POCKETMQ_CORRUPT',
  'POCKETMQ_UNSUPPORTED_FORMAT',
  'POCKETMQ_SUBSCRIPTION_MISMATCH',
  'POCKETMQ_INSTANCE_ID_IN_USE',
  'POCKETMQ_INVALID_RECEIPT_HANDLE',
  'POCKETMQ_TRANSACTION_SETTLED',
  'POCKETMQ_BACKPRESSURE',
  'POCKETMQ_TIMEOUT',
] as const

/** One of {@link ERROR_CODES}. */
export type ErrorCode = (typeof ERROR_CODES)[number]

type Suffix<C> = C extends `POCKETMQ_${infer S}` ? S : never

/** A code without its `POCKETMQ_` prefix, as the engine writes it. */
export type ErrorName = Suffix<ErrorCode>

/** Codes whose cause passes by itself: the same call may succeed later. */
const RETRYABLE: ReadonlySet<ErrorName> = new Set(['BACKPRESSURE', 'DISK_FULL', 'STORE_LOCKED', 'TIMEOUT'])

/** What accompanies an error. `details` holds plain values only, so that it survives JSON. */
export type ErrorParts = {
  readonly hint: string
  readonly cause?: unknown
  readonly details?: Readonly<Record<string, unknown>>
}

/** The one error class of PocketMQ. Match on `code`, never on the message text. */
export class PocketMQError extends Error {
  override readonly name: string = 'PocketMQError'
  readonly code: ErrorCode
  /** A next step, in one sentence. */
  readonly hint: string
  readonly details: Readonly<Record<string, unknown>>
  /** Whether the same call may succeed later without anybody's doing. */
  readonly retryable: boolean

  constructor(name: ErrorName, message: string, parts: ErrorParts) {
    super(message, parts.cause === undefined ? undefined : { cause: parts.cause })
    this.code = `POCKETMQ_${name}`
    this.hint = parts.hint
    this.details = parts.details ?? {}
    this.retryable = RETRYABLE.has(name)
  }
}

/** Whether `error` is a {@link PocketMQError} with this code. */
export function isErrorNamed(error: unknown, name: ErrorName): error is PocketMQError {
  return error instanceof PocketMQError && error.code === `POCKETMQ_${name}`
}

/** The web's AbortError for an aborted signal: its own reason where that is an error. */
export function abortError(signal: AbortSignal): Error {
  if (signal.reason instanceof Error) return signal.reason
  return new DOMException('This operation was aborted', 'AbortError')
}

/** Anything thrown, as an Error. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown))
}
