/** The consuming half of a process under torture: a push, a simple and an ordered consumer, with failures. */
import { isErrorNamed } from '../../src/base/errors.ts'
import { nextTurn } from '../../src/base/turns.ts'
import type { MessageView } from '../../src/messaging/message-view.ts'
import type { PushConsumer } from '../../src/messaging/push-consumer.ts'
import type { SimpleConsumer, SimpleMessageView } from '../../src/messaging/simple-consumer.ts'
import { GROUPS } from './lines.ts'
import type { ChildParts } from './producing.ts'
import { dueMsOf, idOf } from './producing.ts'

const RECEIVE_MESSAGES = 8

/** Consumes everything, in three groups. */
export class Consuming {
  readonly #parts: ChildParts
  readonly #got = new Map<string, Set<string>>()
  readonly #consumers: PushConsumer[] = []
  #simple: SimpleConsumer | undefined
  #loop: Promise<void> = Promise.resolve()
  #isClosed = false
  /** Messages ended, over all groups. */
  endedCount = 0

  constructor(parts: ChildParts) {
    this.#parts = parts
  }

  /** Whether the group has got it, and has ended it, in this life. */
  hasGot(group: string, id: string): boolean {
    return this.#got.get(group)?.has(id) === true
  }

  async start(): Promise<void> {
    const { mq } = this.#parts
    const [push, fifo] = [subscriptionsOf('push'), subscriptionsOf('fifo')]
    const common = { maxAttempts: 1000, retryBackoff: [5] } as const
    const joins = [
      () =>
        mq.pushConsumer({
          ...{ ...common, consumerGroup: 'push', subscriptions: push, concurrency: 8 },
          messageListener: message => this.#handle('push', message),
        }),
      () =>
        mq.pushConsumer({
          ...{
            ...common,
            consumerGroup: 'fifo',
            subscriptions: fifo,
            concurrency: 4,
            orderly: 'group',
            onExhausted: 'block',
          },
          messageListener: message => this.#handle('fifo', message),
        }),
    ]
    for (const join of joins) this.#consumers.push(await this.#joined(join))
    const simple = { ...common, consumerGroup: 'simple', subscriptions: subscriptionsOf('simple') }
    this.#simple = await this.#joined(() => mq.simpleConsumer({ ...simple, awaitDuration: 100 }))
    this.#loop = this.#receive(this.#simple)
  }

  /** Again where the device or the process has no room for the group's record. */
  async #joined<C>(join: () => Promise<C>): Promise<C> {
    for (;;) {
      try {
        return await join()
      } catch (error) {
        this.#parts.complain('join', error)
        await this.#parts.mq.store.clock.sleep(20)
      }
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    for (const consumer of this.#consumers) await consumer.close()
    await this.#loop
    await this.#simple?.close()
  }

  /** Fails now and then; what it returns from is acknowledged when the turn is over. */
  async #handle(group: string, message: MessageView): Promise<void> {
    const { random, mq, orders } = this.#parts
    const id = this.#hear(group, message)
    if (random.chance(0.3)) await mq.store.clock.sleep(random.below(4))
    if (orders.task === 'work' && random.chance(0.05)) {
      this.#parts.say(`n ${group} ${id}`)
      throw new Error('a handler that fails')
    }
    nextTurn().then(
      () => this.#end('a', group, id),
      (error: unknown) => this.#parts.complain('turn', error),
    )
  }

  async #receive(simple: SimpleConsumer): Promise<void> {
    while (!this.#isClosed) {
      const messages = await simple.receive(RECEIVE_MESSAGES).catch((error: unknown) => {
        this.#parts.complain('receive', error)
        return undefined
      })
      if (messages === undefined) return
      for (const message of messages) {
        const failed = (error: unknown): void => {
          // A message whose retry is on its way, or whose store has failed.
          if (!isErrorNamed(error, 'STORE_CLOSED')) this.#parts.complain('settle', error)
        }
        await this.#settle(simple, message, this.#hear('simple', message)).catch(failed)
      }
    }
  }

  async #settle(simple: SimpleConsumer, message: SimpleMessageView, id: string): Promise<void> {
    const { random, orders } = this.#parts
    if (orders.task === 'work' && random.chance(0.05)) {
      this.#parts.say(`n simple ${id}`)
      return await message.nack()
    }
    if (orders.task === 'work' && random.chance(0.02)) {
      await simple.deadLetter(message)
      return this.#end('d', 'simple', id)
    }
    if (orders.planted !== 'forgotten-acknowledgement') await message.ack()
    this.#end('a', 'simple', id)
  }

  #hear(group: string, { body }: MessageView): string {
    const id = idOf(body)
    const nowMs = Date.now()
    this.#parts.say(`< ${group} ${id}`)
    const dueMs = dueMsOf(body)
    if (dueMs > nowMs) this.#parts.say(`x ${id} comes ${dueMs - nowMs} ms early`)
    return id
  }

  #end(how: 'a' | 'd', group: string, id: string): void {
    this.endedCount++
    this.#got.set(group, (this.#got.get(group) ?? new Set()).add(id))
    this.#parts.say(`${how} ${group} ${id}`)
  }
}

function subscriptionsOf(group: string): Record<string, string> {
  return Object.fromEntries((GROUPS[group] ?? []).map(topic => [topic, '*']))
}
