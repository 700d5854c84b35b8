/** What was handled in order and not committed, by queue: the client's half of manual commits. */
import type { HandledMessage } from './running-handler.ts'

/** Handled messages that wait for a commit or a rollback. */
export class Uncommitted {
  readonly #byQueue = new Map<string, HandledMessage[]>()

  /** Adds the next one of its queue. */
  add(message: HandledMessage): void {
    const key = keyOf(message)
    const list = this.#byQueue.get(key) ?? []
    this.#byQueue.set(key, list)
    // The queue goes on from an earlier message: what was handled from there on is handled again.
    while ((list.at(-1)?.queueOffset ?? -1) >= message.queueOffset) list.pop()
    list.push(message)
  }

  /** Removes and answers those of this message's queue, in order. */
  take(message: HandledMessage): readonly HandledMessage[] {
    const key = keyOf(message)
    const list = this.#byQueue.get(key) ?? []
    this.#byQueue.delete(key)
    return list
  }
}

function keyOf({ batch: { queueTopic, queueId } }: HandledMessage): string {
  return `${queueTopic}/${queueId}`
}
