/** Calls of a user's handler that are under way, and what their ends mean. */
import { PocketMQError } from '../base/errors.ts'
import type { ListenerContext } from './consumer-options.ts'
import type { MessageView } from './message-view.ts'

/** A batch in hand: what of it is acknowledged in one turn goes to the core together. */
export type HandledBatch = {
  readonly queueTopic: string
  readonly queueId: number
  readonly receipt: string
  acked: number[]
}

/** A message that a handler is called with. */
export type HandledMessage = {
  readonly batch: HandledBatch
  readonly queueOffset: number
  readonly message: MessageView
}

const NO_OTHERS: readonly HandledMessage[] = []

/** What a call with several messages, or in order, has beside the first message. */
export type CallMore = {
  /** Told when it has ended: whether nothing of it failed. */
  readonly ended?: ((isClean: boolean) => void) | undefined
  /** The messages after the first. */
  readonly others: readonly HandledMessage[]
}

/** One call of a handler with a message, or with several; what the handler is given as its context. */
export class RunningHandler implements ListenerContext, HandledMessage {
  readonly batch: HandledBatch
  readonly queueOffset: number
  readonly message: MessageView
  /** Monotonic milliseconds. */
  readonly startedMs: number
  /** Most calls have nothing of it: thousands may be under way. */
  readonly #more: CallMore | undefined
  /** It ended, or its time was over: its result means nothing any more. */
  isOver = false
  /** Neighbours in {@link RunningHandlers}. */
  before: RunningHandler | undefined
  after: RunningHandler | undefined
  /** Made when it is asked for; the reason where it was aborted before. */
  #abort: AbortController | Error | undefined

  constructor(batch: HandledBatch, queueOffset: number, message: MessageView, startedMs: number, more?: CallMore) {
    this.batch = batch
    this.queueOffset = queueOffset
    this.message = message
    this.startedMs = startedMs
    this.#more = more
  }

  get ended(): ((isClean: boolean) => void) | undefined {
    return this.#more?.ended
  }

  get others(): readonly HandledMessage[] {
    return this.#more?.others ?? NO_OTHERS
  }

  /** Its messages, in the order the handler has them. */
  get all(): readonly HandledMessage[] {
    return [this, ...this.others]
  }

  /** Made when it is asked for: most handlers never do. */
  get signal(): AbortSignal {
    if (this.#abort instanceof AbortController) return this.#abort.signal
    const controller = new AbortController()
    if (this.#abort !== undefined) controller.abort(this.#abort)
    this.#abort = controller
    return controller.signal
  }

  abort(reason: Error): void {
    if (this.#abort instanceof AbortController) this.#abort.abort(reason)
    else this.#abort = reason
  }
}

/** The handlers that are running, in the order they began. */
export class RunningHandlers {
  #first: RunningHandler | undefined
  #last: RunningHandler | undefined
  #size = 0

  get size(): number {
    return this.#size
  }

  get first(): RunningHandler | undefined {
    return this.#first
  }

  add(running: RunningHandler): void {
    running.before = this.#last
    if (this.#last === undefined) this.#first = running
    else this.#last.after = running
    this.#last = running
    this.#size++
  }

  remove(running: RunningHandler): void {
    const { before, after } = running
    if (before === undefined) this.#first = after
    else before.after = after
    if (after === undefined) this.#last = before
    else after.before = before
    running.before = undefined
    running.after = undefined
    this.#size--
  }
}

/** Why a handler's signal aborts when it has run too long. */
export function handlerTimeout(message: MessageView, afterMs: number): PocketMQError {
  return new PocketMQError(
    'TIMEOUT',
    `the handler of message ${message.messageId} has run for more than ${afterMs} ms`,
    {
      hint: 'Raise consumeTimeout, or let the handler end when its signal aborts.',
      details: { messageId: message.messageId, afterMs },
    },
  )
}
