/** The consumers of one queue object: made here, and closed together. */
import { PocketMQError } from '../base/errors.ts'
import type { AssignmentOptions } from './assignment-settings.ts'
import { withNamedFunction } from './assignment-settings.ts'
import type {
  ConsumerCloseOptions,
  PullConsumerOptions,
  PushConsumerOptions,
  SimpleConsumerOptions,
} from './consumer-options.ts'
import type { ConsumerParts } from './consumer-parts.ts'
import { PullConsumer } from './pull-consumer.ts'
import { PushConsumer } from './push-consumer.ts'
import { SimpleConsumer } from './simple-consumer.ts'

/** A consumer of any kind. */
type Consumer = { close(options?: ConsumerCloseOptions): Promise<void> }

/** All live consumer objects. */
export class Consumers {
  readonly #parts: ConsumerParts
  readonly #live = new Set<Consumer>()
  /** Those on their way into their group. */
  readonly #joining = new Set<Promise<Consumer>>()
  #isClosed = false

  constructor(parts: Omit<ConsumerParts, 'onClose' | 'turns'>) {
    this.#parts = { ...parts, turns: parts.core.turns, onClose: consumer => this.#live.delete(consumer) }
  }

  push(options: PushConsumerOptions): Promise<PushConsumer> {
    return this.#join(() => PushConsumer.open(this.#parts, this.#named(options)))
  }

  simple(options: SimpleConsumerOptions): Promise<SimpleConsumer> {
    return this.#join(() => SimpleConsumer.open(this.#parts, this.#named(options)))
  }

  pull(options: PullConsumerOptions): Promise<PullConsumer> {
    return this.#join(() => PullConsumer.open(this.#parts, this.#named(options)))
  }

  /** No more join; those that are there drain and leave. */
  async close(options: ConsumerCloseOptions = {}): Promise<void> {
    this.#isClosed = true
    this.#parts.core.stopJoining()
    await Promise.allSettled(this.#joining)
    const closed = await Promise.allSettled([...this.#live].map(consumer => consumer.close(options)))
    for (const one of closed) if (one.status === 'rejected') throw one.reason
  }

  #named<O extends AssignmentOptions>(options: O): O {
    return withNamedFunction(options, assign => this.#parts.core.assignmentFunctions.nameOf(assign))
  }

  async #join<C extends Consumer>(open: () => Promise<C>): Promise<C> {
    if (this.#isClosed)
      throw new PocketMQError('STORE_CLOSED', 'this queue is closed', { hint: 'Open the folder again.' })
    const opening = open()
    this.#joining.add(opening)
    try {
      const consumer = await opening
      this.#live.add(consumer)
      return consumer
    } finally {
      this.#joining.delete(opening)
    }
  }
}
